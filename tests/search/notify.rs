//! `[notify]`: a command to which is reported what happens.

use std::fs;

use hpo_test_support::{Place, WHOLE, is_gone};
use rustix::process::Signal;
use serde_json::Value;

/// A study whose command is this one.
fn study(place: &Place, trials: u64, command: &str) -> std::path::PathBuf {
    let file = place.space("s", trials, 1, WHOLE, "");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}[notify]\ncommand = {command}\n")).unwrap();
    file
}

fn sent(place: &Place) -> Vec<Value> {
    let text = fs::read_to_string(place.path("sent")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_command_hears_of_the_best_trials_and_of_the_end() {
    let place = Place::new();
    let file = study(&place, 9, r#"["sh", "-c", "cat >> sent"]"#);
    place.search(&file).ok();
    let events = sent(&place);
    let (end, best) = events.split_last().unwrap();
    assert!(!best.is_empty() && best.iter().all(|event| event["event"] == "best"));
    let answer = place.run(&["export", "s", "--format", "json"]).json();
    assert_eq!(
        (&end["event"], &end["study"], &end["trials"]),
        (&"finished".into(), &"s".into(), &9.into())
    );
    assert_eq!(
        (&end["best"]["trial"], &end["best"]["objective"]),
        (&answer["trial"], &answer["objective"])
    );
    let study = place.study("s").canonicalize().unwrap();
    assert_eq!(end["directory"], study.to_str().unwrap());
    assert_eq!(end["model"], place.study("s").join("best-model").to_str().unwrap());
    // What is over is reported once.
    place.search(&file).ok();
    assert_eq!(sent(&place).len(), events.len());
}

#[test]
fn it_hears_when_every_attempt_fails_and_when_no_trial_has_a_result() {
    let place = Place::new();
    let file = study(&place, 9, r#"["sh", "-c", "cat >> sent"]"#);
    let faults: Vec<String> = (0..9).map(|trial| format!("{trial}:1:failed")).collect();
    let mut search = place.start_with(&file, &[("HPO_TEST_FAULTS", &faults.join(","))]);
    assert!(search.wait_for("the data ran away", 1));
    assert_eq!(search.wait().0, 1);
    let events = sent(&place);
    assert_eq!((events.len(), &events[0]["event"]), (1, &"paused".into()), "{events:?}");
    assert!(events[0]["message"].as_str().unwrap().contains("the data ran away"));
}

#[test]
fn one_that_fails_or_hangs_harms_nothing() {
    let place = Place::new();
    let file = study(&place, 3, r#"["sh", "-c", "echo no such channel; exit 7"]"#);
    let run = place.search(&file).ok();
    assert_eq!(
        run.stderr().matches("the command of [notify]").count(),
        1,
        "{}",
        run.stderr()
    );
    let log = place.study("s").join("logs/notify.log");
    assert!(run.stderr().contains("exit status: 7") && run.stderr().contains(log.to_str().unwrap()));
    assert!(fs::read_to_string(log).unwrap().starts_with("no such channel\n"));

    // A search that is stopped does not wait for it, and leaves nothing of it behind.
    let place = Place::new();
    let file = study(&place, 3, r#"["sh", "-c", "echo $$ > pid; mv pid begun; sleep 600"]"#);
    let mut search = place.start_with(&file, &[("HPO_TEST_EPOCH", "0.2")]);
    assert!(search.wait_for("trial 0: epoch 1", 1));
    while !place.path("begun").exists() {
        std::thread::yield_now();
    }
    search.signal(Signal::INT);
    assert_eq!(search.wait().0, 130);
    let pid = fs::read_to_string(place.path("begun")).unwrap();
    assert!(is_gone(pid.trim()));
}

#[test]
fn a_command_that_can_not_be_run_is_reported_before_the_search() {
    for (command, parts) in [
        (
            r#"["./absent.sh"]"#,
            &["absent.sh` is not there", "s.toml:", "[notify]"][..1],
        ),
        (
            r#"["no-such-program-anywhere"]"#,
            &["no program `no-such-program-anywhere`"],
        ),
        ("[]", &["is empty"]),
        ("\"./notify.sh\"", &["array"]),
    ] {
        let place = Place::new();
        let file = study(&place, 3, command);
        place.search(&file).fails(2, parts);
        assert!(!place.study("s").exists());
    }
    let place = Place::new();
    let file = study(&place, 3, "[\"true\"]\ncomand = 1");
    place.search(&file).fails(2, &["unknown key `notify.comand`"]);
}

#[test]
fn the_command_hears_that_somebody_has_paused_the_search() {
    let place = Place::new();
    let file = study(&place, 2, r#"["sh", "-c", "cat >> sent"]"#);
    let mut search = place.start_with(&file, &[("HPO_TEST_EPOCH", "0.2")]);
    assert!(search.wait_for("epoch 1", 1));
    place.run(&["pause", "s"]).ok();
    // Nothing need be stopped for it, if the trial has just come to a rung.
    while !fs::read_to_string(place.path("sent")).is_ok_and(|events| events.contains("\"paused\"")) {
        std::thread::yield_now();
    }
    place.run(&["resume", "s"]).ok();
    assert_eq!(search.wait().0, 0);
    let paused: Vec<Value> = sent(&place)
        .into_iter()
        .filter(|event| event["event"] == "paused")
        .collect();
    assert_eq!(paused.len(), 1);
    assert!(
        paused[0]["message"].as_str().unwrap().contains("hpo resume"),
        "{paused:?}"
    );
}
