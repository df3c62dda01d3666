//! What a worker prints: kept in the log of the trial it trains.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// How much of the end of a log is shown with a failure.
const TAIL_LINES: usize = 12;

/// The log of one worker. Clones write to the same log.
#[derive(Debug, Clone)]
pub struct WorkerLog {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    name: String,
    file: Option<File>,
    tail: VecDeque<String>,
}

impl WorkerLog {
    /// A log in `directory` under `name`.
    pub fn new(directory: PathBuf, name: String) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                directory,
                name,
                file: None,
                tail: VecDeque::new(),
            })),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing is left half-done in it by a panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on the lines go to the log of this name.
    pub fn switch(&self, name: String) {
        let mut inner = self.lock();
        if inner.name != name {
            inner.name = name;
            inner.file = None;
            inner.tail.clear();
        }
    }

    /// Adds a line. That a log can't be written stops no trial.
    pub fn line(&self, line: &[u8]) {
        let mut inner = self.lock();
        if inner.file.is_none() {
            let path = inner.directory.join(format!("{}.log", inner.name));
            inner.file = OpenOptions::new().create(true).append(true).open(path).ok();
        }
        if let Some(file) = &mut inner.file {
            let _ = file.write_all(line).and_then(|()| file.write_all(b"\n"));
        }
        if inner.tail.len() == TAIL_LINES {
            inner.tail.pop_front();
        }
        let shown: String = String::from_utf8_lossy(line).chars().take(300).collect();
        inner.tail.push_back(shown);
    }

    /// The last lines, indented, after a heading with the log's name; nothing if there are none.
    pub fn tail(&self) -> String {
        let inner = self.lock();
        if inner.tail.is_empty() {
            return String::new();
        }
        let lines: String = inner.tail.iter().map(|line| format!("\n    {line}")).collect();
        format!(
            "\n  the end of {}.log:{lines}",
            inner.directory.join(&inner.name).display()
        )
    }
}

/// A line of a worker.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A line without its newline.
    Whole(Vec<u8>),
    /// The beginning of a line that is longer than the limit.
    TooLong(Vec<u8>),
}

/// The next line of at most `limit` bytes; none at the end.
///
/// # Errors
/// If the pipe can't be read.
pub async fn next_line(reader: &mut (impl AsyncBufRead + Unpin), limit: u64) -> std::io::Result<Option<Line>> {
    let mut line = Vec::new();
    let read = reader.take(limit).read_until(b'\n', &mut line).await?;
    if read == 0 {
        return Ok(None);
    }
    if line.pop_if(|last| *last == b'\n').is_none() && read as u64 == limit {
        return Ok(Some(Line::TooLong(line)));
    }
    Ok(Some(Line::Whole(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_without_end_is_told_before_it_fills_the_memory() {
        let mut reader = &b"one\n123456789"[..];
        assert_eq!(
            next_line(&mut reader, 5).await.unwrap(),
            Some(Line::Whole(b"one".to_vec()))
        );
        assert_eq!(
            next_line(&mut reader, 5).await.unwrap(),
            Some(Line::TooLong(b"12345".to_vec()))
        );
        assert_eq!(
            next_line(&mut reader, 5).await.unwrap(),
            Some(Line::Whole(b"6789".to_vec()))
        );
        assert_eq!(next_line(&mut reader, 5).await.unwrap(), None);
    }

    #[test]
    fn each_trial_has_a_log_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let log = WorkerLog::new(dir.path().to_owned(), "slot-0".into());
        assert_eq!(log.tail(), "");
        log.line(b"starting");
        log.switch("trial-0001".into());
        (0..20).for_each(|n| log.line(format!("step {n}").as_bytes()));
        assert_eq!(
            std::fs::read_to_string(dir.path().join("slot-0.log")).unwrap(),
            "starting\n"
        );
        let tail = log.tail();
        assert!(
            tail.ends_with("step 19") && tail.contains("step 8\n") && !tail.contains("step 7\n"),
            "{tail}"
        );
    }
}
