//! Reading a journal, on all cores, from its beginning and on as it grows.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;

use super::JournalError;
use crate::disk::is_at;
use crate::store::line::decode;
use crate::store::tally::Tally;
use crate::study::{FORMAT, Fact, Misfit, Record};

/// How many lines are read and decoded while those before them are taken in.
const BLOCK: usize = 4096;

/// Fewer are not worth another thread.
const SHARE: usize = 64;

/// Just enough of a first line to distinguish a later format from damage.
#[derive(Deserialize)]
struct Header {
    fact: HeaderFact,
}

#[derive(Deserialize)]
struct HeaderFact {
    format: u32,
    version: String,
}

/// A record and where it stands: the line, from 1, and the byte at which it begins.
struct Placed {
    line: u64,
    offset: u64,
    record: Record,
}

/// Records one after the other.
#[derive(Default)]
struct Block {
    records: Vec<Placed>,
    /// Why there are no further ones behind them; none if there may be.
    end: Option<Result<(), JournalError>>,
}

/// Reads a journal from its beginning, and goes on reading while another process writes it.
#[derive(Debug)]
pub struct JournalReader<R = BufReader<File>> {
    path: PathBuf,
    file: R,
    /// The last line read, without its newline.
    line: Vec<u8>,
    seq: u64,
    offset: u64,
    tally: Tally,
}

impl JournalReader {
    /// Opens a journal.
    ///
    /// # Errors
    /// If the file can't be opened.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let file = File::open(path).map_err(|source| JournalError::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::new(path, BufReader::with_capacity(1 << 16, file)))
    }

    /// Whether the journal is still where it was opened.
    pub fn is_in_place(&self) -> bool {
        is_at(self.file.get_ref(), &self.path).unwrap_or(false)
    }
}

impl<R: BufRead + Seek> JournalReader<R> {
    /// Reads a journal from where its bytes are, which stand at their beginning; `path` is what errors call it.
    pub fn new(path: &Path, file: R) -> Self {
        Self {
            path: path.to_owned(),
            file,
            line: Vec::new(),
            seq: 0,
            offset: 0,
            tally: Tally::default(),
        }
    }

    /// The next record, or none if there is no further complete line yet.
    ///
    /// # Errors
    /// If the file can't be read or the line is damaged.
    pub fn next_record(&mut self) -> Result<Option<Record>, JournalError> {
        if !self.next_line()? {
            self.go_back()?;
            return Ok(None);
        }
        let line = std::mem::take(&mut self.line);
        let record = self.counted(&line, decode(self.seq, &line));
        self.line = line;
        record.map(Some)
    }

    /// Counts the next line, if it could be decoded.
    fn counted(&mut self, line: &[u8], decoded: Result<(Record, u32), String>) -> Result<Record, JournalError> {
        let (record, checksum) = decoded.map_err(|reason| self.damaged(line, reason))?;
        if let Fact::StudyCreated { format, version, .. } = &record.fact
            && *format > FORMAT
        {
            return Err(self.newer(version.clone()));
        }
        self.tally.add(checksum);
        self.count(line.len());
        Ok(record)
    }

