//! The worker protocol: what `hpo` and a worker say to each other.
//!
//! A worker is any program. `hpo` starts it with the argument vector of the study (no shell) and talks with it in
//! JSON lines: one [`ToWorker`] per line on its standard input, one [`FromWorker`] per line on its standard output.
//! Standard error is the trial's log. What else stands on standard output, on a line of its own or before a message, is taken for a
//! stray print and goes to the log too.
//!
//! The life of a worker:
//!
//! 1. It reads [`ToWorker::Start`], prepares what all trials share, and answers [`FromWorker::Ready`], or
//!    [`FromWorker::Fatal`] if no trial can ever run (a missing model, say).
//! 2. For each [`ToWorker::Run`] it trains one *segment*, from a checkpoint to a rung. It sends a [`FromWorker::Report`]
//!    as often as [`Run::report_every`] says, each naming the checkpoint it has written, and ends with
//!    [`FromWorker::Done`], [`FromWorker::Stopped`] or [`FromWorker::Failed`].
//! 3. At the end of its standard input it exits at once: its parent has gone or needs it no more. Two seconds later it is
//!    sent a SIGTERM, and after two more it is killed.
//!
//! Readers ignore fields they do not know, so that either side can be the newer one.

#![deny(clippy::wildcard_enum_match_arm)]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]

mod cost;
pub mod embedding;
mod ids;
pub mod lenient;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use cost::{Cost, Measure};
pub use ids::{SegmentId, TrialId};

/// The version of the protocol spoken here. A worker answers [`ToWorker::Start`] with the version it speaks; the two
/// must be equal.
pub const VERSION: u32 = 1;

/// Values of parameters or settings by name.
pub type Values = BTreeMap<String, Value>;

/// Metrics by name. Only finite numbers: JSON has no others, and `hpo` leaves them out if a worker sends them.
pub type Metrics = BTreeMap<String, f64>;

/// A line from `hpo` to a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWorker {
    /// The first line: what all trials of the study share.
    Start(Start),
    /// Measure the model as it is before any training, or each of those that trials choose from; answered by
    /// [`FromWorker::Evaluated`]. Sent only to a worker with [`Feature::Evaluate`].
    Evaluate,
    /// Train one segment.
    Run(Run),
    /// Find out what a segment would cost; answered by [`FromWorker::Measured`] or [`FromWorker::Failed`]. Sent only to a worker
    /// with [`Feature::Measure`].
    Measure(Measure),
    /// End the running segment before its time; answered by [`FromWorker::Stopped`]. A worker that has ended the
    /// segment in the meantime ignores it.
    Stop {
        /// The segment to stop.
        #[serde(flatten)]
        segment: SegmentId,
        /// Whether to write a checkpoint first, so that the segment can continue from it later.
        save: bool,
    },
    /// Write the model of a checkpoint for use outside `hpo`; answered by [`FromWorker::Exported`]. Sent only to a
    /// worker with [`Feature::Export`].
    Export {
        /// A checkpoint that this trainer wrote.
        checkpoint: PathBuf,
        /// The directory to create and fill.
        directory: PathBuf,
        /// What need not be measured again.
        #[serde(flatten)]
        known: Evaluated,
    },
}

/// What evaluations have measured of a model and of the untrained one that it was made of: `NAME.METRIC`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// Of the model.
    #[serde(default, skip_serializing_if = "Metrics::is_empty")]
    pub evaluations: Metrics,
    /// Of the untrained one.
    #[serde(default, skip_serializing_if = "Metrics::is_empty")]
    pub untrained_evaluations: Metrics,
}

/// What all trials of a study share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The protocol version of `hpo`: [`VERSION`].
    pub protocol: u32,
    /// The study's name, for messages.
    pub study: String,
    /// CPU threads the worker may use, at least 1. Part of the study: another number gives other bits.
    pub threads: usize,
    /// The trainer's own settings, from the study's `[trial]` table. File names in them are absolute.
    pub settings: Values,
    /// A directory, which need not exist, for what the workers of all studies can share. Whatever is in it may be deleted
    /// at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
}

