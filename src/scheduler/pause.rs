//! A disk that is full: nothing is lost, and the study goes on once there is space.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::{Scheduler, SchedulerError};
use crate::disk::room;
use crate::study::Record;

/// How long to wait before trying again although nothing tells of new space, as with quotas: twice as long each time, up to
/// the second.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// So much more than before is worth a try, in bytes.
const WORTH_IT: u64 = 64 << 10;

/// No segments are started for a while.
#[derive(Debug)]
pub(super) struct Pause {
    place: PathBuf,
    /// How much there was when it began.
    room: Option<u64>,
    until: Instant,
    delay: Duration,
}

impl Pause {
    /// Begins; `before` is the last pause if nothing could be saved since.
    fn begin(place: &Path, before: Option<&Pause>) -> Self {
        let delay = before.map_or(RETRY.0, |before| (2 * before.delay).min(RETRY.1));
        Self {
            place: place.to_owned(),
            room: room(place),
            until: Instant::now() + delay,
            delay,
        }
    }

    /// Whether it is worth trying again.
    fn is_over(&self) -> bool {
        let more = room(&self.place)
            .zip(self.room)
            .is_some_and(|(now, then)| now >= then + WORTH_IT);
        more || Instant::now() >= self.until
    }
}

impl Scheduler<'_> {
    /// Makes records durable, for as long as the disk is full unless the user asks to stop.
    pub(super) async fn commit(&mut self, records: Vec<Record>) -> Result<(), SchedulerError> {
        let committer = &self.store.committer;
        let mut blocked = committer.blocked();
        let commit = committer.commit(records);
        tokio::pin!(commit);
        let mut paused = false;
        loop {
            tokio::select! {
                done = &mut commit => {
                    if paused && done.is_ok() {
                        self.observer.resumed();
                    }
                    return Ok(done?);
                }
                Ok(()) = blocked.changed() => {
                    let full = *blocked.borrow_and_update();
                    if let Some(full) = full.filter(|_| !paused) {
                        paused = true;
                        self.observer.paused(&format!("the journal can't be written: {full}"));
                    }
                }
                () = self.signals.received(), if paused => {
                    self.gave_up = true;
                    committer.give_up();
                }
            }
        }
    }

    /// Starts no segments for a while if there was no space for a checkpoint.
    pub(super) fn pause_if_full(&mut self) {
        if self.full.is_empty() {
            return;
        }
        for trial in std::mem::take(&mut self.full) {
            self.sweep(Some(trial));
        }
        self.pause = Some(Pause::begin(&self.directory.checkpoints(), self.paused_before.as_ref()));
    }

    /// Ends a pause that has been long enough.
    pub(super) fn is_pause_over(&mut self) -> bool {
        let over = self.pause.as_ref().is_some_and(Pause::is_over);
        if over {
            self.paused_before = self.pause.take();
            self.observer.resumed();
        }
        over
    }
}
