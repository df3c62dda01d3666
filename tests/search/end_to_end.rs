//! A search through the real binary, with a trainer in Python, and the views of what it leaves.

use hpo_test_support::{EXAMPLE, FAULTY, Place};

#[test]
fn a_python_trainer_of_thirty_lines_is_searched_to_the_end() {
    let place = Place::new();
    let file = place.space("s", 27, 2, EXAMPLE, "target = 3.0");
    let output = place.search(&file).ok();
    let outcome = output.stdout();
    assert!(outcome.contains("63 epochs trained in"), "{outcome}");
    assert!(outcome.contains("would have been 243: pruning saved 74 %"), "{outcome}");
    let status = place.run(&["status", "s", "--json"]).json();
    assert_eq!(status["state"], "finished");
    assert_eq!(status["states"]["completed"], 3);
    let sizes: Vec<_> = status["rungs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rung| rung["reached"].clone())
        .collect();
    assert_eq!(sizes, [27, 9, 3]);
    let best = place
        .run(&["trials", "s", "--sort", "loss", "--limit", "1", "--json"])
        .json();
    assert_eq!(best[0]["trial"], status["best"]["trial"]);
    assert_eq!(place.facts("s", "trial_created").len(), 27);
    assert!(place.study("s").join("db").exists() && place.study("s").join("study.toml").exists());
}

#[test]
fn the_number_of_slots_does_not_change_the_answer() {
    let place = Place::new();
    for slots in [1, 2, 5] {
        let name = format!("slots{slots}");
        place.search(&place.space(&name, 12, slots, EXAMPLE, "")).ok();
    }
    assert_eq!(place.answer("slots1"), place.answer("slots2"));
    assert_eq!(place.answer("slots1"), place.answer("slots5"));
}

#[test]
fn a_running_study_is_seen_from_outside_and_nobody_else_may_write_to_it() {
    let place = Place::new();
    let fifo = place.path("fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let file = place.space(
        "s",
        3,
        1,
        FAULTY,
        &format!("fault = \"wait\"\ntrial = 1\nfifo = {fifo:?}"),
    );
    let mut running = place.start(&file);
    assert!(running.wait_for("trial 1: epoch 0 to 1", 1));

    let status = place.run(&["status", "s", "--json"]).json();
    assert_eq!(
        (&status["state"], &status["states"]["running"]),
        (&"running".into(), &1.into())
    );
    assert!(status["left_ms"].as_u64() > Some(0), "{status}");
    let said = place.run(&["status", "s"]).ok().stdout();
    assert!(
        said.lines()
            .any(|line| line.starts_with("about ") && line.ends_with(" left")),
        "{said}"
    );
    let shown = place.run(&["show", "0", "s"]).ok().stdout();
    place
        .search(&file)
        .fails(3, &["is in use by process", &running.id().to_string()]);
    place.run(&["resume", "s"]).fails(3, &["is in use"]);

    std::fs::write(&fifo, "go on").unwrap();
    assert_eq!(running.wait().0, 0);
    let reports = |text: &str| {
        text.lines()
            .find(|line| line.starts_with("  epoch 1:"))
            .unwrap()
            .replace("  (best)", "")
    };
    assert_eq!(reports(&shown), reports(&place.run(&["show", "0", "s"]).ok().stdout()));
    assert_eq!(place.run(&["status", "s", "--json"]).json()["state"], "finished");
}

/// Trial 2 keeps the others waiting for their decision: the slot that is free meanwhile trains on, for the best or for nothing.
#[test]
fn a_slot_with_nothing_to_do_runs_ahead_and_changes_no_decision() {
    let place = Place::new();
    let mut counted = Vec::new();
    for seed in 0..4 {
        let write = |name: &str, slots: u32, trial: &str| {
            let file = place.space(name, 3, slots, FAULTY, trial);
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, text.replace("[study]", &format!("[study]\nseed = {seed}"))).unwrap();
            file
        };
        let (plain, ahead) = (format!("plain{seed}"), format!("ahead{seed}"));
        place.search(&write(&plain, 1, "")).ok();
        let fifo = place.path(&format!("fifo{seed}"));
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
        let file = write(
            &ahead,
            2,
            &format!(
                "fault = \"wait\"\ntrial = 2\nonce = \"{}\"\nfifo = {fifo:?}",
                fifo.with_extension("once").display()
            ),
        );
        let mut running = place.start(&file);
        assert!(running.wait_for("ahead of its decision", 1));
        std::fs::write(&fifo, "go on").unwrap();
        assert_eq!(running.wait().0, 0);
        assert_eq!(place.answer(&plain), place.answer(&ahead));
        let ran: Vec<_> = place
            .facts(&ahead, "segment_started")
            .into_iter()
            .filter(|fact| fact["ahead"] == true)
            .collect();
        let best = place.run(&["status", &ahead, "--json"]).json()["best"]["trial"].clone();
        counted.push(ran.iter().any(|fact| fact["trial"] == best));
        let kept = std::fs::read_dir(place.study(&ahead).join("checkpoints"))
            .unwrap()
            .count();
        assert_eq!(kept, 1, "what counted for nothing is deleted");
    }
    assert!(counted.contains(&true) && counted.contains(&false), "{counted:?}");
}

