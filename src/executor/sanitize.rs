//! What workers send, checked and made fit to be shown.

use hpo_protocol::Metrics;

use crate::diagnostic::visible;

/// No trainer has more metrics; a report of thousands would fill the journal.
const METRICS: usize = 1000;

/// The longest name of a metric, in bytes.
const METRIC_NAME: usize = 100;

/// How much of a worker's message is kept, in characters.
const MESSAGE: usize = 2000;

/// Why metrics can't be accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MetricsError {
    /// There are so many.
    #[error("the worker sent {0} metrics; at most {METRICS} are taken")]
    TooMany(usize),
    /// One has a name, given fit to be shown, under which it can't be.
    #[error(
        "the worker sent a metric whose name is empty, has control characters or more than {METRIC_NAME} bytes: {0:?}"
    )]
    Name(String),
}

/// Refuses metrics that can't be kept and shown.
///
/// # Errors
/// If there are too many, or one has no name that can be shown.
pub(super) fn check(metrics: &Metrics) -> Result<(), MetricsError> {
    if metrics.len() > METRICS {
        return Err(MetricsError::TooMany(metrics.len()));
    }
    let is_name = |name: &String| !name.is_empty() && name.len() <= METRIC_NAME && visible(name) == *name;
    match metrics.keys().find(|name| !is_name(name)) {
        None => Ok(()),
        Some(name) => Err(MetricsError::Name(visible(name).chars().take(METRIC_NAME).collect())),
    }
}

/// A worker's message, cut and without control characters.
pub(super) fn shown(message: &str) -> String {
    let mut characters = message.chars();
    let beginning: String = characters.by_ref().take(MESSAGE).collect();
    let lines: Vec<String> = beginning.lines().map(visible).collect();
    let cut = if characters.next().is_some() { " …" } else { "" };
    lines.join("\n") + cut
}
