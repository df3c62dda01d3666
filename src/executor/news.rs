//! What slots are told, and what they tell.

use std::path::PathBuf;

use hpo_protocol::{Feature, Measurement, Run};

use crate::ids::{SegmentId, SlotId, TrialId};
use crate::study::{Checkpoint, Event};

/// What a slot is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Measure the untrained model.
    Evaluate,
    /// Train a segment. `run.checkpoint` and `run.checkpoints` are filled in by the slot.
    Run {
        /// The segment.
        run: Run,
        /// Where it goes on.
        checkpoint: Option<Checkpoint>,
    },
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
    },
    /// End the worker and start another.
    Replace,
}

/// What a slot tells.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotNews {
    /// The slot.
    pub slot: SlotId,
    /// What it tells.
    pub news: News,
}

/// What a slot tells.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// It has a worker and nothing to do.
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
        /// What happened.
        message: String,
    },
    /// The model was written.
    Exported {
        /// Where.
        directory: PathBuf,
        /// What it comes to on the test data, if there are any.
        test: Option<Measurement>,
    },
    /// The model was not written.
    ExportFailed {
        /// Why not.
        message: String,
        /// Whether another worker may fare better.
        again: bool,
    },
    /// No trial can run on this slot, which has no worker any more.
    Fatal {
        /// Why.
        message: String,
    },
}
