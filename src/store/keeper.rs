//! The thread that keeps the trial database up with the journal, without anything waiting for it.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::database::{Database, Line, set_aside};
use super::error::DatabaseError;
use super::guard::guarded;
use super::journal::JournalReader;
use super::tally::{Contents, Tally};
use crate::ids::TrialId;
use crate::kill;
use crate::study::{Fact, Study, TrialSummary};

/// So many changes wait for a slow database before the journal waits for them.
const WAITING: usize = 4096;

/// So many records of the journal's end are remembered. A database lacks no more of them unless something has gone wrong.
const RECENT: usize = 4096;

/// What has become durable.
#[derive(Debug)]
pub(super) struct Change {
    /// How many records the journal has since.
    pub reached: u64,
    /// Its new lines.
    pub lines: Vec<Line>,
    /// The trials they speak of, as they are after them.
    pub rows: Vec<TrialSummary>,
}

/// The trials of which the last records of a journal speak.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<Option<TrialId>>);

impl Recent {
    /// A record was read, which speaks of that trial.
    pub fn push(&mut self, trial: Option<TrialId>) {
        if self.0.len() == RECENT {
            self.0.pop_front();
        }
        self.0.push_back(trial);
    }
}

/// A database, where it lies, and what it must hold.
pub struct Unchecked {
    path: PathBuf,
    journal: PathBuf,
    contents: Contents,
    /// The number of the first record that speaks of a trial of `recent`, or of none.
    recent_from: u64,
    recent: BTreeMap<TrialId, TrialSummary>,
}

impl Unchecked {
    /// The database at `path`, of a study whose journal has these lines, the last of which are `recent`.
    pub(super) fn new(path: PathBuf, study: &Study, journal: &Path, lines: Tally, recent: &Recent) -> Self {
        let trials = recent.0.iter().flatten().filter_map(|&id| study.trial(id));
        Self {
            path,
            journal: journal.to_owned(),
            contents: Contents::of(study, lines),
            recent_from: lines.entries - recent.0.len() as u64,
            recent: trials.map(|trial| (trial.id, trial.into())).collect(),
        }
    }

    /// Opens it, brings it to where the journal was, and compares all of it with what the journal says. If that can't be done or it
    /// differs, it is moved aside and made anew; then the reason comes with it.
    pub(super) fn open(&self, stop: &AtomicBool) -> Result<(Database, Option<DatabaseError>), DatabaseError> {
        let existed = self.path.exists();
        match guarded(|| self.current(stop)) {
            Ok((database, said_nothing)) => {
                let emptied = existed && said_nothing && self.contents.lines.entries > 1;
                Ok((database, emptied.then_some(DatabaseError::Emptied)))
            }
            Err(reason) if existed && reason.is_its_own_fault() => {
                set_aside(&self.path)?;
                let (database, _) = guarded(|| self.current(stop))?;
                Ok((database, Some(reason)))
            }
            Err(reason) => Err(reason),
        }
    }

    /// The database, and whether it did not say how many records it had.
    fn current(&self, stop: &AtomicBool) -> Result<(Database, bool), DatabaseError> {
        let database = Database::open(&self.path)?;
        let said = database.reached()?;
        let (reached, records) = (said.unwrap_or(0), self.contents.lines.entries);
        if reached > records {
            return Err(database.beyond(records)?);
        }
        if reached >= self.recent_from {
            let row = |id| self.recent.get(&id).cloned();
            database.catch_up(&self.journal, reached, records, row, stop)?;
        } else {
            let study = folded(&self.journal, records)?;
            let row = |id| study.trial(id).map(Into::into);
            database.catch_up(&self.journal, reached, records, row, stop)?;
        }
        database.check(&self.contents, stop)?;
        Ok((database, said.is_none()))
    }
}

/// The study after so many records.
fn folded(journal: &Path, records: u64) -> Result<Study, DatabaseError> {
    let mut reader = JournalReader::open(journal)?;
    let mut study = None;
    while reader.seq() < records
        && let Some(record) = reader.next_record()?
    {
        match &mut study {
            None => {
                let Fact::StudyCreated { spec, .. } = &record.fact else {
                    return Err(DatabaseError::Disagrees);
                };
                study = Study::restore((**spec).clone(), [&record]).ok();
            }
            Some(study) => study.follow(&record).map_err(|_| DatabaseError::Disagrees)?,
        }
    }
    study.ok_or(DatabaseError::Disagrees)
}

/// Takes in what has become durable, once the database has all that was before.
pub(super) struct Keeper {
    changes: SyncSender<Change>,
    thread: JoinHandle<(Option<Database>, Option<DatabaseError>)>,
}

impl Keeper {
    /// Starts the thread. When `stop` is set it does not go on with bringing the database to where the journal was, or comparing it:
    /// then there is none.
    pub fn start(database: Unchecked, stop: Arc<AtomicBool>) -> Self {
        let (changes, queue) = sync_channel(WAITING);
        Self {
            changes,
            thread: std::thread::spawn(move || keep(&database, &queue, &stop)),
        }
    }

    /// Has a change taken in, after those before it.
    pub fn take_in(&self, change: Change) {
        // The thread has gone only if it panicked, which close tells.
        let _ = self.changes.send(change);
    }

    /// Ends the thread once everything is taken in, and gives back the database; or why there is none. With both, it was made
    /// anew for that reason.
    pub fn close(self) -> (Option<Database>, Option<DatabaseError>) {
        drop(self.changes);
        self.thread.join().unwrap_or((None, Some(DatabaseError::Panicked)))
    }
}

/// Opens a database and brings it to where the journal is, however long that takes. With both in what is returned, it was made anew
/// for that reason.
pub(super) fn bring_up(database: &Unchecked) -> (Option<Database>, Option<DatabaseError>) {
    let (_, nothing) = sync_channel(0);
    keep(database, &nothing, &AtomicBool::new(false))
}

fn keep(
    database: &Unchecked,
    queue: &Receiver<Change>,
    stop: &AtomicBool,
) -> (Option<Database>, Option<DatabaseError>) {
    let (mut database, mut trouble) = match database.open(stop) {
        Ok((database, trouble)) => (Some(database), trouble),
        Err(DatabaseError::Stopped) => (None, None),
        Err(error) => (None, Some(error)),
    };
    if let Some(error) = &trouble {
        tracing::warn!("{}", error.told(database.is_some()));
    }
    while let Ok(mut change) = queue.recv() {
        for next in queue.try_iter() {
            change.reached = next.reached;
            change.lines.extend(next.lines);
            change.rows.extend(next.rows);
        }
        if let Some(open) = &database
            && let Err(error) = guarded(|| open.write(change.reached, &change.lines, &change.rows))
        {
            tracing::warn!("{}", error.told(false));
            trouble = Some(error);
            let given_up = database.take();
            let _ = guarded(|| {
                drop(given_up);
                Ok(())
            });
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
