//! The trial database: sled, made from the journal and answering keyed and sorted queries.
//!
//! It holds nothing that the journal does not, and it is not trusted: whatever does not agree with the journal when a
//! study is opened is moved aside and made anew. Since it holds every line of the journal, each with its checksum, it is
//! also what a damaged journal is mended from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rayon::prelude::*;
use sled::transaction::{ConflictableTransactionError, TransactionError};
use sled::{Batch, Transactional, Tree};

use super::error::DatabaseError;
use super::guard::guarded;
use super::journal::JournalReader;
use super::line::{checksum, sequence};
use super::tally::{Contents, Tally, entry_checksum, rank};
use crate::ids::{SegmentId, TrialId};
use crate::kill;
use crate::study::{Fact, Record, TrialSummary};

const REACHED: &[u8] = b"reached";

/// How often sled's lock is asked for once more, and how long it is waited for in between.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// How many lines or rows are written at a time when the database catches up with the journal.
const CHUNK: usize = 4096;

/// So many trials, or other things that are numbered, are checked in one go.
const SHARE: u64 = 1024;

/// A line of the journal, and where the database keeps it.
#[derive(Debug)]
pub struct Line {
    place: Place,
    text: Vec<u8>,
}

#[derive(Debug)]
enum Place {
    Report([u8; 20]),
    Segment([u8; 12]),
    Other([u8; 8]),
}

impl Line {
    /// The line of record number `seq`, without its newline.
    pub fn new(seq: u64, record: &Record, text: Vec<u8>) -> Self {
        let place = match record.fact {
            Fact::Reported(ref reported) => {
                let mut key = [0; 20];
                key[..12].copy_from_slice(&segment_key(reported.segment()));
                key[12..].copy_from_slice(&reported.resource.to_be_bytes());
                Place::Report(key)
            }
            Fact::SegmentStarted { trial, attempt, .. } => Place::Segment(segment_key(SegmentId { trial, attempt })),
            _ => Place::Other(seq.to_be_bytes()),
        };
        Self { place, text }
    }
}

fn go_on(stop: &AtomicBool) -> Result<(), DatabaseError> {
    match stop.load(Ordering::Relaxed) {
        true => Err(DatabaseError::Stopped),
        false => Ok(()),
    }
}

/// The entries of a tree; its keys begin with numbers, most of them below `numbers`. Fails if one is damaged: if `checksum` has
/// none for its key and value.
fn tally_of(
    tree: &Tree,
    numbers: u64,
    checksum: impl Fn(&[u8], &[u8]) -> Option<u32> + Sync,
    stop: &AtomicBool,
) -> Result<Tally, DatabaseError> {
    let parts = numbers.div_ceil(SHARE).max(1);
    let entries_of = |part: u64| {
        go_on(stop)?;
        let from = (part * SHARE).to_be_bytes();
        let to = ((part + 1) * SHARE).to_be_bytes();
        let entries = match part + 1 == parts {
            true => tree.range(from..),
            false => tree.range(from..to),
        };
        let mut tally = Tally::default();
        for entry in entries {
            let (key, value) = entry?;
            tally.add(checksum(&key, &value).ok_or(DatabaseError::Disagrees)?);
        }
        Ok(tally)
    };
    let all = (0..parts).into_par_iter().map(entries_of);
    all.try_reduce(Tally::default, |a, b| Ok(a.and(b)))
}

/// The trial database of one study. One process at a time can have it open.
pub struct Database {
    db: sled::Db,
    /// Trial number -> [`TrialSummary`].
    trials: Tree,
    /// Trial number, attempt, resource -> the journal's line of the report.
    reports: Tree,
    /// Trial number, attempt -> the journal's line of the segment's beginning.
    segments: Tree,
    /// Sequence number -> the journal's line, if it is neither of these.
    others: Tree,
    /// Rank, loss, trial number -> nothing: the completed first, then by loss; of the search's trials only.
    by_loss: Tree,
    meta: Tree,
}

impl Database {
    /// Opens the database at `path`, or makes an empty one.
    pub(super) fn open(path: &Path) -> Result<Self, DatabaseError> {
        let db = open_sled(path)?;
        Ok(Self {
            trials: db.open_tree("trials")?,
            reports: db.open_tree("reports")?,
            segments: db.open_tree("segments")?,
            others: db.open_tree("others")?,
            by_loss: db.open_tree("by_loss")?,
            meta: db.open_tree("meta")?,
            db,
        })
    }

