//! The journal: one record per line, each with its sequence number and a checksum.
//!
//! A line is `{"seq":N,"at":MS,"fact":{…},"crc32c":"xxxxxxxx"}`. The checksum is CRC-32C of the bytes before
//! `,"crc32c"`. A line that does not end in a newline was being written when the writer died; it was never
//! acknowledged and does not count. Any other line that does not fit is damage, and is told with its place.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::kill;
use crate::study::{FORMAT, Fact, Record, Timestamp};

const TAIL: usize = r#","crc32c":"00000000"}"#.len();

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
    /// A later version wrote it.
    #[error("{} was written by hpo {version}, whose format this version can't read", path.display())]
    Newer {
        /// The journal.
        path: PathBuf,
        /// The version that wrote it.
        version: String,
    },
}

#[derive(Serialize)]
struct LineOut<'a> {
    seq: u64,
    at: Timestamp,
    fact: &'a Fact,
}

#[derive(Deserialize)]
struct LineIn {
    seq: u64,
    at: Timestamp,
    fact: Fact,
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

/// The line of a record, newline included.
///
/// # Errors
/// If the record can't be written as JSON.
pub fn encode(seq: u64, record: &Record) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&LineOut {
        seq,
        at: record.at,
        fact: &record.fact,
    })?;
    line.pop();
    let crc = crc32c::crc32c(&line);
    line.extend_from_slice(format!(",\"crc32c\":\"{crc:08x}\"}}\n").as_bytes());
    Ok(line)
}

/// The record of a line without its newline, if it is the one numbered `seq`.
fn decode(seq: u64, line: &[u8]) -> Result<Record, String> {
    let Some((body, tail)) = line.split_at_checked(line.len().saturating_sub(TAIL)) else {
        return Err("it is too short".into());
    };
    let expected = format!(",\"crc32c\":\"{:08x}\"}}", crc32c::crc32c(body));
    if tail != expected.as_bytes() {
        return Err("its checksum does not fit".into());
    }
    let record: LineIn = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if record.seq != seq {
        return Err(format!("it is record {}, but record {seq} was due", record.seq));
    }
    Ok(Record {
        at: record.at,
        fact: record.fact,
    })
}

/// Reads a journal from its beginning, and goes on reading while another process writes it.
#[derive(Debug)]
pub struct JournalReader<R = BufReader<File>> {
    path: PathBuf,
    file: R,
    seq: u64,
    offset: u64,
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
}

impl<R: BufRead + Seek> JournalReader<R> {
    /// Reads a journal from where its bytes are, which stand at their beginning; `path` is what errors call it.
    pub fn new(path: &Path, file: R) -> Self {
        Self {
            path: path.to_owned(),
            file,
            seq: 0,
            offset: 0,
        }
    }

    /// The next record, or none if there is no further complete line yet.
    ///
    /// # Errors
    /// If the file can't be read or the line is damaged.
    pub fn next_record(&mut self) -> Result<Option<Record>, JournalError> {
        let mut line = Vec::new();
        self.file.read_until(b'\n', &mut line).map_err(|e| self.io(e))?;
        if line.pop_if(|last| *last == b'\n').is_none() {
            self.file.seek(SeekFrom::Start(self.offset)).map_err(|e| self.io(e))?;
            return Ok(None);
        }
        let record = decode(self.seq, &line).map_err(|reason| self.damaged(reason, &line))?;
        if let Fact::StudyCreated { format, version, .. } = &record.fact
            && *format > FORMAT
        {
            return Err(self.newer(version.clone()));
        }
        self.seq += 1;
        self.offset += line.len() as u64 + 1;
        Ok(Some(record))
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

    fn damaged(&self, reason: String, line: &[u8]) -> JournalError {
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
    file: File,
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
            file,
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
        Ok(Self {
            file,
            seq: reader.seq(),
            length: reader.offset(),
        })
    }

    /// How many records the journal has.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Appends records and makes them durable. After an error none of them is in the journal.
    ///
    /// # Errors
    /// If they can't be written or synced.
    pub fn append<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>) -> io::Result<()> {
        let mut lines = Vec::new();
        let mut seq = self.seq;
        for record in records {
            lines.extend(encode(seq, record)?);
            seq += 1;
        }
        kill::point("journal.append:before");
        let written = self.file.write_all(&lines).and_then(|()| {
            kill::point("journal.append:written");
            self.file.sync_data()
        });
        kill::point("journal.append:synced");
        if let Err(error) = written {
            // What got through of the batch must not be taken for acknowledged later.
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            return Err(error);
        }
        self.seq = seq;
        self.length += lines.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(n: u64) -> Record {
        Record {
            at: Timestamp(n),
            fact: Fact::TrialPruned { trial: n, rung: 1 },
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
    fn a_line_is_json_with_a_checksum_of_all_before_it() {
        let line = String::from_utf8(encode(3, &record(5)).unwrap()).unwrap();
        assert_eq!(
            line,
            "{\"seq\":3,\"at\":5,\"fact\":{\"type\":\"trial_pruned\",\"trial\":5,\"rung\":1},\"crc32c\":\"9d5b2b75\"}\n"
        );
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
