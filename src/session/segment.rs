//! Segments that are trained within the process.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use hpo_protocol::{Metrics, Unit, Values};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::executor::checkpoint::{self, CheckpointError};
use crate::executor::{News, Order, SegmentSpec, SlotNews};
use crate::ids::{SlotId, TrialId};
use crate::scheduler::Slots;
use crate::store::StudyDirectory;
use crate::study::{Checkpoint, Event, Measures, Reported};

/// The limit for reading a checkpoint back.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(600);

/// One stretch of a trial's training, from [`from`](Self::from) to [`to`](Self::to). If it is dropped before it gets there, it has
/// failed, unless it was asked to stop.
pub struct Segment {
    spec: SegmentSpec,
    slot: SlotId,
    at: u64,
    state: Option<Vec<u8>>,
    over: bool,
    failure: Option<Failure>,
    stop: Arc<AtomicBool>,
    news: UnboundedSender<SlotNews>,
    checkpoints: PathBuf,
}

/// Why a segment has failed.
enum Failure {
    /// What trains it says so.
    Reported(String),
    /// The checkpoint that it should have resumed from can't be used.
    CheckpointLost(SegmentError),
}

/// Why a checkpoint could not be kept or used.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The state can't be kept.
    #[error("can't write the checkpoint {}: {source}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The I/O error.
        source: std::io::Error,
    },
    /// The state that was written can't be read back, or is another.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The state to resume from can't be read.
    #[error("can't read the checkpoint {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The I/O error.
        source: std::io::Error,
    },
    /// No report is due: the segment has ended.
    #[error("the segment has ended: no report is due")]
    Over,
}

impl Segment {
    /// The trial.
    pub fn trial(&self) -> TrialId {
        self.spec.segment.trial
    }

    /// The configuration.
    pub fn parameters(&self) -> &Values {
        &self.spec.parameters
    }

    /// The seed of everything random in the trial, below 2^53.
    pub fn seed(&self) -> u64 {
        self.spec.seed
    }

    /// The unit of resources.
    pub fn unit(&self) -> Unit {
        self.spec.unit
    }

    /// The resource that the trial has already reached.
    pub fn from(&self) -> u64 {
        self.spec.from
    }

    /// The resource to train the trial to.
    pub fn to(&self) -> u64 {
        self.spec.to
    }

    /// The state that was passed to [`report`](Self::report) at [`from`](Self::from); `None` at 0.
    pub fn state(&self) -> Option<&[u8]> {
        self.state.as_deref()
    }

    /// The resource to train to and report next; `None` if the segment has ended or is to stop.
    pub fn next_resource(&self) -> Option<u64> {
        let next = hpo_protocol::next_report(self.spec.report_every, self.at, self.spec.to);
        (!self.over && !self.stop.load(Ordering::Relaxed)).then_some(next)
    }

    /// Reports the validation loss at the resource that is due; one that is not finite ends the trial. The `state` is kept, and passed
    /// to the segment that continues from here.
    ///
    /// # Errors
    /// If the segment has ended, or the state can't be kept.
    pub fn report(&mut self, loss: f64, state: &[u8]) -> Result<(), SegmentError> {
        self.report_metrics(loss, &Metrics::new(), state)
    }

    /// The same with metrics, among which the study's objective must be; the loss may be missing if it is not the objective.
    ///
    /// # Errors
    /// As for [`report`](Self::report).
    pub fn report_metrics(
        &mut self,
        loss: impl Into<Option<f64>>,
        metrics: &Metrics,
        state: &[u8],
    ) -> Result<(), SegmentError> {
        if self.over {
            return Err(SegmentError::Over);
        }
        let resource = hpo_protocol::next_report(self.spec.report_every, self.at, self.spec.to);
        let loss = loss.into();
        let diverged = loss.is_some_and(|loss| !loss.is_finite());
        let checkpoint = (!diverged).then(|| self.keep(resource, state)).transpose()?;
        self.at = resource;
        self.over = resource == self.spec.to || diverged;
        self.happened(Event::Reported(Reported {
            trial: self.trial(),
            attempt: self.spec.segment.attempt,
            resource,
            loss,
            metrics: Measures::from(metrics),
            diverged,
            checkpoint,
            last: false,
        }));
        Ok(())
    }

    /// Ends the segment as failed. It is tried again as often as the study allows.
    pub fn fail(mut self, message: impl Into<String>) {
        self.failure = Some(Failure::Reported(message.into()));
    }

