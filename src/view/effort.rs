//! What training has taken so far, and what the rest takes.

use super::format::{duration, estimated};
use super::state::{LIMITED, state};
use crate::analysis::Overview;
use crate::ids::Timestamp;

/// What was trained, in how much time; and of a study that has finished, what was saved of that.
pub(super) fn compute(overview: &Overview) -> String {
    let trained = overview.trained_resource;
    if trained == 0 {
        return String::new();
    }
    let policy = &overview.spec.policy;
    let unit = policy.unit;
    let units = if trained == 1 { unit.one() } else { unit.many() };
    let spent = duration(overview.trained_ms);
    let text = format!("{trained} {units} trained in {spent} of slot time");
    if !overview.finished {
        let planned = overview.planned_resource;
        return text + &planned.map_or(String::new(), |planned| format!(", of {planned} planned")) + "\n";
    }
    let searched = overview.searched_resource;
    let confirming = match trained - searched {
        0 => String::new(),
        epochs => format!(", {epochs} of them to confirm"),
    };
    // What has failed or diverged would not have been trained any farther without pruning.
    let spared = overview.spared_resource;
    if spared == 0 {
        return format!("{text}{confirming}\n");
    }
    let full = searched + spared;
    let saved = 100.0 * spared as f64 / full as f64;
    format!("{text}{confirming}; all trials to the end would have been {full}: pruning saved {saved:.0} %\n")
}

/// How long a search still takes, if it is known.
pub(super) fn left(overview: &Overview, running: bool, now: Timestamp) -> String {
    match (state(overview, running), overview.left_ms) {
        ("running", Some(ms)) => {
            let gone = now.since(overview.updated);
            format!("about {} left\n", estimated(ms.saturating_sub(gone)))
        }
        ("stopped" | LIMITED, Some(ms)) => format!("about {} left once it goes on\n", estimated(ms)),
        (_, _) => String::new(),
    }
}