    /// Brings it to where the journal is, which has `records` records; `reached` of them it has, which is taken on trust. `row` gives
    /// the trials of the others, as they are after the last one.
    pub(super) fn catch_up(
        &self,
        journal: &Path,
        reached: u64,
        records: u64,
        row: impl Fn(TrialId) -> Option<TrialSummary>,
        stop: &AtomicBool,
    ) -> Result<(), DatabaseError> {
        // If it is not brought to the end it is still known to have been begun.
        self.write(reached, &[], &[])?;
        let mut journal = JournalReader::open(journal)?;
        while journal.seq() < reached && journal.skip()? {}
        let mut lines = Vec::new();
        let mut touched = BTreeSet::new();
        while journal.seq() < records
            && let Some(record) = journal.next_record()?
        {
            touched.extend(record.fact.trial());
            lines.push(Line::new(journal.seq() - 1, &record, journal.line().to_vec()));
            if lines.len() == CHUNK {
                go_on(stop)?;
                self.insert(&lines)?;
                lines.clear();
            }
        }
        self.insert(&lines)?;
        let touched: Vec<TrialId> = touched.into_iter().collect();
        for ids in touched.chunks(CHUNK) {
            go_on(stop)?;
            let rows: Vec<TrialSummary> = ids.iter().filter_map(|&id| row(id)).collect();
            self.write(reached, &[], &rows)?;
        }
        // Only now: until then what is there is taken in once more.
        self.write(records, &[], &[])
    }

    /// How many records of the journal it holds; none if it does not say.
    pub(super) fn reached(&self) -> Result<Option<u64>, DatabaseError> {
        let reached = self.meta.get(REACHED)?;
        let bytes = reached.and_then(|bytes| <[u8; 8]>::try_from(&*bytes).ok());
        Ok(bytes.map(u64::from_be_bytes))
    }

    /// All lines, in no order.
    fn lines(&self) -> impl Iterator<Item = sled::Result<sled::IVec>> {
        let trees = [&self.reports, &self.segments, &self.others];
        trees.into_iter().flat_map(|tree| tree.iter().values())
    }

    /// How many records the journal must have had by what it holds: the number of the last whole line, and one.
    fn records(&self) -> Result<u64, DatabaseError> {
        let mut known = 0;
        for line in self.lines() {
            let line = line?;
            if let Some(seq) = sequence(&line).filter(|_| checksum(&line).is_some()) {
                known = known.max(seq + 1);
            }
        }
        Ok(known)
    }

    /// Says how it disagrees with a journal of `records` records, of which it says to have more.
    pub(super) fn beyond(&self, records: u64) -> Result<DatabaseError, DatabaseError> {
        let known = self.records()?;
        Ok(match known > records {
            true => DatabaseError::Ahead { records: known },
            false => DatabaseError::Disagrees,
        })
    }

    fn insert(&self, lines: &[Line]) -> Result<(), DatabaseError> {
        let [mut reports, mut segments, mut others] = [Batch::default(), Batch::default(), Batch::default()];
        for line in lines {
            match &line.place {
                Place::Report(key) => reports.insert(key, line.text.as_slice()),
                Place::Segment(key) => segments.insert(key, line.text.as_slice()),
                Place::Other(key) => others.insert(key, line.text.as_slice()),
            }
        }
        self.reports.apply_batch(reports)?;
        self.segments.apply_batch(segments)?;
        self.others.apply_batch(others)?;
        Ok(())
    }

    /// Whether it holds every line of the journal, every trial as the study has it, and nothing else.
    pub(super) fn check(&self, expected: &Contents, stop: &AtomicBool) -> Result<(), DatabaseError> {
        let trials = expected.rows.entries;
        let line = |_: &[u8], line: &[u8]| checksum(line);
        let entry = |key: &[u8], value: &[u8]| Some(entry_checksum(key, value));
        let reports = tally_of(&self.reports, trials, line, stop)?;
        let segments = tally_of(&self.segments, trials, line, stop)?;
        let others = tally_of(&self.others, expected.lines.entries, line, stop)?;
        let contents = Contents {
            lines: reports.and(segments).and(others),
            rows: tally_of(&self.trials, trials, entry, stop)?,
            ranks: tally_of(&self.by_loss, 0, entry, stop)?,
        };
        match contents == *expected {
            true => Ok(()),
            false => Err(DatabaseError::Disagrees),
        }
    }