    /// Passes over the next record without looking at it; false if there is no further complete line yet.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn skip(&mut self) -> Result<bool, JournalError> {
        let there = self.next_line()?;
        match there {
            true => self.count(self.line.len()),
            false => self.go_back()?,
        }
        Ok(there)
    }

    /// The line of the last record, without its newline.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// Counts the lines of the records that were read and not skipped.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Reads all further records, on all cores, while `follow` takes them in. Few of them are held at a time.
    ///
    /// # Errors
    /// If the file can't be read, a line is damaged, or a record does not fit those before it.
    pub fn read_on(&mut self, mut follow: impl FnMut(Record) -> Result<(), Misfit>) -> Result<(), JournalError>
    where
        R: Send,
    {
        let path = self.path.clone();
        let mut take_in = |records: Vec<Placed>| {
            for Placed { line, offset, record } in records {
                follow(record).map_err(|misfit| JournalError::Damaged {
                    path: path.clone(),
                    line,
                    offset,
                    reason: misfit.to_string(),
                })?;
            }
            Ok(())
        };
        let mut block = self.read_block();
        loop {
            if let Some(end) = block.end {
                take_in(block.records)?;
                return end;
            }
            let mut next = Block::default();
            rayon::in_place_scope(|scope| {
                scope.spawn(|_| next = self.read_block());
                take_in(block.records)
            })?;
            block = next;
        }
    }

    fn read_block(&mut self) -> Block {
        let mut block = Block::default();
        let (mut text, mut ends) = (Vec::new(), vec![0]);
        while block.end.is_none() && ends.len() <= BLOCK {
            match self.next_line() {
                Ok(true) => {
                    text.extend_from_slice(&self.line);
                    ends.push(text.len());
                }
                Ok(false) => block.end = Some(Ok(())),
                Err(error) => block.end = Some(Err(error)),
            }
        }
        let lines: Vec<&[u8]> = ends.windows(2).map(|ends| &text[ends[0]..ends[1]]).collect();
        let numbered = || (self.seq..).zip(&lines);
        let decoded: Vec<_> = if lines.len() <= SHARE {
            numbered().map(|(seq, line)| decode(seq, line)).collect()
        } else {
            let numbered: Vec<_> = numbered().collect();
            let lines = numbered.into_par_iter().with_min_len(SHARE);
            lines.map(|(seq, line)| decode(seq, line)).collect()
        };
        for (line, decoded) in lines.into_iter().zip(decoded) {
            let offset = self.offset;
            match self.counted(line, decoded) {
                Ok(record) => block.records.push(Placed {
                    line: self.seq,
                    offset,
                    record,
                }),
                Err(error) => {
                    block.end = Some(Err(error));
                    break;
                }
            }
        }
        if let Some(Ok(())) = block.end {
            block.end = Some(self.go_back());
        }
        block
    }

    /// Makes sure that the journal, read to its end, has all that is known to have been acknowledged.
    ///
    /// # Errors
    /// If it ends before that.
    pub fn check_end(&self, records: u64) -> Result<(), JournalError> {
        match records.checked_sub(self.seq) {
            None | Some(0) => Ok(()),
            Some(missing) => Err(JournalError::CutShort {
                path: self.path.clone(),
                line: self.seq + 1,
                offset: self.offset,
                missing,
            }),
        }
    }

    /// Reads a line; false if it is not whole, or there is none.
    fn next_line(&mut self) -> Result<bool, JournalError> {
        self.line.clear();
        self.file
            .read_until(b'\n', &mut self.line)
            .map_err(|source| self.io(source))?;
        Ok(self.line.pop_if(|last| *last == b'\n').is_some())
    }

    /// To behind the last line that counts, so that one that is being written is read when it is whole.
    fn go_back(&mut self) -> Result<(), JournalError> {
        let at = SeekFrom::Start(self.offset);
        self.file.seek(at).map(drop).map_err(|source| self.io(source))
    }

    fn count(&mut self, length: usize) {
        self.seq += 1;
        self.offset += length as u64 + 1;
    }

    /// How many records were read: the number of the next.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Where the next line begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn io(&self, source: io::Error) -> JournalError {
        JournalError::Io {
            path: self.path.clone(),
            source,
        }
    }

    fn newer(&self, version: String) -> JournalError {
        JournalError::Newer {
            path: self.path.clone(),
            version,
        }
    }

    fn damaged(&self, line: &[u8], reason: String) -> JournalError {
        if self.seq == 0
            && let Ok(Header { fact }) = serde_json::from_slice(line)
            && fact.format > FORMAT
        {
            return self.newer(fact.version);
        }
        JournalError::Damaged {
            path: self.path.clone(),
            line: self.seq + 1,
            offset: self.offset,
            reason,
        }
    }
}
