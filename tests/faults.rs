//! Workers that go wrong, and schedulers that are killed.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::Place;
use rustix::process::Signal;

const EXAMPLE: &str = "examples/trainer.py";
const FAULTY: &str = "tests/trainers/faulty.py";

/// Runs a study whose trial 1 meets `fault` once, and checks that it ends like one that does not.
fn survives(fault: &str, failures: usize) {
    let place = meets_once(fault);
    assert_eq!(place.facts("rough", "segment_failed").len(), failures, "{fault}");
}

fn meets_once(fault: &str) -> Place {
    let place = Place::new();
    place.search(&place.space("plain", 9, 2, FAULTY, "")).ok();
    let once = place.path("once");
    let trial = format!("fault = {fault:?}\ntrial = 1\nonce = {once:?}");
    place.search(&place.space("rough", 9, 2, FAULTY, &trial)).ok();
    assert_eq!(place.answer("plain"), place.answer("rough"), "{fault}");
    nothing_twice(&place, "rough");
    place
}

#[test]
fn a_worker_that_dies_costs_one_attempt() {
    survives("crash", 1);
    survives("segfault", 1);
    survives("leave", 1);
}

#[test]
fn a_worker_that_does_not_keep_to_the_protocol_costs_one_attempt() {
    survives("garbage", 1);
    survives("endless line", 1);
    survives("skip", 1);
    survives("outside", 1);
    survives("lie", 1);
}

#[test]
fn a_worker_that_dies_between_two_segments_holds_up_nobody() {
    // Its slot may have been given the next segment already, which then is tried again.
    meets_once("leave afterwards");
}

#[test]
fn what_a_dead_worker_leaves_half_written_is_deleted() {
    survives("half a checkpoint", 1);
}

#[test]
fn a_segment_that_fails_or_ends_too_early_is_tried_again() {
    survives("failed", 1);
    survives("done too early", 1);
}

#[test]
fn stray_prints_and_messages_of_others_do_no_harm() {
    survives("print", 0);
    survives("wrong trial", 0);
}

#[test]
fn a_trial_that_always_crashes_is_given_up_and_told_with_its_log() {
    let place = Place::new();
    let file = place.space("s", 9, 2, FAULTY, "fault = \"crash\"\ntrial = 1");
    let told = place.search(&file).ok().stderr();
    assert!(
        told.contains("given up: the worker ended unasked (exit status: 7)"),
        "{told}"
    );
    assert!(told.contains("Traceback: out of luck"), "{told}");
    let trial = &place.run(&["trials", "s", "--json"]).json()[1];
    assert_eq!((&trial["state"], &trial["failures"]), (&"failed".into(), &3.into()));
    assert!(place.run(&["show", "1", "s"]).ok().stdout().contains("exit status: 7"));
}

#[test]
fn a_diverged_trial_ranks_last_and_the_study_goes_on() {
    let place = Place::new();
    place
        .search(&place.space("s", 9, 2, FAULTY, "fault = \"diverge\"\ntrial = 1"))
        .ok();
    let trials = place.run(&["trials", "s", "--sort", "loss", "--json"]).json();
    assert_eq!(
        (&trials[8]["trial"], &trials[8]["state"]),
        (&1.into(), &"diverged".into())
    );
}

#[test]
fn when_no_trial_can_run_the_study_stops_and_says_why() {
    for (fault, said) in [
        ("fatal", "the model is not there: fetch it"),
        ("never ready", "ImportError: no module named luck"),
        ("newer", "speaks version 2 of the worker protocol"),
    ] {
        let place = Place::new();
        let file = place.space("s", 3, 2, FAULTY, &format!("fault = {fault:?}"));
        place.search(&file).fails(1, &["no trial can run", said]);
    }
    let place = Place::new();
    let file = place.space("s", 3, 1, FAULTY, "");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"python3\"", "\"no-such-program\"")).unwrap();
    place.search(&file).fails(1, &["can't start `no-such-program`"]);
}

