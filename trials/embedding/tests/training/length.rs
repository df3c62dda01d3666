//! A trial with a length of its own trains as if the study had that length, and is measured and exported with it.

use std::path::Path;

use crate::study::{Study, Worker, triplets};
use crate::{add_synonyms, train};
use hpo_protocol::{Evaluated, FromWorker, Measurement, ToWorker};
use safetensors::SafeTensors;
use serde_json::{Value, json};

/// Of the setting; the longest texts have 9 tokens.
const LONG: u64 = 16;
const SHORT: u64 = 5;

/// A study with that setting, with synonyms and test data.
fn study(name: &str, max_length: u64) -> Study {
    let mut study = Study::new(name);
    add_synonyms(&mut study);
    let test = study.path.join("test.jsonl");
    triplets(&test, 3, 30);
    study.start.settings.insert("test".to_owned(), json!(test));
    study.start.settings.insert("max_length".to_owned(), json!(max_length));
    study
}

fn parameters(more: &Value, max_length: Option<u64>) -> Value {
    let mut all = json!({"learning_rate": 3e-3, "batch_size": 8});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    if let Some(max_length) = max_length {
        all["max_length"] = json!(max_length);
    }
    all
}

/// The bits of every tensor of a checkpoint or a model.
fn tensors(path: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut all: Vec<_> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, view.data().to_vec()))
        .collect();
    all.sort();
    all
}

fn export(worker: &mut Worker, checkpoint: &Path, directory: &Path) -> Measurement {
    worker.say(&ToWorker::Export {
        checkpoint: checkpoint.to_owned(),
        directory: directory.to_owned(),
        known: Evaluated::default(),
    });
    match worker.next() {
        Some(FromWorker::Exported { test: Some(test), .. }) => test,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_trains_as_if_the_study_had_that_length() {
    let (long, short) = (study("length-long", LONG), study("length-short", SHORT));
    let (mut one, mut other) = (long.worker(), short.worker());
    let augmented = json!({"synonym_replacement": 0.3, "crop": 0.4, "token_deletion": 0.1, "token_swap": 0.1});
    let mut frozen = augmented.clone();
    frozen["frozen_layers"] = json!(1);
    for more in [json!({}), augmented, json!({"frozen_layers": 1}), frozen] {
        let expected = train(&short, &mut other, parameters(&more, None));
        let whole = train(&long, &mut one, parameters(&more, None));
        assert_ne!(whole.0, expected.0, "{more}");
        // Twice: what the worker keeps of texts of other lengths must not matter.
        for _ in 0..2 {
            let ours = train(&long, &mut one, parameters(&more, Some(SHORT)));
            assert_eq!(ours.0, expected.0, "{more}");
            assert!(tensors(&ours.1) == tensors(&expected.1), "{more}");
            // The longest that there can be is no other trial than one without a length.
            assert_eq!(
                train(&long, &mut one, parameters(&more, Some(LONG))).0,
                whole.0,
                "{more}"
            );
        }
    }
}

#[test]
fn its_model_is_tested_and_exported_with_that_length() {
    let (long, short) = (study("length-export", LONG), study("length-test", SHORT));
    let (mut one, mut other) = (long.worker(), short.worker());
    let (_, ours) = train(&long, &mut one, parameters(&json!({}), Some(SHORT)));
    let (_, expected) = train(&short, &mut other, parameters(&json!({}), None));
    let (model, plain) = (long.path.join("best"), short.path.join("best"));
    assert_eq!(export(&mut one, &ours, &model), export(&mut other, &expected, &plain));
    assert!(tensors(&model.join("model.safetensors")) == tensors(&plain.join("model.safetensors")));
    let read = |directory: &Path| std::fs::read_to_string(directory.join("sentence_bert_config.json"));
    let settings: Value = serde_json::from_str(&read(&model).unwrap()).unwrap();
    assert_eq!(settings, json!({"max_seq_length": SHORT}));
    let of_study: Value = serde_json::from_str(&read(&plain).unwrap()).unwrap();
    assert_eq!(
        of_study, settings,
        "the length under `[trial]` is the one that was measured"
    );
}

#[test]
fn a_length_that_texts_do_not_have_fails_the_segment_only() {
    let study = study("length-wrong", LONG);
    let mut worker = study.worker();
    for (length, expected) in [
        (
            LONG + 1,
            "`max_length` is 17; it must be a whole number from 3 to 16, the `max_length` under `[trial]`",
        ),
        (2, "`max_length` is 2; it must be a whole number of at least 3"),
    ] {
        let lines = worker.train(&study.run("runs", json!({"max_length": length}), 0, 1, None));
        let [FromWorker::Failed { message, .. }] = lines.as_slice() else {
            panic!("{lines:?}");
        };
        assert_eq!(message, expected);
    }
    let lines = worker.train(&study.run("runs", json!({"max_length": 3}), 0, 1, None));
    assert!(matches!(lines.last(), Some(FromWorker::Done { .. })), "{lines:?}");
}
