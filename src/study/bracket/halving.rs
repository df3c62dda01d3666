//! Synchronous successive halving: Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and
//! Hyperparameter Optimization" (2016), section 3; with the geometric rungs of Li et al., "Hyperband" (2018),
//! section 2.

use std::collections::{BTreeMap, BTreeSet};

use super::rung::{Decision, Entry, Rank, Rule};
use crate::ids::TrialId;
use crate::study::pareto::{Point, ranked};

/// A bracket for a fixed set of trials.
///
/// Of the `n` trials meant for a rung the best `max(1, floor(n / eta))` are promoted. A decision is taken as soon as no
/// trial that is still missing can change it, so that the outcome is that of waiting for all of them, whatever the order in
/// which they come.
///
/// With several objectives the best are those that are least dominated, and of equal rank those with the most room around
/// them. Who these are depends on all that come, so that it is decided when the last one has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Halving {
    rungs: Vec<Rung>,
}

/// A resource at which trials are compared.
#[derive(Debug, Clone, PartialEq)]
struct Rung {
    resource: u64,
    /// How many trials can still come.
    missing: u64,
    /// How many have come.
    came: u64,
    /// How many go on; 0 at the last rung.
    promote: usize,
    /// How many have been promoted: the best.
    promoted: usize,
    /// The worst of these.
    worst: Option<Rank>,
    /// The best of the others so far, at most `promote` with those.
    next: BTreeSet<Rank>,
    /// Whether all have come and the rung above knows how many go on.
    closed: bool,
    /// What those that have come are compared by, if by several objectives; their ranks are their places among these then.
    points: BTreeMap<TrialId, Point>,
    /// Of those the promoted ones.
    gone: Vec<TrialId>,
}

impl Rung {
    /// How many of the best are so for certain.
    fn certain(&self) -> usize {
        let missing = usize::try_from(self.missing).unwrap_or(usize::MAX);
        match self.points.is_empty() || missing == 0 {
            true => self.promote.saturating_sub(missing),
            false => 0,
        }
    }

    /// Whether those are not among the best for which there is no room.
    fn has_no_room(&self) -> bool {
        let decidable = self.points.is_empty() || self.missing == 0;
        decidable && self.promoted + self.next.len() > self.promote
    }

    fn promote(&mut self, trial: TrialId) {
        if !self.points.is_empty() {
            self.gone.push(trial);
        }
    }

    /// Ranks those that are compared by several objectives among all that have come.
    fn rank_again(&mut self) {
        if self.points.is_empty() || self.promote == 0 {
            return;
        }
        let order = ranked(self.points.iter().map(|(&trial, point)| (trial, point)));
        let places: BTreeMap<TrialId, Rank> = order.into_iter().zip(0u32..).map(Rank::at).collect();
        let rank = |trial: &TrialId| places.get(trial).copied();
        self.next = self.next.iter().filter_map(|one| rank(&one.trial)).collect();
        self.worst = self.gone.iter().filter_map(rank).max();
    }
}

/// How many trials come to each of so many rungs if none fails: each rung's number is `max(1, floor(n / eta))` of the one
/// before.
pub fn rung_sizes(rungs: usize, eta: u64, trials: u64) -> Vec<u64> {
    std::iter::successors(Some(trials), |n| Some((n / eta).max(1)))
        .take(rungs)
        .collect()
}

impl Halving {
    /// An empty bracket for `trials` trials with the rungs at these resources.
    pub fn new(rungs: &[u64], eta: u64, trials: u64) -> Self {
        let sizes = rung_sizes(rungs.len(), eta, trials);
        let rungs = rungs
            .iter()
            .enumerate()
            .map(|(k, &resource)| Rung {
                resource,
                missing: sizes[k],
                came: 0,
                promote: sizes.get(k + 1).map_or(0, |&n| n as usize),
                promoted: 0,
                worst: None,
                next: BTreeSet::new(),
                closed: false,
                points: BTreeMap::new(),
                gone: Vec::new(),
            })
            .collect();
        Self { rungs }
    }

