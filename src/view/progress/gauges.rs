//! Disk and memory, read from time to time on a thread of its own: looking at all files of a study may take a while.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::disk::{room, size_of};
use crate::memory;

/// Bytes on a disk and in memory, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Gauges {
    /// What the study takes of the disk.
    pub study: Option<u64>,
    /// What can still be written there.
    pub free: Option<u64>,
    /// What this process and its workers on this machine have of the memory.
    pub resident: Option<u64>,
    /// What can still be used of it.
    pub available: Option<u64>,
}

/// The shortest time between two readings.
const INTERVAL: Duration = Duration::from_secs(2);
/// The longest share of its time that the thread reads.
const SHARE: u32 = 20;

/// Reads the gauges until nobody looks at them any more.
pub(super) fn watch(study: PathBuf) -> Arc<Mutex<Gauges>> {
    let shown = Arc::new(Mutex::new(Gauges::default()));
    let written = Arc::downgrade(&shown);
    // Without such a thread there is nothing to show.
    let _ = thread::Builder::new().name("gauges".into()).spawn(move || {
        while written.strong_count() > 0 {
            let began = Instant::now();
            let read = Gauges {
                study: Some(size_of(&study)),
                free: room(&study),
                resident: memory::resident(),
                available: memory::available(),
            };
            if let Some(shown) = written.upgrade() {
                *shown.lock().unwrap_or_else(PoisonError::into_inner) = read;
            }
            thread::sleep(INTERVAL.max(began.elapsed() * SHARE));
        }
    });
    shown
}
