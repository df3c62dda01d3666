//! Hyperband: Li et al. (2018), algorithm 1. Brackets of successive halving begin at the first rung, the second …, up to one that
//! trains all of its trials to the end; then from the beginning.

use serde::{Deserialize, Serialize};

use super::brackets::{BracketPlan, Situation, geometric, hyperband_whole, later_size};
use super::{Policy, PolicySpec, PolicyTable, keys};
use crate::keys::{About, Fallback, Key, Takes};
use crate::study::bracket::{Bracket, Halving};

/// The settings of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hyperband {
    /// Whether each bracket after the first has only a reduction-factor-th of Hyperband's trials, so that a sampler that learns
    /// from one bracket for the next learns more often from the same resource.
    #[serde(default)]
    pub small_brackets: bool,
}

const SMALL_BRACKETS: Key = Key {
    name: "small_brackets",
    takes: Takes::Flag,
    default: Fallback::Described("whether the sampler learns"),
    about: "whether brackets after the first have a third (1 / `reduction_factor`) of the trials",
};

impl Hyperband {
    pub(super) const ABOUT: About = About {
        name: "hyperband",
        in_short: "brackets of successive halving, each starting at a different rung",
        choose: "if the first epochs may mislead and the sampler can't detect that: good trials that learn slowly \
                 survive in brackets that start higher",
        keys: &[
            keys::MIN,
            keys::REDUCTION_FACTOR,
            SMALL_BRACKETS,
            keys::PARALLEL_BRACKETS,
            keys::SPECULATION,
        ],
        keys_if_learning: &[],
    };

    pub(super) fn read(table: &PolicyTable) -> Self {
        let given = table.settings.flag_if_any(&SMALL_BRACKETS);
        Self {
            small_brackets: given.unwrap_or(table.sampler_learns),
        }
    }
}

impl Policy for Hyperband {
    fn is_synchronous(&self) -> bool {
        true
    }

    fn rungs(&self, policy: &PolicySpec) -> Vec<u64> {
        geometric(policy)
    }

    fn plan(&self, policy: &PolicySpec, situation: &Situation<'_>) -> Option<BracketPlan> {
        let small = self.small_brackets;
        if situation.number == 0 {
            return Some(situation.first(policy, small));
        }
        let skipped = (situation.number % policy.rungs().len() as u64) as usize;
        Some(situation.synchronous(policy, skipped, later_size(policy, skipped, small)))
    }

    fn open(&self, policy: &PolicySpec, plan: &BracketPlan) -> Bracket {
        Bracket::Halving(Halving::new(&plan.rungs, policy.eta(), plan.trials.unwrap_or(0)))
    }

    fn whole(&self, policy: &PolicySpec) -> Option<u64> {
        hyperband_whole(policy)
    }
}
