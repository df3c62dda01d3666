//! The objective: the reported value that trials are compared by.

use hpo_protocol::Measurement;
use serde::{Deserialize, Serialize};

/// The name of the validation loss, which stands beside the metrics of a report.
pub const LOSS: &str = "loss";

/// Whether lower or higher is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Lower is better.
    #[default]
    Minimize,
    /// Higher is better.
    Maximize,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Minimize, Self::Maximize];

    /// Its name in a study's file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minimize => "minimize",
            Self::Maximize => "maximize",
        }
    }
}

/// What a study optimizes: the validation loss, or a metric that the trainer reports.
///
/// Inside the core a value of the objective is a *cost*: the value, or the negative value if higher is better, so that a lower cost
/// is always better.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// [`LOSS`], or the name of a metric.
    pub metric: String,
    /// Which values are better.
    pub direction: Direction,
}

impl Default for Objective {
    /// The validation loss.
    fn default() -> Self {
        Self {
            metric: LOSS.into(),
            direction: Direction::Minimize,
        }
    }
}

impl Objective {
    /// Whether it is the validation loss.
    pub fn is_loss(&self) -> bool {
        self.metric == LOSS
    }

    /// The cost of a value, and the value of a cost.
    pub fn signed(&self, value: f64) -> f64 {
        match self.direction {
            Direction::Minimize => value,
            Direction::Maximize => -value,
        }
    }

    /// What is said of a report that does not have its value: `of` has it, with the values in `reported`.
    pub fn missing(&self, of: &str, reported: &[&str]) -> String {
        let has = match reported {
            [] => "has no metrics".to_owned(),
            reported => format!("has {}", reported.join(", ")),
        };
        format!("{of} lacks `{}`, the study's objective: it {has}", self.metric)
    }

    /// The value in a measurement, if it is there.
    pub fn measured(&self, measurement: &Measurement) -> Option<f64> {
        match self.is_loss() {
            true => measurement.loss,
            false => measurement.metrics.get(&self.metric).copied(),
        }
    }

    /// Whether one value is better than another.
    pub fn is_better(&self, value: f64, than: f64) -> bool {
        self.signed(value) < self.signed(than)
    }
}

/// The names of what was reported.
pub fn named<'a>(has_loss: bool, metrics: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let loss = has_loss.then_some(LOSS);
    loss.into_iter().chain(metrics.map(String::as_str)).collect()
}
