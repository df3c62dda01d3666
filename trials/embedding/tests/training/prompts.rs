//! Trials train, are measured and exported behind their prompts.

use std::path::Path;

use crate::study::{Study, Worker, triplets};
use crate::train;
use hpo_protocol::{Baseline, Evaluated, FromWorker, Measurement, Metrics, ToWorker};
use serde_json::{Value, json};

/// A study with test data.
fn study(name: &str, prompts: Option<Value>) -> Study {
    let mut study = Study::new(name);
    let test = study.path.join("test.jsonl");
    triplets(&test, 3, 30);
    study.start.settings.insert("test".to_owned(), json!(test));
    if let Some(prompts) = prompts {
        study.start.settings.insert("prompts".to_owned(), prompts);
    }
    study
}

/// Writes prompts into the texts themselves, by their columns.
fn write_into_texts(study: &Study, prompts: &Value) {
    for file in ["train", "validation", "test"] {
        let path = study.path.join(format!("{file}.jsonl"));
        let rows = std::fs::read_to_string(&path).unwrap();
        let rows = rows.lines().map(|line| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            for (column, prompt) in prompts.as_object().unwrap() {
                if let Some(text) = row.get(column).and_then(Value::as_str) {
                    row[column] = json!(format!("{}{text}", prompt.as_str().unwrap()));
                }
            }
            format!("{row}\n")
        });
        std::fs::write(&path, rows.collect::<String>()).unwrap();
    }
}

fn write(path: &Path, rows: impl IntoIterator<Item = Value>) {
    let lines = rows.into_iter().map(|row| format!("{row}\n"));
    std::fs::write(path, lines.collect::<String>()).unwrap();
}

/// Adds an evaluation of each kind to a study, with prompts written into its texts by what they are for. Most texts are there for
/// several things.
fn add_evaluations(study: &mut Study, prompts: &Value) {
    let file = |name: &str| study.path.join(name);
    let text = |role: &str, n: usize| {
        let prompt = prompts[role].as_str().unwrap_or_default();
        json!(format!("{prompt}w{} w{}", n % 7, n % 31))
    };
    let id = |kind: &str, n: usize| json!(format!("{kind}{n}"));
    std::fs::create_dir_all(file("beir/qrels")).unwrap();
    let document = |n: usize| json!({"_id": id("d", n), "text": text("positive", n / 2)});
    write(&file("beir/corpus.jsonl"), (0..90).map(document));
    let query = |n: usize| json!({"_id": id("q", n), "text": text("anchor", n)});
    write(&file("beir/queries.jsonl"), (0..30).map(query));
    let judged = (0..30).map(|n| format!("q{n}\td{}\t1\n", n * 3));
    let header = "query-id\tcorpus-id\tscore\n".to_owned();
    std::fs::write(file("beir/qrels/test.tsv"), header + &judged.collect::<String>()).unwrap();
    let pair = |n: usize| json!({"anchor": text("anchor", n), "positive": text("positive", n + 1)});
    write(&file("pairs.jsonl"), (0..60).map(pair));
    let triplet = |n: usize| {
        let negative = text("negative", n + 2);
        json!({"anchor": text("anchor", n), "positive": text("positive", n + 1), "negative": negative})
    };
    write(&file("triplets.jsonl"), (0..60).map(triplet));
    let scored =
        |n: usize| json!({"sentence1": text("anchor", n), "sentence2": text("positive", n + 1), "score": n % 6});
    write(&file("scored.jsonl"), (0..60).map(scored));
    let labelled = |n: usize| json!({"text": text("text", n), "label": n % 3});
    write(&file("labelled.jsonl"), (0..60).map(labelled));
    write(&file("fitted.jsonl"), (30..120).map(labelled));
    let classification = |classifier: &str| {
        let (data, train) = (file("labelled.jsonl"), file("fitted.jsonl"));
        json!({"type": "classification", "data": data, "train": train, "classifier": classifier, "every": "report"})
    };
    let of = |kind: &str, name: &str| json!({"type": kind, "data": file(name), "every": "report"});
    let evaluations = json!({
        "beir": of("retrieval", "beir"), "search": of("retrieval", "pairs.jsonl"), "nearer": of("triplets", "triplets.jsonl"),
        "order": of("reranking", "triplets.jsonl"), "pairs": of("similarity", "scored.jsonl"),
        "labels": classification("logistic_regression"), "knn": classification("knn"),
    });
    study.start.settings.insert("evaluations".to_owned(), evaluations);
}

