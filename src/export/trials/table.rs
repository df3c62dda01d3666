//! Trials, or their reports, as the rows of a table whose columns have a type each.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::{ExportError, Output, Sink, TrialTimes, Trials};
use crate::export::file::{print, write_whole};
use crate::ids::Timestamp;
use crate::space::Distribution;
use crate::study::{Report, Trial, TrialSummary};

/// The values of a column, one for each row; none where there is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cells {
    Bools(Vec<Option<bool>>),
    Integers(Vec<Option<i64>>),
    Floats(Vec<Option<f64>>),
    Texts(Vec<Option<String>>),
    Moments(Vec<Option<Timestamp>>),
}

impl Cells {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Bools(values) => values.len(),
            Self::Integers(values) => values.len(),
            Self::Floats(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Moments(values) => values.len(),
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub name: String,
    pub cells: Cells,
}

impl Column {
    fn new(name: impl Into<String>, cells: Cells) -> Self {
        Self {
            name: name.into(),
            cells,
        }
    }
}

/// The rows that were asked for.
pub(super) fn columns(trials: Trials<'_>, reports: bool) -> Vec<Column> {
    match reports {
        true => of_reports(trials),
        false => of_trials(trials),
    }
}

/// A row for each trial: the fields of its summary under their own names, `parameters.NAME` and `metrics.NAME`.
fn of_trials(trials: Trials<'_>) -> Vec<Column> {
    let rows: Vec<(TrialSummary, TrialTimes)> = trials
        .each()
        .map(|(trial, times)| (trials.summary(trial), times))
        .collect();
    let integers = |value: fn(&TrialSummary) -> Option<u64>| {
        let integer = |(row, _): &(TrialSummary, TrialTimes)| i64::try_from(value(row)?).ok();
        Cells::Integers(rows.iter().map(integer).collect())
    };
    let floats =
        |value: fn(&TrialSummary) -> Option<f64>| Cells::Floats(rows.iter().map(|(row, _)| value(row)).collect());
    let texts = |value: &dyn Fn(&TrialSummary) -> Option<String>| {
        Cells::Texts(rows.iter().map(|(row, _)| value(row)).collect())
    };
    let moments = |value: fn(&TrialTimes) -> Option<Timestamp>| {
        Cells::Moments(rows.iter().map(|(_, times)| value(times)).collect())
    };
    let spec = trials.study.spec();
    let unit = spec.policy.unit.many();
    let mut columns = vec![
        Column::new("trial", integers(|row| Some(row.trial.0))),
        Column::new("state", texts(&|row| Some(row.state.word().to_owned()))),
        Column::new("confirms", integers(|row| row.confirms.map(|trial| trial.0))),
        Column::new("resource", integers(|row| Some(row.resource))),
        Column::new("resource_unit", texts(&|_| Some(unit.to_owned()))),
        Column::new("objective", floats(|row| row.objective)),
        Column::new(
            "feasible",
            Cells::Bools(rows.iter().map(|(row, _)| row.feasible).collect()),
        ),
        Column::new("loss", floats(|row| row.loss)),
        Column::new("best_at", integers(|row| row.best_at)),
        Column::new("seed", integers(|row| Some(row.seed))),
        Column::new("attempts", integers(|row| Some(row.attempts.into()))),
        Column::new("failures", integers(|row| Some(row.failures.into()))),
        Column::new("trained_seconds", floats(|row| Some(row.trained_seconds))),
        Column::new("created", moments(|times| Some(times.created))),
        Column::new("started", moments(|times| times.started)),
        Column::new("ended", moments(|times| times.ended)),
        Column::new("message", texts(&|row| row.message.clone())),
    ];
    for parameter in &spec.space.parameters {
        let values = rows.iter().map(|(row, _)| row.parameters.get(&parameter.name));
        let cells = of_parameter(&parameter.distribution, values.collect());
        columns.push(Column::new(format!("parameters.{}", parameter.name), cells));
    }
    let names: BTreeSet<&String> = rows.iter().flat_map(|(row, _)| row.metrics.keys()).collect();
    for name in names {
        let values = rows.iter().map(|(row, _)| row.metrics.get(name).copied()).collect();
        columns.push(Column::new(format!("metrics.{name}"), Cells::Floats(values)));
    }
    columns
}

/// The values of a parameter, in the type that all of its values have.
fn of_parameter(distribution: &Distribution, values: Vec<Option<&Value>>) -> Cells {
    let all = |has: fn(&Value) -> bool| {
        let listed = distribution.listed().unwrap_or_default();
        listed.iter().chain(values.iter().copied().flatten()).all(has)
    };
    let is_listed = distribution.listed().is_some();
    if distribution.is_whole() || is_listed && all(Value::is_i64) {
        Cells::Integers(values.iter().map(|value| value.as_ref()?.as_i64()).collect())
    } else if !is_listed || all(Value::is_number) {
        Cells::Floats(values.iter().map(|value| value.as_ref()?.as_f64()).collect())
    } else if all(Value::is_boolean) {
        Cells::Bools(values.iter().map(|value| value.as_ref()?.as_bool()).collect())
    } else {
        Cells::Texts(values.into_iter().map(|value| value.map(text)).collect())
    }
}

/// A scalar as it is shown.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A row for each report, in the order of trials and of resources.
fn of_reports(trials: Trials<'_>) -> Vec<Column> {
    let each = trials.study.trials().iter();
    let rows: Vec<(&Trial, u64, &Report)> = each
        .flat_map(|trial| trial.reports.iter().map(move |(&at, report)| (trial, at, report)))
        .collect();
    let integer = |number: u64| i64::try_from(number).ok();
    let unit = trials.study.spec().policy.unit.many();
    let objective = |(_, _, report): &(_, _, &Report)| report.cost.map(|cost| trials.objective(cost));
    let names: BTreeSet<&String> = rows.iter().flat_map(|(_, _, report)| report.metrics.keys()).collect();
    let mut columns = vec![
        Column::new(
            "trial",
            Cells::Integers(rows.iter().map(|(trial, _, _)| integer(trial.id.0)).collect()),
        ),
        Column::new(
            "resource",
            Cells::Integers(rows.iter().map(|(_, at, _)| integer(*at)).collect()),
        ),
        Column::new(
            "resource_unit",
            Cells::Texts(rows.iter().map(|_| Some(unit.to_owned())).collect()),
        ),
        Column::new(
            "reported",
            Cells::Moments(rows.iter().map(|(_, _, report)| Some(report.at)).collect()),
        ),
        Column::new("objective", Cells::Floats(rows.iter().map(objective).collect())),
        Column::new(
            "loss",
            Cells::Floats(rows.iter().map(|(_, _, report)| report.loss).collect()),
        ),
    ];
    for name in names {
        let values = rows.iter().map(|(_, _, report)| report.metrics.get(name).copied());
        columns.push(Column::new(format!("metrics.{name}"), Cells::Floats(values.collect())));
    }
    columns
}

/// What the bytes of a whole file are made of.
pub(super) type Render = fn(Trials<'_>, bool) -> Result<Vec<u8>, ExportError>;

/// A file that is written anew each time.
pub(super) struct WholeFile {
    output: Output,
    render: Render,
}

impl WholeFile {
    pub fn begin(output: Output, render: Render) -> Box<dyn Sink> {
        Box::new(Self { output, render })
    }
}

impl Sink for WholeFile {
    fn update(&mut self, trials: Trials<'_>) -> Result<(), ExportError> {
        let bytes = (self.render)(trials, self.output.reports)?;
        match &self.output.target {
            Some(path) => write_whole(path, &bytes).map_err(ExportError::at(path)),
            None => print(&bytes).map_err(ExportError::at(Path::new("to standard output"))),
        }
    }
}
