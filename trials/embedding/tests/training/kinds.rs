//! Each kind of data is trained with a loss of its own, through the real binary.

use std::fs;

use crate::one_thread;
use crate::study::{Study, report, triplets};
use hpo_protocol::{Baseline, Evaluated, FromWorker, Measurement, ToWorker};
use hpo_trial_embedding::prepare::prepare;
use serde_json::{Value, json};

/// A study whose data are made of its triplets, row by row.
fn study(name: &str, row: impl Fn(usize, &Value) -> Value) -> Study {
    let study = Study::new(name);
    for file in ["train.jsonl", "validation.jsonl"] {
        let path = study.path.join(file);
        let text = fs::read_to_string(&path).unwrap();
        let rows = text.lines().enumerate().map(|(number, line)| {
            let triplet: Value = serde_json::from_str(line).unwrap();
            format!("{}\n", row(number, &triplet))
        });
        fs::write(&path, rows.collect::<String>()).unwrap();
    }
    study
}

/// Trains ten epochs; the loss of the untrained model, and the last loss and metrics.
fn learns(study: &Study, change: Value) -> (f64, f64, hpo_protocol::Metrics) {
    let mut parameters = json!({"learning_rate": 3e-3, "batch_size": 8, "dropout": 0.0});
    parameters
        .as_object_mut()
        .unwrap()
        .extend(change.as_object().unwrap().clone());
    let mut worker = study.worker();
    worker.say(&ToWorker::Evaluate);
    let Some(FromWorker::Evaluated(Baseline::One(Measurement {
        loss: Some(untrained), ..
    }))) = worker.next()
    else {
        panic!("not evaluated");
    };
    let lines = worker.train(&study.run("runs", parameters, 0, 9, None));
    let reports = lines
        .iter()
        .filter(|line| matches!(line, FromWorker::Report { .. }))
        .map(report);
    let (_, loss, metrics, _) = reports.min_by(|one, other| one.1.total_cmp(&other.1)).unwrap();
    assert!(loss < 0.9 * untrained, "{loss} after training, {untrained} before");
    (untrained, loss, metrics)
}

/// The first word of a text, which says what it is about.
fn topic(text: &Value) -> &str {
    text.as_str().unwrap().split(' ').next().unwrap()
}

#[test]
fn pairs_are_ranked() {
    let study = study(
        "pairs",
        |_, triplet| json!({"anchor": triplet["anchor"], "positive": triplet["positive"]}),
    );
    let (_, plain, metrics) = learns(&study, json!({}));
    assert_eq!(
        metrics.keys().collect::<Vec<_>>(),
        ["mean_cosine", "mrr@10", "ndcg@10", "recall@10", "train_loss"]
    );
    let (_, symmetric, _) = learns(&study, json!({"symmetric": true}));
    let (_, triplet, _) = learns(&study, json!({"loss": "triplet", "mining": "semi_hard"}));
    assert!(plain != symmetric && plain != triplet);
}

#[test]
fn scored_pairs_are_regressed() {
    let study = study("scored", |row, triplet| {
        let (other, score) = if row % 2 == 0 {
            ("positive", 1.0)
        } else {
            ("negative", 0.0)
        };
        json!({"sentence1": triplet["anchor"], "sentence2": triplet[other], "score": score})
    });
    let (_, loss, metrics) = learns(&study, json!({}));
    assert!(metrics["spearman"] > 0.3 && metrics["pearson"] > 0.3, "{metrics:?}");

    let mut start = study.start.clone();
    start.settings.insert("validation_loss".to_owned(), json!("auto"));
    let same = Study { start, ..study };
    assert_eq!(learns(&same, json!({})).1, loss);
    let mut start = same.start.clone();
    start
        .settings
        .insert("validation_loss".to_owned(), json!("cross_entropy"));
    one_thread();
    assert_eq!(
        prepare(&start).unwrap_err().to_string(),
        "the validation_loss `cross_entropy` can't be computed for scored pairs; leave it out"
    );
}

