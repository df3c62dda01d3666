//! The parts of a study that grow, each as the JSON that pages get.

use std::collections::BTreeMap;

use hpo_protocol::Values;
use serde::ser::{SerializeSeq, SerializeTuple};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::analysis::{Ending, Segment};
use crate::ids::{Timestamp, TrialId};
use crate::space::{Parameter, Scale};
use crate::study::{Broken, LOSS, Objective, Report, Study, Trial, TrialState};

/// How the configuration of a trial came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    /// The sampler drew it.
    Drawn,
    /// It was to be tried first.
    First,
    /// The user wanted it while the search was under way.
    Enqueued,
    /// It is another trial's.
    Confirmation,
}

/// The names of the values of a report and of a configuration, in the order in which rows have them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Columns {
    /// The objectives come first.
    pub metrics: Vec<String>,
    /// The parameters that are searched.
    pub parameters: Vec<String>,
}

impl Columns {
    /// Those of a study without reports.
    pub fn of(study: &Study) -> Self {
        let searched = study.spec().space.parameters.iter();
        let searched = searched.filter(|one| !is_fixed(one));
        Self {
            metrics: study.spec().objectives().map(|one| one.metric.clone()).collect(),
            parameters: searched.map(|one| one.name.clone()).collect(),
        }
    }

    /// Adds the metrics of a report that are new.
    pub fn take_in(&mut self, report: &Report) {
        let loss = report.loss.is_some().then_some(LOSS);
        for name in loss.into_iter().chain(report.metrics.keys().map(String::as_str)) {
            if !self.metrics.iter().any(|known| known == name) {
                self.metrics.push(name.to_owned());
            }
        }
    }
}

#[derive(Serialize)]
struct Best {
    resource: u64,
    value: f64,
}

#[derive(Serialize)]
struct Row<'a> {
    id: TrialId,
    state: &'static str,
    reason: Option<String>,
    params: Vec<Option<&'a Value>>,
    reports: Reports<'a>,
    ahead: Reports<'a>,
    best: Option<Best>,
    /// Whether its model of there fulfils all that the study requires; none if nothing is required, or if it has no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    feasible: Option<bool>,
    /// What that does not fulfil.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    breaks: Vec<Broken>,
    /// The resources of the reports up to which something is not fulfilled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    infeasible: Vec<u64>,
    resource: u64,
    bracket: Option<usize>,
    confirms: Option<TrialId>,
    origin: Source,
    slot: Option<u32>,
    to: Option<u64>,
    failures: u32,
    ms: u64,
    seed: u64,
}

/// A trial.
pub(super) fn trial(study: &Study, trial: &Trial, columns: &Columns, origin: Source) -> String {
    let objective = &study.spec().objective;
    let value = |name: &String| trial.parameters.get(name);
    let reports = |of| Reports { of, columns, objective };
    let best = trial.best();
    let breaks = best.map_or_else(Vec::new, |(at, _)| study.spec().broken(trial, at));
    let broken = trial
        .reports
        .iter()
        .filter(|(_, report)| report.score().is_some_and(|score| !score.is_feasible()));
    let row = Row {
        id: trial.id,
        state: trial.state.word(),
        reason: reason(study, trial),
        params: columns.parameters.iter().map(value).collect(),
        reports: reports(&trial.reports),
        ahead: reports(&trial.ahead.reports),
        best: best.map(|(resource, cost)| Best {
            resource,
            value: objective.signed(cost),
        }),
        feasible: best
            .filter(|_| !study.spec().require.is_empty())
            .map(|_| breaks.is_empty()),
        breaks,
        infeasible: broken.map(|(&resource, _)| resource).collect(),
        resource: trial.resource(),
        bracket: trial.bracket(),
        confirms: trial.confirms(),
        origin,
        slot: trial.slot().map(|slot| slot.0),
        to: next_stop(&trial.state),
        failures: trial.failures,
        ms: trial.trained_ms,
        seed: trial.seed,
    };
    json(&row)
}