/// What the resource of a trial counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Passes over the training data.
    #[default]
    Epochs,
    /// Optimizer steps.
    Steps,
    /// Training examples, counted as often as they are seen.
    Examples,
}

impl Unit {
    /// All units.
    pub const ALL: [Self; 3] = [Self::Epochs, Self::Steps, Self::Examples];

    /// Its name, which stands for several.
    pub const fn many(self) -> &'static str {
        match self {
            Self::Epochs => "epochs",
            Self::Steps => "steps",
            Self::Examples => "examples",
        }
    }

    /// The word for one.
    pub fn one(self) -> &'static str {
        match self {
            Self::Epochs => "epoch",
            Self::Steps => "step",
            Self::Examples => "example",
        }
    }
}

/// The resource of the report that follows one at `after` (or the beginning, 0) on the way to `to`: the next multiple of
/// `every`, or `to` if that comes first. `every` is at least 1, and `after` is below `to`.
pub fn next_report(every: u64, after: u64, to: u64) -> u64 {
    let next = (after / every.max(1)).saturating_add(1).saturating_mul(every.max(1));
    next.min(to)
}

fn one() -> u64 {
    1
}

/// One segment: train a trial from resource `from` to resource `to`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Which segment it is.
    #[serde(flatten)]
    pub segment: SegmentId,
    /// The seed of everything random in the trial, below 2^53. All segments of a trial have the same.
    pub seed: u64,
    /// The configuration.
    pub parameters: Values,
    /// What `from`, `to` and `max` count. It is the same in all segments of a study.
    #[serde(default)]
    pub unit: Unit,
    /// At which resources a report is due: at the multiples of this number, at least 1, and at `to`. It is the same in all
    /// segments of a study, and `from` and `to` are such multiples, but for a `to` that is `max`.
    #[serde(default = "one")]
    pub report_every: u64,
    /// The resource already trained; 0 for a new trial.
    pub from: u64,
    /// The resource to train to; more than `from`.
    pub to: u64,
    /// The resource that a trial reaches if it is never stopped: the horizon of learning-rate schedules.
    pub max: u64,
    /// The checkpoint to continue from; none for a new trial. It may lie between `from` and the next report if the trial was
    /// stopped there.
    pub checkpoint: Option<PathBuf>,
    /// An existing directory for this trial's new checkpoints. Their names must not be those of older ones.
    pub checkpoints: PathBuf,
}

