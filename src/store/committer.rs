//! The thread that makes records durable in the journal, and then hands them on to the database.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::database::{Database, Line};
use super::error::DatabaseError;
use super::journal::JournalWriter;
use super::keeper::{Change, Keeper, Unchecked};
use crate::disk::is_full;
use crate::kill;
use crate::study::{Record, TrialSummary};

/// How long to wait before a full disk is tried once more: twice as long each time, up to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

struct Batch {
    records: Vec<Record>,
    rows: Vec<TrialSummary>,
    durable: oneshot::Sender<Result<(), io::ErrorKind>>,
}

/// The study's records can't be made durable any more.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The directory of the study is not where it was.
    #[error("the study was deleted or moved while it ran")]
    Gone,
    /// The system does not take them.
    #[error("can't write the journal: {0}")]
    Io(io::ErrorKind),
    /// The disk is full, and waiting for space was cancelled.
    #[error("stopped while the disk was full")]
    Cancelled,
}

impl From<io::ErrorKind> for CommitError {
    fn from(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::NotFound => Self::Gone,
            kind => Self::Io(kind),
        }
    }
}

/// Commits batches of records in the order in which they come. Those that wait together share one sync.
///
/// A full disk loses nothing and ends nothing: the batch is tried again until there is space.
pub struct Committer {
    batches: Sender<Batch>,
    hurry: Arc<AtomicBool>,
    blocked: watch::Receiver<Option<io::ErrorKind>>,
    give_up: Sender<()>,
    thread: JoinHandle<Keeper>,
}

impl Committer {
    /// Starts the thread. Records are made durable while the database is still compared with the journal.
    pub fn start(journal: JournalWriter, database: Unchecked) -> Self {
        let hurry = Arc::new(AtomicBool::new(false));
        let (batches, queue) = channel();
        let (block, blocked) = watch::channel(None);
        let (give_up, given_up) = channel();
        let worker = Work {
            journal,
            keeper: Keeper::start(database, hurry.clone()),
            block,
            given_up,
        };
        Self {
            batches,
            hurry,
            blocked,
            give_up,
            thread: std::thread::spawn(move || worker.run(&queue)),
        }
    }

    /// Makes records durable. `rows` are the trials they speak of, as they are after them. When it returns, the
    /// records are on disk.
    ///
    /// # Errors
    /// If the journal can't be written, for another reason than a full disk; then none of the records counts.
    pub async fn commit(&self, records: Vec<Record>, rows: Vec<TrialSummary>) -> Result<(), CommitError> {
        let (durable, done) = oneshot::channel();
        let batch = Batch { records, rows, durable };
        let ended = CommitError::Io(io::ErrorKind::BrokenPipe);
        if self.batches.send(batch).is_err() {
            return Err(ended);
        }
        Ok(done.await.map_err(|_| ended)??)
    }

    /// What a commit waits for, if it is a full disk.
    pub fn blocked(&self) -> watch::Receiver<Option<io::ErrorKind>> {
        self.blocked.clone()
    }

    /// Does not wait for a full disk any longer, now or later: a commit that does then fails.
    pub fn give_up(&self) {
        // The thread has gone only if it panicked, which close tells.
        let _ = self.give_up.send(());
    }

    /// A database that is not yet where the journal is need not be: closing does not wait for it.
    pub fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }

    /// Ends the thread once everything is written, and gives back the database; or why there is none. With both, it was made anew
    /// for that reason.
    pub fn close(self) -> (Option<Database>, Option<DatabaseError>) {
        drop(self.batches);
        drop(self.give_up);
        match self.thread.join() {
            Ok(keeper) => keeper.close(),
            Err(_) => (None, Some(DatabaseError::Panicked)),
        }
    }
}

struct Work {
    journal: JournalWriter,
    keeper: Keeper,
    block: watch::Sender<Option<io::ErrorKind>>,
    given_up: Receiver<()>,
}

impl Work {
    fn run(mut self, queue: &Receiver<Batch>) -> Keeper {
        while let Ok(first) = queue.recv() {
            let batches: Vec<Batch> = std::iter::once(first).chain(queue.try_iter()).collect();
            let begin = self.journal.seq();
            let written = self.append(&batches);
            let failed = written.as_ref().err().map(io::Error::kind);
            let (mut records, mut rows) = (Vec::new(), Vec::new());
            kill::point("committer:durable");
            for batch in batches {
                records.extend(batch.records);
                rows.extend(batch.rows);
                // Nobody waits any more if the scheduler is ending.
                let _ = batch.durable.send(failed.map_or(Ok(()), Err));
            }
            if let Ok(texts) = written {
                let lines = (begin..).zip(&records).zip(texts);
                self.keeper.take_in(Change {
                    reached: self.journal.seq(),
                    lines: lines
                        .map(|((seq, record), text)| Line::new(seq, record, text))
                        .collect(),
                    rows,
                });
            }
        }
        self.keeper
    }

    /// Appends to the journal, for as long as the disk is full again and again.
    fn append(&mut self, batches: &[Batch]) -> io::Result<Vec<Vec<u8>>> {
        let (mut delay, longest) = RETRY;
        loop {
            let written = self.journal.append(batches.iter().flat_map(|batch| &batch.records));
            let error = match written {
                Ok(lines) => {
                    self.block.send_if_modified(|blocked| blocked.take().is_some());
                    return Ok(lines);
                }
                Err(error) => error,
            };
            if !is_full(error.kind()) {
                tracing::error!(%error, "can't write the journal");
                return Err(error);
            }
            tracing::warn!(%error, "can't write the journal, trying again");
            self.block.send_replace(Some(error.kind()));
            match self.given_up.recv_timeout(delay) {
                Err(RecvTimeoutError::Timeout) => delay = (2 * delay).min(longest),
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Err(error),
            }
        }
    }
}
