//! The thread that makes records durable: the journal first, then the database.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::database::{Database, DatabaseError, guarded};
use super::journal::JournalWriter;
use crate::kill;
use crate::study::{Record, TrialSummary};

struct Batch {
    records: Vec<Record>,
    rows: Vec<TrialSummary>,
    durable: oneshot::Sender<Result<(), io::ErrorKind>>,
}

/// The study's records can't be made durable any more.
#[derive(Debug, thiserror::Error)]
#[error("can't write the journal: {0}")]
pub struct CommitError(pub io::ErrorKind);

/// Commits batches of records in the order in which they come. Those that wait together share one sync.
pub struct Committer {
    batches: Sender<Batch>,
    thread: JoinHandle<(Option<Database>, Option<DatabaseError>)>,
}

impl Committer {
    /// Starts the thread. Without a database only the journal is written.
    pub fn start(journal: JournalWriter, database: Option<Database>) -> Self {
        let (batches, queue) = channel();
        Self {
            batches,
            thread: std::thread::spawn(move || run(journal, database, &queue)),
        }
    }

    /// Makes records durable. `rows` are the trials they speak of, as they are after them. When it returns, the
    /// records are on disk.
    ///
    /// # Errors
    /// If the journal can't be written; then none of the records counts.
    pub async fn commit(&self, records: Vec<Record>, rows: Vec<TrialSummary>) -> Result<(), CommitError> {
        let (durable, done) = oneshot::channel();
        let batch = Batch { records, rows, durable };
        let gone = CommitError(io::ErrorKind::BrokenPipe);
        if self.batches.send(batch).is_err() {
            return Err(gone);
        }
        done.await.map_err(|_| gone)?.map_err(CommitError)
    }

    /// Ends the thread and gives back the database, or the reason why it was given up on the way.
    pub fn close(self) -> (Option<Database>, Option<DatabaseError>) {
        drop(self.batches);
        self.thread.join().unwrap_or((None, Some(DatabaseError::Panicked)))
    }
}

fn run(
    mut journal: JournalWriter,
    mut database: Option<Database>,
    queue: &Receiver<Batch>,
) -> (Option<Database>, Option<DatabaseError>) {
    let mut trouble = None;
    while let Ok(first) = queue.recv() {
        let batches: Vec<Batch> = std::iter::once(first).chain(queue.try_iter()).collect();
        let written = journal.append(batches.iter().flat_map(|batch| &batch.records));
        let failed = written.err().map(|error| {
            tracing::error!(%error, "can't write the journal");
            error.kind()
        });
        let (mut records, mut rows) = (Vec::new(), Vec::new());
        kill::point("committer:durable");
        for batch in batches {
            records.extend(batch.records);
            rows.extend(batch.rows);
            // Nobody waits any more if the scheduler is ending.
            let _ = batch.durable.send(failed.map_or(Ok(()), Err));
        }
        if failed.is_none()
            && let Some(open) = &database
            && let Err(error) = guarded(|| open.write(journal.seq(), &records, &rows))
        {
            tracing::warn!(%error, "the trial database can't be written and is left as it is; it will be made anew");
            trouble = Some(error);
            database = None;
        }
        kill::point("database.write:after");
    }
    if let Some(open) = &database
        && let Err(error) = guarded(|| open.flush())
    {
        tracing::warn!(%error, "the trial database can't be flushed");
    }
    (database, trouble)
}