fn parameters(more: &Value) -> Value {
    let mut all = json!({"learning_rate": 3e-3, "batch_size": 8});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

fn export(worker: &mut Worker, checkpoint: &Path, directory: &Path) -> Measurement {
    let [(test, _), _] = export_all(worker, checkpoint, directory);
    test
}

/// Writes the model of a checkpoint; what it and the untrained one are worth on the test data, and by evaluations.
fn export_all(worker: &mut Worker, checkpoint: &Path, directory: &Path) -> [(Measurement, Metrics); 2] {
    worker.say(&ToWorker::Export {
        checkpoint: checkpoint.to_owned(),
        directory: directory.to_owned(),
        known: Evaluated::default(),
    });
    match worker.next() {
        Some(FromWorker::Exported {
            test: Some(test),
            untrained: Some(untrained),
            evaluations,
            untrained_evaluations,
            ..
        }) => [(test, evaluations), (untrained, untrained_evaluations)],
        other => panic!("{other:?}"),
    }
}

fn config(directory: &Path) -> Value {
    let text = std::fs::read_to_string(directory.join("config_sentence_transformers.json"));
    text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
}

#[test]
fn a_prompt_is_as_if_it_stood_in_the_texts() {
    let sides = json!({"anchor": "w50 w51 ", "positive": "w52 ", "negative": "w52 "});
    let same = json!({"anchor": "w50 ", "positive": "w50 ", "negative": "w50 "});
    for (number, prompts) in [sides, same].into_iter().enumerate() {
        let ours = study(&format!("prompts-set-{number}"), Some(prompts.clone()));
        let written = study(&format!("prompts-written-{number}"), None);
        write_into_texts(&written, &prompts);
        let (mut one, mut other) = (ours.worker(), written.worker());
        for more in [
            json!({}),
            json!({"frozen_layers": 1, "loss": "multiple_negatives"}),
            json!({"max_length": 6}),
        ] {
            let (found, checkpoint) = train(&ours, &mut one, parameters(&more));
            let (expected, theirs) = train(&written, &mut other, parameters(&more));
            assert_eq!(found, expected, "{prompts} {more}");
            let (model, plain) = (ours.path.join("best"), written.path.join("best"));
            assert_eq!(
                export(&mut one, &checkpoint, &model),
                export(&mut other, &theirs, &plain)
            );
            let query = prompts["anchor"].as_str().unwrap();
            assert_eq!(
                config(&model)["prompts"],
                json!({"query": query, "document": prompts["positive"]})
            );
            let default = (number == 1).then_some("query");
            assert_eq!(config(&model)["default_prompt_name"], json!(default));
            assert_eq!(config(&plain), Value::Null);
        }
    }
}

#[test]
fn a_trial_with_prompts_of_its_own_is_one_of_a_study_with_these() {
    let sets = json!({
        "own": "model", "none": {}, "sides": {"anchor": "w50 ", "positive": "w51 w52 "}, "same": {"anchor": "w53 ", "positive": "w53 "},
    });
    let with_config = |study: &Study| {
        let prompts = json!({"prompts": {"query": "w54 ", "document": "w55 "}});
        std::fs::write(
            study.path.join("model/config_sentence_transformers.json"),
            prompts.to_string(),
        )
        .unwrap();
    };
    let mut searched = study("prompts-searched", None);
    searched.start.settings.insert("prompt_sets".to_owned(), sets.clone());
    with_config(&searched);
    let mut worker = searched.worker();
    let mut losses = Vec::new();
    for (name, set) in sets.as_object().unwrap() {
        let fixed = study(&format!("prompts-fixed-{name}"), Some(set.clone()));
        with_config(&fixed);
        let mut other = fixed.worker();
        for more in [json!({}), json!({"frozen_layers": 1, "crop": 0.4, "token_swap": 0.2})] {
            let (expected, theirs) = train(&fixed, &mut other, parameters(&more));
            let mut own = parameters(&more);
            own["prompts"] = json!(name);
            // Twice: what the worker keeps of other prompts must not matter.
            for _ in 0..2 {
                let (found, ours) = train(&searched, &mut worker, own.clone());
                assert_eq!(found, expected, "{name} {more}");
                let (one, two) = (searched.path.join("best"), fixed.path.join("best"));
                assert_eq!(export(&mut worker, &ours, &one), export(&mut other, &theirs, &two));
                assert_eq!(config(&one), config(&two));
            }
            losses.push(expected[1].0);
        }
        let prompts = config(&fixed.path.join("best"));
        let expected = match name.as_str() {
            "none" => json!({"query": "", "document": ""}),
            "own" => json!({"query": "w54 ", "document": "w55 "}),
            "sides" => json!({"query": "w50 ", "document": "w51 w52 "}),
            _ => json!({"query": "w53 ", "document": "w53 "}),
        };
        assert_eq!(prompts["prompts"], expected);
    }
    losses.sort_unstable();
    losses.dedup();
    assert_eq!(losses.len(), 8);
    let lines = worker.train(&searched.run("runs", json!({"prompts": "other"}), 0, 1, None));
    let [FromWorker::Failed { message, .. }] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert_eq!(
        message,
        "`prompts` is `other`; it must be the name of one of the `prompt_sets` under `[trial]`"
    );
}

/// What evaluations measure of the untrained model.
fn untrained(worker: &mut Worker) -> Metrics {
    worker.say(&ToWorker::Evaluate);
    let Some(FromWorker::Evaluated(Baseline::One(untrained))) = worker.next() else {
        panic!("not evaluated");
    };
    untrained.metrics
}

#[test]
fn evaluations_put_prompts_before_texts_by_what_they_are_for() {
    let roles = json!({"anchor": "w50 w51 ", "positive": "w52 ", "negative": "w53 w54 ", "text": "w55 "});
    let alike = json!({"anchor": "w50 ", "positive": "w50 ", "negative": "w50 ", "text": "w50 "});
    let mut all = Vec::new();
    for (number, prompts) in [roles, alike].into_iter().enumerate() {
        let mut ours = study(&format!("prompts-evaluated-{number}"), Some(prompts.clone()));
        add_evaluations(&mut ours, &json!({}));
        let mut written = study(&format!("prompts-evaluated-written-{number}"), None);
        write_into_texts(&written, &prompts);
        add_evaluations(&mut written, &prompts);
        let mut searched = study(&format!("prompts-evaluated-searched-{number}"), None);
        add_evaluations(&mut searched, &json!({}));
        let sets = json!({"own": prompts});
        searched.start.settings.insert("prompt_sets".to_owned(), sets);
        let (mut one, mut other, mut third) = (ours.worker(), written.worker(), searched.worker());
        let metrics = untrained(&mut one);
        assert_eq!(metrics, untrained(&mut other), "{prompts}");
        assert_ne!(metrics, untrained(&mut third), "{prompts}");
        for name in ["beir", "search", "nearer", "order", "pairs", "labels", "knn"] {
            assert!(
                metrics.keys().any(|metric| metric.starts_with(&format!("{name}."))),
                "{name}"
            );
        }
        all.push(metrics);
        for more in [json!({}), json!({"max_length": 6})] {
            let (found, checkpoint) = train(&ours, &mut one, parameters(&more));
            let (expected, theirs) = train(&written, &mut other, parameters(&more));
            assert_eq!(found, expected, "{prompts} {more}");
            let mut own = parameters(&more);
            own["prompts"] = json!("own");
            let (again, of_third) = train(&searched, &mut third, own);
            assert_eq!(again, expected, "{prompts} {more}");
            let model = ours.path.join("best");
            let exported = export_all(&mut one, &checkpoint, &model);
            assert_eq!(exported, export_all(&mut other, &theirs, &written.path.join("best")));
            assert_eq!(
                exported[0],
                export_all(&mut third, &of_third, &searched.path.join("best"))[0]
            );
            let evaluated = found[1].1.iter().filter(|(name, _)| name.contains('.'));
            assert_eq!(
                exported[0].1,
                evaluated.map(|(name, value)| (name.clone(), *value)).collect()
            );
        }
    }
    assert!(all[0] != all[1]);
}

/// `include_prompt` of the pooling decides what is pooled, in training too.
#[test]
fn a_prompt_may_be_left_out_of_the_pooling() {
    let prompts = json!({"anchor": "w50 w51 ", "positive": "w52 "});
    let mut all = Vec::new();
    for include in [true, false] {
        let study = study(&format!("prompts-pooled-{include}"), Some(prompts.clone()));
        let pooling = study.path.join("model/1_Pooling/config.json");
        let config = json!({"pooling_mode_mean_tokens": true, "include_prompt": include});
        std::fs::write(&pooling, config.to_string()).unwrap();
        let mut worker = study.worker();
        let own = json!({"pooling": "max", "normalize": false});
        for more in [json!({}), own] {
            let (reports, checkpoint) = train(&study, &mut worker, parameters(&more));
            let model = study.path.join("best");
            let test = export(&mut worker, &checkpoint, &model);
            let text = std::fs::read_to_string(model.join("1_Pooling/config.json")).unwrap();
            let exported: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(exported["include_prompt"], json!(include));
            all.push((reports, test));
        }
    }
    assert!(all[0] != all[2] && all[1] != all[3]);
}
