//! Confirmation through the real binary, with a trainer whose losses depend on the seed.

use std::path::{Path, PathBuf};

use hpo_test_support::Place;
use rustix::process::Signal;
use serde_json::{Value, json};

const NOISY: &str = "tests/trainers/noisy.py";

/// A study's file that ends with these lines.
fn write(place: &Place, name: &str, slots: u32, spread: f64, lines: &str) -> PathBuf {
    let file = place.space(name, 9, slots, NOISY, &format!("spread = {spread:?}"));
    end(&file, lines);
    file
}

fn end(file: &Path, lines: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.split("[confirmation]").next().unwrap();
    std::fs::write(file, format!("{text}{lines}")).unwrap();
}

fn table(configurations: u64, seeds: u64) -> String {
    format!("[confirmation]\nconfigurations = {configurations}\nseeds = {seeds}\n")
}

fn status(place: &Place, study: &str) -> Value {
    place.run(&["status", study, "--json"]).json()
}

#[test]
fn the_best_are_trained_again_and_the_choice_is_reported_with_its_certainty() {
    let place = Place::new();
    let output = place.search(&write(&place, "s", 2, 0.3, &table(3, 4))).ok();
    let (outcome, progress) = (output.stdout(), output.stderr());
    assert!(
        progress.contains("finished: 9 trials, and 12 that confirm"),
        "{progress}"
    );
    let rows = place.run(&["trials", "s", "--json"]).json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 9 + 12);

    // By hand, from the trials: the configuration with the lowest mean over fresh seeds.
    let status = status(&place, "s");
    let configurations = status["confirmation"]["configurations"].as_array().unwrap();
    let mut means = Vec::new();
    for confirmed in configurations {
        let runs: Vec<&Value> = rows
            .iter()
            .filter(|row| row["confirms"] == confirmed["trial"])
            .collect();
        let original = &rows[confirmed["trial"].as_u64().unwrap() as usize];
        let losses: Vec<f64> = runs.iter().map(|row| row["loss"].as_f64().unwrap()).collect();
        assert_eq!(losses.len(), 4);
        for run in runs {
            assert_eq!(
                (&run["parameters"], &run["resource"]),
                (&original["parameters"], &json!(9))
            );
            assert_ne!(run["seed"], original["seed"]);
        }
        means.push(losses.iter().sum::<f64>() / 4.0);
        assert!((confirmed["mean"].as_f64().unwrap() - means.last().unwrap()).abs() < 1e-12);
        let low = confirmed["interval"][0].as_f64().unwrap();
        assert!(low < means[means.len() - 1], "{confirmed}");
    }
    assert!(means.len() == 3 && means.is_sorted(), "{means:?}");
    let (first, second) = (&configurations[0]["trial"], &configurations[1]["trial"]);
    let best = &status["best"];
    assert!(best["trial"] == *first || best["confirms"] == *first, "{best}");
    assert_eq!(status["states"]["completed"], 1, "the states are those of the search");

    let line = format!("trial {first} is better than trial {second} with probability ");
    let shown = place.run(&["status", "s"]).ok().stdout();
    assert!(outcome.contains(&line) && shown.contains(&line), "{outcome}\n{shown}");
    assert!(
        outcome.contains("95 % interval") && outcome.contains("108 of them to confirm"),
        "{outcome}"
    );
    let run = configurations[0]["runs"][0].to_string();
    let shown = place.run(&["show", &run, "s"]).ok().stdout();
    assert!(
        shown.starts_with(&format!("trial {run} (trial {first} with another seed) of the study s")),
        "{shown}"
    );
    let of_first = place
        .run(&["trials", "s", "--where", &format!("confirms={first}"), "--json"])
        .json();
    assert_eq!(of_first.as_array().unwrap().len(), 4);
    let listed = place.run(&["trials", "s"]).ok().stdout();
    assert!(listed.lines().next().unwrap().contains("confirms"), "{listed}");
    let kept = std::fs::read_dir(place.study("s").join("checkpoints")).unwrap().count();
    assert_eq!(kept, 1, "only the best checkpoint is kept");
    assert_eq!(place.facts("s", "trial_created").len(), 9);
    assert_eq!(place.facts("s", "study_finished")[0]["best"], best["trial"]);
}

#[test]
fn what_cannot_be_distinguished_is_reported_as_such() {
    let place = Place::new();
    let file = write(&place, "s", 2, 5.0, &table(2, 2));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("high = 1.0", "high = 1e-6")).unwrap();
    let outcome = place.search(&file).ok().stdout();
    let probability = status(&place, "s")["confirmation"]["first_is_better"].as_f64().unwrap();
    assert!(probability < 0.75, "choose another spread: {probability}");
    assert!(
        outcome.contains("can't separate them") && outcome.contains("hardly matters"),
        "{outcome}"
    );
}

