//! Power cuts: what was acknowledged is on the disk, whenever the power goes.
//!
//! The study lies on an ext4 in a file. What is in that file is what the disk has: data that was only written to the page
//! cache of the mounted file system is not in it. A copy of it, taken while the scheduler stands still, is what is left
//! after a power cut; mounting the copy replays ext4's journal, as a machine does that comes up again.

use std::collections::BTreeMap;
use std::path::Path;

use hpo::fsck;
use hpo::ids::TrialId;
use hpo::store::{self, StudyDirectory};
use hpo_test_support::{Place, Running, WHOLE};
use rustix::process::Signal;
use serde_json::Value;

use crate::mount::Mount;

const ROUNDS: usize = 24;

/// What the scheduler has acknowledged to users and workers: the last report and the last attempt of each trial.
#[derive(Default)]
struct Acknowledged {
    reports: BTreeMap<u64, u64>,
    attempts: BTreeMap<u64, u32>,
}

impl Acknowledged {
    fn hear(&mut self, line: &str) {
        let report = line
            .split_once("trial ")
            .and_then(|(_, rest)| rest.split_once(": epoch "));
        if let Some((trial, rest)) = report
            && let Some((epoch, _)) = rest.split_once("  loss ")
        {
            self.reports.insert(trial.parse().unwrap(), epoch.parse().unwrap());
        }
    }

    fn read_orders(&mut self, orders: &str) {
        // The last line may be half-written by the worker.
        for line in orders.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let order: Value = serde_json::from_str(line).unwrap();
            if order["type"] == "run" {
                let attempt = order["attempt"].as_u64().unwrap() as u32;
                self.attempts.insert(order["trial"].as_u64().unwrap(), attempt);
            }
        }
    }

    fn check(&self, directory: &StudyDirectory, round: usize) {
        let examined = fsck::examine(directory).unwrap();
        assert!(examined.is_whole(), "round {round}: {examined:?}");
        let store = store::open(directory).unwrap();
        for (&id, &attempt) in &self.attempts {
            let trial = store
                .study
                .trial(TrialId(id))
                .unwrap_or_else(|| panic!("round {round}: trial {id} is lost"));
            assert!(
                trial.attempts >= attempt,
                "round {round}: attempt {attempt} of trial {id} is lost"
            );
        }
        for (&id, &epoch) in &self.reports {
            let trial = store.study.trial(TrialId(id)).unwrap();
            let known = trial.reports.keys().chain(trial.ahead.reports.keys()).max();
            let ended = trial.state.is_final();
            assert!(
                ended || known >= Some(&epoch),
                "round {round}: epoch {epoch} of trial {id} is lost"
            );
        }
        assert!(
            store.committer.close(&store.study).0.is_some(),
            "round {round}: there is no database"
        );
    }
}

/// Lets the scheduler go on to its next report or decision, and stops it there; false if it has come to its end.
fn step(running: &mut Running, acknowledged: &mut Acknowledged) -> bool {
    let Some(line) = running.next_line("trial ") else {
        return false;
    };
    running.signal(Signal::STOP);
    acknowledged.hear(&line);
    true
}

/// Copies the disk as it is at one moment: once more if the kernel has written to it meanwhile, which no stopped scheduler prevents.
fn snapshot(image: &Path, copy: &Path) {
    loop {
        std::fs::copy(image, copy).unwrap();
        if std::fs::read(image).unwrap() == std::fs::read(copy).unwrap() {
            return;
        }
    }
}

#[test]
fn after_a_power_cut_at_any_moment_everything_acknowledged_is_there() {
    let place = Place::new();
    let image = place.path("disk");
    let Some(_disk) = Mount::image(place.path("studies"), &image, 48) else {
        return;
    };
    std::fs::create_dir(place.path("after")).unwrap();
    let orders = place.path("orders");
    let file = place.space("s", 27, 2, WHOLE, "bytes = 5000");
    let environment = [
        ("HPO_TEST_ORDERS", orders.to_str().unwrap()),
        ("HPO_TEST_EPOCH", "0.01"),
    ];
    let mut running = place.start_with(&file, &environment);
    let mut acknowledged = Acknowledged::default();
    let mut rounds = 0;
    while rounds < ROUNDS && step(&mut running, &mut acknowledged) {
        rounds += 1;
        acknowledged.read_orders(&std::fs::read_to_string(&orders).unwrap_or_default());
        let copy = place.path("copy");
        snapshot(&image, &copy);
        running.signal(Signal::CONT);
        let after = Mount::of_image(place.path("after"), &copy).unwrap();
        acknowledged.check(&StudyDirectory::new(after.path.join("s")), rounds);
    }
    assert_eq!(rounds, ROUNDS);
    let (code, stderr) = running.wait();
    assert_eq!(code, 0, "{stderr}");
}
