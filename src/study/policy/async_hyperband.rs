//! Asynchronous Hyperband: Li et al. (2020), section 3.3. Brackets are as of Hyperband, each of them asynchronous. A trial is
//! assigned to the bracket that is the farthest behind its share of the resource.

use serde::{Deserialize, Serialize};

use super::asha::VARIANT;
use super::brackets::{BracketPlan, Situation, asynchronous, geometric, hyperband_whole};
use super::{Policy, PolicySpec, PolicyTable, keys};
use crate::keys::About;
use crate::study::bracket::{self, AshaVariant, Bracket};

/// The settings of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsyncHyperband {
    /// When a trial is stopped.
    pub variant: AshaVariant,
}

impl AsyncHyperband {
    pub(super) const ABOUT: About = About {
        name: "async_hyperband",
        in_short: "the brackets of Hyperband, each of them run as in `asha`",
        choose: "as `asha`, if the first epochs may mislead",
        keys: &[keys::MIN, keys::REDUCTION_FACTOR, VARIANT],
        keys_if_learning: &[],
    };

    pub(super) fn read(table: &PolicyTable) -> Self {
        Self {
            variant: table.settings.choice(&VARIANT, &AshaVariant::ALL),
        }
    }
}

impl Policy for AsyncHyperband {
    fn is_synchronous(&self) -> bool {
        false
    }

    fn rungs(&self, policy: &PolicySpec) -> Vec<u64> {
        geometric(policy)
    }

    fn plan(&self, policy: &PolicySpec, situation: &Situation<'_>) -> Option<BracketPlan> {
        let number = usize::try_from(situation.number).ok()?;
        (number < policy.rungs().len()).then(|| asynchronous(policy, number))
    }

    fn open(&self, policy: &PolicySpec, plan: &BracketPlan) -> Bracket {
        Bracket::Asha(bracket::Asha::new(&plan.rungs, policy.eta(), self.variant))
    }

    fn whole(&self, policy: &PolicySpec) -> Option<u64> {
        hyperband_whole(policy)
    }
}
