//! Trainers that fail each time, trials that are ended by hand, and trials that are tried again.

use hpo_test_support::{FAULTY, Place, WHOLE};

#[test]
fn a_trainer_that_fails_the_same_way_each_time_pauses_the_study_which_goes_on_after_the_fix() {
    for (trials, slots) in [(1, 1), (2, 1), (9, 1), (9, 3)] {
        let place = Place::new();
        place.search(&place.space("plain", trials, 1, FAULTY, "")).ok();
        let fixed = place.path("fixed");
        let file = place.space(
            "s",
            trials,
            slots,
            FAULTY,
            &format!("fault = \"crash\"\nfixed = {fixed:?}"),
        );
        let said = [
            "the study is paused: ",
            "in a row have failed in the same way",
            "Traceback: out of luck",
            "run the same command again",
        ];
        place.search(&file).fails(1, &said);
        let failed = place.facts("s", "segment_failed").len();
        assert!(failed <= 5, "{failed} attempts of {trials} trials on {slots} slots");
        let status = place.run(&["status", "s"]).ok().stdout();
        assert!(
            status.contains("paused: ") && status.contains("Traceback: out of luck"),
            "{status}"
        );
        let paused = &place.run(&["status", "s", "--json"]).json()["paused"];
        let paused = paused["failures"].as_u64().unwrap() as usize;
        // What was under way on other slots may fail at the same moment.
        assert!(
            paused <= failed && failed < paused + slots as usize,
            "{paused} of {failed}"
        );
        std::fs::write(fixed, "").unwrap();
        place.search(&file).ok();
        assert_eq!(place.answer("plain"), place.answer("s"));
    }
}

/// What differs from one failure to the next is no other cause.
#[test]
fn failures_that_differ_in_numbers_and_paths_are_alike() {
    let place = Place::new();
    let script = place.path("t.py");
    let program = "import json, os, sys\nfor line in sys.stdin:\n    order = json.loads(line)\n    if order['type'] == 'start':\n        \
         print(json.dumps({'type': 'ready', 'protocol': 1, 'trainer': 't'}))\n    else:\n        print('step', os.getpid())\n        \
         open(order['checkpoints'] + f\"/part-{order['attempt']}\" + '/none')";
    std::fs::write(&script, program).unwrap();
    let file = place.space("s", 20, 2, script.to_str().unwrap(), "");
    place
        .search(&file)
        .fails(1, &["the study is paused: ", "FileNotFoundError"]);
    assert!(place.facts("s", "segment_failed").len() <= 4);
}

#[test]
fn failed_trials_are_tried_again_in_a_study_that_is_finished() {
    let place = Place::new();
    place.search(&place.space("plain", 9, 1, FAULTY, "")).ok();
    let fixed = place.path("fixed");
    let file = place.space(
        "s",
        9,
        1,
        FAULTY,
        &format!("fault = \"failed\"\ntrial = 1\nfixed = {fixed:?}"),
    );
    place.search(&file).ok();
    let state = |trial: usize| place.run(&["trials", "s", "--json"]).json()[trial]["state"].clone();
    assert_eq!(state(1), "failed");
    std::fs::write(fixed, "").unwrap();
    place.run(&["retry", "s", "9"]).fails(2, &["has no trial 9"]);
    place
        .run(&["retry", "s", "1", "0"])
        .fails(2, &["trial 0 has not failed"]);
    let said = place.run(&["retry", "s"]).ok().stderr();
    assert!(
        said.contains("trial 1: all attempts again; resume with: hpo resume"),
        "{said}"
    );
    assert_eq!(state(1), "waiting");
    place.search(&file).ok();
    let ran = &place.run(&["trials", "s", "--json"]).json()[1];
    let plain = &place.run(&["trials", "plain", "--json"]).json()[1];
    assert_ne!(ran["state"], "failed");
    assert!(ran["resource"].as_u64() >= plain["resource"].as_u64());
    assert!(
        place
            .run(&["retry", "s"])
            .ok()
            .stderr()
            .contains("no trial of the study s has failed")
    );
    place.run(&["fsck", "s"]).ok();
}

#[test]
fn a_trial_is_ended_by_hand_whether_or_not_a_process_has_the_study() {
    let place = Place::new();
    let fifo = place.pipe("fifo");
    let file = place.space(
        "s",
        3,
        1,
        FAULTY,
        &format!(
            "fault = \"wait\"\ntrial = 0\nfifo = {fifo:?}\nonce = {:?}",
            place.path("once")
        ),
    );
    let mut running = place.start(&file);
    assert!(running.wait_for("trial 0: epoch 0 to 1", 1));
    let said = place.run(&["stop", "s", "0"]).ok().stderr();
    assert_eq!(said, "trial 0 is ended\n");
    std::fs::write(&fifo, "").unwrap();
    let (code, stderr) = running.wait();
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("trial 0: ended by hand"), "{stderr}");
    let trials = place.run(&["trials", "s", "--json"]).json();
    assert_eq!(
        (&trials[0]["state"], &trials[0]["resource"]),
        (&"pruned".into(), &0.into())
    );
    place.run(&["stop", "s", "1"]).fails(2, &["trial 1 has already ended"]);
    place.run(&["stop", "s", "7"]).fails(2, &["has no trial 7"]);
    assert_eq!(std::fs::read_dir(place.study("s").join("requests")).unwrap().count(), 0);

    let file = place.space("later", 3, 1, FAULTY, "");
    place.kill_search(&file, "trial 0: epoch 1", 1);
    place.run(&["stop", "later", "2"]).ok();
    place.search(&file).ok();
    assert_eq!(place.run(&["trials", "later", "--json"]).json()[2]["state"], "pruned");
    place.run(&["fsck", "later"]).ok();
}

