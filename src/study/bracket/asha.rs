//! Asynchronous successive halving, with or without a last rung that is raised progressively.
//!
//! Li et al., "A System for Massively Parallel Hyperparameter Tuning" (2020), algorithm 2; Bohdal et al., "PASHA: Efficient
//! HPO and NAS with Progressive Resource Allocation" (2023), section 4.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::rung::{Decision, Entry, Promotion, Rank, Rule};
use crate::ids::TrialId;
use crate::study::pareto::{Point, ranked};

mod progress;

use progress::Progress;

/// When asynchronous successive halving stops a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AshaVariant {
    /// It is paused at each rung and goes on once it is among the best there (Li et al., 2020, algorithm 2).
    Promotion,
    /// It is stopped at a rung unless it is among the best that have come there so far (the variant of Ray Tune, and of
    /// Klein et al., 2020, section 3).
    Stopping,
}

impl AshaVariant {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Promotion, Self::Stopping];

    /// Its name in a study's file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Promotion => "promotion",
            Self::Stopping => "stopping",
        }
    }
}

/// A bracket that trials are added to one by one.
///
/// Of the `n` trials that have come to a rung the best `floor(n / eta)` may go on, whoever is still on the way. Trials that
/// have diverged or failed count in `n`, and rank last. With several objectives the best are those that are least dominated,
/// and of equal rank those with the most room around them.
#[derive(Debug, Clone, PartialEq)]
pub struct Asha {
    eta: usize,
    variant: AshaVariant,
    rungs: Vec<Rung>,
    /// Raises the last rung; none: it is the last from the beginning.
    progress: Option<Progress>,
}

#[derive(Debug, Clone, PartialEq)]
struct Rung {
    resource: u64,
    /// How many have come.
    count: usize,
    /// The best `floor(count / eta)` of those with a cost, and the others.
    top: BTreeSet<Rank>,
    rest: BTreeSet<Rank>,
    /// Those at the top that have not been withdrawn.
    ready: BTreeSet<Rank>,
    /// Those that were promoted, or have ended here.
    withdrawn: BTreeSet<TrialId>,
    /// What those that have come are compared by, if by several objectives; their ranks are their places among these then.
    points: BTreeMap<TrialId, Point>,
}

impl Rung {
    fn insert(&mut self, eta: usize, entry: Entry<'_>) {
        self.count += 1;
        let room = self.count / eta;
        if let Some(score) = entry.best {
            self.rest.insert(Rank {
                score,
                trial: entry.trial,
            });
        }
        self.points
            .extend(entry.point.map(|point| (entry.trial, point.clone())));
        if !self.points.is_empty() {
            return self.rank_again(room);
        }
        // The best of the rest has a place, or takes that of the worst at the top.
        while let Some(&best) = self.rest.first() {
            let worst = self.top.last().copied();
            if self.top.len() < room {
                self.rest.remove(&best);
                self.raise(best);
            } else if let Some(worst) = worst.filter(|worst| best < *worst) {
                self.rest.remove(&best);
                self.top.remove(&worst);
                self.ready.remove(&worst);
                self.rest.insert(worst);
                self.raise(best);
            } else {
                return;
            }
        }
    }

    /// Ranks all that have come by several objectives; there is room for so many at the top.
    fn rank_again(&mut self, room: usize) {
        let order = ranked(self.points.iter().map(|(&trial, point)| (trial, point)));
        let mut ranks = order.into_iter().zip(0u32..).map(|placed| Rank::at(placed).1);
        self.top = ranks.by_ref().take(room).collect();
        self.rest = ranks.collect();
        let ready = self.top.iter().filter(|rank| !self.withdrawn.contains(&rank.trial));
        self.ready = ready.copied().collect();
    }

    /// Whether a trial that has come with this rank is among the best.
    fn is_at_top(&self, rank: Rank) -> bool {
        match self.points.is_empty() {
            true => self.top.contains(&rank),
            false => self.top.iter().any(|top| top.trial == rank.trial),
        }
    }

    fn raise(&mut self, rank: Rank) {
        self.top.insert(rank);
        if !self.withdrawn.contains(&rank.trial) {
            self.ready.insert(rank);
        }
    }

    fn best(&self) -> Option<Rank> {
        self.top.first().or(self.rest.first()).copied()
    }

    /// All that have come with a cost, the best first.
    fn ranked(&self) -> impl Iterator<Item = Rank> {
        self.top.iter().chain(&self.rest).copied()
    }
}

