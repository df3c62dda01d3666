//! `hpo fsck` through the real binary.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use hpo_test_support::{Place, Run, WHOLE, copy_tree};
use rustix::process::Signal;

/// A study that was killed with some trials decided.
fn killed(place: &Place) -> PathBuf {
    let file = place.space("s", 9, 1, WHOLE, "");
    let mut running = place.start_with(&file, &[("HPO_TEST_EPOCH", "0.02")]);
    assert!(running.wait_for("promoted", 1));
    assert!(running.wait_for("loss", 1));
    running.signal(Signal::KILL);
    running.wait();
    // The second copy of its journal may be a moment behind.
    place.run(&["fsck", "s", "--repair"]).ok();
    file
}

fn checkpoints(place: &Place) -> Vec<PathBuf> {
    let needed = place.run(&["trials", "s", "--json"]).json();
    let mut found = Vec::new();
    for trial in needed.as_array().unwrap() {
        let shown = place.run(&["show", &trial["trial"].to_string(), "s", "--json"]).json();
        for report in shown["reports"].as_array().unwrap() {
            if let Some(file) = report["checkpoint"]["file"].as_str() {
                found.push(place.study("s").join("checkpoints").join(file));
            }
        }
    }
    found
}

#[test]
fn a_whole_study_is_reported_part_by_part_with_exit_code_0() {
    let place = Place::new();
    place.search(&place.space("s", 6, 2, WHOLE, "")).ok();
    let stdout = place.run(&["fsck", "s"]).ok().stdout();
    for part in ["journal", "database", "checkpoints", "best model", "study.toml"] {
        let line = stdout
            .lines()
            .find(|line| line.trim_start().starts_with(part))
            .unwrap_or_else(|| panic!("{stdout}"));
        assert!(line.contains("whole"), "{stdout}");
    }
    let before = fs::read(place.study("s").join("journal.jsonl")).unwrap();
    let json = place.run(&["fsck", "s", "--repair", "--json"]).json();
    assert_eq!(
        (&json["whole"], json["repaired"].as_array().unwrap().len()),
        (&true.into(), 0),
        "{json}"
    );
    assert!(
        fs::read(place.study("s").join("journal.jsonl")).unwrap() == before,
        "there was nothing to repair"
    );
}

/// What the reader refuses is damage, whether or not the second copy can repair it.
#[test]
fn whatever_keeps_a_journal_from_being_read_is_found() {
    let place = Place::new();
    let file = place.space("s", 4, 1, WHOLE, "");
    place.search(&file).ok();
    let whole = fs::read_to_string(place.study("s").join("journal.jsonl")).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let middle = lines.len() / 2;
    let without: Vec<&str> = [&lines[..middle], &lines[middle + 1..]].concat();
    let twice: Vec<&str> = [&lines[..=middle], &lines[middle..]].concat();
    let mut swapped = lines.clone();
    swapped.swap(middle, middle + 1);
    for (what, lines, lost) in [
        ("gone", without, true),
        ("twice", twice, false),
        ("swapped", swapped, false),
    ] {
        for copy in [true, false] {
            place.copy(&place.study("s"), "t");
            fs::write(place.study("t").join("journal.jsonl"), lines.join("\n") + "\n").unwrap();
            if !copy {
                fs::remove_dir_all(place.study("t").join("db")).unwrap();
            }
            let line = format!(
                "journal.jsonl:{}: the record at byte ",
                middle + if what == "twice" { 2 } else { 1 }
            );
            place
                .run(&["status", "t"])
                .fails(3, &[&line, " is damaged: it is record "]);
            let found = place.run(&["fsck", "t"]).fails(3, &[]).stdout();
            assert!(found.contains(&line), "{what}: {found}");
            let kept = match lost && !copy {
                true => "1 record is lost; ",
                false => "repairs it without loss",
            };
            assert!(found.contains(kept), "{what}: {found}");
            place.run(&["fsck", "t", "--repair"]).ok();
            place.run(&["status", "t"]).ok();
            if !lost || copy {
                let repaired = fs::read_to_string(place.study("t").join("journal.jsonl")).unwrap();
                assert!(repaired == whole, "{what}");
            }
            fs::remove_dir_all(place.study("t")).unwrap();
        }
    }
    // A later version's is no damage, and is left as it is.
    let newer = whole.replacen("\"format\":1", "\"format\":9", 1);
    fs::write(place.study("s").join("journal.jsonl"), &newer).unwrap();
    for command in [&["status", "s"][..], &["fsck", "s"], &["fsck", "s", "--repair"]] {
        place.run(command).fails(3, &["whose format this version can't read"]);
    }
    assert!(fs::read_to_string(place.study("s").join("journal.jsonl")).unwrap() == newer);
}

