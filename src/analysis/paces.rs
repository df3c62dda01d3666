//! How long trials take: it depends on the configuration, the slot, and what goes wrong.

use hpo_protocol::Values;

use super::pace_model::PaceModel;
use crate::study::{PolicyKind, Study, Trial};

/// A trial's own pace counts as much as what was expected of it once it has trained this resource.
const TRUSTED: f64 = 0.25;
/// So many trials, the last ones, show what a configuration costs.
const FITTED: usize = 300;
/// Of all trials, one in so many, the best ones, are like what a sampler that learns draws next.
const BEST: usize = 3;
/// Where one bracket is like the other, so many trials, the last ones that a sampler has drawn by what it has learned, are so still more,
const LEARNED: usize = 8;
/// if there are so many.
const TELLING: usize = 4;

/// Milliseconds that a resource takes, trial by trial, and what it depends on.
#[derive(Debug, Clone)]
pub(super) struct Paces {
    /// The mean of those of the last trials that are known.
    mean: f64,
    /// Those that trials which are not drawn yet may have.
    likely: Vec<f64>,
    model: Option<PaceModel>,
}

impl Paces {
    /// Those of a study; `None` before any trial has trained.
    pub fn of(study: &Study) -> Option<Self> {
        let parameters = study.spec().space.parameters.iter();
        let parameters: Vec<_> = parameters
            .filter(|parameter| !parameter.distribution.is_fixed())
            .collect();
        let last = study.trials().iter().rev();
        let known = last.filter_map(|trial| own(trial).map(|(ms, resource)| (&trial.parameters, ms / resource)));
        let known: Vec<(&Values, f64)> = known.take(FITTED).collect();
        if known.is_empty() {
            return None;
        }
        let seen: Vec<f64> = known.iter().map(|(_, pace)| *pace).collect();
        let mut paces = Self {
            mean: seen.iter().sum::<f64>() / seen.len() as f64,
            likely: Vec::new(),
            model: PaceModel::fit(&parameters, &known),
        };
        paces.likely = match study.spec().sampler.is_adaptive() {
            true => {
                let learned = drawn_by_learning(study).map(|trial| paces.of_trial(trial));
                let learned: Vec<f64> = learned.collect();
                if learned.len() >= TELLING {
                    paces.likely = learned;
                    return Some(paces);
                }
                let ranked = study.search_trials().filter_map(|trial| Some((trial.best()?.1, trial)));
                let mut ranked: Vec<(f64, &Trial)> = ranked.collect();
                ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
                ranked.truncate((ranked.len() / BEST).clamp(1, FITTED));
                ranked.into_iter().map(|(_, trial)| paces.of_trial(trial)).collect()
            }
            false => seen,
        };
        Some(paces)
    }

    /// One for each resource, whatever the trial.
    #[cfg(test)]
    pub fn even() -> Self {
        Self {
            mean: 1.0,
            likely: vec![1.0],
            model: None,
        }
    }

    /// The mean of those of trials of which nothing is known.
    pub fn mean(&self) -> f64 {
        self.likely.iter().sum::<f64>() / self.likely.len().max(1) as f64
    }

    /// That of a trial: its own, as far as it is known, and else what its configuration lets expect.
    pub fn of_trial(&self, trial: &Trial) -> f64 {
        let expected = match &self.model {
            Some(model) => model.pace(&trial.parameters),
            None => self.mean,
        };
        let (ms, resource) = own(trial).unwrap_or_default();
        (ms + TRUSTED * expected) / (resource + TRUSTED)
    }

    /// That of one of the trials of which nothing is known: they are as different as those that are.
    pub fn of_another(&self, number: u64) -> f64 {
        // The multiples of the golden ratio are spread evenly between whole numbers.
        let share = (number as f64 * 0.618_033_988_749_894_9).fract();
        let place = (share * self.likely.len() as f64) as usize;
        self.likely.get(place).copied().unwrap_or(self.mean)
    }
}

/// The last trials that a sampler has drawn by what it has learned in the brackets of successive halving, which are alike but for the
/// first; none of those of Hyperband, of which few count for much.
fn drawn_by_learning(study: &Study) -> impl Iterator<Item = &Trial> {
    let alike = matches!(study.spec().policy.kind, PolicyKind::SuccessiveHalving(_));
    let last = study.trials().iter().rev().filter(move |_| alike);
    last.filter(|trial| trial.bracket().is_some_and(|bracket| bracket > 0))
        .take(LEARNED)
}

/// For how many milliseconds a trial was trained, and over which resource; what it did ahead of a decision counts, even if it is
/// discarded.
fn own(trial: &Trial) -> Option<(f64, f64)> {
    let ahead = trial.ahead.reports.last_key_value().map_or(0, |(&at, _)| at);
    let resource = trial.resource().max(ahead);
    (resource > 0 && trial.trained_ms > 0).then_some((trial.trained_ms as f64, resource as f64))
}
