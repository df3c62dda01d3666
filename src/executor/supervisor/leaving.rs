//! A worker that has to leave its place, and what it trains, which goes on elsewhere.

use std::time::Duration;

use hpo_protocol::ToWorker;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::state::State;
use super::{Attended, End, Supervisor};
use crate::executor::failure::Failure;
use crate::executor::launcher::Leaving;

/// How long a worker that has to leave may take to save what it trains. It is killed soon after: by Slurm usually after 30 seconds.
const SAVES: Duration = Duration::from_secs(20);

impl Supervisor {
    /// A worker has to leave: what it trains is saved first, and of other work nothing can be.
    pub(super) fn leave(&mut self, worker: &mut Attended, why: Leaving) -> Result<(), End> {
        tracing::info!(slot = self.slot.id.0, %why, "worker has to leave");
        worker.leaves = Some((why, Instant::now() + SAVES));
        match self.state.training_any() {
            Some(training) if training.stopping => Ok(()),
            Some(training) => {
                training.stopping = true;
                let (segment, save) = (training.segment, true);
                worker.send(&ToWorker::Stop { segment, save })
            }
            None => Err(End::Died(Failure::Leaving(why))),
        }
    }
}

impl Attended {
    /// Why it has ended: whatever became of one that has to leave, that is why.
    pub(super) fn why(&self, failure: Failure) -> Failure {
        let leaving = *self.connection.leaving().borrow();
        match leaving {
            Some(why) => Failure::Leaving(why),
            None => failure,
        }
    }
}

impl State {
    /// Whether a segment is being trained.
    pub(super) fn trains(&mut self) -> bool {
        self.training_any().is_some()
    }
}

/// Returns once a worker has to leave.
pub(super) async fn leaving(why: &mut watch::Receiver<Option<Leaving>>) -> Leaving {
    let known = why.wait_for(Option::is_some).await.ok().and_then(|why| *why);
    match known {
        Some(why) => why,
        // Nobody will say so any more.
        None => std::future::pending().await,
    }
}

/// Returns once a worker that has to leave has taken too long to save what it trains.
pub(super) async fn saved_too_late(leaves: Option<(Leaving, Instant)>) -> Leaving {
    let Some((why, until)) = leaves else {
        return std::future::pending().await;
    };
    sleep_until(until).await;
    why
}
