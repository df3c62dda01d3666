//! A slot that has no place for a worker yet, has given it back, or whose connection is lost, until it is there again.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::state::{Next, State, Task, Work};
use super::{Attended, Supervisor};
use crate::executor::failure::Failure;
use crate::executor::launcher::{LaunchError, Leaving, Place};
use crate::executor::news::{News, Order};
use crate::ids::SegmentId;

/// How long to wait before the connection is made again; after each time that it could not be, twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is said of a slot while there is nothing better to say.
const NO_PLACE: &str = "there is no place for its worker yet";

impl Supervisor {
    /// Reports that the connection is lost, with what the worker was at, and waits before another one is made; `outages` is how often in
    /// a row it could not be. Nothing is returned once the scheduler has gone.
    pub(super) async fn lose_connection(&mut self, failure: &Failure, outages: u32) -> Option<()> {
        let (printed, excused) = if let Failure::Leaving(why) = failure {
            (String::new(), *why == Leaving::Asked)
        } else {
            (self.log.tail(), false)
        };
        tracing::warn!(slot = self.slot.id.0, %failure, printed, "connection lost");
        let message = format!("{failure}{printed}");
        let state = std::mem::replace(&mut self.state, State::Starting(Next::Announce));
        self.hand_back(given(&state), &message, excused).await;
        let pause = sleep(self.pause(outages));
        self.meanwhile(pause, &message).await
    }

    /// Waits until there is a place for a worker; what waits for one is handed back as soon as that takes time. Nothing is returned once
    /// the scheduler has gone.
    pub(super) async fn find_place(&mut self) -> Option<Result<(), LaunchError>> {
        let (launcher, study) = (Arc::clone(&self.slot.launcher), self.study.clone());
        loop {
            let seek = launcher.place(&study, self.purpose);
            let (why, again) = match self.meanwhile(seek, NO_PLACE).await? {
                Ok(Place::There) => return Some(Ok(())),
                Ok(Place::NotYet { why, again }) => (why, again),
                Err(error) => return Some(Err(error)),
            };
            if let Some(why) = &why {
                self.remark(why, why.clone()).await;
            }
            let why = why.as_deref().unwrap_or(NO_PLACE);
            self.give_up_work(why).await;
            self.meanwhile(sleep(again), why).await?;
        }
    }

    /// Waits for something, and hands back what is ordered meanwhile. Nothing is returned once the scheduler has gone.
    async fn meanwhile<T>(&mut self, what: impl Future<Output = T>, why: &str) -> Option<T> {
        tokio::pin!(what);
        loop {
            tokio::select! {
                biased;
                done = &mut what => return Some(done),
                order = self.orders.recv() => self.refuse(order?, why).await,
            }
        }
    }

    /// Hands back what is ordered while there is no worker: it was given before the scheduler knew.
    async fn refuse(&mut self, order: Order, why: &str) {
        self.give_up_work(why).await;
        match order {
            Order::Run(spec) => self.hand_back(Some(spec.segment), why, true).await,
            Order::Evaluate | Order::Measure(_) | Order::Export { .. } => self.hand_back(None, why, true).await,
            Order::Stop { .. } | Order::Replace | Order::GiveBack | Order::ComeBack => {}
        }
    }

    /// Ends a worker that has nothing to do, gives its place back, and waits until there is something. Nothing is returned once the
    /// scheduler has gone.
    pub(super) async fn give_back(&mut self, worker: Attended) -> Option<()> {
        self.state = State::Starting(Next::Announce);
        worker.connection.close().await;
        let (launcher, study, purpose) = (Arc::clone(&self.slot.launcher), self.study.clone(), self.purpose);
        // It asks others, and waits for them.
        let _ = spawn_blocking(move || launcher.vacate(&study, Some(purpose))).await;
        loop {
            let order = self.orders.recv().await?;
            let is_needed = !matches!(order, Order::Stop { .. } | Order::Replace | Order::GiveBack);
            self.refuse(order, NO_PLACE).await;
            if is_needed {
                return Some(());
            }
        }
    }

    /// Hands back what the next worker was to begin with.
    async fn give_up_work(&mut self, why: &str) {
        let state = std::mem::replace(&mut self.state, State::Starting(Next::Announce));
        if state != self.state {
            self.hand_back(given(&state), why, true).await;
        }
    }

    async fn hand_back(&self, segment: Option<SegmentId>, message: &str, excused: bool) {
        let message = message.to_owned();
        self.report(News::Disconnected {
            segment,
            message,
            excused,
        })
        .await;
    }

    /// Slots that lost their connections together do not make them all at the same moment again: a machine takes only so many at once.
    fn pause(&self, outages: u32) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << outages.min(10)).min(LONGEST_PAUSE);
        pause + pause / 8 * (self.slot.id.0 % 8)
    }
}

/// The segment that a slot was given and has not brought to its end, as far as it knows.
fn given(state: &State) -> Option<SegmentId> {
    match state {
        State::Starting(Next::Begin(Work::Train(spec))) => Some(spec.segment),
        State::Busy {
            task: Task::Training(training),
            ..
        } => Some(training.segment),
        State::Starting(
            Next::Announce | Next::Wait | Next::Begin(Work::Evaluate | Work::Measure(_) | Work::Export { .. }),
        )
        | State::Idle
        | State::Busy {
            task: Task::Evaluating | Task::Measuring(_) | Task::Exporting(_),
            ..
        } => None,
    }
}
