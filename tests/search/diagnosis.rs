//! What the curves show, as the real binary reports it.

use hpo_test_support::Place;
use serde_json::{Value, json};

const TRAINER: &str = "tests/trainers/overfitting.py";

/// A search whose trials all train to the end, and the value of `x` of each.
fn searched(place: &Place, name: &str, trials: u64, threshold: f64) -> (String, Vec<f64>) {
    let file = place.space(name, trials, 2, TRAINER, &format!("threshold = {threshold:?}"));
    let text = std::fs::read_to_string(&file).unwrap();
    let policy = "max_resource = 9\nmin_resource = 9";
    std::fs::write(&file, text.replace("max_resource = 9", policy)).unwrap();
    let outcome = place.search(&file).ok().stdout();
    let rows = place.run(&["trials", name, "--json"]).json();
    let x = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["parameters"]["x"].as_f64().unwrap());
    (outcome, x.collect())
}

fn trials(x: &[f64], with: impl Fn(f64) -> bool) -> Vec<usize> {
    (0..x.len()).filter(|&trial| with(x[trial])).collect()
}

#[test]
fn a_trial_that_overfits_is_reported_with_its_numbers() {
    let place = Place::new();
    let (outcome, x) = searched(&place, "s", 12, 0.5);
    let (overfit, sound) = (trials(&x, |x| x > 0.5), trials(&x, |x| x <= 0.5));
    assert!(overfit.len() >= 3 && sound.len() >= 3, "{x:?}");

    let shown = place.run(&["show", &overfit[0].to_string(), "s"]).ok().stdout();
    let expected = "  overfitting: from epoch 3 to 9 the validation loss rose from 0.4000 to 0.5800 while the training loss \
                fell from 0.3333 to 0.1111\n    raise weight decay or dropout";
    assert!(shown.contains(expected), "{shown}");
    assert!(
        shown.contains("too few reports or metrics to check: ranking decline"),
        "{shown}"
    );
    let findings = place.run(&["show", &overfit[0].to_string(), "s", "--json"]).json()["findings"].clone();
    let finding = findings.as_array().unwrap().last().unwrap();
    assert_eq!(finding["finding"], "overfitting");
    assert_eq!(
        (&finding["numbers"]["best_at"], &finding["numbers"]["at"]),
        (&json!(3), &json!(9))
    );
    let other = place.run(&["show", &sound[0].to_string(), "s"]).ok().stdout();
    assert!(!other.contains("overfitting:"), "{other}");

    let line = format!("  {} of 12 trials overfit (all those with x above 0.", overfit.len());
    let status = place.run(&["status", "s"]).ok().stdout();
    assert!(outcome.contains(&line) && status.contains(&line), "{outcome}\n{status}");
    assert!(
        status.contains("no others)\n    raise weight decay or dropout"),
        "{status}"
    );
    let findings = place.run(&["status", "s", "--json"]).json()["findings"].clone();
    let summary = findings
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["finding"] == "overfitting")
        .unwrap()
        .clone();
    assert_eq!(summary["trials"], json!(overfit));
    assert_eq!(summary["of"], 12);
    let Value::Number(value) = &summary["separated"]["value"] else {
        panic!("{summary}");
    };
    let value = value.as_f64().unwrap();
    assert_eq!(trials(&x, |x| x > value), overfit);
}

#[test]
fn a_separation_that_could_be_chance_is_not_reported() {
    let place = Place::new();
    let (_, x) = searched(&place, "few", 4, 0.65);
    let overfit = trials(&x, |x| x > 0.65);
    assert!(!overfit.is_empty() && overfit.len() < 4, "{x:?}");
    let findings = place.run(&["status", "few", "--json"]).json()["findings"].clone();
    let summary = findings
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["finding"] == "overfitting")
        .unwrap()
        .clone();
    assert_eq!(summary["trials"], json!(overfit));
    assert_eq!(summary.get("separated"), None);
}

#[test]
fn after_one_epoch_little_is_known() {
    let place = Place::new();
    place.search(&place.space("s", 3, 1, TRAINER, "threshold = 0.5")).ok();
    let pruned = place.run(&["trials", "s", "--state", "pruned", "--json"]).json()[0]["trial"].clone();
    let shown = place.run(&["show", &pruned.to_string(), "s", "--json"]).json();
    assert_eq!(
        shown["unknown"],
        json!(["overfitting", "ranking_decline", "slow_convergence", "plateau"])
    );
}
