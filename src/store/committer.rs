//! The thread that makes records durable in the journal, and then hands them on to the database.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::database::{self, Database};
use super::directory::StudyDirectory;
use super::end::JournalEnd;
use super::error::DatabaseError;
use super::journal::JournalWriter;
use super::keeper::{Change, Keeper, Kept, Unchecked};
use super::lines::Line;
use crate::disk::is_full;
use crate::kill;
use crate::study::{Record, Study};

/// How long to wait before a full disk is tried once more: twice as long each time, up to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

struct Batch {
    records: Vec<Record>,
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
        if kind == io::ErrorKind::NotFound {
            Self::Gone
        } else {
            Self::Io(kind)
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
    directory: StudyDirectory,
    thread: JoinHandle<Written>,
}

impl Committer {
    /// Starts the thread. Records are made durable while the second copy is still compared with the journal.
    pub(super) fn start(directory: &StudyDirectory, journal: JournalWriter, lines: Unchecked) -> Self {
        let hurry = Arc::new(AtomicBool::new(false));
        let (batches, queue) = channel();
        let (block, blocked) = watch::channel(None);
        let (give_up, given_up) = channel();
        let worker = Work {
            journal,
            keeper: Keeper::start(lines, hurry.clone()),
            failed: false,
            block,
            given_up,
        };
        Self {
            batches,
            hurry,
            blocked,
            give_up,
            directory: directory.clone(),
            thread: std::thread::spawn(move || worker.run(&queue)),
        }
    }

    /// Makes records durable. When it returns, they are on disk.
    ///
    /// # Errors
    /// If the journal can't be written, for another reason than a full disk; then none of the records counts.
    pub async fn commit(&self, records: Vec<Record>) -> Result<(), CommitError> {
        let (durable, done) = oneshot::channel();
        let batch = Batch { records, durable };
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
        // The thread has gone only if it panicked, which close reports.
        let _ = self.give_up.send(());
    }

    /// A copy that is not yet where the journal is need not be: closing does not wait for it.
    pub fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }

    /// Ends the thread once everything is written, and makes the trial database that of the study, all of whose records were
    /// committed. Returns it, or why there is none; with both, it or the second copy of the journal was made anew for that reason.
    pub fn close(self, study: &Study) -> (Option<Database>, Option<DatabaseError>) {
        drop(self.batches);
        drop(self.give_up);
        let Ok(Written {
            keeper,
            failed,
            records,
        }) = self.thread.join()
        else {
            return (None, Some(DatabaseError::Panicked));
        };
        let trouble = match keeper.close() {
            Kept::Whole(trouble) => trouble,
            Kept::Unusable(error) => return (None, Some(error)),
        };
        // A study that knows more than its journal must not get into the database.
        let end = JournalEnd::of(&self.directory.journal()).filter(|end| !failed && end.records == records);
        let Some(end) = end else {
            return (None, trouble);
        };
        let (database, own) = database::bring_up(&self.directory, study, end);
        (database, trouble.or(own))
    }
}

/// What the thread leaves.
struct Written {
    keeper: Keeper,
    /// Whether records could not be made durable.
    failed: bool,
    /// How many records the journal has.
    records: u64,
}

struct Work {
    journal: JournalWriter,
    keeper: Keeper,
    block: watch::Sender<Option<io::ErrorKind>>,
    given_up: Receiver<()>,
    failed: bool,
}

impl Work {
    fn run(mut self, queue: &Receiver<Batch>) -> Written {
        while let Ok(first) = queue.recv() {
            let batches: Vec<Batch> = std::iter::once(first).chain(queue.try_iter()).collect();
            let begin = self.journal.seq();
            let written = self.append(&batches);
            let failed = written.as_ref().err().map(io::Error::kind);
            self.failed |= failed.is_some();
            let mut records = Vec::new();
            kill::point("committer:durable");
            for batch in batches {
                records.extend(batch.records);
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
                });
            }
        }
        Written {
            keeper: self.keeper,
            failed: self.failed,
            records: self.journal.seq(),
        }
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
