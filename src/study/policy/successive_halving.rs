//! Synchronous successive halving: see [`Halving`].

use serde::{Deserialize, Serialize};

use super::brackets::{Advice, BracketPlan, Situation, geometric, hyperband_whole, later_size};
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
    /// Whether brackets after the first begin no lower than at one rung after the other, in turn, as those of Hyperband do, unless the
    /// first rung is known to foretell the last. Losses of low rungs can't tell the best from the good, and what rungs say of each other is
    /// learned only from trials that came far without having been chosen at the rungs below.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_turn: bool,
}

/// Where the first rung correlates so well with the last, brackets gain nothing by beginning above it.
const FORETOLD: f64 = 0.95;

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

const IN_TURN: Key = Key {
    name: "in_turn",
    takes: Takes::Flag,
    default: Fallback::Flag(false),
    about: "whether brackets after the first begin no lower than at one rung after the other, [in turn](policies.md#what-exactly-happens), \
            unless the first rung foretells the last: fewer trials are trained further, which pays in long searches",
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
        keys_if_learning: &[IN_TURN],
    };

    pub(super) fn read(table: &PolicyTable) -> Self {
        Self {
            bracket_size: table.settings.count_if_any(&BRACKET_SIZE),
            small_brackets: false,
            in_turn: table.settings.flag(&IN_TURN),
        }
    }
}

impl SuccessiveHalving {
    /// How many rungs a bracket skips because it is their turn.
    fn turn(&self, policy: &PolicySpec, situation: &Situation<'_>) -> usize {
        let rungs = policy.rungs().len();
        let foretells = |advice: Advice| advice.agreement.powi(rungs as i32 - 1) >= FORETOLD;
        match situation.number.checked_sub(1) {
            Some(later) if self.in_turn && !situation.advice.is_some_and(foretells) => (later % rungs as u64) as usize,
            Some(_) | None => 0,
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
            (false, _) => {
                let size = self.bracket_size.unwrap_or(situation.left);
                situation.synchronous(policy, self.turn(policy, situation), size)
            }
            (true, 0) => situation.first(policy, true),
            (true, _) => {
                let advised = situation.advice.map_or(0, |advice| advice.skipped);
                let skipped = advised.max(self.turn(policy, situation)).min(policy.rungs().len() - 1);
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
