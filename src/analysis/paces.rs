//! How long trials take: it depends on the configuration, the slot, and what goes wrong.

use nalgebra::{DMatrix, DVector};

use crate::space::Parameter;
use crate::study::{Study, Trial};

/// A trial's own pace counts as much as what was expected of it once it has trained this resource.
const TRUSTED: f64 = 0.25;
/// So many trials, the last ones, show what a configuration costs.
const FITTED: usize = 300;
/// Of all trials, one in so many, the best ones, are like what a sampler that learns draws next.
const BEST: usize = 3;
/// How strongly coefficients are drawn to zero: a few trials say little of many parameters.
const RIDGE: f64 = 0.2;
/// A parameter with more choices than this is not looked at choice by choice.
const CHOICES: usize = 12;

/// Milliseconds that a resource takes, trial by trial, and what it depends on.
#[derive(Debug, Clone)]
pub(super) struct Paces<'s> {
    /// The mean of those of the last trials that are known.
    mean: f64,
    /// Those that trials which are not drawn yet may have.
    likely: Vec<f64>,
    parameters: Vec<&'s Parameter>,
    model: Option<Model>,
}

/// The logarithm of a pace as a linear function of the configuration (ridge regression; Hoerl and Kennard, 1970).
#[derive(Debug, Clone)]
struct Model {
    centre: DVector<f64>,
    coefficients: DVector<f64>,
    /// The pace at the centre.
    usual: f64,
}

impl<'s> Paces<'s> {
    /// Those of a study; `None` before any trial has trained.
    pub fn of(study: &'s Study) -> Option<Self> {
        let parameters = study.spec().space.parameters.iter();
        let parameters: Vec<_> = parameters
            .filter(|parameter| !parameter.distribution.is_fixed())
            .collect();
        let last = study.trials().iter().rev();
        let known = last.filter_map(|trial| own(trial).map(|(ms, resource)| (trial, ms / resource)));
        let known: Vec<(&Trial, f64)> = known.take(FITTED).collect();
        if known.is_empty() {
            return None;
        }
        let seen: Vec<f64> = known.iter().map(|(_, pace)| *pace).collect();
        let mut paces = Self {
            mean: seen.iter().sum::<f64>() / seen.len() as f64,
            likely: Vec::new(),
            model: Model::fit(&parameters, &known),
            parameters,
        };
        paces.likely = match study.spec().sampler.is_adaptive() {
            // What it draws next is like the best that it has drawn.
            true => {
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
            parameters: Vec::new(),
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
            Some(model) => model.pace(&features(&self.parameters, trial)),
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

impl Model {
    /// `None` if the trials say nothing.
    fn fit(parameters: &[&Parameter], known: &[(&Trial, f64)]) -> Option<Self> {
        let rows: Vec<Vec<f64>> = known.iter().map(|(trial, _)| features(parameters, trial)).collect();
        let columns = rows.first()?.len();
        if columns == 0 || rows.len() < 2 {
            return None;
        }
        let points = DMatrix::from_fn(rows.len(), columns, |row, column| rows[row][column]);
        let centre = points.row_mean().transpose();
        let centred = DMatrix::from_fn(rows.len(), columns, |row, column| rows[row][column] - centre[column]);
        let logs = DVector::from_iterator(known.len(), known.iter().map(|(_, pace)| pace.ln()));
        let logs = logs.add_scalar(-logs.mean());
        let transposed = centred.transpose();
        let matrix = &transposed * &centred + DMatrix::identity(columns, columns) * RIDGE;
        let coefficients = matrix.cholesky()?.solve(&(transposed * logs));
        // So that the mean of all paces is the one that was seen, which that of their logarithms does not give.
        let fitted = (&centred * &coefficients).map(f64::exp).sum();
        let usual = known.iter().map(|(_, pace)| pace).sum::<f64>() / fitted;
        Some(Self {
            centre,
            coefficients,
            usual,
        })
    }

    fn pace(&self, features: &[f64]) -> f64 {
        let difference = DVector::from_column_slice(features) - &self.centre;
        self.usual * difference.dot(&self.coefficients).exp()
    }
}

/// A configuration as numbers from 0 to 1: of a parameter with a few choices one for each, of others the share of its range.
fn features(parameters: &[&Parameter], trial: &Trial) -> Vec<f64> {
    let each = parameters.iter().flat_map(|parameter| {
        let value = trial.parameters.get(&parameter.name);
        match parameter
            .distribution
            .listed()
            .filter(|choices| choices.len() <= CHOICES)
        {
            Some(choices) => choices
                .iter()
                .map(|choice| f64::from(u8::from(Some(choice) == value)))
                .collect(),
            None => vec![
                value
                    .and_then(|value| parameter.distribution.share(value))
                    .unwrap_or(0.5),
            ],
        }
    });
    each.collect()
}

/// For how many milliseconds a trial was trained, and over which resource; what it did ahead of a decision counts, even if it is
/// discarded.
fn own(trial: &Trial) -> Option<(f64, f64)> {
    let ahead = trial.ahead.reports.last_key_value().map_or(0, |(&at, _)| at);
    let resource = trial.resource().max(ahead);
    (resource > 0 && trial.trained_ms > 0).then_some((trial.trained_ms as f64, resource as f64))
}
