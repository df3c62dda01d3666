//! Asynchronous successive halving: see [`bracket::Asha`].

use serde::{Deserialize, Serialize};

use super::brackets::{BracketPlan, Situation, asynchronous, geometric};
use super::{Policy, PolicySpec, PolicyTable, keys};
use crate::keys::{About, Fallback, Key, Refusal, Takes};
use crate::study::bracket::{self, AshaVariant, Bracket};

/// The settings of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asha {
    /// When a trial is stopped.
    pub variant: AshaVariant,
}

/// When a trial is stopped.
pub(super) const VARIANT: Key = Key {
    name: "variant",
    takes: Takes::Word(
        &[AshaVariant::Promotion.name(), AshaVariant::Stopping.name()],
        Refusal {
            message: "is neither `promotion` nor `stopping`",
            label: "unknown variant",
            help: "",
        },
    ),
    default: Fallback::Word(AshaVariant::Promotion.name()),
    about: "whether a trial waits at a rung until it is among the best there, or goes on unless it is not; see \
            [policies.md](policies.md#what-exactly-happens)",
};

impl Asha {
    pub(super) const ABOUT: About = About {
        name: "asha",
        in_short: "successive halving without waiting: a trial continues when it is among the best that have reached \
                   the rung so far",
        choose: "with tens of slots or more, and many short trials",
        keys: &[keys::MIN, keys::REDUCTION_FACTOR, VARIANT],
        keys_if_learning: &[],
    };

    pub(super) fn read(table: &PolicyTable) -> Self {
        Self {
            variant: table.settings.choice(&VARIANT, &AshaVariant::ALL),
        }
    }
}

impl Policy for Asha {
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
        Bracket::Asha(bracket::Asha::new(&plan.rungs, policy.eta(), self.variant))
    }
}
