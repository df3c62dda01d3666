//! Synchronous successive halving: see [`Halving`].

use serde::{Deserialize, Serialize};

use super::brackets::{BracketPlan, Situation, geometric, hyperband_whole, later_size};
use super::{Policy, PolicyKind, PolicySpec, PolicyTable, keys};
use crate::ids::MAX_TRIALS;
use crate::keys::{About, Fallback, Key, Takes};
use crate::study::bracket::{Bracket, Halving};

/// The settings of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuccessiveHalving {
    /// How many trials form a bracket, at least 1; none: all of the study, or as `small_brackets` says.
    pub bracket_size: Option<u64>,
    /// Whether without a `bracket_size` the study is brackets for a sampler that learns from one for the next. The first has
    /// `eta^(rungs - 1)` trials, so that one of them comes to the last rung. Each after it begins where the sampler says, or else
    /// at the first rung, and has as many trials as one of Hyperband's small brackets that begins there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub small_brackets: bool,
}

const BRACKET_SIZE: Key = Key {
    name: "bracket_size",
    takes: Takes::Integer {
        least: 1,
        most: MAX_TRIALS as i64,
    },
    default: Fallback::Described(
        "all trials; if the sampler learns, a large bracket and then [small ones](policies.md#what-exactly-happens)",
    ),
    about: "so many trials are compared with each other",
};

impl SuccessiveHalving {
    pub(super) const ABOUT: About = About {
        name: "successive_halving",
        in_short: "of all trials at a rung the best `1 / reduction_factor` continue",
        choose: "usually, and by default: it wastes the least, and an adaptive sampler (one that learns from earlier \
                 trials) does so from bracket to bracket",
        keys: &[
            keys::MIN,
            keys::REDUCTION_FACTOR,
            BRACKET_SIZE,
            keys::PARALLEL_BRACKETS,
            keys::SPECULATION,
        ],
        keys_if_learning: &[],
    };

    pub(super) fn read(table: &PolicyTable) -> Self {
        Self {
            bracket_size: table.settings.count_if_any(&BRACKET_SIZE),
            small_brackets: false,
        }
    }
}

impl Policy for SuccessiveHalving {
    fn is_synchronous(&self) -> bool {
        true
    }

    fn rungs(&self, policy: &PolicySpec) -> Vec<u64> {
        geometric(policy)
    }

    fn plan(&self, policy: &PolicySpec, situation: &Situation<'_>) -> Option<BracketPlan> {
        Some(match (self.small_brackets, situation.number) {
            (false, _) => situation.synchronous(policy, 0, self.bracket_size.unwrap_or(situation.left)),
            (true, 0) => situation.first(policy, true),
            (true, _) => {
                let skipped = situation.chosen.unwrap_or(0).min(policy.rungs().len() - 1);
                situation.synchronous(policy, skipped, later_size(policy, skipped, true))
            }
        })
    }

    fn open(&self, policy: &PolicySpec, plan: &BracketPlan) -> Bracket {
        Bracket::Halving(Halving::new(&plan.rungs, policy.eta(), plan.trials.unwrap_or(0)))
    }

    fn whole(&self, policy: &PolicySpec) -> Option<u64> {
        self.small_brackets.then(|| hyperband_whole(policy))?
    }

    fn in_brackets(&self, policy: PolicySpec) -> PolicySpec {
        let kind = PolicyKind::SuccessiveHalving(Self {
            small_brackets: self.bracket_size.is_none(),
            ..*self
        });
        PolicySpec { kind, ..policy }
    }
}