#[test]
fn killed_while_it_confirms_it_goes_on_to_the_same_answer() {
    let place = Place::new();
    place.search(&write(&place, "plain", 3, 0.3, &table(2, 3))).ok();
    let held = place.path("held");
    std::fs::create_dir(&held).unwrap();
    let trial = format!("spread = 0.3\nholds = [\"9 3\", \"10 8\", \"12 2\"]\nheld = {held:?}");
    let file = place.space("killed", 9, 1, NOISY, &trial);
    end(&file, &table(2, 3));
    for (reported, over) in [
        ("trial 9: epoch 2 ", 0),
        ("trial 10: epoch 7 ", 1),
        ("trial 12: epoch 1 ", 3),
    ] {
        let mut running = place.start_hpo(&["search".as_ref(), file.as_os_str(), "-v".as_ref()], &[]);
        assert!(running.wait_for(reported, 1), "{reported}");
        running.signal(Signal::KILL);
        running.wait();
        let shown = place.run(&["status", "killed"]).ok().stdout();
        let expected = format!("confirmation with fresh seeds, {over} of 6 runs so far:\n");
        assert!(shown.contains(&expected), "{shown}");
    }
    place.run(&["resume", "killed"]).ok();
    assert_eq!(place.answer("plain"), place.answer("killed"));
    let (plain, killed) = (status(&place, "plain"), status(&place, "killed"));
    for key in ["confirmation", "best"] {
        let timeless = |status: &Value| {
            let mut part = status[key].clone();
            part.as_object_mut()
                .unwrap()
                .retain(|key, _| !["trained_seconds", "attempts", "failures"].contains(&key.as_str()));
            part
        };
        assert_eq!(timeless(&plain), timeless(&killed));
    }
}

#[test]
fn a_finished_study_is_confirmed_when_its_file_asks_for_it() {
    let place = Place::new();
    let file = write(&place, "s", 2, 0.3, "");
    place.search(&file).ok();
    assert_eq!(status(&place, "s")["confirmation"], Value::Null);
    let created = |text: &str| {
        end(&file, text);
        let output = place.search(&file).ok().stderr();
        (place.facts("s", "confirmation_created").len(), output)
    };
    let (runs, output) = created(&table(1, 2));
    assert!(
        runs == 2 && output.contains("to be confirmed: the best 1 with 2 seeds each"),
        "{runs} {output}"
    );
    assert_eq!(created(&table(2, 3)).0, 6, "only what is missing is trained");
    let (runs, output) = created(&table(2, 3));
    assert!(runs == 6 && output.contains("study s is finished"), "{runs} {output}");
    assert_eq!(status(&place, "s")["confirmation"]["over"], 6);

    end(&file, &table(2, 2));
    place.search(&file).fails(
        2,
        &[
            "[confirmation] seeds: was 3, is 2",
            "only `trials` and `[confirmation]` may grow",
        ],
    );
    end(&file, "");
    place.search(&file).fails(
        2,
        &["[confirmation]: was {\"configurations\":2,\"seeds\":3}, is not there"],
    );
}

#[test]
fn training_once_confirms_nothing() {
    let place = Place::new();
    let file = write(&place, "s", 1, 0.3, &table(1, 2));
    let text = std::fs::read_to_string(&file).unwrap();
    let fixed = text.replace("{ type = \"uniform\", low = 0.0, high = 1.0 }", "0.5");
    std::fs::write(&file, fixed).unwrap();
    place.run(&["train", "--config", file.to_str().unwrap()]).ok();
    assert_eq!(
        place.run(&["trials", "s", "--json"]).json().as_array().unwrap().len(),
        1
    );
}

#[test]
fn a_trainer_that_ignores_its_seed_is_reported() {
    let place = Place::new();
    for (name, configurations, said) in [
        ("two", 2, ", and so did those of trial "),
        ("one", 1, " ended with the same result: does the trainer use"),
    ] {
        let outcome = place.search(&write(&place, name, 2, 0.0, &table(configurations, 2)));
        let outcome = outcome.ok().stdout();
        assert!(
            outcome.contains("does the trainer use the `seed`") && outcome.contains(said),
            "{outcome}"
        );
        assert!(status(&place, name)["confirmation"]["first_is_better"].is_null());
    }
    let outcome = place
        .search(&write(&place, "noisy", 2, 0.3, &table(1, 2)))
        .ok()
        .stdout();
    assert!(!outcome.contains("does the trainer use"), "{outcome}");
}

#[test]
fn what_is_confirmed_is_reported_in_the_studys_own_unit() {
    let place = Place::new();
    let file = write(&place, "s", 2, 0.3, &table(2, 2));
    let text = std::fs::read_to_string(&file).unwrap();
    let steps = text.replace(
        "max_resource = 9",
        "resource = \"steps\"\nmin_resource = 1\nmax_resource = 9",
    );
    std::fs::write(&file, steps).unwrap();
    let outcome = place.search(&file).ok().stdout();
    assert!(outcome.contains(" at step ") && !outcome.contains("epoch"), "{outcome}");
}