    pub(super) fn rungs(&self) -> Vec<u64> {
        self.rungs.iter().map(|rung| rung.resource).collect()
    }

    /// Whether all decisions of the first rung have been taken.
    pub fn is_past_first_rung(&self) -> bool {
        self.rungs.first().is_none_or(|rung| rung.closed || rung.missing == 0)
    }

    /// How likely it is that a trial which is paused at the rung of `resource` will be promoted, as far as is known:
    /// above 0 if it will be should the trials still missing do as those that have come. Comparable within a study.
    pub fn promise(&self, trial: TrialId, resource: u64) -> Option<f64> {
        let rung = self.rungs.iter().find(|rung| rung.resource == resource)?;
        let behind = rung.next.iter().position(|rank| rank.trial == trial)?;
        let place = (rung.promoted + behind) as f64;
        let came = rung.came as f64;
        let expected = place + rung.missing as f64 * (place + 1.0) / (came + 1.0);
        Some(1.0 - expected / rung.promote as f64)
    }

    pub(super) fn rule(&self, resource: u64) -> Option<Rule> {
        let rung = self.rungs.iter().find(|rung| rung.resource == resource)?;
        (rung.promote > 0).then_some(Rule::Fixed {
            came: rung.came,
            missing: rung.missing,
            promoted: rung.promote as u64,
        })
    }

    pub(super) fn enter(&mut self, resource: u64, entry: Entry<'_>) -> Vec<(TrialId, Decision)> {
        let Some(k) = self.rungs.iter().position(|rung| rung.resource == resource) else {
            return Vec::new();
        };
        let last = k + 1 == self.rungs.len();
        let trial = entry.trial;
        let rung = &mut self.rungs[k];
        rung.missing = rung.missing.saturating_sub(1);
        rung.came += 1;
        let mut decided = Vec::new();
        if let Some(score) = entry.best {
            rung.next.insert(Rank { score, trial });
            rung.points.extend(entry.point.map(|point| (trial, point.clone())));
        }
        rung.rank_again();
        if last {
            decided.extend(entry.best.map(|_| (trial, Decision::Complete)));
        } else {
            while self.rungs[k].has_no_room()
                && let Some(worst) = self.rungs[k].next.pop_last()
            {
                // Only one that was taken for lost can be better than one that was promoted.
                match self.rungs[k].worst.is_some_and(|promoted| worst < promoted) {
                    true => {
                        self.rungs[k].promote(worst.trial);
                        decided.push((
                            worst.trial,
                            Decision::Promote {
                                to: self.rungs[k + 1].resource,
                            },
                        ));
                        self.expect_more(k + 1, 1);
                    }
                    false => decided.push((worst.trial, Decision::Prune)),
                }
            }
        }
        self.settle(k, &mut decided);
        decided.sort_unstable_by_key(|&(trial, _)| trial);
        decided
    }

    pub(super) fn abandon(&mut self, trial: TrialId, resource: u64) {
        if let Some(rung) = self.rungs.iter_mut().find(|rung| rung.resource == resource) {
            rung.next.retain(|rank| rank.trial != trial);
            rung.points.remove(&trial);
        }
    }

    pub(super) fn revive(&mut self, resource: u64) {
        if let Some(k) = self.rungs.iter().position(|rung| rung.resource == resource) {
            self.rungs[k].came = self.rungs[k].came.saturating_sub(1);
            self.expect_more(k, 1);
        }
    }

    /// More trials can come to rung `k` than was known, and so to those above that had learned how many never come.
    fn expect_more(&mut self, k: usize, more: u64) {
        let mut more = more;
        for rung in &mut self.rungs[k..] {
            rung.missing += more;
            if !std::mem::take(&mut rung.closed) {
                return;
            }
            more = (rung.promote - rung.promoted) as u64;
        }
    }

