//! In which order trials that wait get slots.

use std::cmp::Reverse;

use super::policy::PolicySpec;
use super::trial::Trial;
use crate::ids::TrialId;

/// The turn of a trial that waits for a slot: the lowest comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    /// Where brackets come one after the other, the oldest goes first: the next ones are drawn once it is over.
    bracket: usize,
    /// Who is the closest to the end goes first, so that rungs are decided soon.
    pub to: Reverse<u64>,
    pub trial: TrialId,
}

impl Turn {
    /// The turn of a trial that waits to be trained up to a resource.
    pub fn new(policy: &PolicySpec, trial: &Trial, to: u64) -> Self {
        let bracket = trial.bracket().filter(|_| policy.is_synchronous());
        Self {
            bracket: bracket.unwrap_or_default(),
            to: Reverse(to),
            trial: trial.id,
        }
    }
}