/// What a worker can do beyond training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// It answers [`ToWorker::Evaluate`].
    Evaluate,
    /// It answers [`ToWorker::Export`].
    Export,
    /// It answers [`ToWorker::Measure`].
    Measure,
    /// While it is at work it gives a sign of life at least every ten minutes: any message, or a line of its log. `hpo`
    /// replaces it if there is none for half an hour.
    Heartbeats,
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A line from a worker to `hpo`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromWorker {
    /// The answer to [`ToWorker::Start`]: ready for segments.
    Ready {
        /// The protocol version the worker speaks.
        protocol: u32,
        /// The trainer's name and version.
        trainer: String,
        /// What it can do beyond training.
        #[serde(default)]
        features: Vec<Feature>,
        /// What [`embedding::release`] is; only of the trainer that comes with `hpo`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        release: Option<String>,
    },
    /// No trial can run here, and no other worker would do better: the study stops with this message.
    Fatal {
        /// What is wrong and how to fix it, for the user.
        message: String,
        /// As in [`FromWorker::Ready`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        release: Option<String>,
    },
    /// The answer to [`ToWorker::Evaluate`]: the untrained model, or models, on the validation data.
    Evaluated(Baseline),
    /// A sign of life within a segment, shown to the user and never recorded.
    Progress {
        /// The segment.
        #[serde(flatten)]
        segment: SegmentId,
        /// The resource reached, with its fraction; not a number if it is not known.
        #[serde(deserialize_with = "or_nan")]
        resource: f64,
        /// Training speed, if known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        examples_per_second: Option<f64>,
    },
    /// A validation. There is one at each resource that [`next_report`] gives, in order, the last one of the segment at `to`.
    Report {
        /// The segment.
        #[serde(flatten)]
        segment: SegmentId,
        /// The resource reached.
        resource: u64,
        /// Validation loss; lower is better. `null`, or what else stands for a number that is not finite, such as `NaN`, means
        /// that the trial has diverged, and the segment ends with this report, without [`FromWorker::Done`].
        loss: Option<f64>,
        /// Other metrics of the same validation.
        #[serde(default)]
        metrics: Metrics,
        /// The checkpoint of this moment: a complete file, or a directory of files and directories, directly in
        /// [`Run::checkpoints`]. `hpo` syncs it before it counts on it. Required unless `loss` is `null`.
        checkpoint: Option<PathBuf>,
        /// Whether the trial ends here by itself, before its maximum: more training would not make it better. It then
        /// stands at all further rungs with its lowest loss so far, and the segment ends with this report, without
        /// [`FromWorker::Done`].
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        last: bool,
    },
    /// The segment has reached `to`.
    Done {
        /// The segment.
        #[serde(flatten)]
        segment: SegmentId,
    },
    /// The answer to [`ToWorker::Stop`].
    Stopped {
        /// The segment.
        #[serde(flatten)]
        segment: SegmentId,
        /// The checkpoint asked for by `save`.
        checkpoint: Option<PathBuf>,
    },
    /// Something that the user should know though nothing has failed. Of remarks about the same, one is shown.
    Remark {
        /// What it is about.
        about: String,
        /// The remark.
        text: String,
    },
    /// The segment failed. The worker is replaced, since it may hold memory still, or a device that no longer works.
    Failed {
        /// The segment.
        #[serde(flatten)]
        segment: SegmentId,
        /// What happened, for the user.
        message: String,
    },
    /// The answer to [`ToWorker::Measure`].
    Measured {
        /// The segment.
        #[serde(flatten)]
        segment: SegmentId,
        /// What it costs.
        #[serde(flatten)]
        cost: Cost,
    },
    /// The answer to [`ToWorker::Export`].
    Exported {
        /// The directory written.
        directory: PathBuf,
        /// The measurement on data that no decision has looked at, if there are any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        test: Option<Measurement>,
        /// The untrained model that this one was made of, on the same data.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        untrained: Option<Measurement>,
        /// What the evaluations have measured of the exported model: `NAME.METRIC`.
        #[serde(default, skip_serializing_if = "Metrics::is_empty")]
        evaluations: Metrics,
        /// The same of the untrained model.
        #[serde(default, skip_serializing_if = "Metrics::is_empty")]
        untrained_evaluations: Metrics,
    },
}

/// A number, or what JSON has for one that is not finite.
fn or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl FromWorker {
    /// What `type` can be.
    pub const TYPES: [&str; 11] = [
        "ready",
        "fatal",
        "evaluated",
        "progress",
        "report",
        "done",
        "stopped",
        "remark",
        "failed",
        "measured",
        "exported",
    ];
}

/// The validation of what there is without training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Baseline {
    /// Trials choose among base models by their parameter `model`.
    Models {
        /// Each of them, by the value of the parameter.
        models: BTreeMap<String, Measurement>,
    },
    /// All trials have the same one.
    One(Measurement),
}

impl Baseline {
    /// The untrained model of a configuration; none if it was not measured.
    pub fn of(&self, parameters: &Values) -> Option<&Measurement> {
        match self {
            Self::One(measurement) => Some(measurement),
            Self::Models { models } => models.get(parameters.get(BASE_MODEL)?.as_str()?),
        }
    }

    /// All untrained models, with the values of the parameter that choose them, if there is a choice.
    pub fn each(&self) -> Vec<(Option<&str>, &Measurement)> {
        match self {
            Self::One(measurement) => vec![(None, measurement)],
            Self::Models { models } => models.iter().map(|(name, of)| (Some(name.as_str()), of)).collect(),
        }
    }
}

/// The parameter by which trials choose among base models.
pub const BASE_MODEL: &str = "model";

/// A model measured on some data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The loss; lower is better. Finite. Required if it is the study's objective.
    #[serde(default)]
    pub loss: Option<f64>,
    /// Metrics other than the loss.
    #[serde(default)]
    pub metrics: Metrics,
}

#[cfg(test)]
mod tests;