    fn keep(&self, resource: u64, state: &[u8]) -> Result<Checkpoint, SegmentError> {
        let own = StudyDirectory::trial_checkpoints(self.trial());
        let directory = self.checkpoints.join(&own);
        let file = directory.join(format!("a{}-{resource}.bin", self.spec.segment.attempt));
        let written = fs::create_dir_all(&directory).and_then(|()| fs::write(&file, state));
        written.map_err(|source| SegmentError::Write {
            file: file.clone(),
            source,
        })?;
        Ok(checkpoint::accept(&self.checkpoints, &own, &file, CHECKPOINT_WAIT)?)
    }

    fn happened(&self, event: Event) {
        self.send(News::Happened(event));
    }

    fn send(&self, news: News) {
        // There is no receiver once the search has ended.
        let slot = self.slot;
        let _ = self.news.send(SlotNews { slot, news });
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let segment = self.spec.segment;
        if !self.over {
            let failed = |message: String, checkpoint_lost| Event::Failed {
                segment,
                message,
                checkpoint_lost,
            };
            let event = match self.failure.take() {
                Some(Failure::Reported(message)) => failed(message, false),
                Some(Failure::CheckpointLost(error)) => failed(error.to_string(), true),
                None if self.stop.load(Ordering::Relaxed) => Event::Stopped {
                    segment,
                    checkpoint: None,
                },
                None => failed("the segment ended before its rung".to_owned(), false),
            };
            self.happened(event);
        }
        self.send(idle());
    }
}

/// Neither evaluating the untrained model nor exporting can be asked of a function.
fn idle() -> News {
    News::Idle { features: Vec::new() }
}

/// Slots whose segments are trained within this process.
pub struct Segments {
    count: u32,
    checkpoints: PathBuf,
    queue: Option<Sender<Segment>>,
    sender: UnboundedSender<SlotNews>,
    news: UnboundedReceiver<SlotNews>,
    stops: BTreeMap<SlotId, Arc<AtomicBool>>,
}

impl Segments {
    /// This number of slots, all idle, and the receiver of their segments.
    pub(super) fn new(count: u32, study: &StudyDirectory) -> (Self, Receiver<Segment>) {
        let (queue, segments) = channel();
        let (sender, news) = unbounded_channel();
        for slot in (0..count).map(SlotId) {
            let _ = sender.send(SlotNews { slot, news: idle() });
        }
        let slots = Self {
            count,
            checkpoints: std::path::absolute(study.checkpoints()).unwrap_or_else(|_| study.checkpoints()),
            queue: Some(queue),
            sender,
            news,
            stops: BTreeMap::new(),
        };
        (slots, segments)
    }

    fn start(&mut self, slot: SlotId, spec: SegmentSpec) {
        let state = spec
            .checkpoint
            .as_ref()
            .map(|checkpoint| self.state(checkpoint))
            .transpose();
        let stop = Arc::new(AtomicBool::new(false));
        self.stops.insert(slot, stop.clone());
        let (state, failure) = match state {
            Ok(state) => (state, None),
            Err(lost) => (None, Some(Failure::CheckpointLost(lost))),
        };
        let lost = failure.is_some();
        let segment = Segment {
            at: spec.from,
            spec,
            slot,
            state,
            over: false,
            failure,
            stop,
            news: self.sender.clone(),
            checkpoints: self.checkpoints.clone(),
        };
        // A segment that can't be delivered fails as it is dropped here.
        if let Some(queue) = self.queue.as_ref().filter(|_| !lost) {
            let _ = queue.send(segment);
        }
    }

    fn state(&self, checkpoint: &Checkpoint) -> Result<Vec<u8>, SegmentError> {
        let file = checkpoint::verify(&self.checkpoints, checkpoint)?;
        fs::read(&file).map_err(|source| SegmentError::Read { file, source })
    }

    fn stop(&self, slot: SlotId) {
        if let Some(stop) = self.stops.get(&slot) {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Slots for Segments {
    fn names(&self) -> Vec<(SlotId, String)> {
        (0..self.count)
            .map(|slot| (SlotId(slot), "in this process".to_owned()))
            .collect()
    }

    async fn order(&mut self, slot: SlotId, order: Order) {
        match order {
            Order::Run(spec) => self.start(slot, spec),
            Order::Stop { .. } | Order::Replace => self.stop(slot),
            // It has not announced that it can.
            Order::Evaluate | Order::Measure(_) | Order::Export { .. } | Order::GiveBack | Order::ComeBack => {}
        }
    }

    async fn news(&mut self) -> Vec<SlotNews> {
        let mut batch = Vec::new();
        self.news.recv_many(&mut batch, usize::MAX).await;
        batch
    }

    fn remove(&mut self, slot: SlotId) {
        self.stop(slot);
    }

    async fn end(&mut self, _: bool) {
        self.stops.values().for_each(|stop| stop.store(true, Ordering::Relaxed));
        self.queue = None;
        self.news.close();
    }
}
