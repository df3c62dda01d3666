//! Median stopping: Golovin et al., "Google Vizier: A Service for Black-Box Optimization" (2017), section 3.2.1.

use std::collections::BTreeMap;

use super::{Decision, Entry};
use crate::study::trial::TrialId;

/// Compares a trial with all others that have come as far, at every resource.
///
/// A trial is stopped if its lowest loss is above the percentile (50: the median) of the mean losses that the others had up
/// to the same resource.
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

    pub(super) fn enter(&mut self, resource: u64, entry: Entry<'_>) -> Vec<(TrialId, Decision)> {
        let last = self.means.last_key_value().map(|(&last, _)| last);
        let (Some(means), Some(best)) = (self.means.get_mut(&resource), entry.best) else {
            return Vec::new();
        };
        let worse = means.len() >= self.startup_trials && best > percentile(means, self.percentile);
        let losses = entry.curve.range(..=resource).filter_map(|(_, report)| report.loss);
        let (sum, count) = losses.fold((0.0, 0.0), |(sum, count), loss| (sum + loss, count + 1.0));
        let mean = sum / count;
        let place = means.partition_point(|other| *other < mean);
        means.insert(place, mean);
        match (last == Some(resource), worse) {
            (true, _) => vec![(entry.trial, Decision::Complete)],
            (false, true) => vec![(entry.trial, Decision::Prune)],
            (false, false) => Vec::new(),
        }
    }
}

/// The percentile of ascending numbers, of which there is at least one; between two of them in proportion.
fn percentile(ascending: &[f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (ascending.len() - 1) as f64;
    let (below, share) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(ascending.len() - 1);
    ascending[below] * (1.0 - share) + ascending[above] * share
}
