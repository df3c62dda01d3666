//! What the rows of a database must be: their checksums, and what orders them.

use crate::ids::TrialId;
use crate::study::{Score, Trial, TrialStatus};

/// How many bytes an entry takes.
const LENGTH: usize = 21;

const CONFIRMS: u8 = 1;
const COMPLETED: u8 = 2;
const HAS_COST: u8 = 4;

/// Of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry {
    /// Its checksum; see [`checksum`].
    pub checksum: u32,
    /// Whether the trial is not one of the search's.
    pub confirms: bool,
    /// Whether it was completed.
    pub completed: bool,
    /// Its lowest score by the study's objective and what it requires.
    pub score: Option<Score>,
}

/// The checksum of a trial's row: of its number, and of what is kept under it.
pub(super) fn checksum(trial: TrialId, row: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&trial.0.to_be_bytes()), row)
}

impl Entry {
    /// That of a trial whose row is `row`.
    pub fn new(trial: &Trial, row: &[u8]) -> Self {
        Self {
            checksum: checksum(trial.id, row),
            confirms: trial.confirms().is_some(),
            completed: trial.state.status() == TrialStatus::Completed,
            score: trial.score(),
        }
    }

    /// In the order of [`Database::best`](super::Database::best), if it has a score and is one of the search's.
    pub fn rank(&self) -> Option<(bool, bool, Score)> {
        let score = self.score.filter(|_| !self.confirms);
        score.map(|score| (!score.is_feasible(), !self.completed, score))
    }
}

/// The entries, one after the other.
pub(super) fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LENGTH * entries.len());
    for entry in entries {
        let flags = [
            (entry.confirms, CONFIRMS),
            (entry.completed, COMPLETED),
            (entry.score.is_some(), HAS_COST),
        ];
        let flags = flags.iter().map(|&(set, flag)| u8::from(set) * flag).sum();
        bytes.extend(entry.checksum.to_le_bytes());
        bytes.push(flags);
        let Score { violation, cost } = entry.score.unwrap_or(Score::from(0.0));
        bytes.extend(cost.to_le_bytes());
        bytes.extend(violation.to_le_bytes());
    }
    bytes
}

/// What [`encode`] was given; none if it has not made these bytes.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Entry>> {
    let (entries, []) = bytes.as_chunks::<LENGTH>() else {
        return None;
    };
    let entries = entries.iter().map(|&[a, b, c, d, flags, ref numbers @ ..]| {
        let ([cost, violation], []) = numbers.as_chunks() else {
            return None;
        };
        let [cost, violation] = [cost, violation].map(|bytes| f64::from_le_bytes(*bytes));
        Some(Entry {
            checksum: u32::from_le_bytes([a, b, c, d]),
            confirms: flags & CONFIRMS != 0,
            completed: flags & COMPLETED != 0,
            score: (flags & HAS_COST != 0).then_some(Score { violation, cost }),
        })
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_they_were_written() {
        let mut entries = Vec::new();
        for (number, cost) in (0..8).zip([None, Some(-0.0), Some(5e-324), Some(f64::MAX)].into_iter().cycle()) {
            entries.push(Entry {
                checksum: u32::MAX - number,
                confirms: number & 1 != 0,
                completed: number & 4 != 0,
                score: cost.map(|cost| Score {
                    violation: if number & 2 == 0 { 0.0 } else { f64::INFINITY },
                    cost,
                }),
            });
        }
        let bytes = encode(&entries);
        assert_eq!(decode(&bytes).unwrap(), entries);
        assert_eq!(decode(&bytes[1..]), None);
        assert_eq!(decode(&[]), Some(Vec::new()));
    }
}
