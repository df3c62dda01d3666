//! What a slot is ordered to do, and what it reports.

use std::path::PathBuf;

use hpo_protocol::{Cost, Evaluated, Feature, Run, Unit, Values};

use crate::ids::{SegmentId, SlotId, TrialId};
use crate::study::{Checkpoint, Event, TestResults};

/// What a slot shall do.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Measure the untrained model.
    Evaluate,
    /// Train a segment.
    Run(SegmentSpec),
    /// Find out what a segment would cost.
    Measure(MeasureSpec),
    /// End the running segment before its time.
    Stop {
        /// The segment.
        segment: SegmentId,
        /// Whether it may go on later from where it is.
        save: bool,
    },
    /// Write the model of a checkpoint to a directory.
    Export {
        /// The checkpoint.
        checkpoint: Checkpoint,
        /// The directory to make.
        directory: PathBuf,
        /// What need not be measured again.
        known: Evaluated,
    },
    /// End the worker and start another.
    Replace,
    /// End the worker, and leave its place to others until the next order, which is to come back. Only of a slot without work.
    GiveBack,
    /// Take a place again that was given back, and report once there is a worker.
    ComeBack,
}

/// A segment to train: a stretch of a trial from resource `from` to resource `to`.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentSpec {
    /// Which it is.
    pub segment: SegmentId,
    /// The seed of everything random in the trial, below 2^53.
    pub seed: u64,
    /// The configuration.
    pub parameters: Values,
    /// What the resources count.
    pub unit: Unit,
    /// A report is due at the multiples of this number, at least 1, and at `to`.
    pub report_every: u64,
    /// The resource already trained; 0 for a new trial.
    pub from: u64,
    /// The resource to train to; more than `from`.
    pub to: u64,
    /// The resource that a trial reaches if it is never stopped.
    pub max: u64,
    /// The checkpoint to go on from; none for a new trial.
    pub checkpoint: Option<Checkpoint>,
}

impl SegmentSpec {
    /// The message that asks a worker for it: `checkpoint` is the file of the checkpoint, verified, and `checkpoints` the
    /// directory, which exists, for new ones.
    pub(super) fn message(self, checkpoint: Option<PathBuf>, checkpoints: PathBuf) -> Run {
        Run {
            segment: self.segment,
            seed: self.seed,
            parameters: self.parameters,
            unit: self.unit,
            report_every: self.report_every,
            from: self.from,
            to: self.to,
            max: self.max,
            checkpoint,
            checkpoints,
        }
    }
}

/// The first segment of a trial, of which a little is trained to find out what it costs.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasureSpec {
    /// The segment.
    pub segment: SegmentSpec,
    /// How many seconds of training are enough.
    pub seconds: f64,
}

/// News of a slot.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotNews {
    /// The slot.
    pub slot: SlotId,
    /// What it reports.
    pub news: News,
}

/// What a slot reports.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// It has a worker and nothing to do. It says so once, and then not again before it was given something to do.
    Idle {
        /// What the worker can do beyond training.
        features: Vec<Feature>,
    },
    /// Something that the study has to know of: the untrained model was measured, or a segment has reported, its checkpoint verified
    /// and durable, was stopped, failed, or ended without reaching its rung.
    Happened(Event),
    /// How far a segment is.
    Progress {
        /// The trial.
        trial: TrialId,
        /// The resource, with its fraction.
        resource: f64,
        /// The speed, if known.
        examples_per_second: Option<f64>,
    },
    /// The segment failed because the disk is full, which is not the fault of its configuration.
    NoSpace {
        /// The segment.
        segment: SegmentId,
        /// What happened, for the user.
        message: String,
    },
    /// The connection to the slot is lost, and what it was at. It says that it is idle once there is another one.
    Disconnected {
        /// The segment that it was given, if any.
        segment: Option<SegmentId>,
        /// What happened, for the user.
        message: String,
        /// Whether that can't be the doing of what it was given.
        excused: bool,
    },
    /// What a segment costs was measured.
    Measured {
        /// The segment.
        segment: SegmentId,
        /// What it costs.
        cost: Cost,
    },
    /// It was not: the segment can't be trained.
    MeasureFailed {
        /// The segment.
        segment: SegmentId,
        /// Why not, for the user.
        message: String,
    },
    /// The model was written.
    Exported {
        /// Where.
        directory: PathBuf,
        /// What it comes to.
        results: TestResults,
    },
    /// The model was not written.
    ExportFailed {
        /// Why not, for the user.
        message: String,
        /// Whether another worker may fare better.
        again: bool,
    },
    /// Something that the user should know, and need not hear again.
    Remark {
        /// What it is about: of remarks on the same, the first is enough.
        about: String,
        /// The remark.
        text: String,
    },
    /// No trial can run on this slot, which has no worker any more.
    Fatal {
        /// Why, for the user.
        message: String,
    },
}
