//! Writing a journal: what is appended is on the disk, or not in the journal.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::JournalReader;
use crate::disk::is_at;
use crate::kill;
use crate::store::acknowledged::Acknowledged;
use crate::store::line::encode;
use crate::study::Record;

/// Appends records to a journal.
#[derive(Debug)]
pub struct JournalWriter {
    path: PathBuf,
    file: File,
    acknowledged: Acknowledged,
    seq: u64,
    length: u64,
}

impl JournalWriter {
    /// A new journal; the file must not exist.
    ///
    /// # Errors
    /// If the file can't be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            acknowledged: Acknowledged::of(path),
            seq: 0,
            length: 0,
        })
    }

    /// Goes on where a reader has come to the end; what was half-written behind it is dropped.
    ///
    /// # Errors
    /// If the file can't be opened for writing.
    pub fn resume(path: &Path, reader: &JournalReader) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        if file.metadata()?.len() > reader.offset() {
            file.set_len(reader.offset())?;
            file.sync_all()?;
        }
        file.seek(SeekFrom::Start(reader.offset()))?;
        let mut acknowledged = Acknowledged::of(path);
        acknowledged.write(reader.seq());
        Ok(Self {
            path: path.to_owned(),
            file,
            acknowledged,
            seq: reader.seq(),
            length: reader.offset(),
        })
    }

    /// How many records the journal has.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Appends records and makes them durable. Returns their lines, without newlines. After an error none of them is in
    /// the journal, and the same can be tried again.
    ///
    /// # Errors
    /// If they can't be written or synced, or the journal is not where it was any more, which is `NotFound`: nobody would find them
    /// again.
    pub fn append<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>) -> io::Result<Vec<Vec<u8>>> {
        let mut written = Vec::new();
        let mut lines = Vec::new();
        for (seq, record) in (self.seq..).zip(records) {
            let mut line = encode(seq, record)?;
            written.extend_from_slice(&line);
            line.pop();
            lines.push(line);
        }
        self.write(&written)?;
        self.seq += lines.len() as u64;
        self.length += written.len() as u64;
        kill::point("journal.append:synced");
        self.acknowledged.write(self.seq);
        kill::point("journal.append:counted");
        Ok(lines)
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        kill::point("journal.append:before");
        let written = self.file.write_all(lines).and_then(|()| {
            kill::point("journal.append:written");
            self.file.sync_data()?;
            match is_at(&self.file, &self.path)? {
                true => Ok(()),
                false => Err(io::ErrorKind::NotFound.into()),
            }
        });
        if written.is_err() {
            // What got through of the batch must not be taken for acknowledged later.
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
        }
        written
    }
}
