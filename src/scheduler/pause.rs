//! A disk without space for checkpoints: nothing is lost, and the study continues once there is space.

use std::time::Duration;

use super::{Clock, Scheduler, Slots, Storage};

/// How long to wait before trying again although no new space shows, as with quotas: twice as long each time, from the first to
/// the second.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// The additional space that is worth a try, in bytes.
const WORTH_IT: u64 = 64 << 10;

/// No segments are started for a while.
#[derive(Debug)]
pub(super) struct Pause {
    /// The free space when it began.
    room: Option<u64>,
    /// By the clock's elapsed time.
    until: Duration,
    delay: Duration,
}

impl Pause {
    /// A pause from `now` on; `before` is the last one if nothing could be saved since.
    fn begin(room: Option<u64>, now: Duration, before: Option<&Pause>) -> Self {
        let delay = before.map_or(RETRY.0, |before| (2 * before.delay).min(RETRY.1));
        Self {
            room,
            until: now + delay,
            delay,
        }
    }

    /// Whether it is worth trying again.
    fn is_over(&self, room: Option<u64>, now: Duration) -> bool {
        let more = room.zip(self.room).is_some_and(|(now, then)| now >= then + WORTH_IT);
        more || now >= self.until
    }
}

impl<S: Slots, J: Storage, C: Clock> Scheduler<'_, S, J, C> {
    /// Starts no segments for a while if there was no space for a checkpoint.
    pub(super) fn pause_if_full(&mut self) {
        if self.full.is_empty() {
            return;
        }
        for trial in std::mem::take(&mut self.full) {
            self.storage.sweep(&self.study, Some(trial));
        }
        let (room, now) = (self.storage.room(), self.clock.elapsed());
        self.pause = Some(Pause::begin(room, now, self.paused_before.as_ref()));
    }

    /// Ends a pause that has been long enough.
    pub(super) fn is_pause_over(&mut self) -> bool {
        let Some(pause) = &self.pause else { return false };
        let over = pause.is_over(self.storage.room(), self.clock.elapsed());
        if over {
            self.paused_before = self.pause.take();
            self.observer.resumed();
        }
        over
    }
}
