//! What the process is shown: configurations as features, and costs of all rungs on one scale.

use std::collections::{BTreeMap, BTreeSet};

use hpo_gaussian_process::Point;
use hpo_protocol::Values;

use super::super::History;
use super::super::axis::Axis;

/// The most points the process is shown, since its work grows with the cube of their number.
const MOST: usize = 400;
/// Of so many trials all are candidates for the best; of more, those that the process is shown.
const ALL: usize = MOST;
/// The same for the first revision of the sampler.
const ALL_AT_FIRST: usize = 1000;
/// So many losses at high rungs say more without those of lower ones, which hide how the good differ from the best.
const ENOUGH: usize = 12;

/// Observations as the process sees them.
#[derive(Debug)]
pub(super) struct Data {
    /// Losses by configuration and rung, those that matter most first.
    pub points: Vec<Point>,
    /// The number of the trial of each of these, and whether it has failed.
    origins: Vec<(usize, bool)>,
    /// The configurations of the trials that may be the best.
    pub known: Vec<Values>,
    /// Where they lie in the unit cube.
    pub seen: Vec<Vec<Option<f64>>>,
    /// The same as the process sees them.
    pub features: Vec<Vec<f64>>,
    /// The parameters of the space.
    pub axes: Vec<Axis>,
    /// How many trials have a cost, or have failed.
    pub trials: usize,
    /// By what the costs of the points are transformed.
    pub levels: Levels,
}

impl Data {
    /// The observations of a history, for a revision of the sampler.
    pub fn new(history: &History<'_>, revision: u32) -> Self {
        let space = history.space;
        let rung = |resource: u64| history.rungs.iter().position(|&rung| rung == resource);
        // Trial, rung and cost.
        let mut costs: Vec<(usize, usize, f64)> = Vec::new();
        let mut known = Vec::new();
        let mut failed: BTreeMap<usize, usize> = BTreeMap::new();
        for observation in history.observations {
            let own = observation.costs.iter();
            let own = own.filter_map(|&(at, cost)| Some((known.len(), rung(at)?, cost)));
            let before = costs.len();
            costs.extend(own);
            if observation.failed {
                let last = costs.drain(before..).next_back().map_or(0, |(_, rung, _)| rung);
                failed.insert(known.len(), last);
            }
            if observation.failed || costs.len() > before {
                known.push(observation.parameters);
            }
        }
        align(&mut costs, history.rungs.len());
        let levels = Levels::of(costs.iter().map(|(.., cost)| *cost).collect());
        costs.iter_mut().for_each(|(.., cost)| *cost = levels.squash(*cost));
        // Worse than any that has not failed.
        let worst = costs.iter().map(|(.., cost)| *cost).fold(1.0, f64::max);
        costs.extend(failed.iter().map(|(&trial, &rung)| (trial, rung, worst)));
        // Higher rungs say more, and low costs more than high ones.
        costs.sort_by(|a, b| b.1.cmp(&a.1).then(a.2.total_cmp(&b.2)));
        let trials = known.len();
        if costs.len() > MOST {
            // Of the rest some, evenly, to know where not to look.
            let (sure, rest) = (MOST * 3 / 4, MOST / 4);
            let others = costs.split_off(sure);
            costs.extend((0..rest).map(|number| others[number * others.len() / rest]));
        }
        let origin = |&(trial, ..): &(usize, usize, f64)| (trial, failed.contains_key(&trial));
        let origins = costs.iter().map(origin).collect();
        if trials > if revision > 1 { ALL } else { ALL_AT_FIRST } {
            let shown: BTreeSet<usize> = costs.iter().map(|(trial, ..)| *trial).collect();
            let places: BTreeMap<usize, usize> = shown.iter().copied().zip(0..).collect();
            known = shown.iter().map(|&trial| known[trial]).collect();
            costs.iter_mut().for_each(|(trial, ..)| *trial = places[trial]);
        }
        let seen: Vec<Vec<Option<f64>>> = known.iter().map(|parameters| space.point(parameters)).collect();
        let axes = Axis::of_all(space);
        let features: Vec<Vec<f64>> = seen.iter().map(|point| features(&axes, point)).collect();
        let point = |(trial, rung, cost): (usize, usize, f64)| Point {
            features: features[trial].clone(),
            rung,
            cost,
        };
        Self {
            points: costs.into_iter().map(point).collect(),
            origins,
            trials,
            known: known.into_iter().cloned().collect(),
            seen,
            features,
            axes,
            levels,
        }
    }

    /// The losses at the highest rungs that have enough of them, and what has failed below; and of how many trials these are.
    pub fn of_high_rungs(&self) -> (Vec<Point>, usize) {
        let losses = self.points.iter().zip(&self.origins).filter(|(_, (_, failed))| !failed);
        let lowest = losses.map(|(point, _)| point.rung).nth(ENOUGH - 1).unwrap_or(0);
        let all = self.points.iter().zip(&self.origins);
        let those = all.filter(|(point, (_, failed))| point.rung >= lowest || *failed);
        let (points, trials): (Vec<Point>, BTreeSet<usize>) = those
            .map(|(point, &(trial, _))| {
                let rung = point.rung.max(lowest);
                (Point { rung, ..point.clone() }, trial)
            })
            .unzip();
        (points, trials.len())
    }

