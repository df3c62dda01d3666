//! What numbers and dates the things of a study.

use serde::{Deserialize, Serialize};

/// The number of a trial in its study, from 0 in the order in which the configurations were drawn.
pub type TrialId = u64;

/// Milliseconds since 1970 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Milliseconds from `earlier` to `self`; 0 if the clock went back.
    pub fn since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The number of a slot, from 0.
pub type SlotId = u32;

/// The most trials that a study can have.
pub const MAX_TRIALS: u64 = 1_000_000;
