//! What a worker prints: kept in the log of the trial it trains.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::OFlags;
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use crate::diagnostic::visible;

/// How much of the end of a log is shown with a failure.
const TAIL_LINES: usize = 12;

/// How much of a line is shown, in characters.
const TAIL_WIDTH: usize = 300;

/// A log of more bytes becomes the older one of two, in place of the one before it.
const LARGEST: u64 = 8 << 20;

/// The log of one worker. Clones write to the same log.
#[derive(Debug, Clone)]
pub(super) struct WorkerLog {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    name: String,
    largest: u64,
    /// The open file, and how many bytes it has.
    file: Option<(File, u64)>,
    /// The beginnings of the last lines.
    tail: VecDeque<Vec<u8>>,
    /// Whether the last of them is a progress bar's, which the next one takes the place of.
    overwritten: bool,
    /// The beginning of a line whose end has not come yet.
    unfinished: Vec<u8>,
}

impl Inner {
    /// Adds a line with its end.
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let path = self.directory.join(format!("{}.log", self.name));
        if self.file.as_ref().is_some_and(|(_, size)| *size >= self.largest) {
            self.file = None;
            std::fs::rename(&path, path.with_extension("log.1"))?;
        }
        if self.file.is_none() {
            // A link that a worker has put there would lead out of the study, and a pipe would be waited for.
            let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .custom_flags(flags.bits() as i32)
                .open(path)?;
            let there = file.metadata()?;
            if !there.is_file() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            self.file = Some((file, there.len()));
        }
        if let Some((file, size)) = &mut self.file {
            file.write_all(line)?;
            *size += line.len() as u64;
        }
        Ok(())
    }
}

impl WorkerLog {
    /// A log in `directory` under `name`.
    pub(super) fn new(directory: PathBuf, name: String) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                directory,
                name,
                largest: LARGEST,
                file: None,
                tail: VecDeque::new(),
                overwritten: false,
                unfinished: Vec::new(),
            })),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing is left half-done in it by a panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on the lines go to the log of this name.
    pub(super) fn switch(&self, name: String) {
        let mut inner = self.lock();
        if inner.name != name {
            inner.name = name;
            inner.file = None;
            inner.tail.clear();
        }
    }

    /// From here on the lines are another worker's.
    pub(super) fn begin(&self) {
        let mut inner = self.lock();
        inner.tail.clear();
        inner.unfinished.clear();
    }

    /// Adds a line. That a log can't be written stops no trial.
    pub(super) fn line(&self, mut line: Vec<u8>, end: End) {
        let mut inner = self.lock();
        line.push(if end == End::Return { b'\r' } else { b'\n' });
        let _ = inner.write(&line);
        line.pop();
        let overwrites = std::mem::replace(&mut inner.overwritten, end == End::Return);
        if overwrites && line.is_empty() {
            return;
        }
        if overwrites {
            inner.tail.pop_back();
        }
        if inner.tail.len() == TAIL_LINES {
            inner.tail.pop_front();
        }
        line.truncate(4 * TAIL_WIDTH);
        inner.tail.push_back(line);
    }

    /// Keeps in mind how a line begins whose end has not come; empty: there is none.
    pub(super) fn unfinished(&self, line: &[u8]) {
        self.lock().unfinished = line[..line.len().min(4 * TAIL_WIDTH)].to_vec();
    }

    /// The last lines, indented, after a heading with the log's name; nothing if there are none.
    pub(super) fn tail(&self) -> String {
        let inner = self.lock();
        let unfinished = Some(&inner.unfinished).filter(|line| !line.is_empty());
        if inner.tail.is_empty() && unfinished.is_none() {
            return String::new();
        }
        let shown = |line: &Vec<u8>| {
            let beginning: String = String::from_utf8_lossy(line).chars().take(TAIL_WIDTH).collect();
            format!("\n    {}", visible(&beginning))
        };
        let lines: String = inner.tail.iter().chain(unfinished).map(shown).collect();
        format!(
            "\n  the end of {}.log:{lines}",
            inner.directory.join(&inner.name).display()
        )
    }
}

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Newline,
    /// By a carriage return: what follows overwrites it in a terminal.
    Return,
    /// It is longer than the limit, and goes on.
    Limit,
    /// With the stream.
    Stream,
}

