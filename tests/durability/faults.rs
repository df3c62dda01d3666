//! Workers that go wrong.

use std::path::PathBuf;

use hpo_test_support::{EXAMPLE, FAULTY, Place, is_gone};

/// For each fault runs a study whose trial 1 meets it once, and checks that it ends like one that does not, after so many failed
/// attempts.
fn survives(faults: &[(&str, usize)]) {
    let place = Place::new();
    place.search(&place.space("plain", 9, 2, FAULTY, "")).ok();
    let plain = place.answer("plain");
    for (n, &(fault, failures)) in faults.iter().enumerate() {
        let (name, once) = (format!("rough-{n}"), place.path(&format!("once-{n}")));
        let trial = format!("fault = {fault:?}\ntrial = 1\nonce = {once:?}");
        place.search(&place.space(&name, 9, 2, FAULTY, &trial)).ok();
        assert_eq!(place.answer(&name), plain, "{fault}");
        assert_eq!(place.facts(&name, "segment_failed").len(), failures, "{fault}");
        place.check_nothing_twice(&name);
    }
}

/// The study's file with a limit for silence, in seconds.
fn impatient(file: PathBuf, seconds: f64) -> PathBuf {
    let text = std::fs::read_to_string(&file).unwrap();
    let minutes = seconds / 60.0;
    let text = text.replace(
        "threads_per_trial",
        &format!("silence_minutes = {minutes}\nthreads_per_trial"),
    );
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn a_worker_that_dies_costs_one_attempt() {
    survives(&[
        ("crash", 1),
        ("SIGSEGV", 1),
        ("SIGABRT", 1),
        ("SIGKILL", 1),
        ("leave", 1),
    ]);
}

/// Its slot may have been given the next segment already: it waits for the next worker, and has lost nothing.
#[test]
fn a_worker_that_leaves_between_two_segments_costs_nothing() {
    survives(&[("leave afterwards", 0), ("leave when asked again", 0)]);
}

#[test]
fn a_line_that_is_no_message_costs_one_attempt() {
    survives(&[
        ("garbage", 1),
        ("not UTF-8", 1),
        ("deep", 1),
        ("endless line", 1),
        ("endless log line", 1),
    ]);
}

#[test]
fn a_lying_report_costs_one_attempt() {
    survives(&[
        ("skip", 1),
        ("go back", 1),
        ("thousands of metrics", 1),
        ("a name of a megabyte", 1),
        ("a name with escapes", 1),
    ]);
}

#[test]
fn a_checkpoint_that_is_no_file_of_the_trial_costs_one_attempt() {
    survives(&[
        ("no checkpoint", 1),
        ("missing checkpoint", 1),
        ("outside", 1),
        ("climb out", 1),
        ("link", 1),
        ("pipe", 1),
    ]);
}

#[test]
fn a_model_is_written_by_the_next_worker_if_one_dies_of_it() {
    let place = Place::new();
    let (once, trial) = (
        place.path("once"),
        "features = [\"export\"]\nfault = \"export and die\"",
    );
    let file = place.space("s", 3, 1, FAULTY, &format!("{trial}\nonce = {once:?}"));
    let stdout = place.search(&file).ok().stdout();
    assert!(stdout.contains("best model:"), "{stdout}");
    assert!(place.study("s").join("best-model/model").exists());

    let stdout = place.search(&place.space("never", 3, 1, FAULTY, trial)).ok().stdout();
    assert!(
        stdout.contains("could not be written: the worker ended unexpectedly (exit status: 7)"),
        "{stdout}"
    );
    assert!(!place.study("never").join("best-model").exists());
}

#[test]
fn a_model_can_be_exported_while_the_search_goes_on() {
    let place = Place::new();
    let fifo = place.pipe("fifo");
    let trial = format!("features = [\"export\"]\nfault = \"wait\"\ntrial = 1\nfifo = {fifo:?}");
    let mut running = place.start(&place.space("s", 3, 1, FAULTY, &trial));
    assert!(running.wait_for("trial 0: epoch 0 to 1", 1));
    assert!(running.wait_for("trial 1: epoch 0 to 1", 1));
    let model = place.path("model");
    place.run(&["export", "s", "--model", model.to_str().unwrap()]).ok();
    assert!(model.join("model").exists());
    let failed = || place.facts("s", "segment_failed");
    assert!(failed().is_empty(), "{:?}", failed());
    std::fs::write(fifo, "").unwrap();
    let (code, stderr) = running.wait();
    assert_eq!(code, 0, "{stderr}");
    assert!(failed().is_empty(), "{stderr}");
}

#[test]
fn a_log_that_is_no_file_keeps_nobody_waiting() {
    let place = Place::new();
    place.search(&place.space("plain", 9, 2, FAULTY, "")).ok();
    let (once, logs) = (place.path("once"), place.study("s").join("logs"));
    let trial = format!("fault = \"a log that is a pipe\"\ntrial = 1\nonce = {once:?}\nlogs = {logs:?}");
    place.search(&place.space("s", 9, 2, FAULTY, &trial)).ok();
    assert_eq!(place.answer("plain"), place.answer("s"));
    assert_eq!(place.facts("s", "segment_failed").len(), 1);
}

#[test]
fn what_a_dead_worker_leaves_half_written_is_deleted() {
    survives(&[("half a checkpoint", 1)]);
}

#[test]
fn an_answer_that_nobody_asked_for_costs_one_attempt() {
    survives(&[("ready", 1), ("evaluated", 1), ("exported", 1), ("stopped", 1)]);
}

#[test]
fn a_segment_that_fails_or_ends_too_early_is_tried_again() {
    survives(&[("failed", 1), ("done too early", 1)]);
}

#[test]
fn stray_prints_and_messages_of_others_do_no_harm() {
    survives(&[
        ("print", 0),
        ("wrong trial", 0),
        ("older attempt", 0),
        ("flood of progress", 0),
    ]);
}

#[test]
fn a_worker_that_closes_its_input_is_replaced_when_it_is_needed_again() {
    let place = Place::new();
    place.search(&place.space("plain", 9, 2, FAULTY, "")).ok();
    let once = place.path("once");
    let file = place.space(
        "deaf",
        9,
        2,
        FAULTY,
        &format!("fault = \"close the input\"\nonce = {once:?}"),
    );
    let stderr = place.search(&file).ok().stderr();
    assert!(
        stderr.contains("it closed its standard input but did not exit"),
        "{stderr}"
    );
    assert_eq!(place.answer("plain"), place.answer("deaf"));
}

#[test]
fn a_worker_that_reads_nothing_keeps_nobody_waiting() {
    let place = Place::new();
    let file = place.space("s", 3, 2, FAULTY, &format!("padding = {:?}", "x".repeat(200_000)));
    let text = std::fs::read_to_string(&file).unwrap();
    let command = text.lines().find(|line| line.starts_with("command")).unwrap();
    std::fs::write(&file, text.replace(command, "command = [\"sleep\", \"600\"]")).unwrap();
    place
        .search(&impatient(file, 0.2))
        .fails(1, &["no trial can run", "no sign of life"]);
}

#[test]
fn a_checkpoint_written_over_an_older_one_costs_one_attempt() {
    let place = Place::new();
    let once = place.path("once");
    let trial = format!("fault = \"one name for all\"\ntrial = 0\nonce = {once:?}");
    let file = place.space("s", 1, 1, FAULTY, &trial);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("max_resource = 9", "max_resource = 9\ntype = \"none\""),
    )
    .unwrap();
    let stderr = place.search(&file).ok().stderr();
    assert!(
        stderr.contains("wrote a checkpoint over an older one: trial-0000/bad-1"),
        "{stderr}"
    );
    assert_eq!(place.run(&["trials", "s", "--json"]).json()[0]["state"], "completed");
}

