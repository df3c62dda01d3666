//! Brackets: ladders of rungs at which trials are compared.

mod asha;
mod halving;
mod median;

use std::collections::BTreeMap;

pub use asha::Asha;
pub use halving::{Halving, rung_sizes};
pub use median::Median;

use super::policy::{BracketPlan, PolicyKind, PolicySpec};
use super::trial::Report;
use crate::ids::TrialId;

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
    /// Its lowest loss up to the rung, finite; none if it has diverged or failed on the way.
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

/// A bracket of a policy.
#[derive(Debug, Clone, PartialEq)]
pub enum Bracket {
    /// Of a fixed number of trials.
    Halving(Halving),
    /// Asynchronous.
    Asha(Asha),
    /// Median stopping.
    Median(Median),
}

impl Bracket {
    /// A bracket with nobody in it.
    pub fn new(policy: &PolicySpec, plan: &BracketPlan) -> Self {
        let (rungs, eta) = (&plan.rungs, policy.eta());
        match (policy.kind, plan.trials) {
            (PolicyKind::Asha { variant } | PolicyKind::AsyncHyperband { variant }, _) => {
                Self::Asha(Asha::new(rungs, eta, variant))
            }
            (PolicyKind::Pasha, _) => Self::Asha(Asha::progressive(rungs, eta)),
            (
                PolicyKind::MedianStopping {
                    percentile,
                    startup_trials,
                },
                _,
            ) => Self::Median(Median::new(rungs, percentile, startup_trials)),
            (PolicyKind::SuccessiveHalving { .. } | PolicyKind::Hyperband { .. } | PolicyKind::None, trials) => {
                Self::Halving(Halving::new(rungs, eta, trials.unwrap_or(0)))
            }
        }
    }

    /// The resources of the rungs, ascending; at least one.
    pub fn rungs(&self) -> Vec<u64> {
        match self {
            Self::Halving(halving) => halving.rungs(),
            Self::Asha(asha) => asha.rungs(),
            Self::Median(median) => median.rungs(),
        }
    }

    /// To which resource a new trial is trained before it must wait for a decision.
    pub fn first_stop(&self) -> u64 {
        let rungs = self.rungs();
        let stop = if self.decides_in_passing() {
            rungs.last()
        } else {
            rungs.first()
        };
        stop.copied().unwrap_or(0)
    }

    /// Whether a trial goes on past its rungs unless it is stopped there.
    pub fn decides_in_passing(&self) -> bool {
        match self {
            Self::Halving(_) => false,
            Self::Asha(asha) => asha.decides_in_passing(),
            Self::Median(_) => true,
        }
    }

    /// A trial stands at the rung of `resource`; at another resource nothing happens. Returns what is decided by it, for
    /// this trial and for others, by trial number.
    ///
    /// A trial that has diverged or failed is not in the answer: it has come to its end already.
    pub fn enter(&mut self, resource: u64, entry: Entry<'_>) -> Vec<(TrialId, Decision)> {
        match self {
            Self::Halving(halving) => halving.enter(resource, entry),
            Self::Asha(asha) => asha.enter(resource, entry),
            Self::Median(median) => median.enter(resource, entry),
        }
    }

    /// The trial that is to go on now that a slot is free, if the bracket promotes on demand.
    pub fn promotion(&self) -> Option<Promotion> {
        match self {
            Self::Asha(asha) => asha.promotion(),
            Self::Halving(_) | Self::Median(_) => None,
        }
    }

    /// A trial has been promoted from the rung of `resource`, or has ended there: it is not promoted from it any more, whoever
    /// else comes.
    pub fn left(&mut self, trial: TrialId, resource: u64) {
        if let Self::Asha(asha) = self {
            asha.left(trial, resource);
        }
    }

    /// What becomes of a trial that is paused at the rung of `resource` once no other trial will come and nobody is on the
    /// way to any rung.
    pub fn close(&self, trial: TrialId, resource: u64) -> Decision {
        match self {
            Self::Asha(asha) => asha.close(trial, resource),
            Self::Halving(_) | Self::Median(_) => Decision::Prune,
        }
    }
}

/// Orders trials by loss, then by number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rank {
    pub loss: f64,
    pub trial: TrialId,
}

impl Eq for Rank {}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Adding zero makes -0.0 and 0.0 a tie.
        (self.loss + 0.0)
            .total_cmp(&(other.loss + 0.0))
            .then(self.trial.cmp(&other.trial))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
