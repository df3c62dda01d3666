//! Searches by a metric that the study names, through the real binary.

use std::path::PathBuf;

use hpo_test_support::{Place, WHOLE};
use serde_json::{Value, json};

/// A study's file with further lines under `[study]` and `[trial]`.
fn study(place: &Place, name: &str, study: &str, trial: &str) -> PathBuf {
    let file = place.space(name, 9, 2, WHOLE, trial);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("[study]\n", &format!("[study]\n{study}\n"), 1)).unwrap();
    file
}

const FAR: &str = "objective = \"far\"\ndirection = \"maximize\"";

#[test]
fn the_metric_of_the_study_decides_from_the_first_rung_to_the_export() {
    let place = Place::new();
    place.search(&study(&place, "loss", "", "far = 0.0")).ok();
    let output = place.search(&study(&place, "far", FAR, "far = 0.0")).ok();
    let status = |name: &str| place.run(&["status", name, "--json"]).json();
    let x = |status: &Value| (status["best"]["parameters"]["x"].as_f64().unwrap() - 0.3).abs();
    let (by_loss, by_far) = (status("loss"), status("far"));
    assert_eq!(by_far["objective"], json!({"metric": "far", "direction": "maximize"}));
    assert!(x(&by_far) > x(&by_loss) + 0.1, "{by_far}\n{by_loss}");
    assert_eq!(by_far["best"]["objective"], by_far["best"]["metrics"]["far"]);

    // At each rung the third with the highest values went on.
    let rows = place.run(&["trials", "far", "--json"]).json();
    let (mut pruned, mut promoted) = (Vec::new(), Vec::new());
    for row in rows.as_array().unwrap() {
        let far = (row["parameters"]["x"].as_f64().unwrap() - 0.3).abs();
        match row["resource"].as_u64().unwrap() {
            1 => pruned.push(far),
            _ => promoted.push(far),
        }
    }
    let (worst, best) = (
        promoted.iter().copied().fold(f64::INFINITY, f64::min),
        pruned.iter().copied().fold(0.0, f64::max),
    );
    assert!(promoted.len() == 3 && worst > best, "{promoted:?} {pruned:?}");

    let outcome = output.stdout();
    assert!(
        outcome.contains("with far ") && outcome.contains("its validation loss is"),
        "{outcome}"
    );
    let table = place
        .run(&["trials", "far", "--sort", "far", "--limit", "1"])
        .ok()
        .stdout();
    let head: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["trial", "state", "epochs", "far", "loss", "accuracy", "x"]);
    let sorted = place
        .run(&["trials", "far", "--sort", "objective", "--limit", "1", "--json"])
        .json();
    assert_eq!(sorted[0]["trial"], by_far["best"]["trial"]);
    let exported = place.run(&["export", "far", "--format", "json"]).json();
    assert_eq!(exported["objective"], by_far["best"]["objective"]);
    let toml = place.run(&["export", "far"]).ok().stdout();
    assert!(
        toml.contains("objective = \"far\"") && toml.contains("direction = \"maximize\""),
        "{toml}"
    );
}

#[test]
fn an_objective_that_the_trainer_does_not_report_ends_the_search_before_any_training() {
    let place = Place::new();
    let file = study(
        &place,
        "s",
        "objective = \"acuracy\"\ndirection = \"maximize\"",
        "far = 0.0",
    );
    let expected = "lacks `acuracy`, the study's objective: it has loss, accuracy, far";
    place.search(&file).fails(1, &[expected]);
    assert!(place.facts("s", "segment_started").is_empty());
}

#[test]
fn a_direction_that_is_not_known_is_asked_for() {
    let place = Place::new();
    for (lines, expected) in [
        (
            "objective = \"far\"",
            "add `direction = \"maximize\"` or `direction = \"minimize\"`",
        ),
        ("direction = \"maximize\"", "is the wrong direction for `loss`"),
        (
            "objective = \"far\"\ndirection = \"up\"",
            "use one of `minimize` or `maximize`",
        ),
        ("objective = \"\"", "empty"),
    ] {
        let file = study(&place, "s", lines, "");
        place.search(&file).fails(2, &[expected]);
    }
}

#[test]
fn a_model_that_is_no_better_than_the_untrained_one_is_called_that_and_needs_force() {
    let place = Place::new();
    let output = place.search(&study(&place, "s", FAR, "far = 5.0")).ok();
    let status = place.run(&["status", "s"]).ok().stdout();
    for text in [output.stdout(), status] {
        let first = text.lines().find(|line| !line.is_empty()).unwrap();
        assert!(
            first.starts_with("no trial is better than the untrained model: best far "),
            "{text}"
        );
    }
    assert_eq!(
        place.run(&["status", "s", "--json"]).json()["better_than_untrained"],
        false
    );
    let model = place.path("model");
    let export = |more: &[&str]| {
        let mut arguments = vec!["export", "s", "--model", model.to_str().unwrap()];
        arguments.extend(more);
        place.run(&arguments)
    };
    export(&[]).fails(2, &["no better than the untrained model", "--force"]);
    assert!(!model.exists());
    export(&["--force"]).ok();
    assert!(model.join("model").is_file());
}

#[test]
fn a_base_model_that_is_better_untrained_than_the_best_trial_is_named_beside_the_trials_own() {
    let place = Place::new();
    let file = study(&place, "s", FAR, "far = 0.0\nmodels = [\"plain\", \"tuned\"]");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + "model = \"plain\"\n").unwrap();
    let output = place.search(&file).ok().stdout();
    let status = place.run(&["status", "s", "--json"]).json();
    assert_eq!(status["better_than_untrained"], false);
    let best = status["best"]["objective"].as_f64().unwrap();
    assert!(best > 0.0, "better than its own untrained model: {best}");
    let expected = format!(
        "no trial is better than the untrained model tuned: best far {best:.4}, untrained 1.0000; the best trial's own, plain, 0.0000\n"
    );
    for text in [output, place.run(&["status", "s"]).ok().stdout()] {
        assert!(text.trim_start().starts_with(&expected), "{expected}{text}");
    }
    let export = ["export", "s", "--model", "m"];
    place
        .run(&export)
        .fails(2, &["the untrained model tuned: best far ", "--force"]);
}

#[test]
fn the_best_models_are_kept_and_any_of_them_is_exported() {
    let place = Place::new();
    place.search(&study(&place, "s", "keep_checkpoints = 3", "")).ok();
    let ranked = place.run(&["trials", "s", "--sort", "loss", "--json"]).json();
    let ranked: Vec<String> = ranked
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["trial"].to_string())
        .collect();
    for trial in &ranked[..3] {
        let model = place.path(&format!("model-{trial}"));
        place
            .run(&["export", "s", "--trial", trial, "--model", model.to_str().unwrap()])
            .ok();
        let text = std::fs::read_to_string(model.join("model")).unwrap();
        assert!(text.starts_with(&format!("{trial} ")), "{text}");
    }
    let model = place.path("none");
    let export = place.run(&["export", "s", "--trial", &ranked[5], "--model", model.to_str().unwrap()]);
    export.fails(
        2,
        &["only the best 3 models are", "hpo train --config", "keep_checkpoints"],
    );
    assert!(!model.exists());
}
