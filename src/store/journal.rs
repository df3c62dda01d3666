//! The journal: one record per line.
//!
//! A line that does not end in a newline was being written when the writer died; it was never
//! acknowledged and does not count. Any other line that does not fit is damage, and is told with its place. That the
//! journal has lost its end is told by [`Acknowledged`].

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;

use super::acknowledged::Acknowledged;
use super::line::{decode, encode};
use super::tally::Tally;
use crate::disk::is_at;
use crate::kill;
use crate::study::{FORMAT, Fact, Misfit, Record};
use crate::words::counted;

/// How many lines are read and decoded while those before them are taken in.
const BLOCK: usize = 4096;

/// Fewer are not worth another thread.
const SHARE: usize = 64;

/// Why a journal can't be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file can't be opened or read.
    #[error("can't read {}: {source}", path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line is not what was written.
    #[error("{}:{line}: the record at byte {offset} is damaged: {reason}", path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Where the line begins.
        offset: u64,
        /// What does not fit.
        reason: String,
    },
    /// It ends too early.
    #[error("{}:{line}: the journal ends at byte {offset}, but {} had been acknowledged", path.display(), counted(*missing, "more record"))]
    CutShort {
        /// The journal.
        path: PathBuf,
        /// The line that should come next, from 1.
        line: u64,
        /// Where the last whole line ends.
        offset: u64,
        /// How many records are known to be missing.
        missing: u64,
    },
    /// A later version wrote it.
    #[error("{} was written by hpo {version}, whose format this version can't read", path.display())]
    Newer {
        /// The journal.
        path: PathBuf,
        /// The version that wrote it.
        version: String,
    },
}

/// Just enough of a first line to tell a later format from damage.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Timestamp, TrialId};

    fn record(n: u64) -> Record {
        Record {
            at: Timestamp(n),
            fact: Fact::TrialPruned {
                trial: TrialId(n),
                rung: 1,
            },
        }
    }

    fn journal(dir: &Path, records: u64) -> PathBuf {
        let path = dir.join("journal.jsonl");
        let mut writer = JournalWriter::create(&path).unwrap();
        writer.append(&(0..records).map(record).collect::<Vec<_>>()).unwrap();
        path
    }

    fn read_all(path: &Path) -> Result<Vec<Record>, JournalError> {
        let mut reader = JournalReader::open(path)?;
        std::iter::from_fn(|| reader.next_record().transpose()).collect()
    }

    #[test]
    fn a_reader_follows_a_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let mut writer = JournalWriter::create(&path).unwrap();
        let mut reader = JournalReader::open(&path).unwrap();
        assert_eq!(reader.next_record().unwrap(), None);
        for n in 0..3 {
            writer.append([&record(n)]).unwrap();
            assert_eq!(reader.next_record().unwrap(), Some(record(n)));
            assert_eq!(reader.next_record().unwrap(), None);
        }
    }

    #[test]
    fn cut_anywhere_it_opens_with_every_complete_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = journal(dir.path(), 4);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let complete = whole[..cut].iter().filter(|&&b| b == b'\n').count() as u64;
            let mut reader = JournalReader::open(&path).unwrap();
            while reader.next_record().unwrap().is_some() {}
            assert_eq!(reader.seq(), complete);
            let mut writer = JournalWriter::resume(&path, &reader).unwrap();
            writer.append([&record(complete)]).unwrap();
            assert_eq!(read_all(&path).unwrap(), (0..=complete).map(record).collect::<Vec<_>>());
        }
    }

    #[test]
    fn any_flipped_bit_is_told_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = journal(dir.path(), 3);
        let whole = std::fs::read(&path).unwrap();
        let last_line = whole.len() - whole.len() / 3;
        for byte in 0..whole.len() - 1 {
            let mut bytes = whole.clone();
            bytes[byte] ^= 1 << (byte % 7);
            std::fs::write(&path, &bytes).unwrap();
            match read_all(&path) {
                Err(JournalError::Damaged { line, .. }) => {
                    let at = whole[..byte].iter().filter(|&&b| b == b'\n').count() as u64 + 1;
                    assert_eq!(line, at);
                }
                other => panic!("a flipped bit at byte {byte} of {last_line} gave {other:?}"),
            }
        }
    }

    #[test]
    fn a_missing_line_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = journal(dir.path(), 3);
        let whole = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        std::fs::write(&path, format!("{}\n{}\n", lines[0], lines[2])).unwrap();
        let error = read_all(&path).unwrap_err().to_string();
        assert!(error.ends_with("it is record 2, but record 1 was due"), "{error}");
    }
}
