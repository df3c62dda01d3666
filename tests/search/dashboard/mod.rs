//! The dashboard's server: what pages get, while a study comes to be, grows, is damaged and is deleted.

mod actions;
mod attacks;
mod beside;
mod client;

use std::fs;

use client::{Events, Served};
use hpo_test_support::{EXAMPLE, Place, WHOLE};
use serde_json::{Value, json};

/// What a page does with what it gets of a study.
fn apply(page: &mut Value, (name, data): (String, Value)) {
    match name.as_str() {
        "snapshot" => *page = data,
        "delta" => {
            assert!(data["after"].as_u64() <= page["revision"].as_u64());
            for part in ["revision", "study"] {
                page[part] = data[part].clone();
            }
            for list in ["trials", "segments"] {
                for new in data[list].as_array().unwrap() {
                    let place = new.get("id").unwrap_or(&new[0]).as_u64().unwrap() as usize;
                    let all = page[list].as_array_mut().unwrap();
                    match place < all.len() {
                        true => all[place] = new.clone(),
                        false => all.push(new.clone()),
                    }
                }
            }
            let decisions = page["decisions"].as_array_mut().unwrap();
            decisions.truncate(data["decisions_from"].as_u64().unwrap() as usize);
            decisions.extend(data["decisions"].as_array().unwrap().iter().cloned());
        }
        other => panic!("{other}: {data}"),
    }
}

/// Follows a study until this is so.
#[track_caller]
fn follow(events: &mut Events, page: &mut Value, until: impl Fn(&Value) -> bool) {
    while !until(page) {
        apply(page, events.next());
    }
}

#[test]
fn a_study_appears_and_grows_while_it_is_looked_at() {
    let place = Place::new();
    let served = Served::start(&place, &[]);
    let empty = served.get("/api/studies").json();
    assert_eq!((&empty["studies"], &empty["can_change"]), (&json!([]), &json!(false)));
    assert_eq!(served.get("/api/studies/s").status, 404);
    let mut list = served.events("/api/events");
    assert_eq!(list.next().0, "studies");

    let file = place.space("s", 4, 2, EXAMPLE, "");
    place.search(&file).ok();
    let entry = list.until(|name, entry| name == "study" && entry["state"] == "finished");
    assert_eq!(
        (&entry["name"], &entry["trials"], &entry["decided"], &entry["planned"]),
        (&json!("s"), &json!(4), &json!(4), &json!(4))
    );
    let status = place.run(&["status", "s", "--json"]).json();
    assert_eq!(entry["best"]["value"], status["best"]["objective"]);

    let answer = served.get("/api/studies/s");
    let mut page = answer.json();
    let tag = answer.header("ETag").unwrap();
    let again = served.get_with("/api/studies/s", &[&format!("If-None-Match: {tag}")]);
    assert!(
        [200, 304].contains(&again.status),
        "its overview may have come meanwhile: {again:?}"
    );
    assert_eq!(page["study"]["best"], status["best"]["trial"]);
    let trials = place.run(&["trials", "s", "--json"]).json();
    for trial in trials.as_array().unwrap() {
        let shown = &page["trials"][trial["trial"].as_u64().unwrap() as usize];
        assert_eq!(shown["state"], trial["state"]);
        assert_eq!(shown["best"]["value"], trial["objective"]);
        assert_eq!(shown["params"][0], trial["parameters"]["learning_rate"]);
    }

    // It goes on, and whoever looks at it gets what has changed.
    let mut events = served.events(&format!("/api/studies/s/events?after={}", page["revision"]));
    let text = fs::read_to_string(&file).unwrap().replace("trials = 4", "trials = 9");
    fs::write(&file, text).unwrap();
    place.search(&file).ok();
    follow(&mut events, &mut page, |page| {
        page["study"]["state"] == "finished" && page["study"]["decided"] == 9
    });
    let tables = |page: &Value| ["trials", "segments", "decisions"].map(|list| page[list].clone());
    assert_eq!(tables(&page), tables(&served.get("/api/studies/s").json()));
    let mut late = served.events("/api/studies/s/events?after=1");
    assert_eq!(late.next().0, "snapshot", "what it has is of another start");
    let mut resumed = served.events("/api/studies/s/events");
    let (name, whole) = resumed.next();
    assert_eq!((name.as_str(), tables(&whole)), ("snapshot", tables(&page)));
}