/// A value whose parts can all be written as JSON.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// The rung to which a trial is being trained, or will be next.
fn next_stop(state: &TrialState) -> Option<u64> {
    match *state {
        TrialState::Waiting { to } | TrialState::Running { to, .. } | TrialState::Ahead { to, .. } => Some(to),
        TrialState::Paused { .. }
        | TrialState::Pruned { .. }
        | TrialState::Completed
        | TrialState::Diverged { .. }
        | TrialState::Failed { .. } => None,
    }
}

/// What its state says of a trial beyond the word for it.
fn reason(study: &Study, trial: &Trial) -> Option<String> {
    let one = study.spec().policy.unit.one();
    Some(match &trial.state {
        TrialState::Failed { message } => message.clone(),
        TrialState::Paused { rung } => format!("at {one} {rung}, until its rung is decided"),
        TrialState::Ahead { rung, to, .. } => {
            format!("at {one} {rung}, until its rung is decided; meanwhile trained to {one} {to}")
        }
        TrialState::Pruned { rung } => format!("stopped at {one} {rung}"),
        TrialState::Diverged { resource } => {
            format!(
                "its {} was not finite at {one} {resource}",
                study.spec().objective.metric
            )
        }
        TrialState::Waiting { .. } | TrialState::Running { .. } | TrialState::Completed => return None,
    })
}

/// Reports as lists: the resource, when it was, and the metrics.
struct Reports<'a> {
    of: &'a BTreeMap<u64, Report>,
    columns: &'a Columns,
    objective: &'a Objective,
}

impl Serialize for Reports<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.of.iter().map(|(&resource, report)| ReportRow {
            resource,
            report,
            of: self,
        }))
    }
}

struct ReportRow<'a> {
    resource: u64,
    report: &'a Report,
    of: &'a Reports<'a>,
}

impl Serialize for ReportRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { resource, report, of } = self;
        let names = of.columns.metrics.iter();
        let mut values: Vec<Option<f64>> = names
            .map(|name| match name.as_str() {
                name if *name == of.objective.metric => report.cost.map(|cost| of.objective.signed(cost)),
                LOSS => report.loss,
                name => report.metrics.get(name).copied(),
            })
            .collect();
        while values.last().is_some_and(Option::is_none) {
            values.pop();
        }
        let mut row = serializer.serialize_seq(Some(2 + values.len()))?;
        row.serialize_element(resource)?;
        row.serialize_element(&report.at)?;
        for value in &values {
            row.serialize_element(value)?;
        }
        row.end()
    }
}

/// A segment, with its place among all.
pub(super) fn segment(number: usize, segment: &Segment) -> String {
    let outcome = match segment.ending {
        Ending::Open => "running",
        Ending::Done => "done",
        Ending::Stopped => "stopped",
        Ending::Failed => "failed",
    };
    let until = (segment.ending != Ending::Open).then_some(segment.until);
    let (slot, id) = (segment.slot, segment.id.trial);
    json(&(
        number,
        slot,
        id,
        segment.began,
        until,
        segment.from,
        segment.to,
        outcome,
        segment.ahead,
    ))
}

/// What can be decided about a trial, or become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Promoted,
    Pruned,
    Completed,
    /// Ended by the user.
    Stopped,
    /// Given all its attempts again by the user.
    Retried,
    Failed,
    Diverged,
}

/// What was decided about a trial, or has become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decision {
    pub at: Timestamp,
    pub trial: TrialId,
    /// The resource at which it stood.
    pub rung: u64,
    pub what: Verdict,
    /// The rung to which it was promoted.
    pub to: Option<u64>,
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_tuple(5)?;
        row.serialize_element(&self.at)?;
        row.serialize_element(&self.trial)?;
        row.serialize_element(&self.rung)?;
        row.serialize_element(&self.what)?;
        row.serialize_element(&self.to)?;
        row.end()
    }
}

/// The parameters of a configuration that all trials share.
pub(super) fn fixed(study: &Study) -> Values {
    let parameters = study.spec().space.parameters.iter();
    let fixed = parameters.filter(|one| is_fixed(one));
    fixed
        .map(|one| (one.name.clone(), one.distribution.quantile(0.5)))
        .collect()
}

/// Whether every configuration has the same value of a parameter.
fn is_fixed(parameter: &Parameter) -> bool {
    parameter.distribution.scale() == Scale::Constant && parameter.when.is_empty()
}
