//! Numbers that say what they count.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of a trial in its study, from 0 in the order in which the configurations were drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrialId(pub u64);

impl fmt::Display for TrialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A segment: one of the stretches in which a trial is trained. In messages its two numbers stand beside the other
/// fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SegmentId {
    /// The trial.
    pub trial: TrialId,
    /// Counts the segments of the trial that were begun, from 1. Every answer carries it, so that a message of an
    /// older attempt can be recognised and ignored.
    pub attempt: u32,
}
