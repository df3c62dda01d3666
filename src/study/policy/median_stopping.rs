//! Median stopping: see [`Median`].

use serde::{Deserialize, Serialize};

use super::brackets::{BracketPlan, Situation, asynchronous};
use super::{Policy, PolicySpec, PolicyTable, keys};
use crate::ids::MAX_TRIALS;
use crate::keys::{About, Fallback, Key, Takes};
use crate::study::bracket::{Bracket, Median};

/// The settings of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MedianStopping {
    /// The share of the others, in percent (1 to 99), that must be better for a trial to be stopped.
    pub percentile: u64,
    /// How many trials must have been through before any is stopped, at least 1.
    pub startup_trials: u64,
}

const PERCENTILE: Key = Key {
    name: "percentile",
    takes: Takes::Integer { least: 1, most: 99 },
    default: Fallback::Integer(50),
    about: "a trial ends if it is worse than so many percent of the others",
};

const STARTUP_TRIALS: Key = Key {
    name: "startup_trials",
    takes: Takes::Integer {
        least: 1,
        most: MAX_TRIALS as i64,
    },
    default: Fallback::Integer(5),
    about: "so many must have come as far",
};

impl MedianStopping {
    pub(super) const ABOUT: About = About {
        name: "median_stopping",
        in_short: "a trial is stopped when it is worse than the median of the others at the same resource",
        choose: "with few trials, or curves that cross late",
        keys: &[keys::MIN, PERCENTILE, STARTUP_TRIALS],
        keys_if_learning: &[],
    };

    pub(super) fn read(table: &PolicyTable) -> Self {
        Self {
            percentile: table.settings.count(&PERCENTILE),
            startup_trials: table.settings.count(&STARTUP_TRIALS),
        }
    }
}

impl Policy for MedianStopping {
    fn is_synchronous(&self) -> bool {
        false
    }

    /// Those of all reports from `min_resource` on.
    fn rungs(&self, policy: &PolicySpec) -> Vec<u64> {
        let next = |rung: &u64| rung.checked_add(policy.report_every.max(1));
        std::iter::successors(Some(policy.min_resource.max(1)), next)
            .take_while(|&rung| rung < policy.max_resource)
            .collect()
    }

    fn plan(&self, policy: &PolicySpec, situation: &Situation<'_>) -> Option<BracketPlan> {
        (situation.number == 0).then(|| asynchronous(policy, 0))
    }

    fn open(&self, _: &PolicySpec, plan: &BracketPlan) -> Bracket {
        Bracket::Median(Median::new(&plan.rungs, self.percentile, self.startup_trials))
    }
}
