//! Finds out on the slots of a search what trials would cost there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use hpo_protocol::{Cost, Feature};
use tokio::sync::mpsc::{Receiver, channel};

use super::gpu::GpuMemory;
use super::news::{MeasureSpec, News, Order, SegmentSpec, SlotNews};
use super::program::Program;
use super::slots::{Slot, end_leftovers};
use super::worker::Worker;
use crate::ids::SlotId;
use crate::store::StudyDirectory;

/// What is to be measured, and where.
#[derive(Debug)]
pub struct Measuring<'a> {
    /// The slots; all of them are at work at once, as in a search.
    pub slots: &'a [Slot],
    /// The kind of each: every kind measures for itself.
    pub kinds: &'a [usize],
    /// The trainer.
    pub program: &'a Program,
    /// The first segments of trials, those first that matter most.
    pub segments: &'a [SegmentSpec],
    /// So many of them are measured on each kind of slot, however long it takes.
    pub least: usize,
    /// After so long nothing else is begun.
    pub enough: Duration,
    /// How many seconds of training are enough to measure one.
    pub seconds: f64,
}

/// What was measured.
#[derive(Debug, Default)]
pub struct Measurements {
    /// In the order in which it was.
    pub measured: Vec<Measured>,
    /// How long it took the first worker to be ready.
    pub ready: Option<Duration>,
    /// The slots whose workers can only train.
    pub unable: Vec<SlotId>,
    /// The slots on which no trial can run; why, for the user.
    pub unfit: Vec<(SlotId, String)>,
    /// The memory of GPUs of this machine when most of it was in use, by their numbers.
    pub gpus: BTreeMap<u32, GpuMemory>,
    /// What else the user should know, one remark on each subject.
    pub remarks: BTreeMap<String, String>,
}

/// A segment as it was measured on a slot.
#[derive(Debug)]
pub struct Measured {
    /// The slot.
    pub slot: SlotId,
    /// The place of the segment.
    pub segment: usize,
    /// What it costs, or why it can't be trained.
    pub cost: Result<Cost, String>,
}

/// That nothing can be trained, and so nothing measured.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unmeasured(String);

/// What slots were given to measure.
#[derive(Debug, Default)]
struct Given {
    /// How many segments each kind of slot, and since when.
    of_kind: BTreeMap<usize, (usize, Instant)>,
    /// What each slot is at.
    at: BTreeMap<SlotId, usize>,
}

impl Given {
    fn measured(&mut self, slot: SlotId, cost: Result<Cost, String>) -> Option<Measured> {
        let segment = self.at.remove(&slot)?;
        Some(Measured { slot, segment, cost })
    }
}

/// How many news wait at most.
const AHEAD: usize = 64;

impl Measuring<'_> {
    /// Starts a worker on each slot and has them measure. What they write is in `study`, which is there for this alone.
    ///
    /// # Errors
    /// If no trial can run on any slot.
    pub async fn run(&self, study: &StudyDirectory) -> Result<Measurements, Unmeasured> {
        let (sender, news) = channel(AHEAD);
        let start = |slot: &Slot| Worker::start(slot.clone(), self.program.clone(), study, sender.clone());
        let workers: BTreeMap<SlotId, Worker> = self.slots.iter().map(|slot| (slot.id, start(slot))).collect();
        drop(sender);
        let measured = self.follow(&workers, news).await;
        Worker::end_all(workers.into_values().collect()).await;
        end_leftovers(self.slots, study.root());
        measured
    }

    async fn follow(
        &self,
        workers: &BTreeMap<SlotId, Worker>,
        mut news: Receiver<SlotNews>,
    ) -> Result<Measurements, Unmeasured> {
        let begun = Instant::now();
        let mut found = Measurements::default();
        let mut given = Given::default();
        let mut over = BTreeSet::new();
        while over.len() < self.slots.len()
            && let Some(SlotNews { slot, news }) = news.recv().await
        {
            if over.contains(&slot) {
                continue;
            }
            match news {
                News::Idle { features } if !features.contains(&Feature::Measure) => {
                    found.unable.push(slot);
                    over.insert(slot);
                }
                News::Idle { .. } => {
                    found.ready = found.ready.or(Some(begun.elapsed()));
                    match self.next(slot, &mut given) {
                        Some(order) => workers[&slot].order(order),
                        None => drop(over.insert(slot)),
                    }
                }
                News::Measured { cost, .. } => {
                    self.look_at_gpu(slot, &mut found);
                    found.measured.extend(given.measured(slot, Ok(cost)));
                }
                // The next worker says when it is idle.
                News::MeasureFailed { message, .. } => found.measured.extend(given.measured(slot, Err(message))),
                News::Fatal { message } | News::Disconnected { message, .. } => {
                    found.unfit.push((slot, message));
                    over.insert(slot);
                }
                News::Remark { about, text } => drop(found.remarks.entry(about).or_insert(text)),
                News::Happened(_)
                | News::Progress { .. }
                | News::NoSpace { .. }
                | News::Exported { .. }
                | News::ExportFailed { .. } => {}
            }
        }
        match found.unfit.len() == self.slots.len() {
            true => Err(Unmeasured(found.unfit.swap_remove(0).1)),
            false => Ok(found),
        }
    }

    /// What a slot measures next, if anything.
    fn next(&self, slot: SlotId, given: &mut Given) -> Option<Order> {
        let kind = self.kind(slot);
        let (next, since) = given.of_kind.entry(kind).or_insert((0, Instant::now()));
        if *next >= self.least && since.elapsed() >= self.enough {
            return None;
        }
        let segment = self.segments.get(*next)?.clone();
        given.at.insert(slot, *next);
        *next += 1;
        let seconds = self.seconds;
        Some(Order::Measure(MeasureSpec { segment, seconds }))
    }

    fn kind(&self, slot: SlotId) -> usize {
        let place = self.slots.iter().position(|own| own.id == slot);
        place.map_or(0, |place| self.kinds[place])
    }

    /// Remembers how much of a GPU is in use if it was never more. A worker keeps the memory that it has had.
    fn look_at_gpu(&self, slot: SlotId, found: &mut Measurements) {
        let slot = self.slots.iter().find(|own| own.id == slot && own.host.is_none());
        let Some(gpu) = slot.and_then(|slot| slot.gpu.as_ref()) else {
            return;
        };
        if let Some(now) = GpuMemory::of(gpu) {
            let most = found.gpus.entry(gpu.index).or_insert(now);
            most.used = most.used.max(now.used);
        }
    }
}