#[test]
fn killed_at_any_moment_it_goes_on_to_the_same_answer() {
    let place = Place::new();
    place.search(&place.space("plain", 18, 2, EXAMPLE, "")).ok();
    let file = place.space("killed", 18, 2, EXAMPLE, "");
    let mut kills = 0;
    for lines in [1, 3, 2, 5, 4, 7, 6, 9, 8, 11, 13, 10, 12] {
        let mut running = place.start(&file);
        if running.wait_for("trial", lines) {
            running.signal(Signal::KILL);
            kills += 1;
        }
        running.wait();
    }
    assert!(kills > 5);
    place.search(&file).ok();
    assert_eq!(place.answer("plain"), place.answer("killed"));
    nothing_twice(&place, "killed");
}

#[test]
fn ctrl_c_stops_in_good_order_and_tells_how_to_go_on() {
    let place = Place::new();
    place.search(&place.space("plain", 18, 2, EXAMPLE, "")).ok();
    let file = place.space("stopped", 18, 2, EXAMPLE, "");
    let mut running = place.start(&file);
    assert!(running.wait_for("trial", 8));
    running.signal(Signal::INT);
    let (code, told) = running.wait();
    assert_eq!(code, 130, "{told}");
    assert!(
        told.contains("nothing recorded is lost. Go on with:\n  hpo search"),
        "{told}"
    );
    assert_eq!(place.facts("stopped", "scheduler_stopped").len(), 1);
    assert_eq!(place.run(&["status", "stopped", "--json"]).json()["state"], "stopped");
    place.run(&["resume", "stopped"]).ok();
    assert_eq!(place.answer("plain"), place.answer("stopped"));
    nothing_twice(&place, "stopped");
}

#[test]
fn a_worker_that_ignores_a_stop_is_killed_by_the_second_ctrl_c() {
    let place = Place::new();
    let file = place.space("s", 3, 1, FAULTY, "fault = \"hang\"\ntrial = 0");
    let mut running = place.start(&file);
    assert!(running.wait_for("trial 0: epoch 0 to 1", 1));
    running.signal(Signal::INT);
    assert!(running.wait_for("stopping", 1));
    running.signal(Signal::INT);
    assert_eq!(running.wait().0, 130);
}

#[test]
fn a_checkpoint_that_was_altered_is_refused_and_the_trial_goes_back() {
    let place = Place::new();
    place.search(&place.space("plain", 9, 1, EXAMPLE, "")).ok();
    let file = place.space("altered", 9, 1, EXAMPLE, "");
    let mut running = place.start(&file);
    assert!(running.wait_for("promoted", 1));
    running.signal(Signal::KILL);
    running.wait();
    for entry in std::fs::read_dir(place.study("altered").join("checkpoints")).unwrap() {
        for checkpoint in std::fs::read_dir(entry.unwrap().path()).unwrap() {
            std::fs::write(checkpoint.unwrap().path(), "{\"weight\": 3.0}").unwrap();
        }
    }
    let told = place.search(&file).ok().stderr();
    assert!(told.contains("has changed since it was written"), "{told}");
    assert_eq!(place.answer("plain"), place.answer("altered"));
}

/// No resource of a trial was reported twice, and no checkpoint is left but the best trial's.
fn nothing_twice(place: &Place, study: &str) {
    let mut seen = BTreeSet::new();
    for report in place.facts(study, "reported") {
        let key = (report["trial"].as_u64(), report["resource"].as_u64());
        assert!(seen.insert(key), "{report} was trained twice");
    }
    let directories = std::fs::read_dir(place.study(study).join("checkpoints")).unwrap();
    let files: usize = directories
        .map(|d| std::fs::read_dir(d.unwrap().path()).unwrap().count())
        .sum();
    assert_eq!(files, 1, "only the best checkpoint is kept");
}

#[test]
fn a_record_that_was_half_written_is_dropped() {
    let place = Place::new();
    place.search(&place.space("plain", 6, 1, EXAMPLE, "")).ok();
    let file = place.space("cut", 6, 1, EXAMPLE, "");
    let mut running = place.start(&file);
    assert!(running.wait_for("trial", 6));
    running.signal(Signal::KILL);
    running.wait();
    let journal = place.study("cut").join("journal.jsonl");
    let whole = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, [&whole[..], b"{\"seq\":99,\"at\":1,\"fact\":{\"ty"].concat()).unwrap();
    assert_eq!(place.run(&["status", "cut", "--json"]).json()["state"], "stopped");
    place.search(&file).ok();
    assert_eq!(place.answer("plain"), place.answer("cut"));
}
