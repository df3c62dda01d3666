//! The table of trials.

use std::collections::BTreeSet;

use comfy_table::{CellAlignment, Table, presets};
use hpo_protocol::embedding::Evaluation;
use hpo_protocol::{BASE_MODEL, Baseline};

use super::format::{metric, short};
use crate::space::Parameter;
use crate::study::{LOSS, StudySpec, TrialSummary};

/// What a table of trials shows.
#[derive(Debug, Default)]
pub struct TrialTable {
    /// The rows, in order.
    pub rows: Vec<TrialSummary>,
    /// The line after the last row that says how many were left out.
    pub left_out: Option<String>,
}

/// The metrics of evaluations that are not shown where there is little room: all but the main one of each, and the objective.
pub(super) fn minor(spec: &StudySpec) -> BTreeSet<String> {
    let all = spec.trainer.evaluations().into_iter();
    let minor = all.flat_map(|(name, evaluation)| {
        let others = evaluation.r#type.metrics().iter().skip(1);
        others.map(move |metric| Evaluation::metric(&name, metric))
    });
    minor.filter(|metric| *metric != spec.objective.metric).collect()
}

/// A table of trials with the parameters that are searched and the metrics that were reported, the untrained model, or those
/// that trials choose from, above them for comparison.
pub fn trial_table(spec: &StudySpec, baseline: Option<&Baseline>, shown: &TrialTable) -> String {
    let parameters = spec.space.parameters.iter();
    let searched: Vec<&Parameter> = parameters
        .filter(|parameter| !parameter.distribution.is_fixed())
        .collect();
    let untrained = baseline.map(Baseline::each).unwrap_or_default();
    let minor = minor(spec);
    // Training loss depends on the margin and can't be compared between trials; the mean cosine shows collapse only.
    let metrics: BTreeSet<&str> = shown
        .rows
        .iter()
        .map(|row| &row.metrics)
        .chain(untrained.iter().map(|(_, measured)| &measured.metrics))
        .flat_map(|metrics| metrics.keys().map(String::as_str))
        .filter(|name| !["train_loss", "mean_cosine", &spec.objective.metric].contains(name))
        .filter(|name| !minor.contains(*name))
        .collect();

    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let objective = &spec.objective;
    let has_loss = shown.rows.iter().any(|row| row.loss.is_some()) || untrained.iter().any(|(_, of)| of.loss.is_some());
    let loss = !objective.is_loss() && has_loss;
    let head = ["trial", "state", spec.policy.unit.many(), &objective.metric].into_iter();
    let head = head.chain(loss.then_some(LOSS));
    let confirms = shown.rows.iter().any(|row| row.confirms.is_some());
    let head = head.chain(confirms.then_some("confirms"));
    let names = searched.iter().map(|parameter| parameter.name.as_str());
    table.set_header(head.chain(metrics.iter().copied()).chain(names));
    for (model, measured) in untrained {
        let values = metrics
            .iter()
            .map(|&name| measured.metrics.get(name).map_or("-".into(), |&m| metric(m)));
        let value = objective.measured(measured).map_or("-".into(), metric);
        let row = ["".into(), "untrained".into(), "0".into(), value].into_iter();
        let row = row.chain(loss.then(|| measured.loss.map_or("-".into(), metric)));
        let row = row.chain(confirms.then(String::new));
        let parameters = searched.iter().map(|parameter| match model {
            Some(model) if parameter.name == BASE_MODEL => short(parameter, &model.into()),
            _ => "-".to_owned(),
        });
        table.add_row(row.chain(values).chain(parameters));
    }
    for row in &shown.rows {
        let values = metrics
            .iter()
            .map(|&name| row.metrics.get(name).map_or("-".into(), |&m| metric(m)));
        let parameters = searched.iter().map(|parameter| {
            let value = row.parameters.get(&parameter.name);
            value.map_or("-".into(), |value| short(parameter, value))
        });
        let cells = [
            row.trial.to_string(),
            row.state.word().into(),
            row.resource.to_string(),
            row.objective.map_or("-".into(), metric),
        ]
        .into_iter();
        let cells = cells.chain(loss.then(|| row.loss.map_or("-".into(), metric)));
        let confirmed = row.confirms.map_or(String::new(), |trial| trial.to_string());
        let cells = cells.chain(confirms.then_some(confirmed));
        table.add_row(cells.chain(values).chain(parameters));
    }
    for column in table.column_iter_mut() {
        if column.index != 1 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text: String = table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    if let Some(left_out) = &shown.left_out {
        text += &format!("{left_out}\n");
    }
    text
}
