//! What slots are told, and what they tell.

use std::path::PathBuf;

use hpo_protocol::{Feature, Measurement, Metrics, Run};

use crate::study::{Checkpoint, SlotId, TrialId};

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
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: u32,
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
    /// The untrained model was measured.
    Evaluated {
        /// Validation loss.
        loss: f64,
        /// Metrics beside it.
        metrics: Metrics,
    },
    /// How far a segment is.
    Progress {
        /// The trial.
        trial: TrialId,
        /// The resource, with its fraction.
        resource: f64,
        /// The speed, if known.
        examples_per_second: Option<f64>,
    },
    /// A validation, its checkpoint verified and durable.
    Reported {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: u32,
        /// The resource reached.
        resource: u64,
        /// Validation loss; none if not finite.
        loss: Option<f64>,
        /// Metrics beside it.
        metrics: Metrics,
        /// The checkpoint.
        checkpoint: Option<Checkpoint>,
        /// Whether the trial has ended by itself.
        last: bool,
    },
    /// The segment was stopped.
    Stopped {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: u32,
        /// Where it can go on.
        checkpoint: Option<Checkpoint>,
    },
    /// The segment failed, or ended without reaching its rung.
    Failed {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: u32,
        /// What happened.
        message: String,
        /// Whether the checkpoint it should have gone on from can't be used.
        checkpoint_lost: bool,
    },
    /// The segment failed because the disk is full, which is not the fault of its configuration.
    NoSpace {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: u32,
        /// What happened.
        message: String,
    },
    /// The model was written.
    Exported {
        /// Where, or why not.
        directory: Result<PathBuf, String>,
        /// What it comes to on the test data, if there are any.
        test: Option<Measurement>,
    },
    /// No trial can run on this slot, which has no worker any more.
    Fatal {
        /// Why.
        message: String,
    },
}
