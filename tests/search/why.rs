//! Why trials are what they are, and whether this version decides as the journal says.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hpo_test_support::{FAULTY, Place, WHOLE};
use serde_json::Value;

/// A study whose sampler learns, in which one configuration is tried first.
fn learning(place: &Place, name: &str, trials: u64, policy: &str) {
    let file = place.space(name, trials, 1, WHOLE, "");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("type = \"random\"", "type = \"gaussian_process\"");
    let text = text.replace("[policy]\n", &format!("[[try_first]]\nx = 0.25\n[policy]\n{policy}"));
    fs::write(&file, text).unwrap();
    place.search(&file).ok();
}

fn explained(place: &Place, study: &str, trial: usize) -> Value {
    place.run(&["explain", &trial.to_string(), study, "--json"]).ok().json()
}

/// What an audit that finds differences says for programs.
fn differing(place: &Place, study: &str) -> Value {
    let audit = place.run(&["audit", study, "--json"]).fails(1, &[]);
    serde_json::from_str(&audit.stdout()).unwrap()
}

/// Changes a line of a journal, from 1, and makes its checksum fit.
fn change(journal: &Path, line: usize, from: &str, to: &str) {
    let text = fs::read_to_string(journal).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let own = &mut lines[line - 1];
    assert!(own.contains(from), "{own}");
    *own = sealed(&own.replacen(from, to, 1));
    fs::write(journal, lines.join("\n") + "\n").unwrap();
}

/// A line with the checksum that it should have.
fn sealed(line: &str) -> String {
    let (body, _) = line.rsplit_once(",\"crc32c\":").unwrap();
    format!("{body},\"crc32c\":\"{:08x}\"}}", crc32c::crc32c(body.as_bytes()))
}

/// The line of the first record for which something holds, from 1.
fn line_of(place: &Place, study: &str, holds: impl Fn(&Value) -> bool) -> usize {
    let journal = place.journal(study);
    journal.iter().position(|record| holds(&record["fact"])).unwrap() + 1
}

/// What the records before a line say of the trials of a bracket at a rung: the lowest loss of each, the best first.
fn known(journal: &[Value], line: u64, trial: &Value, rung: u64) -> Vec<(u64, f64)> {
    let before = &journal[..line as usize - 1];
    let facts = || before.iter().map(|record| &record["fact"]);
    let created = |of: &Value| facts().find(|fact| fact["type"] == "trial_created" && fact["trial"] == *of);
    let bracket = &created(trial).unwrap()["bracket"];
    let mut losses: BTreeMap<u64, (f64, u64)> = BTreeMap::new();
    for report in facts().filter(|fact| fact["type"] == "reported" && fact["resource"].as_u64() <= Some(rung)) {
        if created(&report["trial"]).unwrap()["bracket"] == *bracket {
            let one = losses.entry(report["trial"].as_u64().unwrap()).or_insert((f64::MAX, 0));
            one.0 = one.0.min(report["loss"].as_f64().unwrap());
            one.1 = report["resource"].as_u64().unwrap();
        }
    }
    let mut known: Vec<(u64, f64)> = losses
        .into_iter()
        .filter(|(_, (_, at))| *at == rung)
        .map(|(trial, (loss, _))| (trial, loss))
        .collect();
    known.sort_by(|a, b| a.1.total_cmp(&b.1));
    known
}

