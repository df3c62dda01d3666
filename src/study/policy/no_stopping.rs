//! No policy: every trial is trained to the end.

use super::brackets::{BracketPlan, Situation};
use super::{Policy, PolicyKind, PolicySpec, SuccessiveHalving, keys};
use crate::keys::About;
use crate::study::bracket::{Bracket, Halving};

/// How many trials are drawn at once by a sampler that learns.
const BRACKET: u64 = 4;

/// The policy, which has no settings.
pub struct NoStopping;

impl NoStopping {
    pub(super) const ABOUT: About = About {
        name: "none",
        in_short: "every trial is trained to the end",
        choose: "for a few trials, or as a reference for the other policies",
        keys: &[],
        keys_if_learning: &[keys::PARALLEL_BRACKETS],
    };
}

impl Policy for NoStopping {
    fn is_synchronous(&self) -> bool {
        true
    }

    fn rungs(&self, _: &PolicySpec) -> Vec<u64> {
        Vec::new()
    }

    fn plan(&self, policy: &PolicySpec, situation: &Situation<'_>) -> Option<BracketPlan> {
        Some(situation.synchronous(policy, 0, situation.left))
    }

    fn open(&self, policy: &PolicySpec, plan: &BracketPlan) -> Bracket {
        Bracket::Halving(Halving::new(&plan.rungs, policy.eta(), plan.trials.unwrap_or(0)))
    }

    /// Brackets with one rung.
    fn in_brackets(&self, policy: PolicySpec) -> PolicySpec {
        PolicySpec {
            kind: PolicyKind::SuccessiveHalving(SuccessiveHalving {
                bracket_size: Some(BRACKET),
                small_brackets: false,
            }),
            min_resource: policy.max_resource,
            ..policy
        }
    }
}
