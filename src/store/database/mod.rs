//! The trial database: a row for each trial, and how the study as a whole stands, in sled.
//!
//! It holds nothing that the journal does not. It is made when a scheduler ends in good order, or `hpo fsck --repair` has, and
//! answers questions for as long as nothing is written to the journal since. Nothing is believed without proof: its stamp fits one
//! end of one journal, the checksums of its rows fit the stamp, and each row that is read fits its checksum. Whoever finds it
//! otherwise reads the journal.

mod contents;
mod stamp;
mod update;

use std::fs;
use std::os::unix::fs::MetadataExt;

use sled::Tree;

use super::acknowledged;
use super::directory::StudyDirectory;
use super::end::JournalEnd;
use super::engine::{self, guarded};
use super::error::DatabaseError;
use crate::analysis::Overview;
use crate::ids::TrialId;
use crate::study::{Score, Trial, TrialSummary};
use contents::Entry;
use stamp::{Stamp, read_text};
pub(super) use update::{bring_up, compare};

const TRIALS: &str = "trials";
const META: &str = "meta";
const CONTENTS: &str = "contents";
const OVERVIEW: &str = "overview";

/// The trial database of one study, whole and up to date. One process at a time can have it open.
pub struct Database {
    overview: Overview,
    contents: Vec<Entry>,
    /// Trial number -> the trial as JSON.
    trials: Tree,
    _db: sled::Db,
}

impl Database {
    /// That of a study, if it can be used: there, free, whole, and made from all that the journal has.
    pub fn current(directory: &StudyDirectory) -> Option<Self> {
        let journal = directory.journal();
        let end = JournalEnd::of(&journal)?;
        let path = directory.rows();
        // To open it is to write to it, which nobody shall do but its owner, and not while somebody else is about to.
        let owner = fs::metadata(path.join("db")).ok()?.uid();
        let is_ours = owner == rustix::process::geteuid().as_raw();
        if !is_ours || directory.is_locked() || acknowledged::known(&journal).records() > end.records {
            return None;
        }
        let opened = guarded(|| Self::open(engine::open(&path)?, end));
        if let Err(reason) = &opened {
            tracing::debug!(%reason, "the trial database is not used");
        }
        opened.ok()
    }

    /// What is in `db`, if it was made from a journal that ends so.
    pub(super) fn open(db: sled::Db, end: JournalEnd) -> Result<Self, DatabaseError> {
        let (trials, meta) = (db.open_tree(TRIALS)?, db.open_tree(META)?);
        let stamp = Stamp::read(&meta)?.filter(|stamp| stamp.end == end);
        let stamp = stamp.ok_or(DatabaseError::Behind)?;
        let contents = contents::decode(&read_text(&meta, CONTENTS, stamp.contents)?);
        Ok(Self {
            overview: serde_json::from_slice(&read_text(&meta, OVERVIEW, stamp.overview)?)?,
            contents: contents.ok_or(DatabaseError::Disagrees)?,
            trials,
            _db: db,
        })
    }

    /// How the study stands.
    pub fn overview(&self) -> &Overview {
        &self.overview
    }

    /// One trial; none if there is no such one.
    ///
    /// # Errors
    /// If sled can't read, or the row is damaged.
    pub fn trial(&self, id: TrialId) -> Result<Option<Trial>, DatabaseError> {
        let entry = usize::try_from(id.0).ok().and_then(|place| self.contents.get(place));
        let Some(entry) = entry else { return Ok(None) };
        guarded(|| Ok(Some(serde_json::from_slice(&self.row(id, entry)?)?)))
    }

    /// The row of a trial, which must be as its entry says.
    fn row(&self, id: TrialId, entry: &Entry) -> Result<sled::IVec, DatabaseError> {
        let row = self.trials.get(id.0.to_be_bytes())?;
        let row = row.filter(|row| contents::checksum(id, row) == entry.checksum);
        row.ok_or(DatabaseError::Disagrees)
    }

    /// The rows of these trials, which there are.
    ///
    /// # Errors
    /// If sled can't read, or a row is damaged.
    pub(super) fn summaries(&self, ids: impl IntoIterator<Item = TrialId>) -> Result<Vec<TrialSummary>, DatabaseError> {
        let spec = &self.overview.spec;
        let row = |id| {
            Ok(TrialSummary::new(
                &self.trial(id)?.ok_or(DatabaseError::Disagrees)?,
                spec,
            ))
        };
        ids.into_iter().map(row).collect()
    }

    /// The lowest cost of each trial, by number.
    pub(super) fn costs(&self) -> impl Iterator<Item = (TrialId, Option<f64>)> {
        let cost = |entry: &Entry| entry.score.map(|score| score.cost);
        (0..).map(TrialId).zip(self.contents.iter().map(cost))
    }

    /// The best `count` trials of the search: those that fulfil what is required first; of these the completed ones by score, then the
    /// others by score.
    ///
    /// # Errors
    /// If sled can't read, or a row is damaged.
    pub fn best(&self, count: usize) -> Result<Vec<TrialSummary>, DatabaseError> {
        let ranked = (0..).map(TrialId).zip(&self.contents);
        let ranked = ranked.filter_map(|(id, entry)| Some((entry.rank()?, id)));
        let mut ranked: Vec<((bool, bool, Score), TrialId)> = ranked.collect();
        ranked.sort_unstable();
        ranked.truncate(count);
        self.summaries(ranked.into_iter().map(|(_, id)| id))
    }
}
