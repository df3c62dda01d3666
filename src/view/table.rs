//! The table of trials.

use std::collections::BTreeSet;

use comfy_table::{CellAlignment, Table, presets};
use hpo_protocol::embedding::Evaluation;
use hpo_protocol::{BASE_MODEL, Baseline, Measurement};

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

/// The cells of a table of trials.
pub(super) struct Cells {
    /// The names of the columns.
    pub head: Vec<String>,
    /// As many cells each.
    pub rows: Vec<Vec<String>>,
}

/// The columns of a table of trials beside those that it always has.
struct Columns<'a> {
    spec: &'a StudySpec,
    searched: Vec<&'a Parameter>,
    metrics: BTreeSet<&'a str>,
    /// Whether the loss is shown beside the objective.
    loss: bool,
    confirms: bool,
}

impl<'a> Columns<'a> {
    fn of(spec: &'a StudySpec, untrained: &[(Option<&str>, &'a Measurement)], rows: &'a [TrialSummary]) -> Self {
        let parameters = spec.space.parameters.iter();
        let minor = minor(spec);
        let reported = rows.iter().map(|row| &row.metrics);
        // Training loss depends on the margin and can't be compared between trials; the mean cosine shows collapse only.
        let metrics = reported
            .chain(untrained.iter().map(|(_, measured)| &measured.metrics))
            .flat_map(|metrics| metrics.keys().map(String::as_str))
            .filter(|name| !["train_loss", "mean_cosine", &spec.objective.metric].contains(name))
            .filter(|name| !minor.contains(*name));
        let has_loss = rows.iter().any(|row| row.loss.is_some()) || untrained.iter().any(|(_, of)| of.loss.is_some());
        Self {
            spec,
            searched: parameters
                .filter(|parameter| !parameter.distribution.is_fixed())
                .collect(),
            metrics: metrics.collect(),
            loss: !spec.objective.is_loss() && has_loss,
            confirms: rows.iter().any(|row| row.confirms.is_some()),
        }
    }

    fn head(&self) -> Vec<String> {
        let fixed = [
            "trial",
            "state",
            self.spec.policy.unit.many(),
            &self.spec.objective.metric,
        ]
        .into_iter();
        let fixed = fixed
            .chain(self.loss.then_some(LOSS))
            .chain(self.confirms.then_some("confirms"));
        let names = self.searched.iter().map(|parameter| parameter.name.as_str());
        fixed
            .chain(self.metrics.iter().copied())
            .chain(names)
            .map(str::to_owned)
            .collect()
    }

    fn untrained(&self, model: Option<&str>, measured: &Measurement) -> Vec<String> {
        let metrics = self.metrics.iter();
        let values = metrics.map(|&name| measured.metrics.get(name).map_or("-".into(), |&m| metric(m)));
        let value = self.spec.objective.measured(measured).map_or("-".into(), metric);
        let row = [String::new(), "untrained".into(), "0".into(), value].into_iter();
        let row = row.chain(self.loss.then(|| measured.loss.map_or("-".into(), metric)));
        let row = row.chain(self.confirms.then(String::new));
        let parameters = self.searched.iter().map(|parameter| match model {
            Some(model) if parameter.name == BASE_MODEL => short(parameter, &model.into()),
            _ => "-".to_owned(),
        });
        row.chain(values).chain(parameters).collect()
    }

    fn trial(&self, row: &TrialSummary) -> Vec<String> {
        let metrics = self.metrics.iter();
        let values = metrics.map(|&name| row.metrics.get(name).map_or("-".into(), |&m| metric(m)));
        let parameters = self.searched.iter().map(|parameter| {
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
        let cells = cells.chain(self.loss.then(|| row.loss.map_or("-".into(), metric)));
        let confirmed = row.confirms.map_or(String::new(), |trial| trial.to_string());
        let cells = cells.chain(self.confirms.then_some(confirmed));
        cells.chain(values).chain(parameters).collect()
    }
}

/// The cells of a table of trials with the parameters that are searched and the metrics that were reported, the untrained model, or
/// those that trials choose from, above them for comparison.
pub(super) fn cells(spec: &StudySpec, baseline: Option<&Baseline>, rows: &[TrialSummary]) -> Cells {
    let untrained = baseline.map(Baseline::each).unwrap_or_default();
    let columns = Columns::of(spec, &untrained, rows);
    let above = untrained
        .iter()
        .map(|(model, measured)| columns.untrained(*model, measured));
    Cells {
        head: columns.head(),
        rows: above.chain(rows.iter().map(|row| columns.trial(row))).collect(),
    }
}

/// The same as text.
pub fn trial_table(spec: &StudySpec, baseline: Option<&Baseline>, shown: &TrialTable) -> String {
    let Cells { head, rows } = cells(spec, baseline, &shown.rows);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head);
    table.add_rows(rows);
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
