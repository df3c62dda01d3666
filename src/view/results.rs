//! What the exported model comes to, in words.

use hpo_protocol::Measurement;

use super::columns::minor;
use super::format::metric;
use crate::analysis::Overview;
use crate::study::{LOSS, Tested, TrialSummary};

/// What the best trial's model comes to on the test data and those of evaluations, and what the untrained model does.
pub(super) fn tested(overview: &Overview, best: &TrialSummary) -> String {
    let test = overview.test.as_ref();
    let Some(Tested { results, .. }) = test.filter(|tested| tested.trial == best.trial) else {
        return String::new();
    };
    let mut text = String::new();
    if let Some(Measurement { loss, metrics }) = &results.measurement {
        let untrained = results.untrained.as_ref();
        text += "on the test data, which no decision has used:\n";
        let before = untrained.and_then(|untrained| untrained.loss);
        text += &loss.map_or(String::new(), |loss| compared(LOSS, before, loss));
        for (name, after) in metrics.iter().filter(|(name, _)| *name != "mean_cosine") {
            let before = untrained.and_then(|untrained| untrained.metrics.get(name));
            text += &compared(name, before.copied(), *after);
        }
    }
    if !results.evaluations.is_empty() {
        let minor = minor(&overview.spec);
        text += "the exported model in evaluations:\n";
        for (name, after) in results.evaluations.iter().filter(|(name, _)| !minor.contains(*name)) {
            text += &compared(name, results.untrained_evaluations.get(name).copied(), *after);
        }
    }
    text
}

/// A value, and before it that of the untrained model, if there is one.
pub(super) fn compared(name: &str, before: Option<f64>, after: f64) -> String {
    match before {
        Some(before) => format!("  {name}: {} -> {}\n", metric(before), metric(after)),
        None => format!("  {name}: {}\n", metric(after)),
    }
}
