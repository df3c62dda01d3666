//! The columns of a table of trials, and the names by which people ask for them.

use std::collections::BTreeSet;

use hpo_protocol::embedding::{Evaluation, METRICS};
use hpo_protocol::{BASE_MODEL, Baseline, Measurement};
use serde_json::Value;

use super::format::{metric, short};
use crate::study::{Direction, LOSS, Objective, StudySpec, TrialSummary};

/// A column of a table of trials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// The number of the trial.
    Trial,
    /// Where it stands.
    State,
    /// The resource that it is trained to.
    Resource,
    /// The best value of the objective.
    Objective,
    /// The validation loss there.
    Loss,
    /// How long it was trained.
    TrainedSeconds,
    /// How many segments have failed.
    Failures,
    /// The trial that it confirms.
    Confirms,
    /// Whether it fulfils what the study requires.
    Feasible,
    /// A parameter.
    Parameter(String),
    /// A metric.
    Metric(String),
}

/// The names of columns that do not depend on the study.
const FIXED: [(&str, Column); 9] = [
    ("trial", Column::Trial),
    ("state", Column::State),
    ("resource", Column::Resource),
    ("objective", Column::Objective),
    (LOSS, Column::Loss),
    ("trained_seconds", Column::TrainedSeconds),
    ("failures", Column::Failures),
    ("confirms", Column::Confirms),
    ("feasible", Column::Feasible),
];

/// The prefix of a parameter or a metric whose name another column has too.
const PARAMETERS_PREFIX: &str = "parameters.";
const METRICS_PREFIX: &str = "metrics.";

/// The metrics of evaluations that are not shown where there is little room: all but the main one of each, and the objective.
pub(super) fn minor(spec: &StudySpec) -> BTreeSet<String> {
    let all = spec.trainer.evaluations().into_iter();
    let minor = all.flat_map(|(name, evaluation)| {
        let others = evaluation.r#type.metrics().iter().skip(1);
        others.map(move |metric| Evaluation::metric(&name, metric))
    });
    minor
        .filter(|metric| spec.objectives().all(|objective| *metric != objective.metric))
        .collect()
}

/// The columns that the trials of a study have.
pub struct Columns<'a> {
    spec: &'a StudySpec,
    parameters: BTreeSet<&'a str>,
    metrics: BTreeSet<&'a str>,
    /// Whether any trial has a result.
    reported: bool,
}

impl<'a> Columns<'a> {
    /// Those of these trials, and of the untrained models beside them.
    pub fn of(spec: &'a StudySpec, untrained: Option<&'a Baseline>, rows: &'a [TrialSummary]) -> Self {
        let parameters = spec.space.parameters.iter().map(|parameter| parameter.name.as_str());
        let drawn = rows.iter().flat_map(|row| row.parameters.keys().map(String::as_str));
        let untrained = untrained.map(Baseline::each).unwrap_or_default().into_iter();
        let measured = untrained.flat_map(|(_, measured)| measured.metrics.keys());
        let reported = rows.iter().flat_map(|row| row.metrics.keys());
        Self {
            spec,
            parameters: parameters.chain(drawn).collect(),
            metrics: reported.chain(measured).map(String::as_str).collect(),
            reported: rows.iter().any(|row| row.objective.is_some()),
        }
    }

    /// The column of this name; as long as no trial has a result, any other name may be that of a metric.
    pub fn find(&self, name: &str) -> Option<Column> {
        let (parameters, metrics) = (&self.parameters, &self.metrics);
        let parameter = |name: &str| parameters.contains(name).then(|| Column::Parameter(name.to_owned()));
        let any = |name: &str| (!self.reported || metrics.contains(name)).then(|| Column::Metric(name.to_owned()));
        self.fixed(name)
            .or_else(|| parameter(name))
            .or_else(|| parameter(name.strip_prefix(PARAMETERS_PREFIX)?))
            .or_else(|| any(name.strip_prefix(METRICS_PREFIX)?))
            .or_else(|| any(name))
    }

