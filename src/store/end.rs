//! Where a journal ends, found without reading what comes before: by it, what was once made from the journal is known to be up to
//! date.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::line::{checksum, sequence};

/// How many bytes are read at a time, from the end on.
const STEP: u64 = 4096;

/// The end of a journal. Two that are equal are ends of the same journal, which nobody has written to in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEnd {
    /// How many records there are.
    pub records: u64,
    /// How many bytes.
    bytes: u64,
    /// The checksum of the last line.
    checksum: u32,
    /// When the file was last written, in seconds and nanoseconds since 1970.
    modified: (i64, i64),
}

impl JournalEnd {
    /// That of a journal; none if it can't be read, or does not end in a whole line.
    pub fn of(journal: &Path) -> Option<Self> {
        let file = File::open(journal).ok()?;
        let metadata = file.metadata().ok()?;
        let line = last_line(&file, metadata.len())?;
        Some(Self {
            records: sequence(&line)? + 1,
            bytes: metadata.len(),
            checksum: checksum(&line)?,
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// The last line of a file of so many bytes, without its newline; none if it does not end in one.
fn last_line(file: &File, bytes: u64) -> Option<Vec<u8>> {
    let mut end = bytes.checked_sub(1)?;
    let mut newline = [0];
    file.read_exact_at(&mut newline, end).ok()?;
    if newline != *b"\n" {
        return None;
    }
    let mut line = Vec::new();
    while end > 0 {
        let begin = end.saturating_sub(STEP.max(line.len() as u64));
        let mut more = vec![0; usize::try_from(end - begin).ok()?];
        file.read_exact_at(&mut more, begin).ok()?;
        if let Some(at) = more.iter().rposition(|&byte| byte == b'\n') {
            more.drain(..=at);
            end = 0;
        } else {
            end = begin;
        }
        more.append(&mut line);
        line = more;
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_found_from_behind_however_long_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lines");
        let lengths = [0, 1, 4094, 4095, 4096, 4097, 12_288, 20_000];
        for first in lengths {
            for last in lengths {
                let line = "l".repeat(last);
                std::fs::write(&path, format!("{}\n{line}\n", "f".repeat(first))).unwrap();
                let file = File::open(&path).unwrap();
                let bytes = file.metadata().unwrap().len();
                assert_eq!(
                    last_line(&file, bytes),
                    Some(line.clone().into_bytes()),
                    "{first} {last}"
                );
                std::fs::write(&path, format!("{line}\n")).unwrap();
                let file = File::open(&path).unwrap();
                assert_eq!(last_line(&file, last as u64 + 1), Some(line.into_bytes()), "{last}");
            }
        }
        for text in ["", "no newline"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(last_line(&File::open(&path).unwrap(), text.len() as u64), None);
        }
    }
}