    /// Promotes who can no longer be overtaken at rung `k`, and lowers by how many never come what the rungs above expect.
    fn settle(&mut self, k: usize, decided: &mut Vec<(TrialId, Decision)>) {
        for k in k..self.rungs.len().saturating_sub(1) {
            let to = self.rungs[k + 1].resource;
            let rung = &mut self.rungs[k];
            while rung.promoted < rung.certain()
                && let Some(best) = rung.next.pop_first()
            {
                rung.promoted += 1;
                rung.promote(best.trial);
                rung.worst = rung.worst.max(Some(best));
                decided.push((best.trial, Decision::Promote { to }));
            }
            while rung.has_no_room()
                && let Some(worst) = rung.next.pop_last()
            {
                decided.push((worst.trial, Decision::Prune));
            }
            if rung.missing > 0 || rung.closed {
                return;
            }
            rung.closed = true;
            let shortfall = (rung.promote - rung.promoted) as u64;
            let above = &mut self.rungs[k + 1];
            above.missing = above.missing.saturating_sub(shortfall);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::study::score::Score;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn by_several_objectives_the_first_of_their_order_go_on_whatever_the_order_in_which_they_come(
            costs in prop::collection::vec(prop::option::weighted(0.9, prop::array::uniform2(0u8..5)), 1..20),
            turns in prop::collection::vec(any::<prop::sample::Index>(), 20),
        ) {
            let eta = 2;
            let mut bracket = Halving::new(&[1, 2, 4], eta, costs.len() as u64);
            let point = |trial: TrialId| costs[trial.0 as usize].map(|costs| Point { violation: 0.0, costs: costs.map(f64::from).to_vec() });
            let (curve, mut turns) = (BTreeMap::new(), turns.iter().cycle());
            let mut ready: Vec<(u64, TrialId)> = (0..costs.len() as u64).map(|trial| (1, TrialId(trial))).collect();
            let mut ended: BTreeMap<TrialId, u64> = BTreeMap::new();
            while !ready.is_empty() {
                let place = turns.next().unwrap().index(ready.len());
                let (resource, trial) = ready.remove(place);
                let point = point(trial);
                let best = point.as_ref().map(Point::score);
                for (trial, decision) in bracket.enter(resource, Entry { trial, best, point: point.as_ref(), curve: &curve }) {
                    match decision {
                        Decision::Promote { to } => ready.push((to, trial)),
                        Decision::Prune => prop_assert_eq!(ended.insert(trial, 0), None),
                        Decision::Complete => prop_assert_eq!(ended.insert(trial, 4), None),
                    }
                }
            }
            let mut left: Vec<(TrialId, Point)> = (0..costs.len() as u64).filter_map(|trial| Some((TrialId(trial), point(TrialId(trial))?))).collect();
            for size in &rung_sizes(3, eta, costs.len() as u64)[1..] {
                let order = ranked(left.iter().map(|(trial, point)| (*trial, point)));
                left.retain(|(trial, _)| order.iter().take(*size as usize).any(|on| on == trial));
            }
            let completed: Vec<TrialId> = ended.iter().filter(|(_, at)| **at == 4).map(|(trial, _)| *trial).collect();
            prop_assert_eq!(completed, left.iter().map(|(trial, _)| *trial).collect::<Vec<_>>());
            prop_assert_eq!(ended.len(), costs.iter().flatten().count());
        }
    }

    /// What becomes of the others when a trial comes.
    fn enter(bracket: &mut Halving, resource: u64, trial: TrialId, best: Option<f64>) -> Vec<(TrialId, Decision)> {
        let curve = BTreeMap::new();
        bracket.enter(
            resource,
            Entry {
                trial,
                best: best.map(Score::from),
                point: None,
                curve: &curve,
            },
        )
    }

    #[test]
    fn some_trial_always_reaches_the_top() {
        assert_eq!(rung_sizes(4, 3, 4), [4, 1, 1, 1]);
    }

    #[test]
    fn a_certain_decision_does_not_wait() {
        let mut bracket = Halving::new(&[1, 3, 9], 3, 3);
        assert_eq!(enter(&mut bracket, 1, TrialId(0), Some(0.5)), []);
        assert_eq!(
            enter(&mut bracket, 1, TrialId(1), Some(0.6)),
            [(TrialId(1), Decision::Prune)]
        );
        assert_eq!(
            enter(&mut bracket, 1, TrialId(2), Some(0.4)),
            [(TrialId(0), Decision::Prune), (TrialId(2), Decision::Promote { to: 3 })]
        );
    }

    #[test]
    fn ties_go_to_the_lower_number() {
        let mut bracket = Halving::new(&[1, 3], 3, 3);
        enter(&mut bracket, 1, TrialId(2), Some(0.0));
        enter(&mut bracket, 1, TrialId(1), Some(-0.0));
        assert_eq!(
            enter(&mut bracket, 1, TrialId(0), Some(0.0)),
            [(TrialId(0), Decision::Promote { to: 3 }), (TrialId(1), Decision::Prune)]
        );
    }

    /// Runs a bracket to its end, entering trials in the order that `next` picks among those ready, and returns each
    /// trial's last rung and decision.
    fn outcome(
        (resources, eta): (&[u64], u64),
        costs: &[Vec<Option<f64>>],
        mut next: impl FnMut(usize) -> usize,
    ) -> Vec<Option<(u64, Decision)>> {
        let mut bracket = Halving::new(resources, eta, costs.len() as u64);
        let mut ready: Vec<(u64, TrialId)> = (0..costs.len()).map(|t| (resources[0], TrialId(t as u64))).collect();
        let mut outcome = vec![None; costs.len()];
        while !ready.is_empty() {
            let (resource, trial) = ready.remove(next(ready.len()));
            let k = resources.iter().position(|&r| r == resource).unwrap();
            for (decided, decision) in enter(&mut bracket, resource, trial, costs[trial.0 as usize][k]) {
                let at = match decision {
                    Decision::Promote { to } => {
                        ready.push((to, decided));
                        resources[resources.iter().position(|&r| r == to).unwrap() - 1]
                    }
                    Decision::Prune | Decision::Complete => resource,
                };
                outcome[decided.0 as usize] = Some((at, decision));
            }
        }
        outcome
    }

    /// The definition: rank all, take the best.
    fn by_definition((resources, eta): (&[u64], u64), costs: &[Vec<Option<f64>>]) -> Vec<Option<(u64, Decision)>> {
        let sizes = rung_sizes(resources.len(), eta, costs.len() as u64);
        let mut here: Vec<usize> = (0..costs.len()).collect();
        let mut outcome = vec![None; costs.len()];
        for (k, &resource) in resources.iter().enumerate() {
            let mut ranked: Vec<(f64, usize)> = here.iter().filter_map(|&t| Some((costs[t][k]?, t))).collect();
            ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            here.clear();
            for (place, &(_, trial)) in ranked.iter().enumerate() {
                outcome[trial] = Some((
                    resource,
                    match resources.get(k + 1) {
                        None => Decision::Complete,
                        Some(&to) if place < sizes[k + 1] as usize => {
                            here.push(trial);
                            Decision::Promote { to }
                        }
                        Some(_) => Decision::Prune,
                    },
                ));
            }
        }
        outcome
    }

    proptest! {
        #[test]
        fn the_outcome_is_that_of_waiting_whatever_the_order(
            eta in 2u64..5,
            rungs in 1usize..6,
            costs in prop::collection::vec(
                prop::collection::vec(prop::option::weighted(0.85, (0u8..6).prop_map(|l| f64::from(l) / 4.0)), 7),
                1..40,
            ),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 300),
        ) {
            let resources: Vec<u64> = (0..rungs as u32).map(|k| eta.pow(k)).collect();
            let spec = (&resources[..], eta);
            let mut picks = picks.into_iter().cycle();
            let got = outcome(spec, &costs, |n| picks.next().unwrap().index(n));
            prop_assert_eq!(got, by_definition(spec, &costs));
        }
    }
}