#[test]
fn a_search_is_stopped_from_elsewhere_and_goes_on() {
    let place = Place::new();
    place.search(&place.space("plain", 9, 1, FAULTY, "")).ok();
    let said = place.run(&["stop", "plain"]).ok().stderr();
    assert_eq!(said, "the study plain is not running\n");
    let fifo = place.pipe("fifo");
    let file = place.space(
        "s",
        9,
        1,
        FAULTY,
        &format!(
            "fault = \"wait\"\ntrial = 1\nfifo = {fifo:?}\nonce = {:?}",
            place.path("once")
        ),
    );
    let mut running = place.start_ignoring(&file, "HUP INT TERM");
    assert!(running.wait_for("trial 1: epoch 0 to 1", 1));
    let stopping = place
        .hpo(&["stop", "s"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert!(running.wait_for("stopping", 1));
    std::fs::write(&fifo, "").unwrap();
    assert_eq!(running.wait().0, 130);
    let said = hpo_test_support::Run(stopping.wait_with_output().unwrap())
        .ok()
        .stderr();
    assert!(said.starts_with("stopped; resume with: hpo resume"), "{said}");
    place.search(&file).ok();
    assert_eq!(place.answer("plain"), place.answer("s"));
}

#[test]
fn a_search_that_was_paused_gives_the_same_answer() {
    let place = Place::new();
    place.search(&place.space("plain", 9, 2, WHOLE, "")).ok();
    let file = place.space("s", 9, 2, WHOLE, "");
    place
        .run(&["pause", "plain"])
        .fails(2, &["is not running", "hpo resume"]);
    let mut search = place.start_with(&file, &[("HPO_TEST_EPOCH", "600")]);
    assert!(search.wait_for("on slot", 2));
    let said = place.run(&["pause", "s"]).ok().stderr();
    assert!(said.contains("it goes on with: hpo resume"), "{said}");
    assert!(search.wait_for("stopped and saved", 2));
    let again = place.run(&["pause", "s"]).ok().stderr();
    assert!(again.contains("paused already"), "{again}");
    assert_eq!(place.run(&["status", "s", "--json"]).json()["state"], "paused");
    let said = place.run(&["resume", "s"]).ok().stderr();
    assert!(said.contains("goes on"), "{said}");
    assert!(search.wait_for("on slot", 2));
    place.run(&["pause", "s"]).ok();
    place.run(&["stop", "s"]).ok();
    assert_eq!(search.wait().0, 130);
    // Whoever starts it wants it to go on.
    place.search(&file).ok();
    assert_eq!(place.answer("plain"), place.answer("s"));
}

#[test]
fn a_configuration_that_is_enqueued_is_tried() {
    let place = Place::new();
    let file = place.space("s", 4, 2, WHOLE, "");
    place.search(&file).ok();
    for (values, says) in [
        (&["x=2"][..], "`x` is never 2"),
        (&["y=1"], "no parameter `y`"),
        (&["x=0.1", "x=0.2"], "given twice"),
        (&["x"], "the name of a parameter"),
        (&["x=half"], "`x` is never"),
    ] {
        place.run(&[&["enqueue", "s"], values].concat()).fails(2, &[says]);
    }
    let said = place.run(&["enqueue", "s", "x=0.25"]).ok().stderr();
    assert!(
        said.contains("enqueued") && said.contains("resume with: hpo resume"),
        "{said}"
    );
    let x = |trial: usize| place.run(&["trials", "s", "--json"]).json()[trial]["parameters"]["x"].clone();
    place.run(&["resume", "s"]).ok();
    assert_eq!(x(4), 0.25);
    let finished = place.search(&file).ok().stderr();
    assert!(finished.contains("study s is finished"), "{finished}");

    // In a search that is under way and then killed.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("trials = 4", "trials = 6")).unwrap();
    let mut search = place.start_with(&file, &[("HPO_TEST_EPOCH", "600")]);
    assert!(search.wait_for("on slot", 1));
    for value in ["x=0.5", "x=0.75"] {
        place.run(&["enqueue", "s", value]).ok();
    }
    search.signal(rustix::process::Signal::KILL);
    search.wait();
    place.search(&file).ok();
    assert_eq!([x(6), x(7)], [0.5, 0.75]);
    let states = place.run(&["trials", "s", "--json"]).json();
    assert!(
        states
            .as_array()
            .unwrap()
            .iter()
            .all(|trial| ["completed", "pruned"].contains(&trial["state"].as_str().unwrap()))
    );
    assert_eq!(states.as_array().unwrap().len(), 8);
}
