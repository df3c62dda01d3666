//! What the loop of a simulated study runs on.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::world::World;
use crate::executor::{Order, SlotNews};
use crate::export::Card;
use crate::ids::{SlotId, Timestamp, TrialId};
use crate::scheduler::{Clock, Observer, Slots, Storage, Waiting};
use crate::store::CommitError;
use crate::study::{Fact, Record, Study};

/// The slots of a simulated study.
pub(super) struct VirtualSlots(pub Rc<RefCell<World>>);

impl Slots for VirtualSlots {
    fn names(&self) -> Vec<(SlotId, String)> {
        (0..self.0.borrow().conditions.slots)
            .map(|slot| (SlotId(slot), String::new()))
            .collect()
    }

    async fn order(&mut self, slot: SlotId, order: Order) {
        let mut world = self.0.borrow_mut();
        match order {
            Order::Run(segment) => world.start(slot, &segment),
            Order::Stop { save, .. } => world.stop(slot, save),
            Order::Replace
            | Order::Evaluate
            | Order::Measure(_)
            | Order::Export { .. }
            | Order::GiveBack
            | Order::ComeBack => {}
        }
    }

    async fn news(&mut self) -> Vec<SlotNews> {
        let ready = self.0.borrow_mut().next_news();
        match ready {
            Some(news) => news,
            None => pending().await,
        }
    }

    fn remove(&mut self, _: SlotId) {}

    async fn end(&mut self, _: bool) {}
}

/// Keeps nothing, as a simulated study is never resumed, but counts the checkpoints that would be kept.
#[derive(Debug, Default)]
pub(super) struct Memory {
    kept: usize,
    /// How many there were at most.
    pub most: usize,
}

impl Storage for Memory {
    async fn commit(&mut self, _: &Study, records: &[Record], _: Waiting<'_>) -> Result<(), CommitError> {
        let saved =
            |record: &&Record| matches!(&record.fact, Fact::Reported(reported) if reported.checkpoint.is_some());
        self.kept += records.iter().filter(saved).count();
        self.most = self.most.max(self.kept);
        Ok(())
    }

    async fn delete(&mut self, files: Vec<String>) {
        self.kept -= files.len().min(self.kept);
    }

    fn sweep(&mut self, _: &Study, _: Option<TrialId>) {}

    fn room(&self) -> Option<u64> {
        None
    }

    fn model_directory(&mut self) -> PathBuf {
        PathBuf::new()
    }

    async fn place_model(&mut self, written: PathBuf, _: Option<Card>) -> io::Result<PathBuf> {
        Ok(written)
    }

    fn discard_model(&mut self) {}
}

/// The time of the last event.
pub(super) struct VirtualClock(pub Rc<RefCell<World>>);

impl Clock for VirtualClock {
    fn now(&mut self) -> Timestamp {
        Timestamp(self.0.borrow().now)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.borrow().now)
    }

    async fn tick(&mut self) {
        pending().await
    }
}

/// Remembers the best trial, whenever it changes.
pub(super) struct Best(pub Rc<RefCell<World>>);

impl Observer for Best {
    fn recorded(&mut self, study: &Study, records: &[Record]) {
        let mut world = self.0.borrow_mut();
        // Not only the trial that has reported: it may cause another to be promoted, whose losses ahead of the decision count from now on.
        let touched: BTreeSet<TrialId> = records.iter().filter_map(|record| record.fact.trial()).collect();
        for trial in touched.into_iter().filter_map(|trial| study.trial(trial)) {
            world.observe(trial);
        }
    }
}
