//! How far PASHA trains: Bohdal et al. (2023), sections 4.1 (soft ranking) and 4.2 (its tolerance).

use std::collections::BTreeMap;

use super::super::rung::Entry;
use crate::ids::TrialId;
use crate::study::score::Score;

/// The percentile of differences that pass for noise.
const NOISE_PERCENTILE: usize = 90;

/// The last rung so far.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Progress {
    last: usize,
    rungs: usize,
    /// The costs at each resource of the trials that have come to the last rung.
    curves: BTreeMap<TrialId, BTreeMap<u64, f64>>,
}

impl Progress {
    /// Of a ladder with so many rungs.
    pub fn new(rungs: usize) -> Self {
        Self {
            last: 1.min(rungs - 1),
            rungs,
            curves: BTreeMap::new(),
        }
    }

    /// The number of the last rung.
    pub fn last(&self) -> usize {
        self.last
    }

    /// A trial has come to the last rung: raises it if the trials there, given in the order of `above`, stand in another
    /// order than at the rung below, whose scores are `below`, the best first.
    pub fn observe(&mut self, entry: &Entry<'_>, above: &[TrialId], below: &[(TrialId, Score)]) {
        let costs = entry.curve.iter().filter_map(|(&at, report)| Some((at, report.cost?)));
        self.curves.insert(entry.trial, costs.collect());
        let below: Vec<(TrialId, Score)> = below
            .iter()
            .copied()
            .filter(|(trial, _)| above.contains(trial))
            .collect();
        if self.last + 1 < self.rungs && !is_stable(above, &below, self.tolerance()) {
            self.last += 1;
            self.curves.clear();
        }
    }

    /// How far two costs may be apart and still be equal: what pairs of curves that cross to and fro are apart at the
    /// highest resource that both have.
    fn tolerance(&self) -> f64 {
        let mut differences = Vec::new();
        let curves: Vec<_> = self.curves.values().collect();
        for (number, one) in curves.iter().enumerate() {
            for other in &curves[number + 1..] {
                let pairs = one.iter().filter_map(|(at, a)| Some(a - other.get(at)?));
                let pairs: Vec<f64> = pairs.collect();
                let signs = pairs.iter().filter(|difference| **difference != 0.0);
                let crossings = signs
                    .clone()
                    .zip(signs.skip(1))
                    .filter(|(a, b)| a.signum() != b.signum())
                    .count();
                if let (Some(last), true) = (pairs.last(), crossings >= 2) {
                    differences.push(last.abs());
                }
            }
        }
        differences.sort_unstable_by(f64::total_cmp);
        let place = (differences.len() * NOISE_PERCENTILE).div_ceil(100);
        place.checked_sub(1).map_or(0.0, |place| differences[place])
    }
}

/// Whether each trial stands at a place of the ranking above that it could have below, where costs that differ by no more
/// than `tolerance` may change places, if what is required is broken as much by both.
fn is_stable(above: &[TrialId], below: &[(TrialId, Score)], tolerance: f64) -> bool {
    let score = |trial: TrialId| below.iter().find(|(other, _)| *other == trial).map(|(_, score)| *score);
    above.iter().zip(below).all(|(&trial, &(_, there))| {
        let own = score(trial);
        own.is_some_and(|own| own.violation == there.violation && (own.cost - there.cost).abs() <= tolerance)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Timestamp;
    use crate::study::trial::Report;

    fn curve(costs: &[f64]) -> BTreeMap<u64, Report> {
        let report = |&cost: &f64| Report {
            at: Timestamp(0),
            cost: Some(cost),
            violation: 0.0,
            loss: None,
            metrics: Default::default(),
            checkpoint: None,
        };
        (1..).zip(costs.iter().map(report)).collect()
    }

    #[test]
    fn a_ranking_is_stable_if_each_trial_could_have_its_place() {
        let below = [(0, 0.1), (1, 0.2), (2, 0.25)].map(|(trial, cost): (u64, f64)| (TrialId(trial), cost.into()));
        assert!(is_stable(&[0, 1, 2].map(TrialId), &below, 0.0));
        assert!(!is_stable(&[0, 2, 1].map(TrialId), &below, 0.04));
        assert!(is_stable(&[0, 2, 1].map(TrialId), &below, 0.06));
        assert!(!is_stable(&[1, 0, 2].map(TrialId), &below, 0.06));
    }

    #[test]
    fn only_curves_that_cross_twice_are_noise() {
        let mut progress = Progress::new(4);
        for (trial, costs) in [
            (0, [0.5, 0.4, 0.3, 0.2]),
            (1, [0.4, 0.45, 0.25, 0.23]),
            (2, [0.9, 0.1, 0.1, 0.1]),
        ] {
            progress.curves.insert(TrialId(trial), (1..).zip(costs).collect());
        }
        // 0 and 1 cross three times; 2 crosses each of them once.
        assert!((progress.tolerance() - 0.03).abs() < 1e-12);
        progress.curves.remove(&TrialId(0));
        assert_eq!(progress.tolerance(), 0.0);
    }

    #[test]
    fn the_last_rung_is_raised_when_the_order_changes() {
        let mut progress = Progress::new(3);
        let (one, other) = (curve(&[0.3, 0.2]), curve(&[0.4, 0.1]));
        let entry = |trial, curve| Entry {
            trial: TrialId(trial),
            best: Some(0.1.into()),
            point: None,
            curve,
        };
        let below = [(0, 0.3), (1, 0.4)].map(|(trial, cost): (u64, f64)| (TrialId(trial), cost.into()));
        progress.observe(&entry(0, &one), &[TrialId(0)], &below);
        assert_eq!(progress.last(), 1);
        progress.observe(&entry(1, &other), &[TrialId(1), TrialId(0)], &below);
        assert_eq!(progress.last(), 2);
    }
}
