//! The thread that keeps the second copy up with the journal, without anything waiting for it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::directory::StudyDirectory;
use super::engine::{guarded, set_aside};
use super::error::DatabaseError;
use super::lines::{Line, Lines};
use super::tally::Tally;
use crate::disk::make_private;
use crate::kill;

/// So many changes wait for a slow database before the journal waits for them.
const WAITING: usize = 4096;

/// How long changes are gathered before they are written together: sled wakes all of its threads and syncs for each write.
const GATHER: Duration = Duration::from_millis(100);

/// What has become durable.
#[derive(Debug)]
pub(super) struct Change {
    /// How many records the journal has since.
    pub reached: u64,
    /// Its new lines.
    pub lines: Vec<Line>,
}

/// A copy of the journal's lines, where it lies, and what it must hold.
pub struct Unchecked {
    directory: StudyDirectory,
    /// Whether there was one before.
    existed: bool,
    journal: Tally,
    /// How many trials there are.
    trials: u64,
}

impl Unchecked {
    /// That of a study of so many trials whose journal has these lines.
    pub(super) fn new(directory: &StudyDirectory, journal: Tally, trials: u64) -> Self {
        Self {
            directory: directory.clone(),
            existed: directory.database().exists(),
            journal,
            trials,
        }
    }

    /// Opens it, brings it to where the journal was, and compares all of it with the journal. If that can't be done or it
    /// differs, it is moved aside and made anew; then the reason comes with it.
    pub(super) fn open(&self, stop: &AtomicBool) -> Result<(Lines, Option<DatabaseError>), DatabaseError> {
        match guarded(|| self.current(stop)) {
            Ok((lines, said_nothing)) => {
                let emptied = self.existed && said_nothing && self.journal.entries > 1;
                Ok((lines, emptied.then_some(DatabaseError::Emptied)))
            }
            Err(reason) if self.existed && reason.is_its_own_fault() => {
                self.set_aside()?;
                let (lines, _) = guarded(|| self.current(stop))?;
                Ok((lines, Some(reason)))
            }
            Err(reason) => Err(reason),
        }
    }

    /// Moves the copy out of the way, and leaves the trial database, which lies in it, where it is.
    fn set_aside(&self) -> Result<(), DatabaseError> {
        let (path, rows) = (self.directory.database(), self.directory.rows());
        let aside = self.directory.damaged_database();
        set_aside(&path, &aside)?;
        let kept = aside.join("rows");
        if kept.exists() {
            let moved = make_private(&path).and_then(|()| std::fs::rename(kept, rows));
            moved.map_err(|source| DatabaseError::Move { path, source })?;
        }
        Ok(())
    }

    /// The copy, and whether it did not say how many records it had.
    fn current(&self, stop: &AtomicBool) -> Result<(Lines, bool), DatabaseError> {
        let lines = Lines::open(&self.directory.database())?;
        let said = lines.reached()?;
        let (reached, records) = (said.unwrap_or(0), self.journal.entries);
        if reached > records {
            return Err(lines.beyond(records)?);
        }
        lines.catch_up(&self.directory.journal(), reached, records, stop)?;
        lines.check(self.journal, self.trials, stop)?;
        Ok((lines, said.is_none()))
    }
}

/// Takes in what has become durable, once the copy has all that was before.
pub(super) struct Keeper {
    changes: SyncSender<Change>,
    thread: JoinHandle<Kept>,
}

/// What has become of a copy.
#[derive(Debug)]
pub(super) enum Kept {
    /// It has all that the journal has, or will have when it is next looked at. If it was made anew, for that reason.
    Whole(Option<DatabaseError>),
    /// It can't be used.
    Unusable(DatabaseError),
}

impl Keeper {
    /// Starts the thread. When `stop` is set it does not go on with bringing the copy to where the journal was, or comparing it.
    pub fn start(lines: Unchecked, stop: Arc<AtomicBool>) -> Self {
        let (changes, queue) = sync_channel(WAITING);
        Self {
            changes,
            thread: std::thread::spawn(move || keep(&lines, &queue, &stop)),
        }
    }

    /// Has a change taken in, after those before it.
    pub fn take_in(&self, change: Change) {
        // The thread has gone only if it panicked, which close reports.
        let _ = self.changes.send(change);
    }

    /// Ends the thread once everything is taken in.
    pub fn close(self) -> Kept {
        drop(self.changes);
        self.thread.join().unwrap_or(Kept::Unusable(DatabaseError::Panicked))
    }
}

/// Brings a copy to where the journal is, however long that takes.
pub(super) fn bring_up(lines: &Unchecked) -> Kept {
    let (_, nothing) = sync_channel(0);
    keep(lines, &nothing, &AtomicBool::new(false))
}

fn keep(lines: &Unchecked, queue: &Receiver<Change>, stop: &AtomicBool) -> Kept {
    let (mut lines, mut kept) = match lines.open(stop) {
        Ok((lines, trouble)) => {
            if let Some(error) = &trouble {
                tracing::warn!("{}", error.report(true));
            }
            (Some(lines), Kept::Whole(trouble))
        }
        Err(DatabaseError::Stopped) => (None, Kept::Whole(None)),
        Err(error) => {
            tracing::warn!("{}", error.report(false));
            (None, Kept::Unusable(error))
        }
    };
    while let Ok(mut change) = queue.recv() {
        let until = Instant::now() + GATHER;
        while let Ok(next) = queue.recv_timeout(until.saturating_duration_since(Instant::now())) {
            change.reached = next.reached;
            change.lines.extend(next.lines);
            if change.lines.len() >= WAITING {
                break;
            }
        }
        if let Some(open) = &lines
            && let Err(error) = guarded(|| open.write(change.reached, &change.lines))
        {
            tracing::warn!("{}", error.report(false));
            kept = Kept::Unusable(error);
            close(lines.take());
        }
        kill::point("database.write:after");
    }
    if let Some(open) = &lines
        && let Err(error) = guarded(|| open.flush())
    {
        tracing::warn!(%error, "the second copy of the journal can't be flushed");
    }
    close(lines);
    kept
}

fn close(lines: Option<Lines>) {
    // sled reports whatever goes wrong then by a panic.
    let _ = guarded(|| {
        drop(lines);
        Ok(())
    });
}
