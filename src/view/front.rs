//! The trials of a study with several objectives that no other dominates, in words.

use hpo_protocol::Baseline;

use super::format::metric;
use super::table::{TrialTable, trial_table};
use crate::analysis::Overview;
use crate::study::{StudySpec, TrialSummary};
use crate::words::{counted, listed};

/// So many of them are shown with the state of a study.
const SHOWN: usize = 10;

/// The table of them, which fits into so many columns of a terminal; `all` is the command that prints them. Empty with one objective.
pub(super) fn front(overview: &Overview, baseline: Option<&Baseline>, all: &str, width: Option<usize>) -> String {
    let (spec, front) = (&overview.spec, &overview.front);
    if front.is_empty() {
        return String::new();
    }
    let left_out = front.len().saturating_sub(SHOWN);
    let table = TrialTable {
        rows: front.iter().take(SHOWN).cloned().collect(),
        left_out: (left_out > 0).then(|| format!("and {left_out} more: {all}")),
        columns: None,
        width,
        wide: format!("{all} --wide"),
    };
    let verb = if front.len() == 1 { "is" } else { "are" };
    format!(
        "no other trial is better by one of {} without being worse by another: {} {verb} not dominated\n{}",
        objectives(spec),
        counted(front.len(), "trial"),
        trial_table(spec, baseline, &table)
    )
}

/// All objectives with their directions.
pub(super) fn objectives(spec: &StudySpec) -> String {
    let all: Vec<String> = spec
        .objectives()
        .map(|objective| format!("{} ({})", objective.metric, objective.direction.name()))
        .collect();
    listed(all.into_iter(), " and ")
}

/// Trials in a row, each with its values of the objectives: "3 (loss 0.4500, ms 2.0000)".
pub fn named_with_values(trials: &[TrialSummary]) -> String {
    let each = trials.iter().map(|row| {
        let values = row
            .objectives
            .iter()
            .map(|(name, value)| format!("{name} {}", metric(*value)));
        format!("{} ({})", row.trial, values.collect::<Vec<_>>().join(", "))
    });
    listed(each, ", ")
}
