//! Studies of a directory: what there is of them, and how they go.

use std::fs;

use hpo_test_support::{EXAMPLE, Place, WHOLE};
use serde_json::json;

#[test]
fn all_studies_are_listed_with_what_they_found_and_a_damaged_one_hides_none() {
    let place = Place::new();
    let none = place.run(&["history"]);
    none.fails(3, &["there is no study"]);
    place.search(&place.space("first", 3, 1, EXAMPLE, "")).ok();
    place.search(&place.space("second", 4, 1, WHOLE, "")).ok();
    place.search(&place.space("broken", 2, 1, WHOLE, "")).ok();
    fs::remove_dir_all(place.study("broken").join("db")).unwrap();
    fs::write(place.study("broken").join("journal.jsonl"), "nonsense\n").unwrap();

    let all = place.run(&["history", "--json"]).ok();
    assert!(
        all.stderr().contains("broken: ") && all.stderr().contains("hpo fsck"),
        "{}",
        all.stderr()
    );
    let all = all.json();
    let names: Vec<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["study"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["second", "first"], "the last one first");
    let best = &place.run(&["status", "second", "--json"]).json()["best"];
    let second = &all[0];
    assert_eq!(
        (&second["best"], &second["best_trial"]),
        (&best["objective"], &best["trial"])
    );
    assert_eq!((&second["state"], &second["trials"]), (&"finished".into(), &4.into()));
    assert!(second["bytes"].as_u64() > Some(1000), "{second}");
    let page = place.run(&["history"]).ok().stdout();
    assert!(
        page.contains("second") && page.contains("finished") && page.contains("untrained"),
        "{page}"
    );
    let elsewhere = place.shell("cd / && hpo history \"$OLDPWD\"/studies").ok().stdout();
    assert_eq!(elsewhere, page);
    fs::rename(place.study("first"), place.study("renamed")).unwrap();
    let names = place.run(&["history", "--columns", "study"]).ok().stdout();
    assert_eq!(names, " study\n second\n renamed\n", "by which they are found");
}

#[test]
fn a_study_is_deleted_when_its_user_agrees_and_nobody_has_it() {
    let place = Place::new();
    for name in ["one", "two"] {
        place.search(&place.space(name, 2, 1, WHOLE, "")).ok();
    }
    place
        .run(&["rm", "one"])
        .fails(2, &["can't ask for confirmation", "--yes"]);
    place
        .run(&["rm", "one", "no-study", "--yes"])
        .fails(3, &["there is no study"]);
    assert!(place.study("one").exists(), "one of them is wrong: nothing is deleted");
    fs::create_dir(place.study("other")).unwrap();
    place.run(&["rm", "other", "--yes"]).fails(2, &["is no study"]);
    let said = place.run(&["rm", "one", "--yes"]).ok().stdout();
    assert!(said.starts_with("deleted: ") && !place.study("one").exists(), "{said}");

    let mut running = place.start(&place.space("busy", 500, 1, EXAMPLE, ""));
    assert!(running.wait_for("trial", 1));
    place.run(&["rm", "busy", "--yes"]).fails(3, &["in use"]);
    running.signal(rustix::process::Signal::KILL);
    running.wait();
    place.run(&["rm", "two", "busy", "--yes"]).ok();
    assert!(!place.study("busy").exists() && !place.study("two").exists());
}

/// A study of two configurations, each confirmed with three seeds.
fn confirmed(place: &Place, name: &str, x: &str) {
    let file = place.space(name, 2, 1, "tests/trainers/noisy.py", "spread = 0.1");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("[slots]", "[confirmation]\nconfigurations = 1\nseeds = 3\n[slots]");
    fs::write(&file, text.replace("low = 0.0, high = 1.0", x)).unwrap();
    place.search(&file).ok();
}

