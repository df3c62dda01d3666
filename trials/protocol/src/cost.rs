//! What training costs, found out before there is a trial.

use serde::{Deserialize, Serialize};

use crate::Run;

/// Find out what a segment would cost, by training a little of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The segment: the first one of a trial. Nothing that is trained of it is kept, and no file is left in
    /// [`Run::checkpoints`].
    #[serde(flatten)]
    pub run: Run,
    /// How many seconds of training are enough. One step is trained however long it takes.
    pub seconds: f64,
}

/// What a trial costs on a worker. Times are in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// A unit of the resource, without what a report takes.
    pub resource_seconds: f64,
    /// An optimizer step, if there is such a thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_seconds: Option<f64>,
    /// A report: the validation and its checkpoint.
    #[serde(default)]
    pub report_seconds: f64,
    /// The beginning of a segment.
    #[serde(default)]
    pub begin_seconds: f64,
    /// What the last report of a segment takes beyond that of others.
    #[serde(default)]
    pub rung_seconds: f64,
    /// What the report at [`Run::max`] takes beyond that.
    #[serde(default)]
    pub end_seconds: f64,
    /// Bytes of a checkpoint.
    #[serde(default)]
    pub checkpoint_bytes: u64,
    /// Bytes of memory that the process has had at most, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Rows of a batch that are embedded at a time, if fewer than asked for because no more go into memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<u64>,
}