    fn fixed(&self, name: &str) -> Option<Column> {
        if name == self.spec.objective.metric {
            return Some(Column::Objective);
        }
        if name == self.spec.policy.unit.many() {
            return Some(Column::Resource);
        }
        FIXED
            .into_iter()
            .find_map(|(own, column)| (own == name).then_some(column))
    }

    /// The name of a column, which no other one has.
    pub fn name(&self, column: &Column) -> String {
        match column {
            Column::Resource => self.spec.policy.unit.many().to_owned(),
            Column::Objective => self.spec.objective.metric.clone(),
            Column::Parameter(name) if self.fixed(name).is_some() => format!("{PARAMETERS_PREFIX}{name}"),
            Column::Metric(name) if self.fixed(name).is_some() || self.parameters.contains(name.as_str()) => {
                format!("{METRICS_PREFIX}{name}")
            }
            Column::Parameter(name) | Column::Metric(name) => name.clone(),
            Column::Trial
            | Column::State
            | Column::Loss
            | Column::TrainedSeconds
            | Column::Failures
            | Column::Confirms
            | Column::Feasible => {
                let own = FIXED.iter().find(|(_, own)| own == column);
                own.map_or(String::new(), |(name, _)| (*name).to_owned())
            }
        }
    }

    /// The names of all columns.
    pub fn names(&self) -> Vec<String> {
        let fixed = FIXED.iter().map(|(name, _)| (*name).to_owned());
        let parameters = self.parameters.iter().map(|name| Column::Parameter((*name).to_owned()));
        let metrics = self.metrics.iter().map(|name| Column::Metric((*name).to_owned()));
        fixed
            .chain(parameters.chain(metrics).map(|column| self.name(&column)))
            .collect()
    }

    /// Those that a table of these trials has unless others are asked for: with the parameters that are searched, and the metrics that
    /// say how good a model is.
    pub(super) fn usual(&self, untrained: Option<&Baseline>, rows: &[TrialSummary]) -> Vec<Column> {
        let spec = self.spec;
        let minor = minor(spec);
        let untrained = untrained.map(Baseline::each).unwrap_or_default();
        let has_loss = rows.iter().any(|row| row.loss.is_some()) || untrained.iter().any(|(_, of)| of.loss.is_some());
        let mut columns = vec![Column::Trial, Column::State, Column::Resource, Column::Objective];
        columns.extend(spec.further.iter().map(|further| match further.is_loss() {
            true => Column::Loss,
            false => Column::Metric(further.metric.clone()),
        }));
        let shown = spec.objectives().any(Objective::is_loss);
        columns.extend((!shown && has_loss).then_some(Column::Loss));
        columns.extend((!spec.require.is_empty()).then_some(Column::Feasible));
        columns.extend(
            rows.iter()
                .any(|row| row.confirms.is_some())
                .then_some(Column::Confirms),
        );
        // Training loss depends on the margin and can't be compared between trials; the mean cosine shows collapse only.
        let metrics = self
            .metrics
            .iter()
            .filter(|name| !["train_loss", "mean_cosine"].contains(name))
            .filter(|name| spec.objectives().all(|objective| objective.metric != **name));
        let metrics = metrics.filter(|name| !minor.contains(**name));
        columns.extend(metrics.map(|name| Column::Metric((*name).to_owned())));
        let parameters = spec.space.parameters.iter();
        let searched = parameters.filter(|parameter| !parameter.distribution.is_fixed());
        columns.extend(searched.map(|parameter| Column::Parameter(parameter.name.clone())));
        columns
    }

