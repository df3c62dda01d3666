//! What a database says of itself: of which journal it was made, and what its long texts must be.

use serde::{Deserialize, Serialize};
use sled::{Batch, Tree};

use crate::store::end::JournalEnd;
use crate::store::error::DatabaseError;

/// The format of what is kept; to be raised when rows or the overview change, as another version of hpo would have made them.
const FORMAT: u32 = 5;

const KEY: &[u8] = b"stamp";

/// The most bytes that are kept under one key: sled keeps longer values in files of their own.
const PIECE: usize = 64 << 10;

/// A database is whole and up to date if its stamp fits the journal, its texts fit the stamp, and its rows fit the texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stamp {
    format: u32,
    /// The version of hpo that made it: another may have seen other things in the same records.
    version: String,
    /// The end of the journal it was made from.
    pub end: JournalEnd,
    /// The checksum of the overview's text.
    pub overview: u32,
    /// The checksum of the entries.
    pub contents: u32,
}

impl Stamp {
    /// That of a database which this version makes of these texts.
    pub fn new(end: JournalEnd, overview: &[u8], contents: &[u8]) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            end,
            overview: crc32c::crc32c(overview),
            contents: crc32c::crc32c(contents),
        }
    }

    /// The one that is there, if this version has made it: none before the database was finished.
    ///
    /// # Errors
    /// If it is damaged, or sled can't read.
    pub fn read(meta: &Tree) -> Result<Option<Self>, DatabaseError> {
        let Some(value) = meta.get(KEY)? else {
            return Ok(None);
        };
        let (text, sum) = value.split_last_chunk::<4>().ok_or(DatabaseError::Disagrees)?;
        if u32::from_le_bytes(*sum) != crc32c::crc32c(text) {
            return Err(DatabaseError::Disagrees);
        }
        // Another version may have other fields.
        let stamp = serde_json::from_slice::<Self>(text).ok();
        Ok(stamp.filter(|stamp| stamp.format == FORMAT && stamp.version == env!("CARGO_PKG_VERSION")))
    }

    /// Puts it there.
    ///
    /// # Errors
    /// If sled can't write.
    pub fn write(&self, meta: &Tree) -> Result<(), DatabaseError> {
        let mut value = serde_json::to_vec(self)?;
        let sum = crc32c::crc32c(&value);
        value.extend(sum.to_le_bytes());
        meta.insert(KEY, value)?;
        Ok(())
    }

    /// Takes away the one that is there: the database is not whole any more.
    ///
    /// # Errors
    /// If sled can't write.
    pub fn remove(meta: &Tree) -> Result<(), DatabaseError> {
        meta.remove(KEY)?;
        Ok(())
    }
}

/// Reads a long text that must have this checksum.
///
/// # Errors
/// If it has another, or sled can't read.
pub(super) fn read_text(meta: &Tree, name: &str, checksum: u32) -> Result<Vec<u8>, DatabaseError> {
    let mut text = Vec::new();
    for piece in meta.scan_prefix(prefix(name)).values() {
        text.extend_from_slice(&piece?);
    }
    match crc32c::crc32c(&text) == checksum {
        true => Ok(text),
        false => Err(DatabaseError::Disagrees),
    }
}

/// Writes a long text in the place of the one that is there.
///
/// # Errors
/// If sled can't write.
pub(super) fn write_text(meta: &Tree, name: &str, text: &[u8]) -> Result<(), DatabaseError> {
    let mut batch = Batch::default();
    for key in meta.scan_prefix(prefix(name)).keys() {
        batch.remove(key?);
    }
    for (number, piece) in (0u32..).zip(text.chunks(PIECE)) {
        let mut key = prefix(name);
        key.extend(number.to_be_bytes());
        batch.insert(key, piece);
    }
    meta.apply_batch(batch)?;
    Ok(())
}

fn prefix(name: &str) -> Vec<u8> {
    format!("{name}/").into_bytes()
}
