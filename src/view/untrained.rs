//! That a study has found nothing: nothing better than what was there before, or no trial better than another.

use hpo_protocol::{BASE_MODEL, Baseline};
use serde_json::Value;

use super::format::metric;
use crate::analysis::Overview;
use crate::study::{Objective, TrialSummary};

/// What is said of a study before all else, if it has found nothing.
pub(super) fn found_nothing(overview: &Overview) -> String {
    let alike = overview.alike.zip(overview.best.as_ref());
    let alike = alike.and_then(|(count, best)| {
        let (name, value) = (&overview.spec.objective.metric, metric(best.objective?));
        Some(format!(
            "all {count} trials have the same {name}, {value}: it depends on nothing that was searched; check the data, and what the \
             trainer reports\n"
        ))
    });
    alike.unwrap_or_default() + &not_better(overview)
}

/// What is said of a study whose best trial is not better than the best model without training; empty if it is, or if that is not
/// known.
fn not_better(overview: &Overview) -> String {
    let so_far = if overview.finished {
        "no trial is"
    } else {
        "no trial is yet"
    };
    let values = overview.best.as_ref().zip(overview.baseline.as_ref());
    let values = values.and_then(|(best, untrained)| no_better_than(&overview.spec.objective, best, untrained));
    values.map_or(String::new(), |values| format!("{so_far} better than {values}\n"))
}

/// The best untrained model, and what it and the best trial come to, as the end of a sentence; `None` if the trial is better, or if
/// that is not known. If the trial began with another model, that one is named too.
pub fn no_better_than(objective: &Objective, best: &TrialSummary, untrained: &Baseline) -> Option<String> {
    let (model, value) = objective.best_of(untrained)?;
    let reached = best.objective.filter(|reached| !objective.is_better(*reached, value))?;
    let name = model.map_or(String::new(), |model| format!(" {model}"));
    let mut text = format!(
        "the untrained model{name}: best {} {}, untrained {}",
        objective.metric,
        metric(reached),
        metric(value)
    );
    let own = best.parameters.get(BASE_MODEL).and_then(Value::as_str);
    if let Some(own) = own.filter(|own| model.is_some_and(|model| model != *own)) {
        let before = untrained.of(&best.parameters).and_then(|own| objective.measured(own));
        text += &format!("; the best trial's own, {own}, {}", before.map_or("-".into(), metric));
    }
    Some(text)
}
