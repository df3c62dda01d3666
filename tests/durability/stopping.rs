//! Schedulers that are stopped or killed, or lose their study.

use hpo_test_support::{EXAMPLE, FAULTY, Place, WHOLE, is_gone, wait_until_gone};
use rustix::process::Signal;

#[test]
fn what_a_killed_run_has_left_behind_is_ended_by_the_next() {
    let place = Place::new();
    let left = place.path("left");
    let fifo = place.path("fifo");
    let trial = format!(
        "fault = \"orphan\"\ntrial = 0\nleft = {left:?}\nfifo = {fifo:?}\nonce = {:?}",
        place.path("once")
    );
    let file = place.space("s", 1, 1, FAULTY, &trial);
    place.kill_search(&file, "epoch 1", 1);
    let left = std::fs::read_to_string(left).unwrap();
    assert!(
        !is_gone(left.lines().last().unwrap()),
        "a daemon outlives the scheduler"
    );
    let stderr = place.search(&file).ok().stderr();
    assert!(stderr.contains(" that an earlier run had left behind"), "{stderr}");
    assert!(left.lines().all(is_gone), "{left}");
}

#[test]
fn killed_at_any_moment_it_goes_on_to_the_same_answer() {
    let place = Place::new();
    place.search(&place.space("plain", 90, 2, EXAMPLE, "")).ok();
    let file = place.space("killed", 90, 2, EXAMPLE, "");
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
    place.check_nothing_twice("killed");
}

#[test]
fn ctrl_c_stops_in_good_order_and_says_how_to_go_on() {
    let place = Place::new();
    place.search(&place.space("plain", 90, 2, EXAMPLE, "")).ok();
    let file = place.space("stopped", 90, 2, EXAMPLE, "");
    let mut running = place.start(&file);
    assert!(running.wait_for("trial", 8));
    running.signal(Signal::INT);
    let (code, stderr) = running.wait();
    assert_eq!(code, 130, "{stderr}");
    assert!(
        stderr.contains("nothing recorded is lost. Resume with:\n  hpo search"),
        "{stderr}"
    );
    assert_eq!(place.facts("stopped", "scheduler_stopped").len(), 1);
    assert_eq!(place.run(&["status", "stopped", "--json"]).json()["state"], "stopped");
    place.run(&["resume", "stopped"]).ok();
    assert_eq!(place.answer("plain"), place.answer("stopped"));
    place.check_nothing_twice("stopped");
}

#[test]
fn a_single_training_that_is_stopped_writes_no_model_and_goes_on_with_the_command_that_it_prints() {
    let place = Place::new();
    let file = place.space("once", 1, 1, WHOLE, "");
    let text = std::fs::read_to_string(&file).unwrap();
    let searched = "x = { type = \"uniform\", low = 0.0, high = 1.0 }";
    std::fs::write(&file, text.replace(searched, "x = 0.5")).unwrap();
    let model = place.path("model");
    let train = [
        "train".as_ref(),
        "--config".as_ref(),
        file.as_os_str(),
        "--output".as_ref(),
        model.as_os_str(),
    ];
    let mut running = place.start_hpo(&train, &[("HPO_TEST_EPOCH", "0.05")]);
    assert!(running.wait_for("epoch 1  loss", 1));
    running.signal(Signal::INT);
    let (code, stderr) = running.wait();
    assert_eq!(code, 130, "{stderr}");
    let (_, again) = stderr
        .split_once("nothing recorded is lost. Resume with:\n  ")
        .unwrap_or_else(|| panic!("{stderr}"));
    assert!(again.starts_with("hpo train --config "), "{again}");
    assert!(!model.exists() && !place.study("once").join("best-model").exists());
    assert_eq!(place.run(&["status", "once", "--json"]).json()["state"], "stopped");
    place.shell(again.lines().next().unwrap()).ok();
    assert!(model.join("model").is_file());
    place.check_nothing_twice("once");
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
fn a_checkpoint_that_takes_for_ever_to_read_keeps_nobody_from_stopping() {
    let place = Place::new();
    let fifo = place.pipe("fifo");
    let file = place.space(
        "s",
        3,
        1,
        FAULTY,
        &format!("fault = \"vast checkpoint\"\nfifo = {fifo:?}"),
    );
    let mut running = place.start(&file);
    assert_eq!(std::fs::read_to_string(fifo).unwrap(), "");
    running.signal(Signal::INT);
    assert!(running.wait_for("stopping", 1));
    running.signal(Signal::INT);
    assert_eq!(running.wait().0, 130);
}

#[test]
fn a_study_that_is_deleted_or_moved_while_it_runs_is_reported() {
    for goes_on in [false, true] {
        let place = Place::new();
        place.search(&place.space("plain", 9, 1, WHOLE, "")).ok();
        let mut running = place.start_with(&place.space("s", 9, 1, WHOLE, ""), &[("HPO_TEST_EPOCH", "0.05")]);
        assert!(running.wait_for("trial 1:", 1));
        let moved = place.path("studies/moved");
        std::fs::rename(place.study("s"), &moved).unwrap();
        if !goes_on {
            std::fs::remove_dir_all(&moved).unwrap();
        }
        let (code, stderr) = running.wait();
        assert_eq!(code, 1, "{stderr}");
        assert!(
            stderr.contains("the study was deleted or moved while it ran"),
            "{stderr}"
        );
        if goes_on {
            place.run(&["resume", moved.to_str().unwrap()]).ok();
            assert_eq!(place.answer("plain"), place.answer("moved"));
        }
    }
}

#[test]
fn a_record_that_was_half_written_is_dropped() {
    let place = Place::new();
    place.search(&place.space("plain", 6, 1, EXAMPLE, "")).ok();
    let file = place.space("cut", 6, 1, EXAMPLE, "");
    place.kill_search(&file, "trial", 6);
    let journal = place.study("cut").join("journal.jsonl");
    let whole = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, [&whole[..], b"{\"seq\":99,\"at\":1,\"fact\":{\"ty"].concat()).unwrap();
    assert_eq!(place.run(&["status", "cut", "--json"]).json()["state"], "stopped");
    place.search(&file).ok();
    assert_eq!(place.answer("plain"), place.answer("cut"));
}

