//! What a scheduler stands on in a world in memory.

use std::cell::RefCell;
use std::future::pending;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt;

use super::super::super::*;
use super::World;
use crate::export::Card;
use crate::ids::Timestamp;
use crate::store::Request;
use crate::study::Record;

pub(super) struct MemorySlots(pub(super) Rc<RefCell<World>>);

impl Slots for MemorySlots {
    fn names(&self) -> Vec<(SlotId, String)> {
        let slots = self.0.borrow().slots;
        (0..slots).map(|slot| (SlotId(slot), "cpu".into())).collect()
    }

    async fn order(&mut self, slot: SlotId, order: Order) {
        let mut world = self.0.borrow_mut();
        match order {
            Order::Run(spec) => world.start(slot, &spec),
            Order::Stop { segment, save } => world.stop(slot, segment, save),
            Order::GiveBack => world.give_back(slot),
            Order::ComeBack => world.come_back(slot),
            Order::Replace => panic!("these workers keep to the protocol"),
            Order::Evaluate | Order::Measure(_) | Order::Export { .. } => panic!("these workers can only train"),
        }
    }

    async fn news(&mut self) -> Vec<SlotNews> {
        self.0.borrow_mut().next()
    }

    fn is_shared(&self, slot: SlotId) -> bool {
        !slot.0.is_multiple_of(3)
    }

    fn remove(&mut self, _: SlotId) {}

    async fn end(&mut self, _: bool) {
        self.0.borrow().check_files();
    }
}

pub(super) struct MemoryStorage(pub(super) Rc<RefCell<World>>);

impl Storage for MemoryStorage {
    async fn commit(&mut self, study: &Study, records: &[Record], _: Waiting<'_>) -> Result<(), CommitError> {
        self.0.borrow_mut().commit(study, records);
        let dead = self.0.borrow().dead;
        if dead {
            pending::<()>().await;
        }
        Ok(())
    }

    async fn delete(&mut self, files: Vec<String>) {
        let mut world = self.0.borrow_mut();
        for file in files {
            assert!(world.files.remove(&file), "{file} is not there");
        }
    }

    fn sweep(&mut self, study: &Study, of: Option<TrialId>) {
        // A worker that fails has left nothing here; a scheduler that died, all that it was about to delete or to record.
        if of.is_none() {
            let known = study.checkpoint_files();
            self.0.borrow_mut().files.retain(|file| known.contains(file.as_str()));
        }
    }

    fn requests(&mut self) -> Vec<Request> {
        self.0.borrow_mut().requests()
    }

    fn room(&self) -> Option<u64> {
        None
    }

    fn model_directory(&mut self) -> PathBuf {
        unreachable!("these workers write no models")
    }

    async fn place_model(&mut self, _: PathBuf, _: Option<Card>) -> std::io::Result<PathBuf> {
        unreachable!("these workers write no models")
    }

    fn discard_model(&mut self) {}
}

pub(super) struct MemoryClock(pub(super) Rc<RefCell<World>>);

impl Clock for MemoryClock {
    fn now(&mut self) -> Timestamp {
        let mut world = self.0.borrow_mut();
        world.clock += 1;
        Timestamp(world.clock)
    }

    /// It takes long for something to happen.
    fn elapsed(&self) -> Duration {
        Duration::from_secs(60 * self.0.borrow().clock)
    }

    async fn tick(&mut self) {
        let passes = |world: &mut World| world.by_hand > 0.0 && world.rng.random();
        let passed = passes(&mut self.0.borrow_mut());
        if !passed {
            pending().await
        }
    }
}

pub(super) struct Silent;

impl Observer for Silent {}
