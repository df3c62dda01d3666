//! The input of a scheduler, its observer, and its result.

use std::path::PathBuf;

use crate::ids::{Timestamp, TrialId};
use crate::store::CommitError;
use crate::study::{Limit, Record, Study};

/// Observes a running study. It need not look at everything.
pub trait Observer {
    /// Records have become durable; `study` is as they leave it.
    fn recorded(&mut self, _study: &Study, _records: &[Record]) {}

    /// A trial has reached a resource on its way to the next whole one.
    fn progress(&mut self, _trial: TrialId, _resource: f64, _examples_per_second: Option<f64>) {}

    /// The user has asked to stop; running segments are being saved.
    fn stopping(&mut self) {}

    /// Something has happened that the user should know and that is not in a record.
    fn note(&mut self, _text: &str) {}

    /// The disk is full, and nothing more can be recorded or saved.
    fn paused(&mut self, _why: &str) {}

    /// Recording or saving is tried again, or works again.
    fn resumed(&mut self) {}

    /// Time has passed.
    fn tick(&mut self, _study: &Study, _now: Timestamp) {}
}

/// How a run of the scheduler ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to train.
    Finished,
    /// The search has come to a limit of time, resource, or trials without a better one.
    Limited(Limit),
    /// The user has stopped it.
    Stopped,
}

/// Why the scheduler can't continue. What was recorded is safe.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// Records can't be made durable.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The trainer does not report the study's objective.
    #[error("{0}. Name one of those as `objective` under `[study]`, or have the trainer report it")]
    NoObjective(String),
    /// No trial can run.
    #[error("no trial can run: {0}")]
    Fatal(String),
}

/// What a scheduler needs.
pub struct Job<S, J, C> {
    /// The study.
    pub study: Study,
    /// Where trials run.
    pub slots: S,
    /// What keeps the study.
    pub storage: J,
    /// The clock.
    pub clock: C,
}

/// The result of a scheduler.
pub struct Ended<J> {
    /// How it ended.
    pub outcome: Result<Outcome, SchedulerError>,
    /// The study as recorded.
    pub study: Study,
    /// What keeps it.
    pub storage: J,
    /// Where the best model was written, or why it was not, if the trainer can write one.
    pub model: Option<Result<PathBuf, String>>,
}
