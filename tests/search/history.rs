//! Studies of a directory: what there is of them, and how they go.

use std::fs;

use hpo_test_support::{EXAMPLE, Place, WHOLE};

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
}

#[test]
fn a_study_is_deleted_when_its_user_agrees_and_nobody_has_it() {
    let place = Place::new();
    for name in ["one", "two"] {
        place.search(&place.space(name, 2, 1, WHOLE, "")).ok();
    }
    place.run(&["rm", "one"]).fails(2, &["nobody can be asked", "--yes"]);
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
