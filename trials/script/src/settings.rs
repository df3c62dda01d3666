//! What a study's file says of a script.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Patterns, or columns, by the names of metrics.
pub type Metrics = BTreeMap<String, String>;

/// The name among the metrics that is that of no metric: what it finds is the resource that the metrics belong to.
pub const RESOURCE: &str = "resource";

/// How a script is run, and where its metrics are found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// By the name of each metric, the regular expression whose only group finds it in a line of the output; with a file, the name of
    /// its column.
    #[serde(default, skip_serializing_if = "Metrics::is_empty")]
    pub metrics: Metrics,
    /// A file that the script writes to its directory, of JSON lines or CSV, with placeholders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_file: Option<String>,
    /// Variables of its environment, with placeholders.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// How long it may take to end after a SIGTERM, in seconds; not negative.
    #[serde(default = "Script::default_grace")]
    pub grace_seconds: f64,
    /// Whether its directory begins with what it has left there before.
    #[serde(default = "yes")]
    pub resume: bool,
    /// Whether it may end before the resource that it is to train to, because more training makes nothing better.
    #[serde(default)]
    pub stops_early: bool,
}

fn yes() -> bool {
    true
}

impl Script {
    /// How long a script may take to end, in seconds, unless the user says otherwise.
    pub const GRACE_SECONDS: f64 = 10.0;

    fn default_grace() -> f64 {
        Self::GRACE_SECONDS
    }
}
