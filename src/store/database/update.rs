//! Making the database what it must be, by the study that the journal gives.

use std::path::Path;

use rayon::prelude::*;
use sled::{Batch, Tree};

use super::contents::{self, Entry};
use super::stamp::{Stamp, read_text, write_text};
use super::{CONTENTS, Database, OVERVIEW};
use crate::analysis::Overview;
use crate::ids::TrialId;
use crate::kill;
use crate::store::directory::StudyDirectory;
use crate::store::end::JournalEnd;
use crate::store::engine::{guarded, open_waiting, set_aside};
use crate::store::error::DatabaseError;
use crate::study::{Study, Trial};

/// How many rows are made and written at a time.
const CHUNK: usize = 1024;

/// Makes the database that of a study whose journal ends so. Returns it, or why there is none; with both, it was made anew for that
/// reason. With neither, somebody looks at it for long.
pub(in crate::store) fn bring_up(
    directory: &StudyDirectory,
    study: &Study,
    end: JournalEnd,
) -> (Option<Database>, Option<DatabaseError>) {
    let path = &directory.rows();
    let make = |existed| guarded(|| make(path, existed, study, end));
    let existed = path.exists();
    let (made, trouble) = match make(existed) {
        Err(DatabaseError::Behind) if existed => (remove(path).and_then(|()| make(false)), None),
        Err(reason) if existed && reason.is_its_own_fault() => {
            tracing::warn!("{}", reason.report(true));
            let cleared = set_aside(path, &directory.damaged_database());
            (cleared.and_then(|()| make(false)), Some(reason))
        }
        made => (made, None),
    };
    match made {
        Ok(database) => (Some(database), trouble),
        Err(DatabaseError::Busy) => (None, trouble),
        Err(error) => (None, Some(error)),
    }
}

fn remove(path: &Path) -> Result<(), DatabaseError> {
    std::fs::remove_dir_all(path).map_err(|source| DatabaseError::Move {
        path: path.to_owned(),
        source,
    })
}

/// Brings one that `existed` up to date, or makes one. [`DatabaseError::Behind`] if the one that is there was never finished, or
/// has lost that it was.
fn make(path: &Path, existed: bool, study: &Study, end: JournalEnd) -> Result<Database, DatabaseError> {
    update(path, existed, study, end)?;
    // Opened anew, sled notes where all is, so that whoever opens it next need not look through its log. And on a damaged file,
    // sled can lose what it has just written.
    Database::open(open_waiting(path)?, end)
}

fn update(path: &Path, existed: bool, study: &Study, end: JournalEnd) -> Result<(), DatabaseError> {
    let db = open_waiting(path)?;
    let (trials, meta) = (db.open_tree(super::TRIALS)?, db.open_tree(super::META)?);
    let before = Stamp::read(&meta)?;
    let known = match &before {
        Some(stamp) => {
            read_text(&meta, OVERVIEW, stamp.overview)?;
            contents::decode(&read_text(&meta, CONTENTS, stamp.contents)?)
        }
        None if existed => return Err(DatabaseError::Behind),
        None => Some(Vec::new()),
    };
    let mut writer = Writer {
        trials: &trials,
        meta: &meta,
        known: known.ok_or(DatabaseError::Disagrees)?,
        stamped: before.is_some(),
    };
    let contents = contents::encode(&writer.rows(study)?);
    let overview = serde_json::to_vec(&Overview::of(study))?;
    let stamp = Stamp::new(end, &overview, &contents);
    if before.as_ref() != Some(&stamp) || !writer.stamped {
        writer.change()?;
        write_text(&meta, CONTENTS, &contents)?;
        write_text(&meta, OVERVIEW, &overview)?;
        kill::point("database.write:rows");
        stamp.write(&meta)?;
    }
    db.flush()?;
    Ok(())
}

struct Writer<'a> {
    trials: &'a Tree,
    meta: &'a Tree,
    /// What the rows that are there must be, if they were finished.
    known: Vec<Entry>,
    /// Whether the database says that it is whole.
    stamped: bool,
}

impl Writer<'_> {
    /// To be called before anything is changed.
    fn change(&mut self) -> Result<(), DatabaseError> {
        if std::mem::take(&mut self.stamped) {
            Stamp::remove(self.meta)?;
        }
        Ok(())
    }

    /// Writes the rows of all trials, as far as they are others than those that are there, and removes what is none of them.
    fn rows(&mut self, study: &Study) -> Result<Vec<Entry>, DatabaseError> {
        let mut entries = Vec::with_capacity(study.trials().len());
        for trials in study.trials().chunks(CHUNK) {
            let rows: Vec<Vec<u8>> = trials.par_iter().map(row).collect::<Result<_, _>>()?;
            let mut batch = Batch::default();
            let mut changed = false;
            for (trial, row) in trials.iter().zip(rows) {
                let entry = Entry::new(trial, &row);
                let stored = self.stored(trial.id)?;
                if stored.as_deref() != Some(&*row) {
                    batch.insert(&trial.id.0.to_be_bytes(), row);
                    changed = true;
                }
                entries.push(entry);
            }
            if changed {
                self.change()?;
                self.trials.apply_batch(batch)?;
            }
        }
        let beyond = (study.trials().len() as u64).to_be_bytes();
        for key in self.trials.range(beyond..).keys() {
            self.change()?;
            self.trials.remove(key?)?;
        }
        Ok(entries)
    }

    /// The row of a trial that is there. Fails if it is another than it must be.
    fn stored(&self, trial: TrialId) -> Result<Option<sled::IVec>, DatabaseError> {
        let row = self.trials.get(trial.0.to_be_bytes())?;
        let known = usize::try_from(trial.0).ok().and_then(|trial| self.known.get(trial));
        let expected = known.map(|entry| entry.checksum);
        let found = row.as_ref().map(|row| contents::checksum(trial, row));
        match expected.is_none() || found == expected {
            true => Ok(row),
            false => Err(DatabaseError::Disagrees),
        }
    }
}

/// The row of a trial.
fn row(trial: &Trial) -> Result<Vec<u8>, DatabaseError> {
    Ok(serde_json::to_vec(trial)?)
}

/// Whether the database at `path` says what a study says whose journal ends so. One that was not finished, or not since the journal
/// had fewer records, says nothing; but what it has must be whole.
///
/// # Errors
/// If it says something else, or can't be read.
pub(in crate::store) fn compare(path: &Path, study: &Study, end: Option<JournalEnd>) -> Result<(), DatabaseError> {
    let db = open_waiting(path)?;
    let meta = db.open_tree(super::META)?;
    let Some(stamp) = Stamp::read(&meta)? else {
        return Ok(());
    };
    let database = Database::open(db, stamp.end)?;
    let is_current = Some(stamp.end) == end;
    if is_current && (database.contents.len() != study.trials().len() || database.overview != Overview::of(study)) {
        return Err(DatabaseError::Disagrees);
    }
    let same = |(place, entry): (usize, &Entry)| {
        let row = database.row(TrialId(place as u64), entry)?;
        let trial = study.trials().get(place).filter(|_| is_current);
        match trial.map(self::row).transpose()? {
            Some(expected) if *expected != *row => Err(DatabaseError::Disagrees),
            _ => Ok(()),
        }
    };
    database
        .contents
        .par_iter()
        .enumerate()
        .with_min_len(CHUNK)
        .try_for_each(same)
}
