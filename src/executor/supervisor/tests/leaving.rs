//! Workers that have to leave their place.

use hpo_protocol::{FromWorker, ToWorker};

use super::{Bench, segment};
use crate::executor::{Leaving, News};
use crate::ids::SegmentId;
use crate::study::Event;

/// What a worker trains that has to leave its place is saved, if there is time, and whatever becomes of it goes on elsewhere.
#[tokio::test(start_paused = true)]
async fn a_worker_that_has_to_leave_is_asked_to_save_and_given_nothing_more() {
    let away = |why: Leaving, of: Option<SegmentId>| News::Disconnected {
        segment: of,
        message: why.to_string(),
        excused: why == Leaving::Asked,
    };
    let mut bench = Bench::new();
    for why in [Leaving::Asked, Leaving::TimeLimit] {
        let mut worker = bench.ready_worker().await;
        bench.train(segment(4));
        worker.runs(segment(4)).await;
        worker.leaving.send_replace(Some(why));
        let (asked, saves) = (worker.read().await, segment(4));
        assert!(matches!(asked, ToWorker::Stop { segment, save: true } if segment == saves));
        match why {
            Leaving::Asked => {
                let (segment, checkpoint) = (segment(4), None);
                worker.send(FromWorker::Stopped { segment, checkpoint }).await;
                let stopped = bench.news().await;
                assert!(matches!(stopped, News::Happened(Event::Stopped { .. })), "{stopped:?}");
                assert_eq!(bench.news().await, away(why, None));
            }
            Leaving::TimeLimit => {
                // It takes too long, and is ended with its place.
                assert_eq!(bench.news().await, away(why, Some(segment(4))));
            }
        }
        worker.check_killed().await;
    }
    let idle = bench.ready_worker().await;
    idle.leaving.send_replace(Some(Leaving::TimeLimit));
    assert_eq!(bench.news().await, away(Leaving::TimeLimit, None));
    let mut killed = bench.ready_worker().await;
    bench.train(segment(5));
    killed.runs(segment(5)).await;
    killed.leaving.send_replace(Some(Leaving::Asked));
    killed.leave(false);
    assert_eq!(bench.news().await, away(Leaving::Asked, Some(segment(5))));
}
