//! The clock of a search.

use std::time::{Duration, Instant};

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::clock::now;
use crate::ids::Timestamp;
use crate::scheduler::Clock;

/// How often a view is asked to redraw itself.
const FRAME: Duration = Duration::from_millis(250);

/// The wall clock, and a monotonic one.
pub(super) struct SystemClock {
    began: Instant,
    frames: Interval,
}

impl SystemClock {
    pub fn start() -> Self {
        let mut frames = interval(FRAME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            began: Instant::now(),
            frames,
        }
    }
}

impl Clock for SystemClock {
    fn now(&mut self) -> Timestamp {
        now()
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    async fn tick(&mut self) {
        self.frames.tick().await;
    }
}
