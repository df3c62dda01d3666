//! What is asked of a study is answered from its database and from its journal in the same words.

use std::fs;
use std::path::Path;

use hpo_test_support::{Place, Run, WHOLE};

/// Commands about a study with these numbers of trials, whose searched parameter and one metric are `parameter` and `metric`.
fn questions(trials: usize, parameter: &str, metric: &str) -> Vec<Vec<String>> {
    let mut questions: Vec<String> = Vec::new();
    for json in ["", " --json"] {
        questions.push(format!("status s{json}"));
        for trial in (0..trials).chain([trials + 1]) {
            questions.push(format!("show {trial} s{json}"));
        }
        let mut options: Vec<String> = [
            "",
            "--limit 3",
            "--limit 0",
            "--reverse --limit 4",
            "--sort loss",
            "--sort loss --reverse",
            "--sort loss --limit 5",
            "--sort loss --limit 2 --reverse",
            "--sort loss --limit 99",
            "--sort state",
            "--sort nonsense",
            "--sort confirms --limit 3",
            "--state pruned,failed,diverged",
            "--state nonsense",
            "--where loss<0.5 --sort loss",
            "--where state!=pruned --sort resource --reverse",
            "--where resource=nine",
        ]
        .map(String::from)
        .into();
        options.push(format!("--sort {parameter}"));
        options.push(format!("--sort {metric} --limit 3"));
        options.push(format!("--where {metric}>=0 --where {parameter}>0.3"));
        questions.extend(options.iter().map(|option| format!("trials s {option}{json}")));
    }
    for format in ["toml", "json", "yaml", "env", "args"] {
        questions.push(format!("export s --format {format}"));
        for trial in [0, trials - 1, trials] {
            questions.push(format!("export s --format {format} --trial {trial}"));
        }
    }
    let words = |question: &String| question.split_whitespace().map(String::from).collect();
    questions.iter().map(words).collect()
}

/// Answers each of them from the database, and then from the journal.
fn both_answer_the_same(place: &Place, study: &str, parameter: &str, metric: &str) {
    let (journal, database) = (place.study("s").join("journal.jsonl"), place.study("s").join("db"));
    let whole = fs::read(&journal).unwrap();
    let written = fs::metadata(&journal).unwrap().modified().unwrap();
    let trials = place.run(&["trials", "s", "--json"]).json().as_array().unwrap().len();
    let questions = questions(trials, parameter, metric);
    let ask = || -> Vec<Run> { questions.iter().map(|question| place.run(question)).collect() };

    // Whoever reads it would find that.
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    put(&journal, &damaged, written);
    let from_database = ask();
    fs::rename(&database, place.path("away")).unwrap();
    place.run(&["status", "s"]).fails(3, &["is damaged"]);
    put(&journal, &whole, written);
    let from_journal = ask();

    let mut refused = 0;
    for ((question, one), other) in questions.iter().zip(from_database).zip(from_journal) {
        assert_eq!(one.stdout(), other.stdout(), "{study}: {question:?}");
        assert_eq!(one.stderr(), other.stderr(), "{study}: {question:?}");
        assert_eq!(one.0.status, other.0.status, "{study}: {question:?}");
        refused += usize::from(one.0.status.code() == Some(2));
    }
    // For a trial, a column and a state that there are not, and a number that is none.
    assert!((11..=13).contains(&refused), "{study}: {refused}");
    fs::remove_dir_all(place.path("away")).unwrap();
}

/// Writes a file that seems not to have been written.
fn put(path: &Path, bytes: &[u8], written: std::time::SystemTime) {
    fs::write(path, bytes).unwrap();
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(written)
        .unwrap();
}

#[test]
fn studies_of_the_first_release_are_answered_from_both() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal-v1");
    let mut studies = 0;
    for fixture in fs::read_dir(fixtures).unwrap() {
        let fixture = fixture.unwrap().path();
        let place = Place::in_memory();
        place.copy(&fixture, "s");
        place.run(&["fsck", "s", "--repair"]);
        both_answer_the_same(&place, &fixture.display().to_string(), "x", "accuracy");
        studies += 1;
    }
    assert!(studies > 1);
}

#[test]
fn a_study_with_confirmation_and_test_data_is_answered_from_both() {
    let place = Place::in_memory();
    let file = place.space("s", 9, 2, WHOLE, "");
    let text = fs::read_to_string(&file).unwrap() + "[confirmation]\nconfigurations = 2\nseeds = 2\n";
    fs::write(&file, text).unwrap();
    place.search(&file).ok();
    let status = place.run(&["status", "s", "--json"]).json();
    assert!(status["confirmation"]["runs"] == 4 && status["test"]["trial"] == status["best"]["trial"]);
    both_answer_the_same(&place, "with confirmation", "x", "accuracy");
}

#[test]
fn a_study_with_failures_is_answered_from_both_when_it_was_stopped_and_when_it_has_finished() {
    let place = Place::in_memory();
    let file = place.space("s", 9, 1, WHOLE, "");
    let faults = ["1:1:crash", "1:2:crash", "1:3:crash", "1:4:crash", "2:1:failed"].join(",");
    let faults = ("HPO_TEST_FAULTS", faults.as_str());
    let mut running = place.start_with(&file, &[faults, ("HPO_TEST_EPOCH", "0.02")]);
    assert!(running.wait_for("promoted", 1));
    running.signal(rustix::process::Signal::INT);
    assert_eq!(running.wait().0, 130);
    both_answer_the_same(&place, "stopped", "x", "accuracy");
    assert_eq!(place.start_with(&file, &[faults]).wait().0, 0);
    let row = &place.run(&["trials", "s", "--json"]).json()[1];
    assert!(row["state"] == "failed" && row["message"].is_string(), "{row}");
    both_answer_the_same(&place, "with failures", "x", "accuracy");
}

#[test]
fn a_study_that_went_on_is_answered_from_its_journal() {
    let place = Place::in_memory();
    let file = place.space("s", 6, 1, WHOLE, "");
    place.search(&file).ok();
    let text = fs::read_to_string(&file).unwrap().replace("trials = 6", "trials = 9");
    fs::write(&file, text).unwrap();
    let mut running = place.start_with(&file, &[("HPO_TEST_EPOCH", "0.02")]);
    assert!(running.wait_for("trial 7", 1));
    running.signal(rustix::process::Signal::STOP);
    let status = place.run(&["status", "s", "--json"]).json();
    assert_eq!((&status["state"], &status["trials"]), (&"running".into(), &9.into()));
    running.signal(rustix::process::Signal::KILL);
    running.wait();
    let shown = place.run(&["show", "7", "s"]).ok().stdout();
    assert!(shown.contains("trial 7 of the study s"), "{shown}");
    // Nobody has asked the database, which does not know of that trial, and it is the same study when it goes on.
    place.search(&file).ok();
    both_answer_the_same(&place, "gone on with", "x", "accuracy");
}
