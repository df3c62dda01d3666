//! The second copy of the journal: all its lines, in sled, by trial, attempt and resource.
//!
//! It holds nothing that the journal does not, and it is not trusted: if it does not agree with the journal when a study is
//! opened, it is moved aside and made anew. Each line has its own checksum, so a damaged journal can be repaired from it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use sled::transaction::{TransactionError, TransactionResult};
use sled::{Batch, Transactional, Tree};

use super::engine::{guarded, open_waiting};
use super::error::DatabaseError;
use super::journal::JournalReader;
use super::line::{checksum, sequence};
use super::tally::Tally;
use crate::ids::SegmentId;
use crate::study::{Fact, Record};

const REACHED: &[u8] = b"reached";

/// What earlier versions kept here too.
const FORMER_TREES: [&str; 2] = ["trials", "by_loss"];

/// How many lines are written at a time when the copy catches up with the journal.
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
        let place = if let Fact::Reported(report) = &record.fact {
            let mut key = [0; 20];
            key[..12].copy_from_slice(&segment_key(report.segment()));
            key[12..].copy_from_slice(&report.resource.to_be_bytes());
            Place::Report(key)
        } else if let Fact::SegmentStarted { trial, attempt, .. } = record.fact {
            Place::Segment(segment_key(SegmentId { trial, attempt }))
        } else {
            Place::Other(seq.to_be_bytes())
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

/// The lines in a tree; its keys begin with numbers, most of them below `numbers`. Fails if one is damaged.
fn tally_of(tree: &Tree, numbers: u64, stop: &AtomicBool) -> Result<Tally, DatabaseError> {
    let parts = numbers.div_ceil(SHARE).max(1);
    let lines_of = |part: u64| {
        go_on(stop)?;
        let from = (part * SHARE).to_be_bytes();
        let to = ((part + 1) * SHARE).to_be_bytes();
        let lines = match part + 1 == parts {
            true => tree.range(from..),
            false => tree.range(from..to),
        };
        let mut tally = Tally::default();
        for line in lines.values() {
            tally.add(checksum(&line?).ok_or(DatabaseError::Disagrees)?);
        }
        Ok(tally)
    };
    let all = (0..parts).into_par_iter().map(lines_of);
    all.try_reduce(Tally::default, |a, b| Ok(a.and(b)))
}

/// The lines of one study's journal. One process at a time can have them open.
pub(super) struct Lines {
    db: sled::Db,
    /// Trial number, attempt, resource -> the journal's line of the report.
    reports: Tree,
    /// Trial number, attempt -> the journal's line of the segment's beginning.
    segments: Tree,
    /// Sequence number -> the journal's line, if it is neither of these.
    others: Tree,
    meta: Tree,
}

impl Lines {
    /// Opens the copy at `path`, or makes an empty one.
    pub(super) fn open(path: &Path) -> Result<Self, DatabaseError> {
        let db = open_waiting(path)?;
        Ok(Self {
            reports: db.open_tree("reports")?,
            segments: db.open_tree("segments")?,
            others: db.open_tree("others")?,
            meta: db.open_tree("meta")?,
            db,
        })
    }

    /// Brings it to where the journal is, which has `records` records; `reached` of them it has, which is taken on trust.
    pub(super) fn catch_up(
        &self,
        journal: &Path,
        reached: u64,
        records: u64,
        stop: &AtomicBool,
    ) -> Result<(), DatabaseError> {
        for former in FORMER_TREES {
            self.db.drop_tree(former)?;
        }
        // If it is not brought to the end it is still known to have been begun.
        self.write(reached, &[])?;
        let mut journal = JournalReader::open(journal)?;
        while journal.seq() < reached && journal.skip()? {}
        let mut lines = Vec::new();
        while journal.seq() < records
            && let Some(record) = journal.next_record()?
        {
            lines.push(Line::new(journal.seq() - 1, &record, journal.line().to_vec()));
            if lines.len() == CHUNK {
                go_on(stop)?;
                self.insert(&lines)?;
                lines.clear();
            }
        }
        self.insert(&lines)?;
        // Only now: until then what is there is taken in once more.
        self.write(records, &[])
    }

    /// How many records of the journal it holds; none if it does not say.
    pub(super) fn reached(&self) -> Result<Option<u64>, DatabaseError> {
        let reached = self.meta.get(REACHED)?;
        let bytes = reached.and_then(|bytes| <[u8; 8]>::try_from(&*bytes).ok());
        Ok(bytes.map(u64::from_be_bytes))
    }

    /// All lines, in no order.
    fn all(&self) -> impl Iterator<Item = sled::Result<sled::IVec>> {
        let trees = [&self.reports, &self.segments, &self.others];
        trees.into_iter().flat_map(|tree| tree.iter().values())
    }

    /// How many records the journal must have had by what it holds: the number of the last whole line, and one.
    fn records(&self) -> Result<u64, DatabaseError> {
        let mut known = 0;
        for line in self.all() {
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

    /// Whether it holds every line of a journal of which `trials` trials have reports, and nothing else.
    pub(super) fn check(&self, journal: Tally, trials: u64, stop: &AtomicBool) -> Result<(), DatabaseError> {
        let reports = tally_of(&self.reports, trials, stop)?;
        let segments = tally_of(&self.segments, trials, stop)?;
        let others = tally_of(&self.others, journal.entries, stop)?;
        match reports.and(segments).and(others) == journal {
            true => Ok(()),
            false => Err(DatabaseError::Disagrees),
        }
    }

    /// Takes in lines of the journal, which then has `reached` records; all or nothing.
    ///
    /// # Errors
    /// If sled can't write.
    pub(super) fn write(&self, reached: u64, lines: &[Line]) -> Result<(), DatabaseError> {
        let trees = (&self.reports, &self.segments, &self.others, &self.meta);
        let written: TransactionResult<(), ()> = trees.transaction(|(reports, segments, others, meta)| {
            for line in lines {
                match &line.place {
                    Place::Report(key) => reports.insert(key, line.text.as_slice())?,
                    Place::Segment(key) => segments.insert(key, line.text.as_slice())?,
                    Place::Other(key) => others.insert(key, line.text.as_slice())?,
                };
            }
            meta.insert(REACHED, &reached.to_be_bytes())?;
            Ok(())
        });
        written.map_err(|error| match error {
            TransactionError::Abort(()) => DatabaseError::Disagrees,
            TransactionError::Storage(error) => DatabaseError::Sled(error),
        })
    }

    /// Writes out what sled still holds in memory.
    ///
    /// # Errors
    /// If sled can't write.
    pub(super) fn flush(&self) -> Result<(), DatabaseError> {
        self.db.flush()?;
        Ok(())
    }
}

/// How many records the journal must have had by what the copy at `path` holds, if that is more than `records`.
pub(super) fn more_than(path: &Path, records: u64) -> Option<u64> {
    let known = guarded(|| {
        let lines = Lines::open(path)?;
        match lines.reached()? {
            Some(reached) if reached > records => lines.records(),
            _ => Ok(0),
        }
    });
    known.ok().filter(|known| *known > records)
}

/// The lines of the journal that the copy at `path` holds whole, by sequence number; none if it can't be opened.
pub(super) fn salvage(path: &Path) -> BTreeMap<u64, Vec<u8>> {
    if !path.is_dir() {
        return BTreeMap::new();
    }
    let mut found = BTreeMap::new();
    // What was read before sled gave up is as good as any: each line has its own checksum.
    let _ = guarded(|| {
        for line in Lines::open(path)?.all() {
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