#[test]
fn trials_are_sorted_and_filtered() {
    let place = Place::new();
    place.search(&place.space("s", 9, 2, FAULTY, "")).ok();
    let numbers = |arguments: &[&str]| -> Vec<f64> {
        let arguments: Vec<&str> = ["trials", "s", "--json"].iter().chain(arguments).copied().collect();
        let rows = place.run(&arguments).json();
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row["parameters"]["x"].as_f64().unwrap())
            .collect()
    };
    let sorted = numbers(&["--sort", "x"]);
    assert!(sorted.len() == 9 && sorted.is_sorted());
    assert!(numbers(&["--sort", "x", "--reverse"]).is_sorted_by(|a, b| a >= b));
    let middle = format!("x<={}", sorted[4]);
    assert_eq!(numbers(&["--sort", "x", "--where", &middle]), sorted[..5]);
    assert_eq!(numbers(&["--state", "completed"]).len(), 1);
    place
        .run(&["trials", "s", "--sort", "y"])
        .fails(2, &["no column `y`", "x"]);
    place
        .run(&["trials", "s", "--state", "dead"])
        .fails(2, &["no state `dead`", "pruned"]);
}

#[test]
fn the_exported_configuration_trains_to_the_same_loss() {
    let place = Place::new();
    place.search(&place.space("s", 9, 2, EXAMPLE, "target = 2.0")).ok();
    let best = place.path("best.toml");
    place.run(&["export", "s", "-o", best.to_str().unwrap()]).ok();
    place.run(&["train", "--config", best.to_str().unwrap()]).ok();
    let searched = place.run(&["status", "s", "--json"]).json()["best"].clone();
    let trained = place.run(&["trials", "--json"]).json()[0].clone();
    for key in ["loss", "best_at", "metrics", "parameters", "seed"] {
        assert_eq!(searched[key], trained[key], "{key}");
    }
    let json = place.run(&["export", "s", "--format", "json"]).json();
    assert_eq!(json["parameters"], searched["parameters"]);
    place
        .run(&["export", "s", "--model", "m"])
        .fails(1, &["writes no models"]);
}

/// 9 trials at 20 steps, 3 at 60, 1 at 170; each reports every 10.
#[test]
fn a_study_of_steps_reports_when_it_says_and_counts_everything_in_steps() {
    let place = Place::new();
    let write = |name: &str| {
        let file = place.space(name, 9, 2, EXAMPLE, "");
        let text = std::fs::read_to_string(&file).unwrap();
        let steps = "resource = \"steps\"\nmin_resource = 20\nmax_resource = 170\nreport_every = 10";
        std::fs::write(
            &file,
            text.replace("max_resource = 9", steps)
                .replace("high = 2.0", "high = 0.1"),
        )
        .unwrap();
        file
    };
    let outcome = place.search(&write("s")).ok().stdout();
    assert!(outcome.contains("410 steps trained in"), "{outcome}");
    assert!(
        outcome.contains("would have been 1530: pruning saved 73 %"),
        "{outcome}"
    );
    let header = outcome.lines().find(|line| line.starts_with(" trial")).unwrap();
    assert!(header.contains(" steps ") && !outcome.contains("epoch"), "{outcome}");
    let status = place.run(&["status", "s", "--json"]).json();
    assert_eq!(status["resource_unit"], "steps");
    assert!(
        place
            .run(&["status", "s"])
            .ok()
            .stdout()
            .contains("rungs: step 20: 9 of 9, step 60: 3 of 3, step 170: 1 of 1")
    );
    let best = status["best"]["trial"].to_string();
    let due: Vec<u64> = (1..=17).map(|report| 10 * report).collect();
    let shown = place.run(&["show", &best, "s", "--json"]).json();
    let reports: Vec<u64> = shown["reports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["resource"].as_u64().unwrap())
        .collect();
    assert_eq!(reports, due);
    let sorted = place
        .run(&["trials", "s", "--json", "--sort", "steps", "--reverse"])
        .json();
    assert_eq!(
        (&sorted[0]["resource"], &sorted[0]["resource_unit"]),
        (&170.into(), &"steps".into())
    );
    place
        .run(&["trials", "s", "--sort", "epochs"])
        .fails(2, &["no column `epochs`"]);

    let killed = write("killed");
    let mut running = place.start_hpo(&["search".as_ref(), killed.as_os_str(), "-v".as_ref()], &[]);
    if running.wait_for("step 40  loss", 1) {
        running.signal(rustix::process::Signal::KILL);
    }
    running.wait();
    place.run(&["resume", "killed"]).ok();
    assert_eq!(place.answer("s"), place.answer("killed"));

    let config = place.path("best.toml");
    place.run(&["export", "s", "-o", config.to_str().unwrap()]).ok();
    place.run(&["train", "--config", config.to_str().unwrap()]).ok();
    let again = place.run(&["trials", "--json"]).json()[0].clone();
    for key in ["loss", "best_at", "resource", "resource_unit", "metrics"] {
        assert_eq!(sorted[0][key], again[key], "{key}");
    }
}

#[test]
fn a_trainer_that_reports_every_epoch_where_a_report_is_due_later_is_refused_with_the_reason() {
    let place = Place::new();
    let file = place.space("s", 1, 1, FAULTY, "");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace(
            "max_resource = 9",
            "max_resource = 9\nmin_resource = 3\nreport_every = 3",
        ),
    )
    .unwrap();
    let output = place.search(&file);
    let said = "the worker reported resource 1, but 3 of a segment to 3 was due";
    assert!(output.stderr().contains(said), "{}", output.stderr());
}