    /// How many points lie beyond the first rung.
    pub fn compared(&self) -> usize {
        self.points.iter().filter(|point| point.rung > 0).count()
    }
}

/// A point of the unit cube as numbers that are near each other where configurations are alike: one for a number, one for
/// each value of a choice among others than numbers. Parameters that the configuration does not have are in the middle.
pub(super) fn features(axes: &[Axis], point: &[Option<f64>]) -> Vec<f64> {
    let mut features = Vec::new();
    for (axis, coordinate) in axes.iter().zip(point) {
        let place = coordinate.and_then(|share| axis.place(share));
        match axis {
            Axis::Constant => {}
            Axis::Line { .. } => features.push(coordinate.unwrap_or(0.5)),
            Axis::Ranks(ranks) => {
                features.push(place.map_or(0.5, |place| ranks[place] as f64 / (ranks.len() - 1) as f64));
            }
            Axis::Categories(count) => {
                features.extend((0..*count).map(|number| if place == Some(number) { 1.0 } else { 0.0 }));
            }
        }
    }
    features
}

/// Moves the costs of each rung by what the same trials' costs changed on average on the way to the last one, so that a
/// trial stands at about the same height at all rungs.
fn align(costs: &mut [(usize, usize, f64)], rungs: usize) {
    let mut changes: Vec<Vec<f64>> = vec![Vec::new(); rungs];
    // A trial's costs are side by side, by rung.
    for pair in costs.windows(2) {
        let [(trial, rung, cost), (other, next, then)] = [pair[0], pair[1]];
        if trial == other && rung + 1 == next {
            changes[rung].push(then - cost);
        }
    }
    // From the top down: the shift of a rung is that of the one above and the change in between.
    let mut shifts = vec![0.0; rungs];
    for rung in (0..rungs.saturating_sub(1)).rev() {
        let changes = &mut changes[rung];
        changes.retain(|change| change.is_finite());
        changes.sort_by(f64::total_cmp);
        let median = changes.get(changes.len() / 2).copied().unwrap_or(0.0);
        shifts[rung] = shifts[rung + 1] + median;
    }
    for (_, rung, cost) in costs {
        *cost += shifts[*rung];
    }
}

/// The middle of costs, and how far the good ones are from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Levels {
    middle: f64,
    spread: f64,
}

impl Levels {
    fn of(mut costs: Vec<f64>) -> Self {
        let mut at = |share: f64| match costs.len().checked_sub(1) {
            Some(last) => {
                *costs
                    .select_nth_unstable_by((last as f64 * share) as usize, f64::total_cmp)
                    .1
            }
            None => 0.0,
        };
        let (good, middle, bad) = (at(0.1), at(0.5), at(0.75));
        let spread = [middle - good, bad - middle].into_iter().find(|spread| *spread > 0.0);
        Self {
            middle,
            spread: spread.unwrap_or(1.0),
        }
    }

    /// Losses below the middle in units of the spread; those above grow with their logarithm, since how bad a bad
    /// configuration is does not matter.
    fn squash(self, cost: f64) -> f64 {
        let away = (cost - self.middle) / self.spread;
        if away <= 0.0 { away } else { away.ln_1p() }
    }

    /// The cost that comes out as `height`.
    pub fn cost(self, height: f64) -> f64 {
        let away = if height <= 0.0 { height } else { height.exp_m1() };
        self.middle + away * self.spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_are_brought_to_the_height_of_the_last() {
        let mut costs = vec![
            (0, 0, 0.9),
            (0, 1, 0.5),
            (0, 2, 0.4),
            (1, 0, 1.0),
            (1, 1, 0.6),
            (2, 0, 1.5),
        ];
        align(&mut costs, 3);
        let heights: Vec<f64> = costs.iter().map(|(.., cost)| (cost * 1e6).round() / 1e6).collect();
        assert_eq!(heights, [0.4, 0.4, 0.4, 0.5, 0.5, 1.0]);
    }

    #[test]
    fn bad_losses_are_squashed_and_good_ones_are_not() {
        let levels = Levels::of(vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1e9]);
        assert_eq!(levels.squash(0.6), 0.0);
        assert!((levels.squash(0.2) + 1.0).abs() < 1e-9 && (levels.squash(-0.2) + 2.0).abs() < 1e-9);
        for cost in [0.1, 0.6, 0.9, 1e3] {
            assert!((levels.cost(levels.squash(cost)) / cost - 1.0).abs() < 1e-9);
        }
        assert!(levels.squash(1e9) < 25.0 && levels.squash(0.8) < levels.squash(0.9));
        assert!(Levels::of(vec![3.0; 9]).squash(3.0) == 0.0 && Levels::of(Vec::new()).squash(1.0).is_finite());
    }
}