/// The next line of at most `limit` bytes, without its end; none at the end of the stream. While its end is waited for, `unfinished`
/// is given what there is of it.
///
/// # Errors
/// If the pipe can't be read.
pub(super) async fn next_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    limit: usize,
    unfinished: impl Fn(&[u8]),
) -> io::Result<Option<(Vec<u8>, End)>> {
    let mut line = Vec::new();
    loop {
        let read = reader.fill_buf().await?;
        if read.is_empty() {
            return Ok((!line.is_empty()).then_some((line, End::Stream)));
        }
        let read = &read[..read.len().min(limit - line.len())];
        let end = read.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        line.extend_from_slice(&read[..end.unwrap_or(read.len())]);
        let (taken, end) = match end {
            Some(at) if read[at] == b'\n' => (at + 1, Some(End::Newline)),
            Some(at) => (at + 1, Some(End::Return)),
            None => (read.len(), (line.len() == limit).then_some(End::Limit)),
        };
        reader.consume(taken);
        match end {
            Some(end) => return Ok(Some((line, end))),
            None => unfinished(&line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_without_end_is_reported_before_it_fills_the_memory() {
        let mut reader = &b"one\n123456789\ra\r\nb"[..];
        let mut lines = Vec::new();
        while let Some((line, end)) = next_line(&mut reader, 5, |_| {}).await.unwrap() {
            lines.push((String::from_utf8(line).unwrap(), end));
        }
        let expected = [
            ("one", End::Newline),
            ("12345", End::Limit),
            ("6789", End::Return),
            ("a", End::Return),
            ("", End::Newline),
            ("b", End::Stream),
        ];
        assert_eq!(lines, expected.map(|(line, end)| (line.to_owned(), end)));
    }

    #[tokio::test]
    async fn a_log_has_what_was_printed_and_its_tail_what_a_terminal_would_show() {
        let dir = tempfile::tempdir().unwrap();
        let log = WorkerLog::new(dir.path().to_owned(), "slot-0".into());
        let printed = b"one\r\n\r 0%\r 50%\r100%\ntwo\nLoading ";
        let mut reader = &printed[..];
        let mut seen = Vec::new();
        let unfinished = |line: &[u8]| log.unfinished(line);
        while let Some((line, end)) = next_line(&mut reader, 99, unfinished).await.unwrap() {
            if end == End::Stream {
                seen.push(log.tail());
            }
            log.unfinished(&[]);
            log.line(line, end);
        }
        let shown = seen[0]
            .split_once('\n')
            .unwrap()
            .1
            .split_once('\n')
            .unwrap()
            .1
            .to_owned();
        assert_eq!(shown, "    one\n    100%\n    two\n    Loading ");
        let written = std::fs::read(dir.path().join("slot-0.log")).unwrap();
        assert_eq!(written, [&printed[..], b"\n"].concat());
        log.begin();
        assert_eq!(log.tail(), "");
    }

    #[test]
    fn a_log_without_end_takes_the_room_of_two() {
        let dir = tempfile::tempdir().unwrap();
        let log = WorkerLog::new(dir.path().to_owned(), "trial-0001".into());
        log.lock().largest = 100;
        (0..1000).for_each(|n| log.line(format!("step {n:03}").into(), End::Newline));
        let read = |name| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let (older, newer) = (read("trial-0001.log.1"), read("trial-0001.log"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        assert!(
            older.len() < 110 && newer.len() < 110,
            "{} {}",
            older.len(),
            newer.len()
        );
        assert!(format!("{older}{newer}").ends_with("step 998\nstep 999\n"));
    }

    #[test]
    fn a_tail_does_not_write_to_the_terminal() {
        let dir = tempfile::tempdir().unwrap();
        let log = WorkerLog::new(dir.path().to_owned(), "slot-0".into());
        log.line(b"\x1b]0;owned\x07\xff".into(), End::Newline);
        assert!(
            log.tail().ends_with("\n    \u{241b}]0;owned\u{2407}\u{fffd}"),
            "{}",
            log.tail()
        );
    }

    #[test]
    fn each_trial_has_a_log_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let log = WorkerLog::new(dir.path().to_owned(), "slot-0".into());
        assert_eq!(log.tail(), "");
        log.line(b"starting".into(), End::Newline);
        log.switch("trial-0001".into());
        (0..20).for_each(|n| log.line(format!("step {n}").into(), End::Newline));
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
