//! Slots whose workers have to wait for a place.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Bench, Elsewhere, segment};
use crate::executor::{
    ExitKind, Inspection, Launch, LaunchError, Launched, Launcher, Leftovers, News, Order, Place, Purpose, Seek,
};
use crate::ids::SlotId;

/// Somewhere else, once so many looks were in vain.
#[derive(Debug)]
struct Queue {
    looks: Arc<AtomicU32>,
    vacated: Arc<AtomicU32>,
    then: Elsewhere,
}

impl Launcher for Queue {
    fn place<'a>(&'a self, _: &'a Path, _: Purpose) -> Seek<'a> {
        let left = self.looks.load(Ordering::Relaxed);
        let place = match left {
            0 => Place::There,
            _ => Place::NotYet {
                why: Some("it waits in the queue".to_owned()),
                again: Duration::from_secs(60),
            },
        };
        self.looks.store(left.saturating_sub(1), Ordering::Relaxed);
        Box::pin(std::future::ready(Ok(place)))
    }

    fn vacate(&self, _: &Path, purpose: Option<Purpose>) {
        assert_eq!(purpose, Some(Purpose::Slot(SlotId(0))));
        self.vacated.fetch_add(1, Ordering::Relaxed);
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<Launched, LaunchError> {
        self.then.launch(launch)
    }

    fn end_leftovers(&self, _: &Path, _: Leftovers) -> usize {
        0
    }
}

/// A slot that has to wait in a queue, and the numbers of looks still in vain and of times that its place was given up.
fn queued(looks: u32) -> (Bench, Arc<AtomicU32>, Arc<AtomicU32>) {
    let (looks, vacated) = (Arc::new(AtomicU32::new(looks)), Arc::new(AtomicU32::new(0)));
    let queue = |then| -> Arc<dyn Launcher> {
        Arc::new(Queue {
            looks: Arc::clone(&looks),
            vacated: Arc::clone(&vacated),
            then: Elsewhere(then),
        })
    };
    let bench = Bench::launched_by(queue, Inspection::default());
    (bench, looks, vacated)
}

#[tokio::test(start_paused = true)]
async fn a_slot_without_a_place_is_given_nothing_and_says_why() {
    let (mut bench, looks, _) = queued(2);
    let began = tokio::time::Instant::now();
    for _ in 0..2 {
        let waits = bench.news().await;
        assert!(
            matches!(&waits, News::Remark { text, .. } if text == "it waits in the queue"),
            "{waits:?}"
        );
    }
    let worker = bench.ready_worker().await;
    assert_eq!(began.elapsed().as_secs(), 120);
    // The place is lost together with an idle worker, and what was ordered meanwhile is handed back.
    looks.store(1, Ordering::Relaxed);
    worker.end(ExitKind::Failure);
    let handed_back = |of| News::Disconnected {
        segment: of,
        message: "it waits in the queue".to_owned(),
        excused: true,
    };
    assert!(matches!(bench.news().await, News::Remark { .. }));
    assert_eq!(bench.news().await, handed_back(None));
    bench.train(segment(4));
    assert_eq!(bench.news().await, handed_back(Some(segment(4))));
    bench.ready_worker().await;
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_has_given_its_place_back_looks_for_one_once_it_is_called() {
    let (mut bench, looks, vacated) = queued(0);
    let worker = bench.ready_worker().await;
    bench.slot.order(Order::GiveBack);
    worker.check_killed().await;
    looks.store(1, Ordering::Relaxed);
    bench.slot.order(Order::ComeBack);
    let waits = bench.news().await;
    assert!(matches!(waits, News::Remark { .. }), "{waits:?}");
    bench.ready_worker().await;
    assert_eq!(vacated.load(Ordering::Relaxed), 1);
}
