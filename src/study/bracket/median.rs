//! Median stopping: Golovin et al., "Google Vizier: A Service for Black-Box Optimization" (2017), section 3.2.1.

use std::collections::BTreeMap;

use super::rung::{Decision, Entry, Rule};
use crate::ids::TrialId;
use crate::study::score::Score;
use crate::study::trial::Report;

/// Compares a trial with all others that have come as far, at every report.
///
/// A trial is stopped if its lowest cost is above the percentile (50: the median) of the mean costs that the others had up
/// to the same resource. One that breaks what the study requires counts as worse than any that does not, and as equal to the others that
/// do.
#[derive(Debug, Clone, PartialEq)]
pub struct Median {
    percentile: f64,
    startup_trials: usize,
    /// By resource, the means up to there of all trials that have come so far, ascending.
    means: BTreeMap<u64, Vec<f64>>,
}

impl Median {
    /// A bracket that compares at these resources.
    pub fn new(rungs: &[u64], percentile: u64, startup_trials: u64) -> Self {
        Self {
            percentile: percentile as f64,
            startup_trials: usize::try_from(startup_trials).unwrap_or(usize::MAX).max(1),
            means: rungs.iter().map(|&rung| (rung, Vec::new())).collect(),
        }
    }

    pub(super) fn rungs(&self) -> Vec<u64> {
        self.means.keys().copied().collect()
    }

    pub(super) fn rule(&self, resource: u64, own: Option<f64>) -> Option<Rule> {
        let last = self.means.last_key_value().map(|(&last, _)| last);
        let mut others = self.means.get(&resource).filter(|_| last != Some(resource))?.clone();
        if let Some(place) = own.and_then(|own| others.iter().position(|mean| *mean == own)) {
            others.remove(place);
        }
        let enough = others.len() >= self.startup_trials;
        Some(Rule::Percentile {
            others: others.len() as u64,
            startup: self.startup_trials as u64,
            percentile: self.percentile,
            limit: enough.then(|| percentile(&others, self.percentile)),
        })
    }

    pub(super) fn enter(&mut self, resource: u64, entry: Entry<'_>) -> Vec<(TrialId, Decision)> {
        let last = self.means.last_key_value().map(|(&last, _)| last);
        let (Some(means), Some(best)) = (self.means.get_mut(&resource), entry.best) else {
            return Vec::new();
        };
        let lowest = counted(best, best.cost);
        let worse = means.len() >= self.startup_trials && lowest > percentile(means, self.percentile);
        let mean = mean_up_to(resource, entry.curve, best);
        let place = means.partition_point(|other| *other < mean);
        means.insert(place, mean);
        match (last == Some(resource), worse) {
            (true, _) => vec![(entry.trial, Decision::Complete)],
            (false, true) => vec![(entry.trial, Decision::Prune)],
            (false, false) => Vec::new(),
        }
    }
}

/// A cost of a trial with this lowest score as it is compared: infinite if the trial breaks what is required.
fn counted(best: Score, cost: f64) -> f64 {
    if best.is_broken() { f64::INFINITY } else { cost }
}

/// The mean of a curve's costs up to a resource, as it is compared; `best` is the lowest score there.
pub(in crate::study) fn mean_up_to(resource: u64, curve: &BTreeMap<u64, Report>, best: Score) -> f64 {
    let costs = curve.range(..=resource).filter_map(|(_, report)| report.cost);
    let (sum, count) = costs.fold((0.0, 0.0), |(sum, count), cost| (sum + cost, count + 1.0));
    counted(best, sum / count)
}

