//! How many records the journal must have: a second witness, by which a journal that has lost its end is found out.
//!
//! The file `journal.end` beside the journal says so in one line, written over in place after each batch has become durable.
//! Only the first write is synced: after a power cut it may say less than is true, but never more.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The file is written whole each time, so its length is always the same.
const LENGTH: usize = 64;

/// The file beside a journal.
#[derive(Debug)]
pub(super) struct Acknowledged {
    path: PathBuf,
    file: Option<File>,
    /// Whether the file's one block is on the disk.
    placed: bool,
}

impl Acknowledged {
    /// That of a journal.
    pub(super) fn of(journal: &Path) -> Self {
        let path = path_of(journal);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        if let Err(error) = &file {
            tracing::warn!(%error, path = %path.display(), "can't be written: a journal that loses its end is not noticed");
        }
        Self {
            path,
            file: file.ok(),
            placed: false,
        }
    }

    /// The journal has so many records now. That it can't be written down is no reason to stop.
    pub(super) fn write(&mut self, records: u64) {
        let Some(file) = &self.file else { return };
        let mut written = file.write_all_at(line(records).as_bytes(), 0);
        if !self.placed {
            written = written.and_then(|()| file.sync_all());
        }
        match written {
            Ok(()) => self.placed = true,
            Err(error) => tracing::warn!(%error, path = %self.path.display(), "can't be written"),
        }
    }
}

/// Where it is written.
pub(super) fn path_of(journal: &Path) -> PathBuf {
    journal.with_extension("end")
}

/// What is known of a journal's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// So many records were acknowledged, or more.
    AtLeast(u64),
    /// Nothing: the file is not there, as in studies that were made before there was one, or empty.
    Missing,
    /// The file is not what was written.
    Damaged,
}

impl Known {
    /// How many records there must be.
    pub(super) fn records(self) -> u64 {
        match self {
            Self::AtLeast(records) => records,
            Self::Missing | Self::Damaged => 0,
        }
    }
}

/// What is known of a journal's end.
pub(super) fn known(journal: &Path) -> Known {
    match fs::read(path_of(journal)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Known::Missing,
        Err(_) => Known::Damaged,
        Ok(text) if text.is_empty() => Known::Missing,
        Ok(text) => parse(&text).map_or(Known::Damaged, Known::AtLeast),
    }
}

fn line(records: u64) -> String {
    let body = format!("{{\"records\":{records}");
    let crc = crc32c::crc32c(body.as_bytes());
    let text = format!("{body},\"crc32c\":\"{crc:08x}\"}}");
    format!("{text:<width$}\n", width = LENGTH - 1)
}

fn parse(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok()?.strip_prefix("{\"records\":")?;
    let records = digits.split_once(',')?.0.parse().ok()?;
    (line(records).as_bytes() == text).then_some(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_json_and_only_the_whole_line_counts() {
        let text = line(u64::MAX);
        assert_eq!(text.len(), LENGTH);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["records"], u64::MAX);
        assert_eq!(parse(text.as_bytes()), Some(u64::MAX));
        for bit in 0..8 * LENGTH {
            let mut damaged = line(114).into_bytes();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&damaged), None, "bit {bit}");
            assert_eq!(parse(&line(114).as_bytes()[..bit / 8]), None, "cut at {}", bit / 8);
        }
    }
}
