//! Untrained models: a search has found nothing unless its best trial is better than they are.

use hpo_protocol::{Baseline, Measurement};

use super::objective::{LOSS, Objective};
use super::requirement::Requirement;
use super::score::Score;
use super::spec::StudySpec;
use super::summary::TrialSummary;

/// The best of the untrained models.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Untrained<'a> {
    /// The choice of this model, if trials choose among several.
    pub model: Option<&'a str>,
    /// All that was measured of it.
    pub measurement: &'a Measurement,
    /// Its value of the objective.
    pub value: f64,
    /// What it comes to by that, and by what the study requires, as far as that was measured of it.
    pub score: Score,
}

impl StudySpec {
    /// The best untrained model, as trials are compared: one that breaks what the study requires is worse than one that does not; `None`
    /// if the objective was not measured.
    pub fn best_untrained<'a>(&self, untrained: &'a Baseline) -> Option<Untrained<'a>> {
        self.best_untrained_by(&self.objective, untrained)
    }

    /// The same by any of the study's objectives.
    pub fn best_untrained_by<'a>(&self, objective: &Objective, untrained: &'a Baseline) -> Option<Untrained<'a>> {
        let each = untrained.each().into_iter().filter_map(|(model, measurement)| {
            let value = objective.measured(measurement)?;
            let require = self.require.iter();
            let violations = require.filter_map(|one| Some(one.violation(Some(measured(one, measurement)?))));
            Some(Untrained {
                model,
                measurement,
                value,
                score: Score {
                    violation: violations.sum(),
                    cost: objective.signed(value),
                },
            })
        });
        each.min_by_key(|one| one.score)
    }

    /// Whether a trial is better than an untrained model, by the objective and by those requirements whose metrics were measured of both;
    /// `None` if the trial has no value.
    pub fn improves(&self, trial: &TrialSummary, untrained: &Untrained) -> Option<bool> {
        let broken = trial.breaks.iter();
        let broken = broken.filter(|broken| measured(&broken.require, untrained.measurement).is_some());
        let score = Score {
            violation: broken.map(|broken| broken.require.violation(broken.value)).sum(),
            cost: self.objective.signed(trial.objective?),
        };
        Some(score < untrained.score)
    }
}

/// What was measured of what is required.
fn measured(require: &Requirement, measurement: &Measurement) -> Option<f64> {
    match require.metric.as_str() {
        LOSS => measurement.loss,
        metric => measurement.metrics.get(metric).copied(),
    }
}