#[test]
fn train_wants_every_parameter_fixed() {
    let place = Place::new();
    let file = place.space("s", 9, 2, FAULTY, "");
    place
        .run(&["train", "--config", file.to_str().unwrap()])
        .fails(2, &["does not fix: x"]);
    assert!(!place.path("studies").exists());
}

#[test]
fn a_changed_file_is_refused_with_the_difference_but_more_trials_are_welcome() {
    let place = Place::new();
    let file = place.space("s", 6, 2, FAULTY, "");
    place.search(&file).ok();
    let before = place.answer("s");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("high = 1.0", "high = 2.0")).unwrap();
    place.search(&file).fails(
        2,
        &[
            "[space] x.high: was 1.0, is 2.0",
            "only `trials` and `[confirmation]` may grow",
        ],
    );
    std::fs::write(&file, text.replace("trials = 6", "trials = 5")).unwrap();
    place.search(&file).fails(2, &["trials: was 6, is 5"]);
    std::fs::write(&file, text.replace("trials = 6", "trials = 9")).unwrap();
    place.search(&file).ok();
    let after = place.answer("s");
    assert_eq!(after.as_array().unwrap().len(), 9);
    assert_eq!(after.as_array().unwrap()[..6], before.as_array().unwrap()[..]);
}

#[test]
fn a_directory_that_is_no_study_is_left_alone() {
    let place = Place::new();
    let file = place.space("s", 3, 1, FAULTY, "");
    std::fs::create_dir_all(place.study("s")).unwrap();
    std::fs::write(place.study("s").join("thesis.txt"), "years of work").unwrap();
    place
        .search(&file)
        .fails(3, &["is not a study", "it has no journal.jsonl", "another name"]);
    assert_eq!(std::fs::read_dir(place.study("s")).unwrap().count(), 1);
    place.run(&["status", "nowhere"]).fails(3, &["there is no study in"]);
}

#[test]
fn a_damaged_journal_is_reported_with_its_place() {
    let place = Place::new();
    let file = place.space("s", 3, 1, FAULTY, "");
    place.search(&file).ok();
    let journal = place.study("s").join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("\"trial\":1", "\"trial\":2", 1)).unwrap();
    for verb in [&["status", "s"][..], &["resume", "s"], &["export", "s"]] {
        place
            .run(verb)
            .fails(3, &["journal.jsonl:", "is damaged: its checksum does not fit"]);
    }
}

#[test]
fn a_gpu_that_is_not_there_is_reported_before_anything_is_written() {
    let place = Place::new();
    let file = place.space("s", 3, 1, FAULTY, "");
    let file = file.to_str().unwrap();
    place
        .run(&["search", file, "--devices", "97"])
        .fails(2, &["there is no GPU 97"]);
    place
        .run(&["search", file, "--devices", "gpu"])
        .fails(2, &["write \"auto\", \"cpu\" or the numbers of GPUs"]);
    assert!(!place.path("studies").exists());
}