#[test]
fn labelled_texts_are_classified() {
    let study = study("labelled", |_, triplet| {
        let even = topic(&triplet["anchor"])[1..].parse::<u32>().unwrap() % 2 == 0;
        json!({"text": triplet["anchor"], "label": if even { "even" } else { "odd" }})
    });
    let (untrained, loss, metrics) = learns(&study, json!({}));
    // The layer of labels begins at zero.
    assert!((untrained - 2f64.ln()).abs() < 1e-6, "{untrained}");
    assert!(metrics["accuracy"] > 0.7 && metrics["macro_f1"] > 0.7, "{metrics:?}");
    let (_, dropped, _) = learns(&study, json!({"head_dropout": 0.5}));
    assert_ne!(loss, dropped);
    let (_, again, _) = learns(&study, json!({"head_dropout": 0.5}));
    assert_eq!(again, dropped, "the dropout follows from the seed");

    // It resumes with its layer of labels, and the model is exported without.
    let parameters = json!({"learning_rate": 3e-3});
    let mut worker = study.worker();
    let whole = worker.train(&study.run("whole", parameters.clone(), 0, 2, None));
    let first = worker.train(&study.run("parts", parameters.clone(), 0, 1, None));
    let checkpoint = report(&first[0]).3;
    let second = study
        .worker()
        .train(&study.run("parts", parameters, 1, 2, Some(checkpoint.clone())));
    assert_eq!(report(&whole[1]).1, report(&second[0]).1);
    let directory = study.path.join("exported");
    worker.say(&ToWorker::Export {
        checkpoint,
        directory: directory.clone(),
        known: Evaluated::default(),
    });
    assert!(matches!(worker.next(), Some(FromWorker::Exported { test: None, .. })));
    assert!(directory.join("model.safetensors").is_file());
}

#[test]
fn the_exported_model_alone_is_measured_on_test_data() {
    let mut study = Study::new("tested");
    let validation = study.path.join("validation.jsonl");
    fs::copy(&validation, study.path.join("test.jsonl")).unwrap();
    triplets(&validation, 3, 30);
    study
        .start
        .settings
        .insert("test".to_owned(), json!(study.path.join("test.jsonl")));
    let mut worker = study.worker();
    let lines = worker.train(&study.run("runs", json!({"learning_rate": 1e-3}), 0, 1, None));
    let (_, validated, ..) = report(&lines[0]);
    let checkpoint = report(&lines[0]).3;
    let mut export = |name: &str| {
        worker.say(&ToWorker::Export {
            checkpoint: checkpoint.clone(),
            directory: study.path.join(name),
            known: Evaluated::default(),
        });
        match worker.next() {
            Some(FromWorker::Exported {
                test: Some(test),
                untrained: Some(untrained),
                ..
            }) => (test, untrained),
            other => panic!("{other:?}"),
        }
    };
    let (test, untrained) = export("one");
    assert_eq!((test.clone(), untrained.clone()), export("other"));
    assert_ne!(test, untrained);
    let tested = test.loss.unwrap();
    assert_ne!(tested, validated);
    assert_eq!(
        test.metrics.keys().collect::<Vec<_>>(),
        ["mean_cosine", "mrr@10", "ndcg@10", "recall@10", "triplet_accuracy"]
    );
    // The same data for validation have the same loss there.
    fs::copy(study.path.join("test.jsonl"), &validation).unwrap();
    study.start.settings.remove("test");
    let lines = study
        .worker()
        .train(&study.run("again", json!({"learning_rate": 1e-3}), 0, 1, None));
    let report = report(&lines[0]);
    assert!((report.1 - tested).abs() < 1e-6, "{} {tested}", report.1);
}

#[test]
fn a_loss_for_other_data_fails_with_the_mend() {
    let study = Study::new("wrong-loss");
    let lines = study
        .worker()
        .train(&study.run("runs", json!({"loss": "classification"}), 0, 1, None));
    let [FromWorker::Failed { message, .. }] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert!(message.contains("use `triplet` or `multiple_negatives`"), "{message}");
}