#[test]
fn lost_checkpoints_make_their_trials_go_back_and_the_answer_is_the_same() {
    let place = Place::new();
    place.search(&place.space("plain", 9, 1, WHOLE, "")).ok();
    let file = killed(&place);
    let lost = checkpoints(&place);
    assert!(lost.len() > 1);
    fs::remove_file(&lost[0]).unwrap();
    fs::write(&lost[1], "0 e1 but something else").unwrap();
    let stdout = place.run(&["fsck", "s"]).fails(3, &[]).stdout();
    assert!(
        stdout.contains("can't be read: No such file") && stdout.contains("has changed since it was written"),
        "{stdout}"
    );
    let stdout = place.run(&["fsck", "s", "--repair"]).ok().stdout();
    assert_eq!(stdout.matches("goes back to resource").count(), 2, "{stdout}");
    assert!(!place.run(&["fsck", "s", "--repair"]).ok().stdout().contains("repaired"));
    place.search(&file).ok();
    assert_eq!(place.answer("plain"), place.answer("s"));
}

#[test]
fn the_best_trial_without_its_checkpoint_is_reported_instead_of_waited_for() {
    let place = Place::new();
    let file = place.space("s", 6, 1, WHOLE, "");
    place.search(&file).ok();
    for lost in checkpoints(&place) {
        fs::remove_file(lost).unwrap();
    }
    fs::remove_dir_all(place.study("s").join("best-model")).unwrap();
    let output = place.run(&["fsck", "s", "--repair"]).fails(3, &[]).stdout();
    assert!(output.contains("has no model any more"), "{output}");
    let text = fs::read_to_string(&file).unwrap().replace("trials = 6", "trials = 9");
    fs::write(&file, text).unwrap();
    let output = place.search(&file).ok();
    assert!(
        output.stdout().contains("is lost; hpo export writes its configuration")
            || output.stdout().contains("best model:"),
        "{}",
        output.stdout()
    );
}

#[test]
fn a_damaged_journal_is_refused_with_its_place_and_repaired_on_request() {
    let place = Place::new();
    place.search(&place.space("plain", 9, 1, WHOLE, "")).ok();
    let file = killed(&place);
    let journal = place.study("s").join("journal.jsonl");
    let mut bytes = fs::read(&journal).unwrap();
    let third: usize = bytes
        .split_inclusive(|&byte| byte == b'\n')
        .take(2)
        .map(<[u8]>::len)
        .sum();
    bytes[third + 9..third + 13].fill(b'?');
    fs::write(&journal, &bytes).unwrap();
    let place_of_it = format!("journal.jsonl:3: the record at byte {third} is damaged: its checksum does not fit");
    place.search(&file).fails(3, &[&place_of_it, "hpo fsck", "--repair"]);
    let stdout = place.run(&["fsck", "s"]).fails(3, &[]).stdout();
    assert!(
        stdout.contains(&format!("journal.jsonl:3: the record at byte {third} is damaged")),
        "{stdout}"
    );
    let stdout = place.run(&["fsck", "s", "--repair"]).ok().stdout();
    assert!(stdout.contains("nothing is lost; the damaged one is"), "{stdout}");
    assert!(fs::read(place.study("s").join("journal.jsonl.damaged-1")).unwrap() == bytes);
    place.search(&file).ok();
    assert_eq!(place.answer("plain"), place.answer("s"));
}