#[test]
fn a_trainer_that_is_not_there_is_reported_before_anything_is_written() {
    let place = Place::new();
    let file = place.space("s", 3, 1, FAULTY, "");
    let good = std::fs::read_to_string(&file).unwrap();
    let plain = place.path("plain");
    std::fs::write(&plain, "").unwrap();
    for (bad, said) in [
        (
            good.replace("\"python3\"", "\"pyton3\""),
            "there is no program `pyton3` on the PATH",
        ),
        (good.replace("\"python3\"", "\"./trainer\""), "/trainer` is not there"),
        (good.replace("\"python3\"", "\"./plain\""), "/plain` can't be executed"),
        (
            good.replace("[space]", "directory = \"gone\"\n[space]"),
            "there is no directory `",
        ),
    ] {
        std::fs::write(&file, &bad).unwrap();
        let key = if bad.contains("gone") { "directory" } else { "command" };
        let line = bad.lines().position(|line| line.starts_with(key)).unwrap() + 1;
        let place_in_file = format!("s.toml:{line}:");
        place.search(&file).fails(2, &[said, &place_in_file, "help: "]);
        assert!(!place.study("s").exists());
    }
}

#[test]
fn a_study_that_has_trained_nothing_takes_the_corrected_file() {
    let place = Place::new();
    let file = place.space("s", 3, 1, FAULTY, "");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("faulty.py", "fautly.py")).unwrap();
    place.search(&file).fails(1, &["no trial can run", "fautly.py"]);
    std::fs::write(&file, &good).unwrap();
    let stderr = place.search(&file).ok().stderr();
    assert!(
        stderr.contains("the study s had not trained anything yet, and starts over"),
        "{stderr}"
    );
    std::fs::write(&file, good.replace("faulty.py", "fautly.py")).unwrap();
    place.search(&file).fails(
        2,
        &["has changed since the study s was created from it", "[trial] command"],
    );
    let left = std::fs::read_dir(place.path("studies")).unwrap();
    assert_eq!(left.count(), 1, "nothing is left of the one before");
}

#[test]
fn a_parameter_with_the_name_of_another_column_is_found_and_no_comparison_is_in_vain() {
    let place = Place::new();
    let file = place.space("s", 3, 1, FAULTY, "");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + "loss = { type = \"uniform\", low = 5.0, high = 6.0 }\n").unwrap();
    place.search(&file).ok();
    let count = |condition: &str| {
        let rows = place.run(&["trials", "s", "--json", "--where", condition]).json();
        rows.as_array().unwrap().len()
    };
    assert_eq!(
        (
            count("loss>=5"),
            count("parameters.loss>=5"),
            count("metrics.accuracy<1")
        ),
        (0, 3, 3)
    );
    let refused = |condition: &str, said: &[&str]| {
        place.run(&["trials", "s", "--where", condition]).fails(2, said);
    };
    refused(
        "x<nan",
        &["`x` has numbers, and `nan` is not a number", "help: write a number"],
    );
    refused("loss<abc", &["`loss` has numbers"]);
    for condition in ["state=done", "state!='done'", "state=5"] {
        refused(condition, &["there is no state `", "help: states: waiting, running, "]);
    }
    for condition in ["state<5", "state>=pruned"] {
        refused(
            condition,
            &["states have no order", "help: write `state=` or `state!=`"],
        );
    }
    let states = [
        "state=completed",
        "state='completed'",
        "state=\"completed\"",
        "state!=pruned",
    ];
    assert_eq!(states.map(count), [1; 4]);
    refused(
        "losss<1",
        &["no column `losss`", "loss, ", "parameters.loss, x, accuracy"],
    );
}

#[test]
fn what_is_in_the_way_of_a_study_is_reported() {
    let place = Place::new();
    let file = place.space("s", 3, 1, FAULTY, "");
    let studies = place.path("studies");
    let refused = |said: &str| {
        for command in [
            &["search", file.to_str().unwrap()][..],
            &["status", "s"],
            &["fsck", "s"],
        ] {
            place.run(command).fails(3, &[said, "help: "]);
        }
    };
    std::fs::write(&studies, "").unwrap();
    refused("studies is a file, not a directory");
    std::fs::remove_file(&studies).unwrap();
    std::os::unix::fs::symlink("nowhere", &studies).unwrap();
    refused("studies is a link that leads to none, not a directory");
    std::fs::remove_file(&studies).unwrap();
    std::fs::create_dir(&studies).unwrap();
    std::os::unix::fs::symlink("nowhere", studies.join("s")).unwrap();
    refused("studies/s is a link that leads to none, not a directory");
    std::fs::remove_file(studies.join("s")).unwrap();
    std::fs::create_dir(studies.join("s")).unwrap();
    place.run(&["fsck", "s"]).fails(3, &["there is no study in", "help: "]);
    std::fs::remove_dir(studies.join("s")).unwrap();
    place.search(&file).ok();
    let below_a_file = file.join("best.toml");
    place
        .run(&["export", "s", "-o", below_a_file.to_str().unwrap()])
        .fails(1, &["can't write", "help: part of the path is a file"]);
}