    /// Takes in lines of the journal, which then has `reached` records, and the rows of the trials they speak of as they
    /// are after them; all or nothing.
    ///
    /// # Errors
    /// If sled can't write.
    pub fn write(&self, reached: u64, lines: &[Line], rows: &[TrialSummary]) -> Result<(), DatabaseError> {
        let mut encoded = Vec::new();
        for row in rows {
            encoded.push((row, serde_json::to_vec(row)?));
        }
        let trees = (
            &self.trials,
            &self.reports,
            &self.segments,
            &self.others,
            &self.by_loss,
            &self.meta,
        );
        trees
            .transaction(|(trials, reports, segments, others, by_loss, meta)| {
                for line in lines {
                    match &line.place {
                        Place::Report(key) => reports.insert(key, line.text.as_slice())?,
                        Place::Segment(key) => segments.insert(key, line.text.as_slice())?,
                        Place::Other(key) => others.insert(key, line.text.as_slice())?,
                    };
                }
                for (row, value) in &encoded {
                    let old = trials.insert(&row.trial.0.to_be_bytes(), value.as_slice())?;
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
        guarded(|| {
            let row = self.trials.get(id.0.to_be_bytes())?;
            Ok(row.map(|row| serde_json::from_slice(&row)).transpose()?)
        })
    }

    /// The best `count` trials of the search: the completed ones by loss, then the others by loss.
    ///
    /// # Errors
    /// If sled can't read or a row is damaged.
    pub fn best(&self, count: usize) -> Result<Vec<TrialSummary>, DatabaseError> {
        guarded(|| {
            let mut best = Vec::new();
            for entry in self.by_loss.iter().keys().take(count) {
                let entry = entry?;
                let id = entry.last_chunk::<8>().ok_or(DatabaseError::Disagrees)?;
                best.push(
                    self.trial(TrialId(u64::from_be_bytes(*id)))?
                        .ok_or(DatabaseError::Disagrees)?,
                );
            }
            Ok(best)
        })
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

/// How many records the journal must have had by what the database at `path` holds, if that is more than `records`.
pub(super) fn more_than(path: &Path, records: u64) -> Option<u64> {
    let known = guarded(|| {
        let database = Database::open(path)?;
        match database.reached()? {
            Some(reached) if reached > records => database.records(),
            _ => Ok(0),
        }
    });
    known.ok().filter(|known| *known > records)
}

/// The lines of the journal that the database at `path` holds whole, by sequence number; none if it can't be opened.
pub(super) fn salvage(path: &Path) -> BTreeMap<u64, Vec<u8>> {
    if !path.is_dir() {
        return BTreeMap::new();
    }
    let mut found = BTreeMap::new();
    // What was read before sled gave up is as good as any: each line tells itself whether it is whole.
    let _ = guarded(|| {
        for line in Database::open(path)?.lines() {
            let line = line?;
            if let Some(seq) = sequence(&line).filter(|_| checksum(&line).is_some()) {
                found.insert(seq, line.to_vec());
            }
        }
        Ok(())
    });
    found
}

fn segment_key(segment: SegmentId) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&segment.trial.0.to_be_bytes());
    key[8..].copy_from_slice(&segment.attempt.to_be_bytes());
    key
}

/// Opens sled, which gives its lock back only a moment after it was dropped.
pub(super) fn open_sled(path: &Path) -> sled::Result<sled::Db> {
    // sled takes much more than it is told, and is no faster with it.
    let config = sled::Config::new().path(path).cache_capacity(8 << 20);
    let is_locked =
        |error: &sled::Error| matches!(error, sled::Error::Io(io) if io.to_string().contains("acquire lock"));
    let mut opened = config.open();
    for _ in 0..LOCK_TRIES {
        match &opened {
            Err(error) if is_locked(error) => std::thread::sleep(LOCK_PAUSE),
            _ => break,
        }
        opened = config.open();
    }
    opened
}

/// Moves the database out of the way. Only the last one is kept: the journal has all that was in it.
pub(super) fn set_aside(path: &Path) -> Result<(), DatabaseError> {
    let aside = path.with_file_name("db.damaged");
    let cleared = match std::fs::symlink_metadata(&aside) {
        Ok(there) if there.is_dir() => std::fs::remove_dir_all(&aside),
        Ok(_) => std::fs::remove_file(&aside),
        Err(_) => Ok(()),
    };
    kill::point("database.aside:before");
    let moved = cleared.and_then(|()| std::fs::rename(path, &aside));
    kill::point("database.aside:moved");
    moved.map_err(|source| DatabaseError::Move {
        path: path.to_owned(),
        source,
    })
}