/// Runs a repair that is killed at a point, and another one.
fn repair_is_killed_at(place: &Place, temporary: &Path, point: &str) {
    let mut repair = place.hpo(&["fsck", "s", "--repair"]);
    repair.env("TMPDIR", temporary).env("HPO_KILL_AT", format!("{point}:1"));
    assert_eq!(repair.status().unwrap().signal(), Some(9), "{point}");
    let mut repair = place.hpo(&["fsck", "s", "--repair"]);
    let repair = Run(repair.env("TMPDIR", temporary).output().unwrap());
    let stdout = repair.stdout();
    assert!(repair.0.status.success(), "{point}: {stdout}");
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0, "{point}: no copy is left");
    assert!(!place.study("s").join(".journal.jsonl.new").exists(), "{point}");
}

#[test]
fn a_repair_that_is_killed_is_done_by_the_next_one() {
    let damaged = Place::new();
    damaged.search(&damaged.space("plain", 9, 1, WHOLE, "")).ok();
    let file = killed(&damaged);
    let lost = checkpoints(&damaged);
    fs::remove_file(&lost[0]).unwrap();
    let temporary = damaged.path("tmp");
    fs::create_dir(&temporary).unwrap();
    copy_tree(&damaged.study("s"), &damaged.path("kept"));
    let renew = || {
        fs::remove_dir_all(damaged.study("s")).unwrap();
        copy_tree(&damaged.path("kept"), &damaged.study("s"));
    };
    let goes_on = |point: &str| {
        damaged.search(&file).ok();
        assert_eq!(damaged.answer("plain"), damaged.answer("s"), "{point}");
        renew();
    };
    for point in [
        "repair.journal:before",
        "repair.journal:renamed",
        "journal.append:written",
        "journal.append:synced",
        "journal.append:counted",
    ] {
        let journal = damaged.study("s").join("journal.jsonl");
        let mut bytes = fs::read(&journal).unwrap();
        let first = bytes.iter().position(|&byte| byte == b'\n').unwrap();
        bytes[first + 9..first + 13].fill(b'?');
        fs::write(&journal, bytes).unwrap();
        repair_is_killed_at(&damaged, &temporary, point);
        goes_on(point);
    }
    for point in ["database.aside:before", "database.aside:moved"] {
        fs::write(damaged.study("s").join("db/conf"), "nothing that sled can read").unwrap();
        repair_is_killed_at(&damaged, &temporary, point);
        goes_on(point);
    }
}

#[test]
fn an_altered_model_or_study_file_is_reported() {
    let place = Place::new();
    place.search(&place.space("s", 6, 1, WHOLE, "")).ok();
    let study = place.study("s");
    fs::write(study.join("best-model/model"), "something else").unwrap();
    let stdout = place.run(&["fsck", "s"]).fails(3, &[]).stdout();
    assert!(stdout.contains("best-model/model: its SHA-256 differs"), "{stdout}");
    place.search(&place.space("t", 3, 1, WHOLE, "")).ok();
    fs::write(place.study("t").join("study.toml"), "").unwrap();
    let stdout = place.run(&["fsck", "t"]).fails(3, &[]).stdout();
    assert!(stdout.contains("is not what the study was made from"), "{stdout}");
}

#[test]
fn a_study_at_work_is_left_alone_and_none_is_none() {
    let place = Place::new();
    let file = place.space("s", 9, 1, WHOLE, "");
    let mut running = place.start_with(&file, &[("HPO_TEST_EPOCH", "30")]);
    assert!(running.wait_for("trial 0", 1));
    place.run(&["fsck", "s"]).fails(3, &["is in use"]);
    place.run(&["fsck", "s", "--repair"]).fails(3, &["is in use"]);
    running.signal(Signal::KILL);
    running.wait();
    place.run(&["fsck", "s"]).ok();
    place.run(&["fsck", "nothing"]).fails(3, &["there is no study in"]);
    assert!(!place.study("nothing").exists());
}
