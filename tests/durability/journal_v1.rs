//! Studies of the first release stay readable, and can be gone on with.
//!
//! `tests/fixtures/journal-v1` was written by hpo 0.1.0 with the trainer `tests/trainers/whole.py`: `halving` was stopped with
//! Ctrl-C, lost a checkpoint, went on to its end, was given more trials and killed; `pasha` ran to its end. `trials.json` is
//! what `hpo trials --json` said then.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hpo_test_support::Place;
use serde_json::Value;

fn fixture(study: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/journal-v1")
        .join(study)
}

fn kinds(study: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(fixture(study).join("journal.jsonl")).unwrap();
    let kind = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["fact"]["type"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    text.lines().map(kind).collect()
}

fn old_trials(study: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture(study).join("trials.json")).unwrap()).unwrap()
}

#[test]
fn the_journals_hold_every_type_of_record_that_there_was() {
    let kinds: BTreeSet<String> = kinds("halving").into_iter().chain(kinds("pasha")).collect();
    let all = [
        "baseline_measured",
        "bracket_opened",
        "model_tested",
        "reported",
        "scheduler_started",
        "scheduler_stopped",
        "segment_failed",
        "segment_preempted",
        "segment_started",
        "segment_stopped",
        "study_created",
        "study_finished",
        "trial_completed",
        "trial_created",
        "trial_promoted",
        "trial_pruned",
        "trials_raised",
    ];
    assert_eq!(kinds, all.map(String::from).into());
}

#[test]
fn they_say_what_they_said() {
    let place = Place::new();
    for (study, state, best, rungs) in [("halving", "stopped", 5, [17, 3]), ("pasha", "finished", 5, [12, 4])] {
        place.copy(&fixture(study), study);
        let trials = place.run(&["trials", study, "--json"]).json();
        let (trials, old) = (trials.as_array().unwrap(), old_trials(study));
        assert_eq!(trials.len(), old.as_array().unwrap().len());
        for (now, then) in trials.iter().zip(old.as_array().unwrap()) {
            for (key, value) in then.as_object().unwrap() {
                assert_eq!(now[key], *value, "{study}: {key} of {then}");
            }
        }
        let status = place.run(&["status", study, "--json"]).json();
        assert_eq!(
            (&status["state"], &status["best"]["trial"]),
            (&state.into(), &best.into())
        );
        assert_eq!(status["test"]["measurement"]["metrics"]["accuracy"], 0.75);
        assert_eq!(status["untrained"]["loss"], 1.75);
        for (rung, reached) in rungs.into_iter().enumerate() {
            assert_eq!(status["rungs"][rung]["reached"], reached, "{study}");
        }
        let exported = place.run(&["export", study, "--format", "json"]).json();
        assert_eq!(exported["parameters"], old_trials(study)[best]["parameters"]);
        assert!(
            place.run(&["show", "5", study]).ok().stdout().contains("0.4952"),
            "{study}"
        );
        place.run(&["fsck", study]).ok();
    }
}

#[test]
fn they_go_on_to_the_answer_of_a_study_that_was_never_stopped() {
    let place = Place::new();
    place.copy(&fixture("halving"), "halving");
    let file = place.path("halving.toml");
    std::fs::copy(fixture("halving").join("halving.toml"), &file).unwrap();
    place.search(&file).ok();
    let went_on = place.answer("halving");
    std::fs::remove_dir_all(place.study("halving")).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    for trials in ["trials = 9", "trials = 18"] {
        std::fs::write(&file, text.replace("trials = 18", trials)).unwrap();
        place.search(&file).ok();
    }
    assert!(went_on == place.answer("halving"));
    assert_eq!(went_on.as_array().unwrap().len(), 18);
}
