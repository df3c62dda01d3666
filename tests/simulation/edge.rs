//! What the loop of a study in trouble stands on.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use hpo::executor::{self, SlotNews};
use hpo::export::Card;
use hpo::ids::{SlotId, Timestamp, TrialId};
use hpo::scheduler::{Clock, Observer, Slots, Storage, Waiting};
use hpo::store::CommitError;
use hpo::study::{Record, Study};

use super::slot::{Order, Run};
use super::world::{Next, World};

/// Orders go to the world's slots.
pub struct SimulatedSlots(pub Rc<RefCell<World>>);

/// Records go to the world's disk, checkpoints to its files.
pub struct SimulatedStorage(pub Rc<RefCell<World>>);

/// The world's clock; it ticks once running segments have had their time to be saved.
pub struct SimulatedClock(pub Rc<RefCell<World>>);

/// Looks on and shows nothing.
pub struct Silent;

/// What is waited for where the process dies.
async fn live_on(lives: bool) {
    if !lives {
        pending().await
    }
}

impl Slots for SimulatedSlots {
    fn names(&self) -> Vec<(SlotId, String)> {
        self.0.borrow().slots()
    }

    async fn order(&mut self, slot: SlotId, order: executor::Order) {
        let lives = self.0.borrow_mut().lives();
        live_on(lives).await;
        self.0.borrow_mut().order(slot, ours(order));
    }

    async fn news(&mut self) -> Vec<SlotNews> {
        poll_fn(|_| match self.0.borrow_mut().next() {
            Next::Take(batch) => Poll::Ready(batch),
            Next::Look => Poll::Pending,
        })
        .await
    }

    fn remove(&mut self, slot: SlotId) {
        self.0.borrow_mut().remove(slot);
    }

    async fn end(&mut self, _: bool) {}
}

fn ours(order: executor::Order) -> Order {
    match order {
        executor::Order::Run(run) => Order::Run(Run {
            segment: run.segment,
            seed: run.seed,
            every: run.report_every,
            from: run.from,
            to: run.to,
            checkpoint: run.checkpoint,
        }),
        executor::Order::Stop { segment, save } => Order::Stop { segment, save },
        executor::Order::Replace => Order::Replace,
        order @ (executor::Order::Evaluate
        | executor::Order::Measure(_)
        | executor::Order::Export { .. }
        | executor::Order::GiveBack
        | executor::Order::ComeBack) => panic!("these workers can't {order:?}"),
    }
}

impl Storage for SimulatedStorage {
    async fn commit(&mut self, study: &Study, records: &[Record], _: Waiting<'_>) -> Result<(), CommitError> {
        let lives = self.0.borrow_mut().commit(study, records);
        live_on(lives).await;
        Ok(())
    }

    async fn delete(&mut self, files: Vec<String>) {
        let lives = self.0.borrow_mut().lives();
        live_on(lives).await;
        files.iter().for_each(|file| self.0.borrow_mut().files.delete(file));
    }

    fn sweep(&mut self, study: &Study, of: Option<TrialId>) {
        self.0.borrow_mut().files.sweep(study, of);
    }

    fn room(&self) -> Option<u64> {
        None
    }

    fn model_directory(&mut self) -> PathBuf {
        unreachable!("these workers write no models")
    }

    async fn place_model(&mut self, _: PathBuf, _: Option<Card>) -> io::Result<PathBuf> {
        unreachable!("these workers write no models")
    }

    fn discard_model(&mut self) {}
}

impl Clock for SimulatedClock {
    fn now(&mut self) -> Timestamp {
        self.0.borrow_mut().now()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(if self.0.borrow().is_late() { 3600 } else { 0 })
    }

    async fn tick(&mut self) {
        poll_fn(|_| match self.0.borrow().is_late() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await
    }
}

impl Observer for Silent {}
