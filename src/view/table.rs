//! The table of trials.

use hpo_protocol::Baseline;

use super::columns::{Column, Columns};
use super::sheet::{Sheet, left_out};
use crate::study::{StudySpec, TrialSummary};

/// What a table of trials shows.
#[derive(Debug, Default)]
pub struct TrialTable {
    /// The rows, in order.
    pub rows: Vec<TrialSummary>,
    /// The line after the last row that says how many were left out.
    pub left_out: Option<String>,
    /// The columns, if they were chosen.
    pub columns: Option<Vec<Column>>,
    /// The columns of the terminal; `None`: lines may be of any length.
    pub width: Option<usize>,
    /// How to see the columns for which there is no room.
    pub wide: String,
}

/// A table of trials with these columns, or with the parameters that are searched and the metrics that were reported; the untrained
/// model, or those that trials choose from, above them for comparison.
pub(super) fn sheet(
    spec: &StudySpec,
    baseline: Option<&Baseline>,
    rows: &[TrialSummary],
    chosen: Option<&[Column]>,
) -> Sheet {
    let columns = Columns::of(spec, baseline, rows);
    let shown = chosen.map_or_else(|| columns.usual(baseline, rows), <[Column]>::to_vec);
    let untrained = baseline.map(Baseline::each).unwrap_or_default();
    let above = untrained.iter().map(|(model, measured)| {
        let cells = shown.iter().map(|column| column.untrained(spec, *model, measured));
        cells.collect()
    });
    let trials = rows
        .iter()
        .map(|row| shown.iter().map(|column| column.cell(spec, row)).collect());
    let states = shown.iter().enumerate().filter(|(_, column)| **column == Column::State);
    Sheet {
        head: shown.iter().map(|column| columns.name(column)).collect(),
        rows: above.chain(trials).collect(),
        words: states.map(|(place, _)| place).collect(),
    }
}

/// The same as text, as far as it fits.
pub fn trial_table(spec: &StudySpec, baseline: Option<&Baseline>, shown: &TrialTable) -> String {
    let sheet = sheet(spec, baseline, &shown.rows, shown.columns.as_deref());
    let (mut text, hidden) = sheet.text(shown.width);
    if let Some(left_out) = &shown.left_out {
        text += &format!("{left_out}\n");
    }
    text + &left_out(hidden, &shown.wide)
}