#[test]
fn a_worker_that_prints_without_end_fills_neither_the_disk_nor_the_memory() {
    for fault in ["flood of logs", "flood of prints"] {
        let place = Place::new();
        let file = place.space("s", 3, 1, FAULTY, &format!("fault = {fault:?}\ntrial = 1"));
        place.search(&file).ok();
        let logs = std::fs::read_dir(place.study("s").join("logs")).unwrap();
        let sizes: Vec<u64> = logs
            .map(|log| log.unwrap())
            .filter(|log| log.file_name().to_str().unwrap().starts_with("trial-0001.log"))
            .map(|log| log.metadata().unwrap().len())
            .collect();
        assert_eq!(sizes.len(), 2, "the newer and the older log");
        assert!(sizes.iter().all(|size| *size <= (8 << 20) + 1000), "{sizes:?}");
    }
}

#[test]
fn a_worker_that_prints_without_end_is_replaced_and_holds_up_nobody() {
    let place = Place::new();
    place.search(&place.space("plain", 9, 2, FAULTY, "")).ok();
    for (n, fault) in ["endless prints", "endless empty lines"].into_iter().enumerate() {
        let (name, once) = (format!("rough-{n}"), place.path(&format!("once-{n}")));
        let trial = format!("fault = {fault:?}\ntrial = 1\nonce = {once:?}");
        let file = impatient(place.space(&name, 9, 2, FAULTY, &trial), 3.0);
        let stderr = place.search(&file).ok().stderr();
        let said = "tried again: the worker printed without end and sent no message for 0.05 minutes";
        assert!(stderr.contains(said), "{stderr}");
        assert_eq!(place.answer("plain"), place.answer(&name), "{fault}");
    }
}

