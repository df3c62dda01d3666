//! A slot whose connection is lost, until it is there again.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Supervisor;
use super::state::{Next, State, Task, Work};
use crate::executor::failure::Failure;
use crate::executor::launcher::Leaving;
use crate::executor::news::{News, Order};
use crate::ids::SegmentId;

/// How long to wait before the connection is made again; after each time that it could not be, twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

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
        let until = Instant::now() + self.pause(outages);
        loop {
            tokio::select! {
                () = sleep_until(until) => return Some(()),
                order = self.orders.recv() => match order? {
                    // It was given before the scheduler knew.
                    Order::Run(spec) => self.hand_back(Some(spec.segment), &message, true).await,
                    Order::Evaluate | Order::Export { .. } => self.hand_back(None, &message, true).await,
                    Order::Stop { .. } | Order::Replace => {}
                },
            }
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
        State::Starting(Next::Announce | Next::Wait | Next::Begin(Work::Evaluate | Work::Export { .. }))
        | State::Idle
        | State::Busy {
            task: Task::Evaluating | Task::Exporting(_),
            ..
        } => None,
    }
}