/// The percentile of ascending numbers, of which there is at least one; between two of them in proportion. The last ones may be
/// infinite.
fn percentile(ascending: &[f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (ascending.len() - 1) as f64;
    let (below, share) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(ascending.len() - 1);
    match share {
        0.0 => ascending[below],
        share => ascending[below] * (1.0 - share) + ascending[above] * share,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::Timestamp;

    /// Enters a trial at each resource in turn until it is stopped; where that was.
    fn run(median: &mut Median, trial: TrialId, costs: &[f64]) -> Option<u64> {
        let report = |&cost: &f64| Report {
            at: Timestamp(0),
            cost: Some(cost),
            violation: 0.0,
            loss: None,
            metrics: Default::default(),
            checkpoint: None,
        };
        let curve: BTreeMap<u64, Report> = (1..).zip(costs.iter().map(report)).collect();
        (1..=costs.len() as u64).find(|&resource| {
            let best = costs[..resource as usize]
                .iter()
                .copied()
                .reduce(f64::min)
                .map(Score::from);
            let curve = &curve;
            let decided = median.enter(
                resource,
                Entry {
                    trial,
                    best,
                    point: None,
                    curve,
                },
            );
            decided.contains(&(trial, Decision::Prune))
        })
    }

    #[test]
    fn a_trial_is_stopped_when_its_best_is_worse_than_the_median_of_means() {
        let mut median = Median::new(&[1, 2, 3], 50, 2);
        assert_eq!(
            run(&mut median, TrialId(0), &[9.0, 5.0, 4.0]),
            None,
            "nobody to compare with"
        );
        assert_eq!(run(&mut median, TrialId(1), &[8.0, 8.0, 8.0]), None, "too few");
        // The means at 2 are 7 and 8.
        assert_eq!(run(&mut median, TrialId(2), &[8.5, 7.6, 1.0]), Some(2));
        assert_eq!(run(&mut median, TrialId(3), &[8.5, 7.5, 7.4]), None);
        assert_eq!(
            run(&mut median, TrialId(4), &[8.6, 0.0, 0.0]),
            Some(1),
            "the means at 1 are 9, 8, 8.5 and 8.5"
        );
    }

    #[test]
    fn percentiles_lie_between_their_neighbours() {
        let numbers = [1.0, 2.0, 4.0];
        let at = |percent| percentile(&numbers, percent);
        assert_eq!(
            (at(0.0), at(25.0), at(50.0), at(75.0), at(100.0)),
            (1.0, 1.5, 2.0, 3.0, 4.0)
        );
        assert_eq!(percentile(&[7.0], 30.0), 7.0);
    }

    /// Golovin et al. (2017), section 3.2.1: whether a trial is stopped at a resource, by the costs that all others who came before
    /// had up to there.
    fn by_definition(own: &[f64], others: &[&[f64]], startup_trials: usize) -> bool {
        let lowest = own.iter().copied().fold(f64::INFINITY, f64::min);
        let mut means: Vec<f64> = others
            .iter()
            .map(|costs| costs.iter().sum::<f64>() / costs.len() as f64)
            .collect();
        means.sort_by(f64::total_cmp);
        let middle = means.len() / 2;
        let median = match means.len() % 2 {
            _ if means.len() < startup_trials.max(1) => return false,
            0 => (means[middle - 1] + means[middle]) / 2.0,
            _ => means[middle],
        };
        lowest > median
    }

    proptest! {
        #[test]
        fn who_is_stopped_is_that_of_the_paper_whoever_is_ahead(
            curves in prop::collection::vec(prop::collection::vec(0u8..16, 4), 1..14),
            startup_trials in 0usize..4,
            turns in prop::collection::vec(any::<prop::sample::Index>(), 56),
        ) {
            // Sums of small whole numbers, and their halves, are exact.
            let curves: Vec<Vec<f64>> = curves.iter().map(|curve| curve.iter().map(|cost| 12.0 * f64::from(*cost)).collect()).collect();
            let mut median = Median::new(&[1, 2, 3, 4], 50, startup_trials as u64);
            let mut under_way: Vec<usize> = (0..curves.len()).collect();
            let mut came: Vec<usize> = vec![0; curves.len()];
            for turn in turns {
                if under_way.is_empty() { break }
                let place = turn.index(under_way.len());
                let trial = under_way[place];
                let resource = came[trial] + 1;
                let others: Vec<&[f64]> = (0..curves.len()).filter(|&other| came[other] >= resource).map(|other| &curves[other][..resource]).collect();
                let stops = by_definition(&curves[trial][..resource], &others, startup_trials);
                let expected = match (resource, stops) {
                    (4, _) => vec![(TrialId(trial as u64), Decision::Complete)],
                    (_, true) => vec![(TrialId(trial as u64), Decision::Prune)],
                    _ => vec![],
                };
                let report = |&cost: &f64| Report { at: Timestamp(0), cost: Some(cost), violation: 0.0, loss: None, metrics: Default::default(), checkpoint: None };
                let curve: BTreeMap<u64, Report> = (1..).zip(curves[trial].iter().map(report)).collect();
                let best = curves[trial][..resource].iter().copied().reduce(f64::min).map(Score::from);
                let decided = median.enter(resource as u64, Entry { trial: TrialId(trial as u64), best, point: None, curve: &curve });
                prop_assert_eq!(&decided, &expected);
                came[trial] = resource;
                if !expected.is_empty() { under_way.remove(place); }
            }
        }
    }
}