#[test]
fn a_trial_is_explained_by_what_was_known_when_it_was_drawn_and_decided_about() {
    let place = Place::new();
    learning(&place, "s", 24, "");
    let journal = place.journal("s");
    let mut reasons = Vec::new();
    let mut decisions = 0;
    for trial in 0..24 {
        let explained = explained(&place, "s", trial);
        let drawn = &explained["drawing"]["drawn"];
        reasons.push(drawn["reason"]["type"].as_str().unwrap().to_owned());
        if reasons[trial] == "expected" {
            let reason = &drawn["reason"];
            let [better, value, worse] = ["better", "value", "worse"].map(|key| reason[key].as_f64().unwrap());
            assert!(
                better < value && value < worse && reason["known"].as_u64() >= Some(4),
                "{reason}"
            );
        }
        assert!(explained["bracket"]["rungs"].as_array().unwrap().contains(&9.into()));
        for step in explained["steps"].as_array().unwrap() {
            let line = step["line"].as_u64().unwrap();
            let fact = &journal[line as usize - 1]["fact"];
            assert_eq!(fact["trial"], trial, "{step}");
            if step["type"] != "decided" {
                continue;
            }
            decisions += 1;
            let outcome = if fact["type"] == "trial_pruned" {
                "pruned"
            } else {
                "promoted"
            };
            assert!(step["outcome"].to_string().contains(outcome), "{step} {fact}");
            let known = known(&journal, line, &fact["trial"], fact["rung"].as_u64().unwrap());
            let ranked: Vec<(u64, f64)> = serde_json::from_value(step["ranked"].clone()).unwrap();
            assert_eq!(ranked, known);
            let own = known.iter().position(|(other, _)| *other == trial as u64).unwrap();
            assert_eq!(step["place"].as_u64(), Some(own as u64 + 1));
            let promoted = step["rule"]["promoted"].as_u64().unwrap();
            assert_eq!(outcome == "promoted", (own as u64) < promoted, "{step}");
        }
    }
    assert_eq!(reasons[0], "first");
    assert!(reasons.iter().any(|reason| reason == "unknowing") && reasons.iter().any(|reason| reason == "expected"));
    assert!(decisions > 20);
    let said = place.run(&["explain", "0", "s"]).ok().stdout();
    assert!(
        said.contains("x 0.25") && said.contains("number 1 of `[[try_first]]`"),
        "{said}"
    );
    let last = place.run(&["explain", "23", "s"]).ok().stdout();
    assert!(
        last.contains("why in this bracket\n  bracket ") && last.contains("what happened\n"),
        "{last}"
    );
    place
        .run(&["explain", "24", "s"])
        .fails(2, &["has no trial 24", "it has 24 trials"]);
}

#[test]
fn what_is_whole_of_a_damaged_journal_still_explains_and_audits() {
    let place = Place::new();
    place.search(&place.space("s", 6, 1, WHOLE, "")).ok();
    let whole = place.run(&["explain", "1", "s"]).ok();
    let journal = place.study("s").join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let lines = text.lines().count();
    fs::write(&journal, text.replacen("\"study_finished\"", "\"study_finishes\"", 1)).unwrap();
    let damaged = place.run(&["explain", "1", "s"]).ok();
    assert_eq!(damaged.stdout(), whole.stdout());
    assert!(damaged.stderr().contains("is damaged") && damaged.stderr().contains("hpo fsck"));
    place
        .run(&["audit", "s"])
        .fails(3, &["nothing behind that was compared"]);
    let cut: Vec<&str> = text.lines().take(lines - 2).collect();
    fs::write(&journal, cut.join("\n") + "\n").unwrap();
    let damaged = place.run(&["explain", "1", "s"]).ok();
    assert_eq!(damaged.stdout(), whole.stdout());
    assert!(damaged.stderr().contains("2 more records"), "{}", damaged.stderr());
}

#[test]
fn failures_work_ahead_and_trials_of_a_search_that_runs_are_explained() {
    let place = Place::new();
    let file = place.space("s", 9, 1, FAULTY, "fault = \"failed\"\ntrial = 1");
    place.search(&file).ok();
    let said = place.run(&["explain", "1", "s"]).ok().stdout();
    assert!(
        said.contains("it is tried again") && said.contains("failed for good"),
        "{said}"
    );
    let others: Vec<Value> = (0..9).map(|trial| explained(&place, "s", trial)).collect();
    let lost = |step: &Value| step["lost"] == serde_json::json!([1]);
    assert!(
        others
            .iter()
            .any(|other| other["steps"].as_array().unwrap().iter().any(lost)),
        "{others:?}"
    );
    place.run(&["audit", "s"]).ok();

    let mut running = place.start(&place.space("busy", 500, 2, WHOLE, ""));
    assert!(running.wait_for("trial", 2));
    let said = place.run(&["explain", "0", "busy"]).ok().stdout();
    assert!(said.contains("line ") && said.contains("attempt 1 on slot "), "{said}");
    running.signal(rustix::process::Signal::KILL);
    running.wait();
    place.run(&["audit", "busy"]).ok();
}

