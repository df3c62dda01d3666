use std::path::{Path, PathBuf};

use super::*;
use crate::ids::{Timestamp, TrialId};
use crate::study::{Fact, Record};

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