impl Asha {
    /// A bracket with the rungs at these resources.
    pub fn new(rungs: &[u64], eta: u64, variant: AshaVariant) -> Self {
        let rung = |&resource: &u64| Rung {
            resource,
            count: 0,
            top: BTreeSet::new(),
            rest: BTreeSet::new(),
            ready: BTreeSet::new(),
            withdrawn: BTreeSet::new(),
            points: BTreeMap::new(),
        };
        Self {
            eta: usize::try_from(eta).unwrap_or(usize::MAX),
            variant,
            rungs: rungs.iter().map(rung).collect(),
            progress: None,
        }
    }

    /// PASHA: trials go no further than the second rung until the ranking of those there differs from the ranking that the
    /// same trials had at the rung below, by more than noise; then one rung further, and so on.
    pub fn progressive(rungs: &[u64], eta: u64) -> Self {
        Self {
            progress: Some(Progress::new(rungs.len())),
            ..Self::new(rungs, eta, AshaVariant::Promotion)
        }
    }

    pub(super) fn rungs(&self) -> Vec<u64> {
        self.rungs.iter().map(|rung| rung.resource).collect()
    }

    pub(super) fn decides_in_passing(&self) -> bool {
        self.variant == AshaVariant::Stopping
    }

    /// The number of the rung from which nobody is promoted.
    fn last(&self) -> usize {
        self.progress.as_ref().map_or(self.rungs.len() - 1, Progress::last)
    }

    fn position(&self, resource: u64) -> Option<usize> {
        self.rungs.iter().position(|rung| rung.resource == resource)
    }

    pub(super) fn enter(&mut self, resource: u64, entry: Entry<'_>) -> Vec<(TrialId, Decision)> {
        let Some(k) = self.position(resource) else {
            return Vec::new();
        };
        self.rungs[k].insert(self.eta, entry);
        if let (Some(progress), Some(_)) = (&mut self.progress, entry.best)
            && let Some(below) = k.checked_sub(1).filter(|_| k == progress.last())
        {
            let above: Vec<TrialId> = self.rungs[k].ranked().map(|rank| rank.trial).collect();
            let below: Vec<_> = self.rungs[below]
                .ranked()
                .map(|rank| (rank.trial, rank.score))
                .collect();
            progress.observe(&entry, &above, &below);
        }
        let Some(score) = entry.best else {
            return Vec::new();
        };
        let rank = Rank {
            score,
            trial: entry.trial,
        };
        let rung = &self.rungs[k];
        if k + 1 == self.rungs.len() {
            vec![(entry.trial, Decision::Complete)]
        } else if self.decides_in_passing() && rung.count >= self.eta && !rung.is_at_top(rank) {
            vec![(entry.trial, Decision::Prune)]
        } else {
            Vec::new()
        }
    }

    pub(super) fn rule(&self, resource: u64) -> Option<Rule> {
        let k = self.position(resource).filter(|k| k + 1 < self.rungs.len())?;
        let came = self.rungs[k].count;
        Some(Rule::SoFar {
            came: came as u64,
            promoted: if k < self.last() { (came / self.eta) as u64 } else { 0 },
            stops: self.decides_in_passing(),
        })
    }

    /// The best trial that may go on, of the highest rung that has one.
    pub(super) fn promotion(&self) -> Option<Promotion> {
        if self.decides_in_passing() {
            return None;
        }
        (0..self.last()).rev().find_map(|k| {
            let ready = self.rungs[k].ready.first()?;
            Some(Promotion {
                trial: ready.trial,
                rung: self.rungs[k].resource,
                to: self.rungs[k + 1].resource,
            })
        })
    }

    pub(super) fn withdraw(&mut self, trial: TrialId, resource: u64) {
        if let Some(k) = self.position(resource) {
            let rung = &mut self.rungs[k];
            rung.withdrawn.insert(trial);
            rung.ready.retain(|rank| rank.trial != trial);
        }
    }

    /// A trial that has come without a loss has not come.
    pub(super) fn revive(&mut self, resource: u64) {
        if let Some(k) = self.position(resource) {
            self.rungs[k].count = self.rungs[k].count.saturating_sub(1);
        }
    }

    /// Without a trial at the last rung the best of the highest one goes on, so that some trial is trained to the end.
    pub(super) fn close(&self, trial: TrialId, resource: u64) -> Decision {
        let last = self.last();
        let highest = (0..=last).rev().find(|&k| self.rungs[k].best().is_some());
        match (self.position(resource), highest) {
            (Some(k), _) if k == last => Decision::Complete,
            (Some(k), Some(highest))
                if k == highest && self.rungs[k].best().is_some_and(|best| best.trial == trial) =>
            {
                Decision::Promote {
                    to: self.rungs[k + 1].resource,
                }
            }
            _ => Decision::Prune,
        }
    }
}

#[cfg(test)]
mod tests;
