//! A trial as it is shown: one flat row.

use hpo_protocol::{Metrics, Values};
use serde::{Deserialize, Serialize};

use super::requirement::Broken;
use super::spec::StudySpec;
use super::trial::{Trial, TrialStatus};
use crate::ids::TrialId;

/// One row of the trial table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialSummary {
    /// The trial.
    pub trial: TrialId,
    /// Where it stands.
    pub state: TrialStatus,
    /// The trial whose configuration it confirms, if it is not one of the search's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirms: Option<TrialId>,
    /// The resource it has been trained to.
    pub resource: u64,
    /// The best value of the study's objective that it had.
    pub objective: Option<f64>,
    /// The values of all objectives there, if there are several.
    #[serde(default, skip_serializing_if = "Metrics::is_empty")]
    pub objectives: Metrics,
    /// Whether its model of there fulfils all that the study requires; none if nothing is required, or if it has no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feasible: Option<bool>,
    /// What it does not fulfil, as far as is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<Broken>,
    /// The validation loss it had there.
    pub loss: Option<f64>,
    /// The resource at which it had that value.
    pub best_at: Option<u64>,
    /// The metrics it had there, and the last values of those that not every report has.
    pub metrics: Metrics,
    /// The configuration.
    pub parameters: Values,
    /// The seed it trains with.
    pub seed: u64,
    /// How many segments were begun.
    pub attempts: u32,
    /// How many of them failed.
    pub failures: u32,
    /// Time spent training it.
    pub trained_seconds: f64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl TrialSummary {
    /// The row of a trial of that study.
    pub fn new(trial: &Trial, spec: &StudySpec) -> Self {
        let best = trial.best();
        let breaks = best.map_or_else(Vec::new, |(at, _)| spec.broken(trial, at));
        let required = best.filter(|_| !spec.require.is_empty());
        let report = best.and_then(|(resource, _)| trial.reports.get(&resource));
        let last_first = || trial.reports.values().rev().map(|report| &report.metrics);
        Self {
            trial: trial.id,
            state: trial.state.status(),
            confirms: trial.confirms(),
            resource: trial.resource(),
            objective: best.map(|(_, cost)| spec.objective.signed(cost)),
            objectives: best.map_or_else(Metrics::new, |(at, _)| objectives(trial, spec, at)),
            feasible: required.map(|_| breaks.is_empty()),
            breaks,
            loss: report.and_then(|report| report.loss),
            best_at: best.map(|(resource, _)| resource),
            metrics: report.map(|report| report.metrics.or(last_first())).unwrap_or_default(),
            parameters: trial.parameters.clone(),
            seed: trial.seed,
            attempts: trial.attempts,
            failures: trial.failures,
            trained_seconds: trial.trained_ms as f64 / 1000.0,
            message: trial.state.failure().map(str::to_owned),
        }
    }
}

/// The values of several objectives, as far as they were reported up to a resource.
fn objectives(trial: &Trial, spec: &StudySpec, at: u64) -> Metrics {
    let all = spec.objectives().filter(|_| spec.has_several());
    let values = all.map(|objective| Some((objective.metric.clone(), trial.value_up_to(at, &objective.metric)?)));
    values.flatten().collect()
}
