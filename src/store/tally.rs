//! What the trial database must hold, in few numbers, so that it can be compared while the study goes on.

use rayon::prelude::*;

use super::line::checksum;
use crate::study::{Study, TrialSummary};

/// How many entries there are, and a sum of their checksums: equal for equal sets of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many.
    pub entries: u64,
    /// The sum.
    pub sum: u64,
}

impl Tally {
    /// Counts a line of the journal; false if it is not whole.
    pub fn count(&mut self, line: &[u8]) -> bool {
        let told = checksum(line);
        self.add(told.unwrap_or(0));
        told.is_some()
    }

    /// Counts an entry by its checksum.
    pub(super) fn add(&mut self, checksum: u32) {
        self.entries += 1;
        self.sum = self.sum.wrapping_add(checksum.into());
    }

    /// The entries of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            sum: self.sum.wrapping_add(other.sum),
        }
    }
}

/// What the database of a study holds if it agrees with the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Contents {
    /// The lines of the journal.
    pub lines: Tally,
    /// The trials' rows, by their keys and values.
    pub rows: Tally,
    /// The entries in the order of the losses, by their keys.
    pub ranks: Tally,
}

impl Contents {
    /// Those of a study whose journal has these lines.
    pub fn of(study: &Study, lines: Tally) -> Self {
        let one = |trial| {
            let row = TrialSummary::from(trial);
            let mut own = Self::default();
            // One that can't be written is not in the database either, which then can't be used.
            let value = serde_json::to_vec(&row).unwrap_or_default();
            own.rows.add(entry_checksum(&row.trial.0.to_be_bytes(), &value));
            if let Some(rank) = rank(&row) {
                own.ranks.add(entry_checksum(&rank, &[]));
            }
            own
        };
        let trials = study.trials().par_iter().with_min_len(1024).map(one);
        Self {
            lines,
            ..trials.reduce(Self::default, Self::and)
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            lines: self.lines.and(other.lines),
            rows: self.rows.and(other.rows),
            ranks: self.ranks.and(other.ranks),
        }
    }
}

/// The checksum of a key and what is kept under it.
pub(super) fn entry_checksum(key: &[u8], value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), value)
}

/// The key of a trial in the order of [`Database::best`](super::Database::best), if it has a loss and is one of the search's.
pub(super) fn rank(row: &TrialSummary) -> Option<Vec<u8>> {
    if row.confirms.is_some() {
        return None;
    }
    // The bits of a float, with the sign turned, sort as bytes like the float.
    let bits = (row.loss? + 0.0).to_bits();
    let sortable = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    let mut rank = vec![u8::from(row.state != "completed")];
    rank.extend(sortable.to_be_bytes());
    rank.extend(row.trial.0.to_be_bytes());
    Some(rank)
}
