//! Limits at which a search ends before all its trials are decided.

use std::ops::Bound;

use serde::{Deserialize, Serialize};

use super::Study;
use super::bracket::Rank;
use crate::ids::Timestamp;

/// When to end a search early; each may be changed at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopSpec {
    /// Once schedulers have had the study for so many milliseconds, all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<u64>,
    /// Once all trials together have been trained to so much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<u64>,
    /// Once so many trials that were drawn after the best one have been decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_better: Option<u64>,
}

/// The limit that has ended a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// [`StopSpec::time_ms`].
    Time,
    /// [`StopSpec::resource`].
    Resource,
    /// [`StopSpec::no_better`].
    NoBetter,
}

impl StopSpec {
    /// Whether there is no limit.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Study {
    /// The limit at which the search has ended, if it has. Nothing is begun before a scheduler with higher limits takes it over.
    pub fn halted(&self) -> Option<Limit> {
        self.halted
    }

    /// Whether nothing is being trained and nothing will be: all is decided, or a limit was reached.
    pub fn is_at_rest(&self) -> bool {
        self.finished || (self.halted.is_some() && self.running.is_empty())
    }

    /// How long schedulers have had the study, in milliseconds, at `now`. The time between two schedulers does not count, nor what the
    /// last one did after its last record, if it was killed.
    pub fn active_ms(&self, now: Timestamp) -> u64 {
        let runs = self.scheduler.as_ref().is_some_and(|scheduler| !scheduler.stopped);
        self.active_ms + if runs && !self.held { now.since(self.updated) } else { 0 }
    }

    /// The first of these limits that is reached at `now`.
    pub fn reached(&self, stop: &StopSpec, now: Timestamp) -> Option<Limit> {
        let time = stop.time_ms.is_some_and(|most| self.active_ms(now) >= most);
        let resource = || stop.resource.is_some_and(|most| self.trained_resource() >= most);
        let no_better = || stop.no_better.is_some_and(|most| self.decided_since_best(most) >= most);
        match () {
            () if time => Some(Limit::Time),
            () if resource() => Some(Limit::Resource),
            () if no_better() => Some(Limit::NoBetter),
            () => None,
        }
    }

    /// How many trials that were drawn after the one with the lowest cost are decided, as far as `most`.
    fn decided_since_best(&self, most: u64) -> u64 {
        // With several objectives one is better that no other dominates.
        let latest = self.front().into_iter().map(|trial| trial.id).max();
        let Some(best) = latest.or(self.lowest.map(|rank| rank.trial)) else {
            return 0;
        };
        let after = self.decided.range((Bound::Excluded(best), Bound::Unbounded));
        after.take(usize::try_from(most).unwrap_or(usize::MAX)).count() as u64
    }

    /// The trial of the search with the lowest cost, by looking at all.
    pub(super) fn lowest_of_all(&self) -> Option<Rank> {
        self.search_trials().filter_map(Rank::of).min()
    }
}
