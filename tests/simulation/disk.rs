//! A disk of bytes in memory, on which a journal is written and read as in a file.

use std::cell::RefCell;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use hpo::store::{JournalReader, encode};
use hpo::study::Record;

/// What is on the disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct Disk(Rc<RefCell<Vec<u8>>>);

/// A place on the disk from which is read.
#[derive(Debug)]
pub struct Place {
    disk: Disk,
    at: u64,
}

pub type Reader = JournalReader<BufReader<Place>>;

impl Disk {
    pub fn reader(&self) -> Reader {
        let place = Place {
            disk: self.clone(),
            at: 0,
        };
        JournalReader::new(Path::new("journal.jsonl"), BufReader::new(place))
    }

    pub fn append(&self, bytes: &[u8]) {
        self.0.borrow_mut().extend_from_slice(bytes);
    }

    /// Drops what lies behind `length`, as a journal is mended when it is opened.
    pub fn truncate(&self, length: u64) {
        self.0.borrow_mut().truncate(length as usize);
    }
}

impl Read for Place {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self
            .disk
            .0
            .borrow()
            .get(self.at as usize..)
            .unwrap_or(&[])
            .read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Place {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
            SeekFrom::End(by) => (self.disk.0.borrow().len() as u64).saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

/// The bytes of a batch whose first record has the number `seq`.
pub fn lines(seq: u64, records: &[Record]) -> Vec<u8> {
    (seq..)
        .zip(records)
        .flat_map(|(seq, record)| encode(seq, record).unwrap())
        .collect()
}