#[test]
fn of_two_that_begin_a_study_anew_one_does() {
    let place = Place::new();
    let bad = place.space("s", 3, 1, FAULTY, "fault = \"fatal\"");
    let bad = (std::fs::read_to_string(&bad).unwrap(), bad);
    let good = bad.0.replace("fault = \"fatal\"", "");
    for round in 0..10 {
        std::fs::write(&bad.1, &bad.0).unwrap();
        place.search(&bad.1).fails(1, &["no trial can run"]);
        std::fs::write(&bad.1, &good).unwrap();
        let searches: Vec<_> = (0..3).map(|_| place.start(&bad.1)).collect();
        let ended: Vec<(i32, String)> = searches.into_iter().map(hpo_test_support::Running::wait).collect();
        assert!(ended.iter().any(|(code, _)| *code == 0), "{round}: {ended:?}");
        for (code, stderr) in &ended {
            let late = stderr.contains("in use") || stderr.contains("there is no study");
            assert!(*code == 0 || *code == 3 && late, "{round}: {stderr}");
            assert!(!stderr.contains("left behind"), "{round}: {stderr}");
        }
        assert_eq!(place.facts("s", "segment_failed").len(), 0);
        std::fs::remove_dir_all(place.study("s")).unwrap();
        assert_eq!(std::fs::read_dir(place.path("studies")).unwrap().count(), 0);
    }
}

#[test]
fn an_export_that_is_stopped_or_killed_leaves_nothing_behind() {
    let place = Place::new();
    let (fifo, left, fixed) = (place.pipe("fifo"), place.path("left"), place.path("fixed"));
    let fault = format!("fault = \"export and hang\"\nfifo = {fifo:?}\nleft = {left:?}\nfixed = {fixed:?}");
    let file = place.space("s", 3, 1, FAULTY, &format!("{fault}\nfeatures = [\"export\"]"));
    // A directory: a file that a setting names would be data of the study.
    std::fs::create_dir(&fixed).unwrap();
    place.search(&file).ok();
    std::fs::remove_dir(&fixed).unwrap();
    let models = place.path("models");
    std::fs::create_dir(&models).unwrap();
    let model = models.join("m");
    let command = ["export", "s", "--model", model.to_str().unwrap()];
    let hangs = |signal| {
        let mut export = place.hpo(&command).stderr(std::process::Stdio::null()).spawn().unwrap();
        assert_eq!(std::fs::read_to_string(&fifo).unwrap(), "");
        rustix::process::kill_process(rustix::process::Pid::from_child(&export), signal).unwrap();
        (export.wait().unwrap(), std::fs::read_to_string(&left).unwrap())
    };
    let count = || std::fs::read_dir(&models).unwrap().count();

    let (status, processes) = hangs(Signal::INT);
    assert_eq!((status.code(), count()), (Some(130), 0));
    processes.lines().for_each(wait_until_gone);

    let (_, processes) = hangs(Signal::KILL);
    assert_eq!(count(), 1);
    std::fs::create_dir(&fixed).unwrap();
    place.run(&command).ok();
    assert_eq!(count(), 1, "only the model");
    processes.lines().for_each(wait_until_gone);
}

#[test]
fn a_directory_that_comes_while_a_model_is_written_stays() {
    let place = Place::new();
    let fifo = place.pipe("fifo");
    let fault = format!("features = [\"export\"]\nfifo = {fifo:?}");
    let file = place.space("s", 3, 1, FAULTY, &fault);
    place.search(&file).ok();
    let model = place.path("m");
    std::os::unix::fs::symlink("nowhere", &model).unwrap();
    let command = ["export", "s", "--model", model.to_str().unwrap()];
    place.run(&command).fails(2, &["already exists"]);
    std::fs::remove_file(&model).unwrap();
    let export = place
        .hpo(&command)
        .env("HPO_TEST_WAIT", &fifo)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(std::fs::read_to_string(&fifo).unwrap(), "");
    std::fs::create_dir(&model).unwrap();
    std::fs::write(model.join("thesis"), "three years of work").unwrap();
    std::fs::write(&fifo, "").unwrap();
    let ended = hpo_test_support::Run(export.wait_with_output().unwrap());
    ended.fails(1, &["was created in the meantime"]);
    assert!(model.join("thesis").exists());
}
