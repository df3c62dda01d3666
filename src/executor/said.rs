//! What a worker says, as far as it can be taken and shown.

use hpo_protocol::Metrics;

use crate::diagnostic::visible;

/// No trainer has more metrics; a report of thousands would fill the journal.
const METRICS: usize = 200;

/// The longest name of a metric, in bytes.
const METRIC_NAME: usize = 100;

/// How much of a worker's message is kept, in characters.
const MESSAGE: usize = 2000;

/// Refuses metrics that are none, and says why.
///
/// # Errors
/// If there are too many, or one has no name that can be shown.
pub(super) fn check(metrics: &Metrics) -> Result<(), String> {
    let count = metrics.len();
    if count > METRICS {
        return Err(format!("the worker sent {count} metrics; at most {METRICS} are taken"));
    }
    let is_name = |name: &String| !name.is_empty() && name.len() <= METRIC_NAME && visible(name) == *name;
    match metrics.keys().find(|name| !is_name(name)) {
        None => Ok(()),
        Some(name) => {
            let shown: String = visible(name).chars().take(METRIC_NAME).collect();
            Err(format!(
                "the worker sent a metric whose name is empty, has control characters or more than {METRIC_NAME} bytes: {shown:?}"
            ))
        }
    }
}

/// A worker's message as people can be shown it.
pub(super) fn shown(message: &str) -> String {
    let mut characters = message.chars();
    let beginning: String = characters.by_ref().take(MESSAGE).collect();
    let lines: Vec<String> = beginning.lines().map(visible).collect();
    let cut = if characters.next().is_some() { " …" } else { "" };
    lines.join("\n") + cut
}
