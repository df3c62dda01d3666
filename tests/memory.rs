//! Reading a study takes as much memory as the study, not as its journal.
//! It is alone in its binary: the allocator counts for the whole process.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use hpo::ids::Timestamp;
use hpo::store::{self, JournalReader, JournalWriter, StudyDirectory, StudyReader};
use hpo::study::{Fact, Record, StudySpec};

/// Counts what is allocated, and how much that was at most.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn spec() -> StudySpec {
    serde_json::from_value(serde_json::json!({
        "name": "s", "seed": 1, "trials": 1, "retries": 0, "threads": 1,
        "policy": { "type": "none", "min_resource": 1, "max_resource": 1, "reduction_factor": 3, "speculation": false },
        "trainer": { "command": null, "directory": "/", "settings": {}, "seed": null },
        "space": { "parameters": [] },
    }))
    .unwrap()
}

#[test]
fn a_hundred_thousand_records_that_leave_nothing_behind_are_not_held() {
    let place = tempfile::tempdir().unwrap();
    let directory = StudyDirectory::new(place.path().join("s"));
    store::create(&directory, &spec(), "", None, Vec::new(), Timestamp(0)).unwrap();
    let mut reader = JournalReader::open(&directory.journal()).unwrap();
    reader.skip().unwrap();
    let mut writer = JournalWriter::resume(&directory.journal(), &reader).unwrap();
    for _ in 0..10 {
        let stopped = |at| Record {
            at: Timestamp(at),
            fact: Fact::SchedulerStopped,
        };
        writer.append(&(0..10_000).map(stopped).collect::<Vec<_>>()).unwrap();
    }
    let size = std::fs::metadata(directory.journal()).unwrap().len();
    assert!(size > 5 << 20, "{size}");

    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    StudyReader::open(directory.clone()).unwrap();
    let peak = PEAK.load(Ordering::Relaxed) - before;
    // A block of records is some 1 MB, and two of them are under way.
    assert!(peak < 3 << 20, "{peak} bytes were held at a time");
}
