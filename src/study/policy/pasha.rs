//! PASHA (Bohdal et al., 2023): asynchronous successive halving whose last rung is raised only while the ranking of the best trials
//! still changes.

use super::brackets::{BracketPlan, Situation, asynchronous, geometric};
use super::{Policy, PolicySpec, keys};
use crate::keys::About;
use crate::study::bracket::{self, Bracket};

/// The policy, which has no settings.
pub struct Pasha;

impl Pasha {
    pub(super) const ABOUT: About = About {
        name: "pasha",
        in_short: "`asha` that trains further only while the ranking still changes",
        choose: "when the ranking is wanted more than the trained model, and `max_resource` is a guess",
        keys: &[keys::MIN, keys::REDUCTION_FACTOR],
        keys_if_learning: &[],
    };
}

impl Policy for Pasha {
    fn is_synchronous(&self) -> bool {
        false
    }

    fn rungs(&self, policy: &PolicySpec) -> Vec<u64> {
        geometric(policy)
    }

    fn plan(&self, policy: &PolicySpec, situation: &Situation<'_>) -> Option<BracketPlan> {
        (situation.number == 0).then(|| asynchronous(policy, 0))
    }

    fn open(&self, policy: &PolicySpec, plan: &BracketPlan) -> Bracket {
        Bracket::Asha(bracket::Asha::progressive(&plan.rungs, policy.eta()))
    }
}
