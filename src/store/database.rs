//! The trial database: sled, made from the journal and answering keyed and sorted queries.
//!
//! It holds nothing that the journal does not, and it is not trusted: whatever does not agree with the journal when a
//! study is opened is moved aside and made anew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use sled::transaction::{ConflictableTransactionError, TransactionError};
use sled::{Transactional, Tree};

use crate::study::{Fact, Record, Study, TrialId, TrialSummary};

const REACHED: &[u8] = b"reached";

/// Why the database can't be used. The study can go on without it.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// sled says so.
    #[error("sled: {0}")]
    Sled(#[from] sled::Error),
    /// sled panicked, as it does on some damaged files.
    #[error("sled panicked on a damaged file")]
    Panicked,
    /// It does not say what the journal says.
    #[error("it does not agree with the journal")]
    Disagrees,
    /// A row is not JSON of its type.
    #[error("a row can't be read: {0}")]
    Row(#[from] serde_json::Error),
    /// It could not be moved aside.
    #[error("{}: {source}", path.display())]
    Move {
        /// The database.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The trial database of one study. One process at a time can have it open.
pub struct Database {
    db: sled::Db,
    /// Trial number -> [`TrialSummary`].
    trials: Tree,
    /// Trial number, resource -> the `reported` record.
    reports: Tree,
    /// Trial number, attempt -> the `segment_started` record.
    segments: Tree,
    /// Rank, loss, trial number -> nothing: the completed first, then by loss; of the search's trials only.
    by_loss: Tree,
    meta: Tree,
}

impl Database {
    /// Opens the database at `path` and brings it to where the journal is, of which `study` is the fold. If it can't be
    /// opened or says something else than the journal, it is moved aside and made anew; then the reason comes with it.
    ///
    /// # Errors
    /// If it can't be made anew either.
    pub fn open(
        path: &Path,
        study: &Study,
        records: &[Record],
    ) -> Result<(Self, Option<DatabaseError>), DatabaseError> {
        let existed = path.exists();
        let reason = match guarded(|| Self::open_current(path, study, records)) {
            Ok(database) => return Ok((database, None)),
            Err(reason) => reason,
        };
        if existed {
            set_aside(path)?;
        }
        let database = guarded(|| Self::open_current(path, study, records))?;
        Ok((database, Some(reason)))
    }

    fn open_current(path: &Path, study: &Study, records: &[Record]) -> Result<Self, DatabaseError> {
        let db = sled::Config::new().path(path).cache_capacity(32 << 20).open()?;
        let database = Self {
            trials: db.open_tree("trials")?,
            reports: db.open_tree("reports")?,
            segments: db.open_tree("segments")?,
            by_loss: db.open_tree("by_loss")?,
            meta: db.open_tree("meta")?,
            db,
        };
        let reached = usize::try_from(database.reached()?).unwrap_or(usize::MAX);
        let missing = records.get(reached..).ok_or(DatabaseError::Disagrees)?;
        let mut touched: Vec<TrialId> = missing.iter().filter_map(|record| record.fact.trial()).collect();
        touched.sort_unstable();
        touched.dedup();
        let rows: Vec<TrialSummary> = touched
            .iter()
            .filter_map(|&id| study.trial(id))
            .map(Into::into)
            .collect();
        database.write(records.len() as u64, missing, &rows)?;
        database.check(study)?;
        Ok(database)
    }

    /// How many records of the journal it holds.
    fn reached(&self) -> Result<u64, DatabaseError> {
        let reached = self.meta.get(REACHED)?;
        let bytes = reached.and_then(|bytes| <[u8; 8]>::try_from(&*bytes).ok());
        Ok(bytes.map_or(0, u64::from_be_bytes))
    }

    /// Whether every trial stands in it as the study has it.
    fn check(&self, study: &Study) -> Result<(), DatabaseError> {
        let mut rows = self.trials.iter();
        for trial in study.trials() {
            let row = rows.next().ok_or(DatabaseError::Disagrees)??;
            if row.0 != key(trial.id, None) || *row.1 != *serde_json::to_vec(&TrialSummary::from(trial))? {
                return Err(DatabaseError::Disagrees);
            }
        }
        let reports: usize = study.trials().iter().map(|trial| trial.reports.len()).sum();
        let segments: usize = study.trials().iter().map(|trial| trial.attempts as usize).sum();
        let ranked = study.search_trials().filter(|trial| trial.best().is_some()).count();
        let agrees = rows.next().is_none()
            && self.reports.len() == reports
            && self.segments.len() == segments
            && self.by_loss.len() == ranked;
        agrees.then_some(()).ok_or(DatabaseError::Disagrees)
    }

    /// Takes in records of the journal, up to number `reached`, and the rows of the trials they speak of as they are
    /// after them; all or nothing.
    ///
    /// # Errors
    /// If sled can't write.
    pub fn write(&self, reached: u64, records: &[Record], rows: &[TrialSummary]) -> Result<(), DatabaseError> {
        let mut reports = Vec::new();
        let mut segments = Vec::new();
        for record in records {
            match record.fact {
                Fact::Reported { trial, resource, .. } => {
                    reports.push((key(trial, Some(resource)), serde_json::to_vec(record)?));
                }
                Fact::SegmentStarted { trial, attempt, .. } => {
                    segments.push((key(trial, Some(u64::from(attempt))), serde_json::to_vec(record)?));
                }
                _ => {}
            }
        }
        let mut encoded = Vec::new();
        for row in rows {
            encoded.push((row, serde_json::to_vec(row)?));
        }
        (&self.trials, &self.reports, &self.segments, &self.by_loss, &self.meta)
            .transaction(|(trials, report_tree, segment_tree, by_loss, meta)| {
                for (key, value) in &reports {
                    report_tree.insert(key.as_slice(), value.as_slice())?;
                }
                for (key, value) in &segments {
                    segment_tree.insert(key.as_slice(), value.as_slice())?;
                }
                for (row, value) in &encoded {
                    let old = trials.insert(key(row.trial, None), value.as_slice())?;
                    if let Some(old) = old {
                        let old: TrialSummary =
                            serde_json::from_slice(&old).map_err(ConflictableTransactionError::Abort)?;
                        if let Some(rank) = rank(&old) {
                            by_loss.remove(rank)?;
                        }
                    }
                    if let Some(rank) = rank(row) {
                        by_loss.insert(rank, &[])?;
                    }
                }
                meta.insert(REACHED, &reached.to_be_bytes())?;
                Ok(())
            })
            .map_err(|error| match error {
                TransactionError::Abort(error) => DatabaseError::Row(error),
                TransactionError::Storage(error) => DatabaseError::Sled(error),
            })
    }

    /// One trial.
    ///
    /// # Errors
    /// If sled can't read or the row is damaged.
    pub fn trial(&self, id: TrialId) -> Result<Option<TrialSummary>, DatabaseError> {
        let row = self.trials.get(key(id, None))?;
        Ok(row.map(|row| serde_json::from_slice(&row)).transpose()?)
    }

    /// The best `count` trials of the search: the completed ones by loss, then the others by loss.
    ///
    /// # Errors
    /// If sled can't read or a row is damaged.
    pub fn best(&self, count: usize) -> Result<Vec<TrialSummary>, DatabaseError> {
        let mut best = Vec::new();
        for entry in self.by_loss.iter().keys().take(count) {
            let entry = entry?;
            let id = entry.last_chunk::<8>().ok_or(DatabaseError::Disagrees)?;
            best.push(self.trial(u64::from_be_bytes(*id))?.ok_or(DatabaseError::Disagrees)?);
        }
        Ok(best)
    }

    /// Writes out what sled still holds in memory.
    ///
    /// # Errors
    /// If sled can't write.
    pub fn flush(&self) -> Result<(), DatabaseError> {
        self.db.flush()?;
        Ok(())
    }
}

fn key(trial: TrialId, second: Option<u64>) -> Vec<u8> {
    let mut key = trial.to_be_bytes().to_vec();
    key.extend(second.iter().flat_map(|n| n.to_be_bytes()));
    key
}

/// The key of a trial in the order of [`Database::best`], if it has a loss and is one of the search's.
fn rank(row: &TrialSummary) -> Option<Vec<u8>> {
    if row.confirms.is_some() {
        return None;
    }
    // The bits of a float, with the sign turned, sort as bytes like the float.
    let bits = (row.loss? + 0.0).to_bits();
    let sortable = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    let mut rank = vec![u8::from(row.state != "completed")];
    rank.extend(sortable.to_be_bytes());
    rank.extend(row.trial.to_be_bytes());
    Some(rank)
}

/// Runs `work` and turns a panic in it, which sled is prone to on damaged files, into an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, DatabaseError>) -> Result<T, DatabaseError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(DatabaseError::Panicked))
}

fn set_aside(path: &Path) -> Result<(), DatabaseError> {
    let aside = (1u32..)
        .map(|n| path.with_file_name(format!("db.damaged-{n}")))
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| path.with_file_name("db.damaged"));
    std::fs::rename(path, aside).map_err(|source| DatabaseError::Move {
        path: path.to_owned(),
        source,
    })
}
