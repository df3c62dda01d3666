//! Whole studies from one seed each, through everything that can go wrong: a scheduler that dies at any point, even in the middle
//! of a write; workers that are slow, die, fail, lie, or repeat themselves; checkpoints that get lost; messages that come too late;
//! users that stop and raise a study.
//!
//! `HPO_STUDIES=100000` runs more of them than usual, `HPO_SEED=7` runs one again.

#![allow(clippy::unwrap_used)]

mod disk;
mod edge;
mod files;
mod oracle;
mod plan;
mod slot;
mod tally;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use plan::Plan;
use tally::Tally;

/// So many in every run of the tests.
const USUAL: u64 = 400;

/// Runs a study to its end; what happened to it.
fn run(plan: Plan) -> Tally {
    let synchronous = plan.spec.policy.is_synchronous();
    let (answer, tally) = world::run(plan.clone());
    if synchronous {
        let (calm, _) = world::run(plan.undisturbed());
        // One pauses for ever where the other has failures that are not alike.
        assert!(
            answer.is_none() || calm.is_none() || answer == calm,
            "the answer is another than undisturbed:\n{answer:#?}\n{calm:#?}"
        );
    }
    tally
}

#[test]
fn studies_come_to_their_end_and_to_the_same_answer_whatever_goes_wrong() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number("HPO_SEED") {
        let mut plan = Plan::new(seed);
        plan.told = true;
        println!("{plan:#?}");
        println!("{:?}", run(plan));
        return;
    }
    let studies = number("HPO_STUDIES").unwrap_or(USUAL);
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let work = || {
        let mut tally = Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= studies {
                return tally;
            }
            match catch_unwind(AssertUnwindSafe(|| run(Plan::new(seed)))) {
                Ok(one) => tally.add(&one),
                Err(_) => {
                    next.store(studies, Ordering::Relaxed);
                    panic!("run it again with: HPO_SEED={seed} cargo test -p hpo --test simulation");
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let tally = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut tally = Tally::default();
        for thread in threads {
            tally.add(&thread.join().expect("a study went wrong; its seed is told above"));
        }
        tally
    });
    println!("{studies} studies in {:.1} s: {tally:?}", began.elapsed().as_secs_f64());
    // What never happens is not tested.
    assert!(tally.all_happened(), "{tally:?}");
}
