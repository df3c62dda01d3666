//! Rows with several negatives.

use crate::study::{Study, Worker, report};
use hpo_protocol::{FromWorker, Metrics};
use serde_json::{Value, json};

/// A study whose rows have up to four negatives each, or one; `setting` is what becomes of them.
fn study(name: &str, several: bool, setting: Option<&str>) -> Study {
    let mut study = Study::new(name);
    if let Some(setting) = setting {
        study.start.settings.insert("negatives".to_owned(), json!(setting));
    }
    if several {
        for file in ["train.jsonl", "validation.jsonl"] {
            let path = study.path.join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let with_more = |(place, row): (usize, &Value)| {
                let more = rows.iter().skip(place + 1).take(place % 4);
                let all: Vec<&Value> = [row].into_iter().chain(more).map(|row| &row["negative"]).collect();
                format!(
                    "{}\n",
                    json!({"anchor": row["anchor"], "positive": row["positive"], "negative": all})
                )
            };
            let text: String = rows.iter().enumerate().map(with_more).collect();
            std::fs::write(&path, text).unwrap();
        }
    }
    study
}

fn parameters(more: &Value) -> Value {
    let mut all = json!({"learning_rate": 3e-3, "batch_size": 8, "precision": "fp32"});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

fn results(lines: &[FromWorker]) -> Vec<(u64, Metrics)> {
    let reports = lines.iter().filter(|line| matches!(line, FromWorker::Report { .. }));
    reports
        .map(report)
        .map(|(_, loss, metrics, _)| (loss.to_bits(), metrics))
        .collect()
}

fn train(study: &Study, worker: &mut Worker, more: &Value) -> Vec<(u64, Metrics)> {
    results(&worker.train(&study.run("runs", parameters(more), 0, 2, None)))
}

#[test]
fn they_are_one_row_or_several_and_one_alone_is_as_ever() {
    let losses = [
        json!({}),
        json!({"loss": "multiple_negatives"}),
        json!({"batch_negatives": 1.0}),
    ];
    let trained = |several: bool, setting: Option<&str>| {
        let study = study(&format!("negatives-{several}-{setting:?}"), several, setting);
        let mut worker = study.worker();
        losses.each_ref().map(|loss| train(&study, &mut worker, loss))
    };
    let single = trained(false, None);
    assert_eq!(single, trained(false, Some("together")));
    let apart = trained(true, None);
    assert_eq!(apart, trained(true, Some("apart")));
    let together = trained(true, Some("together"));
    for place in 0..losses.len() {
        assert!(together[place] != apart[place] && together[place] != single[place]);
    }
}

#[test]
fn a_step_uses_so_many_of_them_drawn_by_epoch_and_a_resumed_trial_the_same() {
    let study = study("negatives-drawn", true, Some("together"));
    let mut worker = study.worker();
    let mut seen = Vec::new();
    for most in [json!(null), json!(1), json!(2), json!(4)] {
        let more = match most.is_null() {
            true => json!({"loss": "multiple_negatives"}),
            false => json!({"loss": "multiple_negatives", "negatives_per_row": most}),
        };
        let whole = train(&study, &mut worker, &more);
        let first = worker.train(&study.run("first", parameters(&more), 0, 1, None));
        let checkpoint = report(&first[0]).3;
        let mut again = study.worker();
        let second = again.train(&study.run("second", parameters(&more), 1, 2, Some(checkpoint)));
        assert_eq!([results(&first), results(&second)].concat(), whole, "{more}");
        seen.push(whole);
    }
    // There are four at most, and eight are taken without the parameter.
    assert_eq!(seen[0], seen[3]);
    assert!(seen[1] != seen[2] && seen[2] != seen[3] && seen[1] != seen[3]);
}

/// With a margin that everything is within, no text is left as a negative, and nothing is learned.
#[test]
fn a_margin_leaves_out_what_is_too_near() {
    let study = study("negatives-margin", true, Some("together"));
    let mut worker = study.worker();
    for loss in [
        json!({"loss": "triplet", "batch_negatives": 1.0}),
        json!({"loss": "multiple_negatives"}),
    ] {
        let with = |key: &str, value: f64| {
            let mut more = loss.clone();
            more[key] = json!(value);
            more
        };
        let plain = train(&study, &mut worker, &loss);
        if loss["loss"] == "multiple_negatives" {
            assert_eq!(train(&study, &mut worker, &with("absolute_margin", -2.0)), plain);
        }
        assert_ne!(
            train(&study, &mut worker, &with("absolute_margin", 0.0)),
            plain,
            "{loss}"
        );
        assert_ne!(
            train(&study, &mut worker, &with("relative_margin", 0.1)),
            plain,
            "{loss}"
        );
        let none = train(&study, &mut worker, &with("absolute_margin", 2.0));
        assert!(none.iter().all(|(_, metrics)| metrics["train_loss"] == 0.0), "{loss}");
    }
}