#[test]
fn a_checkpoint_that_takes_for_ever_to_read_costs_one_attempt_if_the_user_has_set_a_limit() {
    let place = Place::new();
    place.search(&place.space("plain", 3, 2, FAULTY, "")).ok();
    let trial = format!(
        "fault = \"vast checkpoint\"\ntrial = 1\nonce = {:?}",
        place.path("once")
    );
    let file = impatient(place.space("rough", 3, 2, FAULTY, &trial), 3.0);
    let stderr = place.search(&file).ok().stderr();
    assert!(stderr.contains("can't be read: reading it takes too long"), "{stderr}");
    assert_eq!(place.answer("plain"), place.answer("rough"));
}

#[test]
fn a_worker_that_hangs_is_replaced_if_the_user_has_set_a_limit() {
    for fault in ["hang", "silent"] {
        let place = Place::new();
        place.search(&place.space("plain", 3, 2, FAULTY, "")).ok();
        let once = place.path("once");
        let trial = format!("fault = {fault:?}\nonce = {once:?}");
        let file = impatient(place.space("rough", 3, 2, FAULTY, &trial), 3.0);
        let stderr = place.search(&file).ok().stderr();
        if fault == "hang" {
            assert!(
                stderr.contains("tried again: the worker gave no sign of life for 0.05 minutes"),
                "{stderr}"
            );
        }
        assert_eq!(place.answer("plain"), place.answer("rough"), "{fault}");
    }
}

#[test]
fn nothing_that_a_worker_has_started_outlives_it() {
    let place = Place::new();
    let (once, left) = (place.path("once"), place.path("left"));
    let trial = format!("fault = \"leave children\"\ntrial = 1\nonce = {once:?}\nleft = {left:?}");
    let stderr = place.search(&place.space("s", 3, 1, FAULTY, &trial)).ok().stderr();
    assert!(stderr.contains("ended unexpectedly (exit status: 7)"), "{stderr}");
    let left = std::fs::read_to_string(left).unwrap();
    assert_eq!(left.lines().count(), 2);
    assert!(left.lines().all(is_gone), "{left}");
}

#[test]
fn a_worker_that_does_not_leave_is_killed_at_the_end() {
    let place = Place::new();
    let left = place.path("left");
    let trial = format!("fault = \"do not leave\"\nleft = {left:?}");
    place.search(&place.space("s", 1, 1, FAULTY, &trial)).ok();
    assert!(is_gone(&std::fs::read_to_string(left).unwrap()));
}

/// Runs a study on whose slot 1 the fault strikes so many times, before slot 0 goes on, and returns what it printed.
fn loses_a_slot(place: &Place, name: &str, fault: &str, times: u32) -> String {
    let (fifo, count) = (
        place.pipe(&format!("{name}.fifo")),
        place.path(&format!("{name}.count")),
    );
    let trial =
        format!("fault = {fault:?}\nslot = 1\ntimes = {times}\nwaits = \"0\"\nfifo = {fifo:?}\ncount = {count:?}");
    let stderr = place.search(&place.space(name, 9, 2, FAULTY, &trial)).ok().stderr();
    let aside = "slot 1 (CPU, 1 thread) is set aside, and the study continues without it on 1 of 2";
    assert!(stderr.contains(aside), "{stderr}");
    assert_eq!(place.answer("plain"), place.answer(name));
    stderr
}

