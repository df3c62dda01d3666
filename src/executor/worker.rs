//! A slot at work, as the scheduler sees it.

use std::time::Duration;

use tokio::sync::mpsc::{Sender, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::launcher::Purpose;
use super::news::{Order, SlotNews};
use super::program::Program;
use super::slots::Slot;
use super::supervisor::Supervisor;
use crate::store::StudyDirectory;

/// How long workers are waited for at the end. It is longer than one takes that has to be killed.
const LAST_WAIT: Duration = Duration::from_secs(15);

/// A slot at work. Dropping it kills its worker.
#[derive(Debug)]
pub struct Worker {
    orders: Option<UnboundedSender<Order>>,
    task: JoinHandle<()>,
}

impl Worker {
    /// Starts a worker on a slot, which reports to `news`.
    pub fn start(slot: Slot, program: Program, study: &StudyDirectory, news: Sender<SlotNews>) -> Self {
        let purpose = Purpose::Slot(slot.id);
        Self::start_for(purpose, slot, program, study, news)
    }

    /// The same for any purpose.
    pub(super) fn start_for(
        purpose: Purpose,
        slot: Slot,
        program: Program,
        study: &StudyDirectory,
        news: Sender<SlotNews>,
    ) -> Self {
        let (orders, queue) = unbounded_channel();
        let supervisor = Supervisor::new(purpose, slot, program, study, news, queue);
        Self {
            orders: Some(orders),
            task: tokio::spawn(supervisor.run()),
        }
    }

    /// Gives an order. A slot whose news was fatal takes no more.
    pub fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }

    /// Ends workers in good order, all at once: each may take a few seconds to leave by itself before it is killed.
    pub async fn end_all(mut workers: Vec<Self>) {
        for worker in &mut workers {
            worker.orders = None;
        }
        let ended = async {
            for worker in &mut workers {
                let _ = (&mut worker.task).await;
            }
        };
        // One whose slot is reading a large file takes no notice.
        let _ = timeout(LAST_WAIT, ended).await;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}
