//! What stands at a rung, and what is decided there.

use std::collections::BTreeMap;

use crate::ids::TrialId;
use crate::study::trial::Report;

/// A decision at a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The trial goes on to the resource of the next rung.
    Promote {
        /// The next rung's resource.
        to: u64,
    },
    /// The trial ends here.
    Prune,
    /// The trial has been through the last rung.
    Complete,
}

/// A trial at a rung.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry<'a> {
    /// The trial.
    pub trial: TrialId,
    /// Its lowest cost up to the rung, finite; none if it has diverged or failed on the way.
    pub best: Option<f64>,
    /// All of its validations.
    pub curve: &'a BTreeMap<u64, Report>,
}

/// A trial that goes on to the next rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promotion {
    /// The trial.
    pub trial: TrialId,
    /// The resource of its rung.
    pub rung: u64,
    /// The next rung's resource.
    pub to: u64,
}

/// Orders trials by cost, then by number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::study) struct Rank {
    pub cost: f64,
    pub trial: TrialId,
}

impl Eq for Rank {}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Adding zero makes -0.0 and 0.0 a tie.
        (self.cost + 0.0)
            .total_cmp(&(other.cost + 0.0))
            .then(self.trial.cmp(&other.trial))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
