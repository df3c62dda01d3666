//! Where the values of a script are found: in what it prints, by patterns or as messages, or in a file that it writes.

mod file;
mod message;
pub(crate) mod pattern;

use std::path::PathBuf;

use crate::collect::Record;
use crate::settings::{Metrics, RESOURCE};

pub(crate) use file::{FileError, MetricsFile};
use pattern::Patterns;

/// Where they are found.
#[derive(Debug)]
pub(crate) enum Source {
    /// In lines of the output.
    Patterns(Patterns),
    /// In a file.
    File(MetricsFile),
    /// In messages of the output.
    Messages,
}

/// Why a value can't be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum ValueError {
    /// A pattern has found something else than a number.
    #[error("`{name}` is no number: its pattern has found `{found}` in the line `{line}`")]
    Found {
        /// The metric.
        name: String,
        /// What its group has matched.
        found: String,
        /// The line.
        line: String,
    },
    /// A message or a row has something else than a number.
    #[error("`{name}` is no number: {place} has `{found}`")]
    Said {
        /// The metric.
        name: String,
        /// What it says.
        found: String,
        /// Where, in words.
        place: String,
    },
    /// A message or a row has two values of one metric.
    #[error("`{name}` stands twice in {place}: give each metric a name of its own")]
    Twice {
        /// The metric.
        name: String,
        /// Where, in words.
        place: String,
    },
    /// The file can't be understood.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Source {
    /// The source that a study's file describes; `file` is that of the metrics.
    pub fn new(metrics: &Metrics, file: Option<PathBuf>, objective: &str) -> Self {
        match file {
            Some(path) => Self::File(MetricsFile::new(path, metrics.clone(), objective)),
            None if metrics.is_empty() => Self::Messages,
            None => Self::Patterns(Patterns::new(metrics)),
        }
    }

    /// The metrics of each report, if they are known.
    pub fn known(metrics: &Metrics) -> Vec<String> {
        metrics.keys().filter(|name| *name != RESOURCE).cloned().collect()
    }

    /// What a line of the output says.
    ///
    /// # Errors
    /// If a value is no number.
    pub fn line(&mut self, line: &str) -> Result<Vec<Record>, ValueError> {
        match self {
            Self::Patterns(patterns) => Ok(patterns.find(line)?.into_iter().collect()),
            Self::Messages => message::find(line),
            Self::File(_) => Ok(Vec::new()),
        }
    }

    /// What has come to the file; at the `end`, the last line without an end too.
    ///
    /// # Errors
    /// If it can't be understood.
    pub fn file(&mut self, end: bool) -> Result<Vec<Record>, ValueError> {
        match self {
            Self::File(file) => file.read(end),
            Self::Patterns(_) | Self::Messages => Ok(Vec::new()),
        }
    }

    /// The metrics that were never found, and what to do about it.
    pub fn never_found(&self) -> Vec<String> {
        match self {
            Self::Patterns(patterns) => patterns.never_found(),
            Self::File(file) => file.never_found(),
            Self::Messages => Vec::new(),
        }
    }

    /// Why a script that has ended with success has no report of the objective.
    pub fn nothing(&self, objective: &str) -> String {
        match self {
            Self::Patterns(patterns) => patterns.nothing(objective),
            Self::File(file) => file.nothing(objective),
            Self::Messages => format!(
                "the script ended with success without a report of `{objective}`: give the pattern that finds it under `metrics`, or a \
                 `metrics_file`, or have it print {{\"type\": \"report\", \"{objective}\": …}}"
            ),
        }
    }
}

/// A number as scripts write it; one that is not finite too.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

/// The beginning of a text.
fn shown(text: &str) -> String {
    const SHOWN: usize = 120;
    let mut characters = text.trim().chars();
    let beginning: String = characters.by_ref().take(SHOWN).collect();
    let cut = if characters.next().is_some() { " …" } else { "" };
    beginning + cut
}
