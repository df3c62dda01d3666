//! What the loop runs on: slots, storage and a clock. A search has real ones, a simulation has simulated ones.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use super::cancellation::Cancellation;
use super::job::Observer;
use crate::executor::{Order, SlotNews};
use crate::export::Card;
use crate::ids::{SlotId, Timestamp, TrialId};
use crate::store::{CommitError, Request};
use crate::study::{Record, Study};

/// Where segments are trained: orders go out, news comes in.
pub trait Slots {
    /// The slots, each with a name for the user.
    fn names(&self) -> Vec<(SlotId, String)>;

    /// Gives a slot an order. A slot that has been removed ignores it.
    fn order(&mut self, slot: SlotId, order: Order) -> impl Future<Output = ()>;

    /// Waits until there is news, and takes all of it. Cancel-safe: nothing is lost if it is dropped while it waits.
    fn news(&mut self) -> impl Future<Output = Vec<SlotNews>>;

    /// Whether a slot without work keeps others from what it has, so that its place is worth giving back.
    fn is_shared(&self, _slot: SlotId) -> bool {
        false
    }

    /// Removes a slot.
    fn remove(&mut self, slot: SlotId);

    /// Ends all workers, and waits until they have ended if `gently`.
    fn end(&mut self, gently: bool) -> impl Future<Output = ()>;
}

/// What keeps a study: its records, the checkpoints, and the model of its best trial.
pub trait Storage {
    /// Makes records durable; `study` is as they leave it.
    ///
    /// # Errors
    /// If that can't be done, or if the wait for it has been cancelled.
    fn commit(
        &mut self,
        study: &Study,
        records: &[Record],
        waiting: Waiting<'_>,
    ) -> impl Future<Output = Result<(), CommitError>>;

    /// Deletes checkpoints by the names of their files.
    fn delete(&mut self, files: Vec<String>) -> impl Future<Output = ()>;

    /// Deletes the checkpoints of one trial, or of all, that the study has no record of: left by a scheduler or a worker that was
    /// killed.
    fn sweep(&mut self, study: &Study, of: Option<TrialId>);

    /// What others have asked for and was not carried out yet.
    fn requests(&mut self) -> Vec<Request> {
        Vec::new()
    }

    /// The requests that were last returned are carried out, and durable.
    fn fulfilled(&mut self) {}

    /// Bytes that can still be written, if known.
    fn room(&self) -> Option<u64>;

    /// The directory for a worker to write the best model to; nothing exists there.
    fn model_directory(&mut self) -> PathBuf;

    /// Moves a model that was written to where the user finds it, with this model card, and returns that place.
    fn place_model(
        &mut self,
        written: PathBuf,
        card: Option<Card>,
    ) -> impl Future<Output = Result<PathBuf, std::io::Error>>;

    /// Removes what is left of a model that could not be written.
    fn discard_model(&mut self);
}

/// Who is notified when records wait for space on a full disk, and who can end the wait.
pub struct Waiting<'a> {
    /// Is notified when the wait begins and ends.
    pub observer: &'a mut dyn Observer,
    /// Ends the wait.
    pub cancellation: &'a mut Cancellation,
    /// Whether there is none: records that find no space are given up, since nothing comes after them that needs them.
    pub ends: bool,
}

/// The time.
pub trait Clock {
    /// The time that records are given.
    fn now(&mut self) -> Timestamp;

    /// The time since some moment; it never goes back, whatever happens to the wall clock.
    fn elapsed(&self) -> Duration;

    /// Waits until a view should be redrawn.
    fn tick(&mut self) -> impl Future<Output = ()>;
}
