//! Brackets: ladders of rungs at which trials are compared.

mod asha;
mod halving;
mod median;
mod rung;

pub use asha::{Asha, AshaVariant};
pub use halving::{Halving, rung_sizes};
pub use median::Median;
pub(super) use median::mean_up_to;
pub(super) use rung::Rank;
pub use rung::{Decision, Entry, Promotion, Rule};

use crate::ids::TrialId;

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

    /// By what is decided at the rung of `resource`, as it stands; none if it is no rung below the last one. `own` is the mean cost, up
    /// to there, of the trial that is decided about.
    pub fn rule(&self, resource: u64, own: Option<f64>) -> Option<Rule> {
        match self {
            Self::Halving(halving) => halving.rule(resource),
            Self::Asha(asha) => asha.rule(resource),
            Self::Median(median) => median.rule(resource, own),
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
    pub fn withdraw(&mut self, trial: TrialId, resource: u64) {
        match self {
            Self::Asha(asha) => asha.withdraw(trial, resource),
            Self::Halving(_) | Self::Median(_) => {}
        }
    }

    /// A trial that stands at the rung of `resource` and waits for the decision will not go on, whatever would be decided.
    pub fn abandon(&mut self, trial: TrialId, resource: u64) {
        match self {
            Self::Halving(halving) => halving.abandon(trial, resource),
            Self::Asha(_) | Self::Median(_) => self.withdraw(trial, resource),
        }
    }

    /// A trial that was lost on the way to the rung of `resource` is on its way there again.
    pub fn revive(&mut self, resource: u64) {
        match self {
            Self::Halving(halving) => halving.revive(resource),
            Self::Asha(asha) => asha.revive(resource),
            Self::Median(_) => {}
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