#[test]
fn decisions_that_were_changed_by_hand_are_found_with_their_places() {
    let place = Place::new();
    place.search(&place.space("s", 9, 1, WHOLE, "")).ok();
    let agrees = place.run(&["audit", "s", "--json"]).ok().json();
    assert_eq!(agrees["differences"], serde_json::json!([]));
    assert_eq!(agrees["decisions"], agrees["agree"]);
    assert!(agrees["decisions"].as_u64() > Some(25), "{agrees}");
    let is = |kind: &'static str| move |fact: &Value| fact["type"] == kind;
    let journal = fs::read(place.study("s").join("journal.jsonl")).unwrap();
    let changed = |kind: &'static str, from: &dyn Fn(&Value) -> (String, String)| {
        let path = place.study("s").join("journal.jsonl");
        fs::write(&path, &journal).unwrap();
        let line = line_of(&place, "s", is(kind));
        let fact = place.journal("s")[line - 1]["fact"].clone();
        let (from, to) = from(&fact);
        change(&path, line, &from, &to);
        (line, fact["trial"].clone())
    };
    let pruned = changed("trial_pruned", &|_| {
        ("\"trial_pruned\"".into(), "\"trial_promoted\",\"to\":3".into())
    });
    let said = place.run(&["audit", "s"]).fails(1, &[]);
    let expected = format!(
        "the first: line {}: trial {} is promoted from epoch 1 to 3",
        pruned.0, pruned.1
    );
    assert!(said.stdout().contains(&expected), "{}", said.stdout());
    assert!(
        said.stdout().contains("this version would have it that trial"),
        "{}",
        said.stdout()
    );

    let drawn = changed("trial_created", &|fact| {
        let x = fact["parameters"]["x"].to_string();
        (format!("\"x\":{x}"), "\"x\":0.5".into())
    });
    let found = differing(&place, "s");
    let only = &found["differences"][0];
    assert_eq!((&only["line"], &only["trial"]), (&drawn.0.into(), &drawn.1));
    assert_eq!(only["stands"]["parameters"]["x"], 0.5);
    assert_eq!(found["differences"].as_array().unwrap().len(), 1, "{found}");
    let said = place.run(&["explain", "0", "s"]).ok().stdout();
    assert!(said.contains("would draw"), "{said}");

    changed("study_finished", &|fact| {
        (format!("\"best\":{}", fact["best"]), "\"best\":null".into())
    });
    place.run(&["audit", "s"]).fails(1, &[]);

    // A decision that is gone, and the numbers behind it are made to fit.
    let path = place.study("s").join("journal.jsonl");
    fs::write(&path, &journal).unwrap();
    let line = line_of(&place, "s", is("trial_pruned"));
    let mut lines: Vec<String> = String::from_utf8(journal.clone())
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.remove(line - 1);
    for (seq, text) in lines.iter_mut().enumerate().skip(line - 1) {
        *text = sealed(&text.replacen(&format!("\"seq\":{}", seq + 1), &format!("\"seq\":{seq}"), 1));
    }
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    fs::remove_file(place.study("s").join("journal.end")).unwrap();
    let found = differing(&place, "s");
    assert_eq!(found["differences"][0]["would"]["type"], "trial_pruned", "{found}");
    assert_eq!(found["differences"][0]["line"], line, "{found}");
}

/// What an older version's sampler drew, this one's may not.
#[test]
fn a_study_of_another_sampler_differs_in_what_was_drawn_and_in_nothing_else() {
    let place = Place::new();
    place.search(&place.space("s", 9, 2, WHOLE, "")).ok();
    let path = place.study("s").join("journal.jsonl");
    change(
        &path,
        1,
        "\"sampler\":{\"type\":\"random\"}",
        "\"sampler\":{\"type\":\"sobol\"}",
    );
    change(
        &path,
        1,
        &format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION")),
        "\"version\":\"0.0.1\"",
    );
    let said = place.run(&["audit", "s"]).fails(1, &[]).stdout();
    let parts = [
        "9 places are different",
        "was drawn, in a study created by 0.0.1, with x ",
        "this version would draw x ",
        "only configurations differ: the sampler has changed since",
    ];
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
}

#[test]
fn the_first_journals_are_followed() {
    let place = Place::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal-v1");
    for study in ["halving", "pasha"] {
        place.copy(&fixtures.join(study), study);
    }
    place.run(&["audit", "pasha"]).ok();
    // A trial that had failed was tried again on the same slot then.
    let found = differing(&place, "halving");
    let lines: Vec<&Value> = found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["line"])
        .collect();
    assert_eq!(lines, [23]);
    let said = place.run(&["explain", "5", "halving"]).ok().stdout();
    assert!(
        said.contains("promoted from epoch 3 to 9: first of 3, of which the best goes on"),
        "{said}"
    );
}
