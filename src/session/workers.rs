//! Worker processes as the slots of a search.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, channel};

use super::Trainer;
use crate::executor::{self, Launcher, Order, Program, Purpose, Slot, SlotNews, Worker};
use crate::ids::SlotId;
use crate::scheduler::{Observer, Slots};
use crate::store::StudyDirectory;
use crate::words::counted;

/// Slots with more reports than this wait: reports may not be recorded as long as the disk is full.
const NEWS_AHEAD: usize = 64;

/// Trains with a program: a worker process on each slot.
#[derive(Debug, Clone)]
pub struct WorkerProcesses {
    /// The program.
    pub program: Program,
    /// Where it runs.
    pub slots: Vec<Slot>,
}

/// Running workers.
pub struct Workers {
    names: Vec<(SlotId, String)>,
    workers: BTreeMap<SlotId, Worker>,
    news: Receiver<SlotNews>,
    study: PathBuf,
    launchers: Vec<(SlotId, Arc<dyn Launcher>)>,
}

impl Trainer for WorkerProcesses {
    type Slots = Workers;

    fn start(self, study: &StudyDirectory, observer: &mut dyn Observer) -> Workers {
        // What a scheduler that was killed has left behind would take memory and cores from the new workers.
        let leftovers = executor::end_leftovers(&self.slots, study.root());
        if leftovers > 0 {
            observer.note(&format!(
                "note: ended {} that an earlier run had left behind",
                counted(leftovers, "process")
            ));
        }
        let (sender, news) = channel(NEWS_AHEAD);
        let names = self.slots.iter().map(|slot| (slot.id, slot.name())).collect();
        let launchers = self.slots.iter().map(|slot| (slot.id, Arc::clone(&slot.launcher)));
        let launchers = launchers.collect();
        let start = |slot: Slot| {
            (
                slot.id,
                Worker::start(slot, self.program.clone(), study, sender.clone()),
            )
        };
        Workers {
            names,
            workers: self.slots.into_iter().map(start).collect(),
            news,
            study: study.root().to_owned(),
            launchers,
        }
    }
}

impl Workers {
    fn launcher(&self, slot: SlotId) -> Option<&Arc<dyn Launcher>> {
        self.launchers
            .iter()
            .find(|(id, _)| *id == slot)
            .map(|(_, launcher)| launcher)
    }
}

impl Slots for Workers {
    fn names(&self) -> Vec<(SlotId, String)> {
        self.names.clone()
    }

    async fn order(&mut self, slot: SlotId, order: Order) {
        if let Some(worker) = self.workers.get(&slot) {
            worker.order(order);
        }
    }

    async fn news(&mut self) -> Vec<SlotNews> {
        match self.news.recv().await {
            Some(first) => std::iter::once(first)
                .chain(std::iter::from_fn(|| self.news.try_recv().ok()))
                .collect(),
            // All slots have ended and reported it: there is nothing left to wait for but the user.
            None => std::future::pending().await,
        }
    }

    fn is_shared(&self, slot: SlotId) -> bool {
        self.launcher(slot).is_some_and(|launcher| launcher.is_shared())
    }

    fn remove(&mut self, slot: SlotId) {
        self.workers.remove(&slot);
        if let Some(launcher) = self.launcher(slot) {
            launcher.vacate(&self.study, Some(Purpose::Slot(slot)));
        }
    }

    async fn end(&mut self, gently: bool) {
        // Nothing receives news any more, and no worker may wait for that.
        self.news.close();
        let workers = std::mem::take(&mut self.workers);
        if gently {
            Worker::end_all(workers.into_values().collect()).await;
        } else {
            drop(workers);
            tokio::task::yield_now().await;
        }
        let mut vacated: Vec<Arc<dyn Launcher>> = Vec::new();
        for (_, launcher) in std::mem::take(&mut self.launchers) {
            if !vacated.iter().any(|other| Arc::ptr_eq(other, &launcher)) {
                launcher.vacate(&self.study, None);
                vacated.push(launcher);
            }
        }
    }
}