    /// Which values of a column are better, if that is known.
    pub fn direction(&self, column: &Column) -> Option<Direction> {
        match column {
            Column::Objective => Some(self.spec.objective.direction),
            Column::Loss => Some(Direction::Minimize),
            Column::Metric(name) if self.spec.further.iter().any(|further| further.metric == *name) => {
                let own = self.spec.further.iter().find(|further| further.metric == *name);
                own.map(|further| further.direction)
            }
            Column::Metric(name) => {
                let evaluations = self.spec.trainer.evaluations();
                let mut evaluated = evaluations.iter().flat_map(|(own, evaluation)| {
                    let metrics = evaluation.r#type.metrics().iter();
                    metrics.map(move |metric| Evaluation::metric(own, metric))
                });
                let own = self.spec.trainer.command.is_none() && METRICS.iter().any(|(own, _)| own == name);
                (own || evaluated.any(|own| own == *name)).then_some(Direction::Maximize)
            }
            Column::Trial
            | Column::State
            | Column::Resource
            | Column::TrainedSeconds
            | Column::Failures
            | Column::Confirms
            | Column::Feasible
            | Column::Parameter(_) => None,
        }
    }
}

impl Column {
    /// The value that a trial has.
    pub fn value(&self, row: &TrialSummary) -> Option<Value> {
        match self {
            Self::Trial => Some(row.trial.0.into()),
            Self::State => Some(row.state.word().into()),
            Self::Resource => Some(row.resource.into()),
            Self::Objective => row.objective.map(Value::from),
            Self::Loss => row.loss.map(Value::from),
            Self::TrainedSeconds => Some(row.trained_seconds.into()),
            Self::Failures => Some(row.failures.into()),
            Self::Confirms => row.confirms.map(|trial| trial.0.into()),
            Self::Feasible => row.feasible.map(Value::from),
            Self::Parameter(name) => row.parameters.get(name).cloned(),
            Self::Metric(name) => row.metrics.get(name).map(|&metric| metric.into()),
        }
    }

    /// The cell of a trial.
    pub(super) fn cell(&self, spec: &StudySpec, row: &TrialSummary) -> String {
        let none = || "-".to_owned();
        match self {
            Self::Trial => row.trial.to_string(),
            Self::State => row.state.word().into(),
            Self::Resource => row.resource.to_string(),
            Self::Objective => row.objective.map_or_else(none, metric),
            Self::Loss => row.loss.map_or_else(none, metric),
            Self::TrainedSeconds => format!("{:.1}", row.trained_seconds),
            Self::Failures => row.failures.to_string(),
            Self::Confirms => row.confirms.map_or(String::new(), |trial| trial.to_string()),
            Self::Feasible => row.feasible.map_or_else(none, |feasible| {
                let unknown = row.breaks.iter().all(|broken| broken.value.is_none());
                let word = if feasible {
                    "yes"
                } else if unknown {
                    "unknown"
                } else {
                    "no"
                };
                word.to_owned()
            }),
            Self::Parameter(name) => {
                let parameter = spec.space.parameters.iter().find(|parameter| parameter.name == *name);
                let value = parameter.zip(row.parameters.get(name));
                value.map_or_else(none, |(parameter, value)| short(parameter, value))
            }
            Self::Metric(name) => row.metrics.get(name).map_or_else(none, |&value| metric(value)),
        }
    }

    /// The cell of an untrained model, named by the choice of its base model if trials choose one.
    pub(super) fn untrained(&self, spec: &StudySpec, model: Option<&str>, measured: &Measurement) -> String {
        let none = || "-".to_owned();
        match self {
            Self::Trial | Self::Confirms | Self::TrainedSeconds | Self::Failures | Self::Feasible => String::new(),
            Self::State => "untrained".into(),
            Self::Resource => "0".into(),
            Self::Objective => spec.objective.measured(measured).map_or_else(none, metric),
            Self::Loss => measured.loss.map_or_else(none, metric),
            Self::Parameter(name) => {
                let parameter = spec.space.parameters.iter().find(|parameter| parameter.name == *name);
                let model = parameter.zip(model).filter(|_| name == BASE_MODEL);
                model.map_or_else(none, |(parameter, model)| short(parameter, &model.into()))
            }
            Self::Metric(name) => measured.metrics.get(name).map_or_else(none, |&value| metric(value)),
        }
    }
}
