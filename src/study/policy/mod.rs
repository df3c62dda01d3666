//! Policies: which trials are compared where, and how many there are.
//!
//! A policy is a file of its own and a line of [`PolicyKind`].

mod asha;
mod async_hyperband;
mod brackets;
mod hyperband;
pub mod keys;
mod median_stopping;
mod no_stopping;
mod pasha;
mod successive_halving;
#[cfg(test)]
mod tests;

use hpo_protocol::Unit;
use serde::{Deserialize, Serialize};

use self::brackets::Situation;
use super::bracket::Bracket;
use crate::keys::{Key, Settings, kinds};

pub use self::asha::Asha;
pub use self::async_hyperband::AsyncHyperband;
pub use self::brackets::BracketPlan;
pub use self::hyperband::Hyperband;
pub use self::median_stopping::MedianStopping;
pub use self::successive_halving::SuccessiveHalving;

kinds! {
    /// The policies.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum PolicyKind as Policy, read from PolicyTable {
        /// Synchronous successive halving, bracket after bracket.
        SuccessiveHalving(successive_halving::SuccessiveHalving),
        /// Brackets of successive halving that begin at one rung after the other.
        Hyperband(hyperband::Hyperband),
        /// Asynchronous successive halving.
        Asha(asha::Asha),
        /// The brackets of Hyperband, each of them asynchronous.
        AsyncHyperband(async_hyperband::AsyncHyperband),
        /// Asynchronous successive halving that trains further only while the ranking still changes.
        Pasha = pasha::Pasha,
        /// Each trial is compared with the others at every report.
        MedianStopping(median_stopping::MedianStopping),
        /// Every trial is trained to the end.
        None = no_stopping::NoStopping,
    }
}

/// What a policy is made of.
#[derive(Debug)]
pub struct PolicyTable {
    /// The values of its keys.
    pub settings: Settings,
    /// Whether the sampler learns from one bracket for the next.
    pub sampler_learns: bool,
}

/// The keys of all policies, beside `type`.
pub const COMMON_KEYS: &[Key] = &[keys::RESOURCE, keys::MAX, keys::REPORT_EVERY];

/// What a policy decides.
trait Policy {
    /// Whether brackets have a fixed number of trials, which are compared once all have come.
    fn is_synchronous(&self) -> bool;

    /// The rungs below the last one, ascending.
    fn rungs(&self, policy: &PolicySpec) -> Vec<u64>;

    /// The next bracket; none if there is none beyond those that are open.
    fn plan(&self, policy: &PolicySpec, situation: &Situation<'_>) -> Option<BracketPlan>;

    /// A bracket with nobody in it.
    fn open(&self, policy: &PolicySpec, plan: &BracketPlan) -> Bracket;

    /// How many trials make a study whole; none if any number does.
    fn whole(&self, _: &PolicySpec) -> Option<u64> {
        None
    }

    /// The policy with several brackets where the study would be one, for a sampler that learns from one for the next.
    fn in_brackets(&self, policy: PolicySpec) -> PolicySpec {
        policy
    }
}

/// How trials are stopped early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySpec {
    /// Which policy it is.
    #[serde(flatten)]
    pub kind: PolicyKind,
    /// What resources count.
    #[serde(rename = "resource", default, skip_serializing_if = "is_usual")]
    pub unit: Unit,
    /// A trial is validated, and reports, at the multiples of this resource and at its maximum. At least 1, and a divisor of
    /// `min_resource`, so that there is a report at every rung whatever segments a trial is trained in.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub report_every: u64,
    /// The resource of the first rung, at least 1.
    pub min_resource: u64,
    /// The resource of the last rung, at least `min_resource`.
    pub max_resource: u64,
    /// Eta: one in so many trials is promoted to the next rung, which lies so many times higher; at least 2.
    pub reduction_factor: u64,
    /// Whether slots with nothing else to do train on the paused trials that most likely will be promoted. It changes no
    /// decision of a synchronous policy, and others leave no slot without work.
    pub speculation: bool,
    /// How many brackets of a synchronous policy may be under way at once with a sampler that learns, at least 1; a bracket is drawn
    /// from what came before those. Other samplers have all brackets under way at once.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub parallel_brackets: u64,
}

fn one() -> u64 {
    1
}

fn is_one(number: &u64) -> bool {
    *number == 1
}

fn is_usual(unit: &Unit) -> bool {
    *unit == Unit::default()
}

impl PolicyKind {
    /// The `type` of a table that has none.
    pub const USUAL: &'static str = SuccessiveHalving::ABOUT.name;
}

impl PolicySpec {
    /// The resource of the report that follows one at `after` (or the beginning, 0) on the way to `to`, which is above it.
    pub fn next_report(&self, after: u64, to: u64) -> u64 {
        hpo_protocol::next_report(self.report_every, after, to)
    }

    /// All resources at which trials are compared, ascending; the last one is `max_resource`.
    pub fn rungs(&self) -> Vec<u64> {
        let mut rungs = self.kind.own().rungs(self);
        rungs.push(self.max_resource);
        rungs
    }

    /// The reduction factor, at least 2.
    pub fn eta(&self) -> u64 {
        self.reduction_factor.max(2)
    }

    /// Whether brackets have a fixed number of trials, which are compared once all have come: the answer depends on no
    /// timing then.
    pub fn is_synchronous(&self) -> bool {
        self.kind.own().is_synchronous()
    }

    /// The same for a sampler that learns from one bracket for the next: where the study would be one bracket, it becomes
    /// several.
    pub fn in_brackets(self) -> Self {
        self.kind.own().in_brackets(self)
    }

    /// The `number`-th bracket (from 0) of a study in which `left` trials are in none yet. Where that can be chosen it skips `chosen`
    /// rungs, if given. Asynchronous policies have their brackets from the beginning, and none beyond them.
    ///
    /// `configurations` counts those of the space, if that can be done; it is asked only where the answer matters.
    pub fn bracket(
        &self,
        number: u64,
        chosen: Option<usize>,
        left: u64,
        configurations: impl Fn() -> Option<u64>,
    ) -> Option<BracketPlan> {
        let situation = Situation {
            number,
            chosen,
            left,
            configurations: &configurations,
        };
        (left > 0).then(|| self.kind.own().plan(self, &situation))?
    }

    /// A bracket with nobody in it.
    pub fn open(&self, plan: &BracketPlan) -> Bracket {
        self.kind.own().open(self, plan)
    }

    /// The resources at which a trial of the first of so many trials' brackets waits for a decision, or ends, ascending.
    pub fn stops(&self, trials: u64) -> Vec<u64> {
        let plan = self.bracket(0, None, trials, || None);
        match plan.map(|plan| self.open(&plan)) {
            Some(bracket) if !bracket.decides_in_passing() => bracket.rungs(),
            Some(_) | None => vec![self.max_resource],
        }
    }

    /// How many trials Hyperband's bracket `s` has.
    pub fn hyperband_size(&self, s: u64) -> u64 {
        brackets::hyperband_size(self, s)
    }

    /// How many trials make a study whole: as many as Hyperband's brackets have together; otherwise any number does.
    pub fn whole(&self) -> Option<u64> {
        self.kind.own().whole(self)
    }
}