#[test]
fn studies_are_compared_with_what_differs_and_whether_that_may_be_chance() {
    let place = Place::new();
    confirmed(&place, "near", "low = 0.0, high = 0.2");
    confirmed(&place, "far", "low = 0.8, high = 1.0");
    place.search(&place.space("plain", 3, 1, WHOLE, "")).ok();
    let compared = place.run(&["compare", "near", "far", "--json"]).ok().json();
    assert_eq!(
        compared["comparable"],
        json!([{ "comparable": true, "reasons": [] }]),
        "{compared}"
    );
    let highs =
        json!([{ "key": "[space] x.high", "values": [0.2, 1.0] }, { "key": "[space] x.low", "values": [0.0, 0.8] }]);
    assert_eq!(compared["differences"], highs);
    let (apart, studies) = (&compared["apart"][0], &compared["studies"]);
    let probability = apart["probability"].as_f64().unwrap();
    assert_eq!(apart["runs"], json!([3, 3]));
    assert_eq!(apart["by"].as_f64() > Some(0.0), probability > 0.5, "{apart}");
    let status = place.run(&["status", "near", "--json"]).json();
    assert_eq!(studies[0]["best"], status["best"]["objective"]);
    let said = place.run(&["compare", "near", "far"]).ok().stdout();
    for part in [
        "near and far can be compared",
        "with probability",
        "the best configurations",
        "[space] x.high",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    let said = place.run(&["compare", "near", "plain", "far"]).ok().stdout();
    assert!(
        said.contains("whether near and plain can be compared is not known"),
        "{said}"
    );
    assert!(said.contains("whether by more than chance is not known"), "{said}");
    place.search(&place.space("again", 3, 1, WHOLE, "")).ok();
    let said = place.run(&["compare", "plain", "again"]).ok().stdout();
    assert!(said.contains("the best values of plain and again are equal"), "{said}");
    place.run(&["compare", "near"]).fails(2, &[]);
    place.run(&["compare", "near", "none"]).fails(3, &["there is no study"]);
}

#[test]
fn trials_of_a_study_are_compared_by_their_configurations_and_reports() {
    let place = Place::new();
    place.search(&place.space("s", 9, 1, WHOLE, "")).ok();
    let compared = place.run(&["compare", "s", "0", "3", "--json"]).ok().json();
    let trials = place.run(&["trials", "s", "--json"]).json();
    for (compared, trial) in compared["trials"]
        .as_array()
        .unwrap()
        .iter()
        .zip([&trials[0], &trials[3]])
    {
        assert_eq!(
            (&compared["trial"], &compared["objective"]),
            (&trial["trial"], &trial["objective"])
        );
    }
    assert_eq!(compared["differing"], json!(["x"]));
    let shown = place.run(&["show", "3", "s", "--json"]).json();
    assert_eq!(compared["reports"][0]["values"][1], shown["reports"][0]["objective"]);
    let said = place.run(&["compare", "s", "0", "3"]).ok().stdout();
    assert!(
        said.contains("where their configurations differ") && said.contains("epoch 1"),
        "{said}"
    );
    place
        .run(&["compare", "s", "0"])
        .fails(2, &["can't be compared with itself"]);
    place.run(&["compare", "s", "0", "99"]).fails(2, &["has no trial 99"]);
    place.search(&place.space("3", 2, 1, WHOLE, "")).ok();
    let said = place.run(&["compare", "s", "3"]).ok().stdout();
    assert!(
        said.contains("s and 3 can be compared"),
        "a study of that name is meant: {said}"
    );
}

/// The names of all files below a directory.
fn files(root: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

#[test]
fn what_nothing_needs_is_removed_and_nothing_of_a_study_that_runs() {
    let place = Place::new();
    place.search(&place.space("done", 4, 1, WHOLE, "")).ok();
    let waste = [
        "done/checkpoints/trial-0001/a9-e9",
        "done/db.damaged/old",
        "done/.best-model.2147480000.partial/model",
        ".half.2147480000/journal.jsonl",
    ];
    for name in waste {
        let path = place.study(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, [7; 3000]).unwrap();
    }
    let kept = || -> Vec<_> {
        let all = files(&place.path("studies")).into_iter();
        all.filter(|path| !waste.iter().any(|name| *path == place.study(name)))
            .collect()
    };
    let listed = place.run(&["history", "--json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "a half is no study: {listed}");
    let before = kept();
    let answer = place.answer("done");
    let dry = place.run(&["gc", "--dry-run", "--json"]).ok().json();
    assert_eq!(
        (dry["waste"].as_array().unwrap().len(), &dry["studies"][0]["removable"]),
        (4, &9000.into()),
        "{dry}"
    );
    assert!(waste.iter().all(|name| place.study(name).exists()));

    let mut running = place.start(&place.space("busy", 500, 1, EXAMPLE, ""));
    assert!(running.wait_for("trial", 1));
    let stray = place.study("busy/checkpoints/trial-0000/stray");
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, "x").unwrap();
    let said = place.run(&["gc", "--all"]).ok().stdout();
    assert!(
        said.contains("left alone: busy (the study ") && said.contains("in use"),
        "{said}"
    );
    assert!(stray.exists());
    running.signal(rustix::process::Signal::KILL);
    running.wait();
    assert!(waste.iter().all(|name| !place.study(name).exists()), "{said}");
    assert!(
        said.contains("no decision can need this checkpoint") && said.contains(" freed in "),
        "{said}"
    );
    assert!(!place.study("done").join("db").exists(), "it is made again");
    let made_again = |path: &std::path::PathBuf| path.starts_with(place.study("done").join("db"));
    let after = kept();
    let lost = before.iter().filter(|path| !after.contains(path) && !made_again(path));
    assert_eq!(lost.collect::<Vec<_>>(), Vec::<&std::path::PathBuf>::new());
    assert_eq!(place.answer("done"), answer);
    place.run(&["fsck", "done"]).ok();

    let said = place.run(&["gc"]).ok().stdout();
    assert!(
        said.contains("busy/checkpoints/trial-0000/stray") && !stray.exists(),
        "{said}"
    );
    assert!(place.run(&["gc"]).ok().stdout().contains("nothing can go without loss"));
    fs::write(place.study("busy").join("journal.jsonl"), "nonsense\n").unwrap();
    assert!(place.run(&["gc"]).ok().stdout().contains("left alone: busy"));
    place.run(&["gc", "nowhere"]).fails(3, &["there is no study"]);
}

#[test]
fn a_collection_that_is_killed_is_finished_by_the_next() {
    let place = Place::new();
    place.search(&place.space("s", 4, 1, WHOLE, "")).ok();
    let (answer, old) = (place.answer("s"), place.study("s/db.damaged/old"));
    fs::create_dir_all(old.parent().unwrap()).unwrap();
    fs::write(old, "x").unwrap();
    let mut killed = place.hpo(&["gc"]);
    let status = killed.env("HPO_KILL_AT", "gc:renamed:1").status().unwrap();
    assert!(!status.success());
    let hidden = |name: &std::ffi::OsString| name.to_string_lossy().starts_with(".db.damaged.");
    let left = || {
        fs::read_dir(place.study("s"))
            .unwrap()
            .filter(|entry| hidden(&entry.as_ref().unwrap().file_name()))
            .count()
    };
    assert_eq!(left(), 1);
    place.run(&["gc"]).ok();
    assert_eq!(left(), 0);
    assert_eq!(place.answer("s"), answer);
    place.run(&["fsck", "s"]).ok();
}