#[test]
fn a_study_that_is_damaged_is_called_that_and_one_that_is_deleted_goes() {
    let place = Place::new();
    let file = place.space("s", 3, 1, WHOLE, "");
    place.search(&file).ok();
    let served = Served::start(&place, &["s"]);
    assert!(served.url.ends_with("#/s"), "{}", served.url);
    let mut list = served.events("/api/events");
    let mut events = served.events("/api/studies/s/events");
    let (_, whole) = events.next();
    assert_eq!(whole["trials"].as_array().unwrap().len(), 3);

    let journal = place.study("s").join("journal.jsonl");
    let whole = fs::read_to_string(&journal).unwrap();
    let torn = whole.replacen("\"trial_created\"", "\"trial_cr\u{e9}ated\"", 1);
    fs::write(place.path("torn"), torn).unwrap();
    fs::rename(place.path("torn"), &journal).unwrap();
    let (_, damaged) = list_until(&mut list, |entry| entry["state"] == "damaged");
    assert!(
        damaged["error"]["fix"].as_str().unwrap().contains("hpo fsck"),
        "{damaged}"
    );
    let shown = events.until(|name, data| name == "snapshot" && data["study"]["state"] == "damaged");
    assert!(
        shown["study"]["error"]["text"].as_str().unwrap().contains("damaged"),
        "{shown}"
    );
    let answer = served.get("/api/studies/s");
    assert_eq!(
        (answer.status, &answer.json()["study"]["error"]),
        (200, &shown["study"]["error"])
    );
    assert_eq!(served.get("/api/studies/s/trials/0").status, 404);

    let restore = |list: &mut Events, events: &mut Events| {
        fs::write(place.path("whole"), &whole).unwrap();
        fs::rename(place.path("whole"), &journal).unwrap();
        list_until(list, |entry| entry["state"] == "finished");
        events.until(|name, data| name == "snapshot" && data["study"]["state"] == "finished");
    };
    restore(&mut list, &mut events);
    let cut = fs::File::options().write(true).open(&journal).unwrap();
    cut.set_len(whole.len() as u64 / 2).unwrap();
    events.until(|name, data| name == "snapshot" && data["study"]["state"] == "damaged");
    restore(&mut list, &mut events);

    place.run(&["rm", "s", "--yes"]).ok();
    assert_eq!(list.until(|name, _| name == "gone"), json!({ "name": "s" }));
    assert_eq!(events.until(|name, _| name == "gone"), json!({ "name": "s" }));
    assert_eq!(served.get("/api/studies/s").status, 404);

    // Another one of the same name is another study.
    place.search(&place.space("s", 2, 1, WHOLE, "")).ok();
    list_until(&mut list, |entry| entry["state"] == "finished");
    assert_eq!(
        served.get("/api/studies/s").json()["trials"].as_array().unwrap().len(),
        2
    );
}

#[track_caller]
fn list_until(list: &mut Events, is: impl Fn(&Value) -> bool) -> (String, Value) {
    let entry = list.until(|name, entry| name == "study" && is(entry));
    ("study".to_owned(), entry)
}

#[test]
fn a_trial_is_explained_with_its_log_and_how_to_train_it_again() {
    let place = Place::new();
    place.search(&place.space("s", 9, 2, EXAMPLE, "")).ok();
    let served = Served::start(&place, &[]);
    let page = served.get("/api/studies/s").json();
    let best = page["study"]["best"].as_u64().unwrap();
    let details = served.get(&format!("/api/studies/s/trials/{best}")).json();
    assert_eq!(details["trial"], page["trials"][best as usize]);
    let explained = served.get(&format!("/api/studies/s/trials/{best}/explanation")).json();
    let printed = place.run(&["explain", &best.to_string(), "s", "--json"]).json();
    assert_eq!(explained["explanation"]["steps"], printed["steps"]);
    let section = |heading: &str| {
        let all = explained["sections"].as_array().unwrap().iter();
        let found = all.filter(|section| section[0] == heading).map(|section| &section[1]);
        found.map(|text| text.as_str().unwrap()).collect::<String>()
    };
    let (values, happened) = (section("why these values"), section("what happened"));
    assert!(values.contains("drawn at random"), "{explained:#}");
    assert!(happened.contains("promoted from epoch 1 to 3: "), "{explained:#}");
    let config = details["config"].as_str().unwrap();
    fs::write(place.path("config.toml"), config).unwrap();
    place
        .run(&["space", "check", place.path("config.toml").to_str().unwrap()])
        .ok();
    let script = details["command"].as_str().unwrap();
    place.shell(script.lines().next().unwrap()).ok();
    let log = place.study("s").join(format!("logs/trial-{best:04}.log"));
    assert_eq!(details["log"].is_null(), !log.exists());
    for wrong in ["9", "-1", "x", "18446744073709551616", "0/x"] {
        for question in ["", "/explanation"] {
            let address = format!("/api/studies/s/trials/{wrong}{question}");
            assert_eq!(served.get(&address).status, 404, "{address}");
        }
    }
}

#[test]
fn a_study_that_is_given_by_its_path_is_shown_with_those_beside_it() {
    let place = Place::new();
    for name in ["one", "two"] {
        place.search(&place.space(name, 1, 1, WHOLE, "")).ok();
    }
    let study = place.study("two");
    let served = Served::start(&place, &[study.to_str().unwrap()]);
    assert!(served.url.ends_with("#/two"), "{}", served.url);
    let all = served.get("/api/studies").json();
    let names: Vec<&Value> = all["studies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names.len(), 2, "{all}");
    place.run(&["dashboard", "no-study"]).fails(3, &["there is no study"]);
    let port = served.port().to_string();
    place
        .run(&["dashboard", "--port", &port])
        .fails(2, &["is in use", "another port"]);
    place
        .run(&["dashboard", "--listen", "here"])
        .fails(2, &["the number of an address"]);
    place
        .run(&["dashboard", "--listen", "203.0.113.9"])
        .fails(2, &["no address of this machine"]);
}