#[test]
fn a_slot_whose_worker_does_not_start_is_set_aside() {
    let place = Place::new();
    place.search(&place.space("plain", 9, 2, FAULTY, "")).ok();
    let stderr = loses_a_slot(&place, "dies", "never ready", 3);
    assert!(stderr.contains("ImportError: no module named luck"), "{stderr}");
    let stderr = loses_a_slot(&place, "says", "fatal", 1);
    assert!(stderr.contains("the model is not there: fetch it"), "{stderr}");
}

#[test]
fn a_slot_on_which_every_trial_fails_is_set_aside_before_it_has_used_up_their_retries() {
    let place = Place::new();
    place.search(&place.space("plain", 9, 2, FAULTY, "")).ok();
    let stderr = loses_a_slot(&place, "lost", "fail often", 5);
    assert!(stderr.contains("the GPU has fallen off the bus"), "{stderr}");
    assert_eq!(place.facts("lost", "segment_failed").len(), 5);
}

#[test]
fn when_every_trial_fails_the_study_stops_before_they_are_lost() {
    let place = Place::new();
    place.search(&place.space("plain", 9, 1, FAULTY, "")).ok();
    let fixed = place.path("fixed");
    let file = place.space("s", 9, 1, FAULTY, &format!("fault = \"failed\"\nfixed = {fixed:?}"));
    let said = [
        "the study is paused: 3 attempts in a row have failed in the same way",
        "the data ran away",
        "nothing recorded is lost",
    ];
    place.search(&file).fails(1, &said);
    assert_eq!(place.run(&["status", "s", "--json"]).json()["state"], "stopped");
    std::fs::write(fixed, "").unwrap();
    place.search(&file).ok();
    assert_eq!(place.answer("plain"), place.answer("s"));
}

#[test]
fn a_trial_that_always_crashes_is_given_up_and_reported_with_its_log() {
    let place = Place::new();
    let file = place.space("s", 9, 2, FAULTY, "fault = \"crash\"\ntrial = 1");
    let stderr = place.search(&file).ok().stderr();
    assert!(
        stderr.contains("given up: the worker ended unexpectedly (exit status: 7)"),
        "{stderr}"
    );
    assert!(stderr.contains("Traceback: out of luck"), "{stderr}");
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
fn a_study_without_a_result_is_reported_as_such_each_time() {
    let place = Place::new();
    let file = place.space("s", 3, 1, FAULTY, "fault = \"diverge\"");
    let search = ["search", file.to_str().unwrap()];
    let said = "every trial has diverged: none has reported a finite `loss`";
    let outcomes = [search, search, ["resume", "s"]].map(|command| place.run(&command).fails(1, &[said]).stdout());
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:#?}");
    assert_eq!(place.run(&["status", "s", "--json"]).json()["state"], "finished");

    let text = std::fs::read_to_string(&file).unwrap();
    let objective = "objective = \"accuracy\"\ndirection = \"maximize\"\nname = \"t\"\n[policy]";
    std::fs::write(&file, text.replacen("[policy]", objective, 1)).unwrap();
    place
        .search(&file)
        .fails(1, &["every trial has diverged: none has reported a finite `accuracy`"]);
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
}

#[test]
fn a_checkpoint_that_was_altered_is_refused_and_the_trial_goes_back() {
    let place = Place::new();
    place.search(&place.space("plain", 9, 1, EXAMPLE, "")).ok();
    let file = place.space("altered", 9, 1, EXAMPLE, "");
    place.kill_search(&file, "promoted", 1);
    for entry in std::fs::read_dir(place.study("altered").join("checkpoints")).unwrap() {
        for checkpoint in std::fs::read_dir(entry.unwrap().path()).unwrap() {
            std::fs::write(checkpoint.unwrap().path(), "{\"weight\": 3.0}").unwrap();
        }
    }
    let stderr = place.search(&file).ok().stderr();
    assert!(stderr.contains("has changed since it was written"), "{stderr}");
    assert_eq!(place.answer("plain"), place.answer("altered"));
}
