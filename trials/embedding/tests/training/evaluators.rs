//! Evaluations measure what the evaluators of sentence-transformers do on the same data and embeddings.

use std::collections::BTreeMap;
use std::path::Path;

use crate::one_thread;
use crate::tiny_model::directory;
use hpo_data::evaluation;
use hpo_protocol::Metrics;
use hpo_protocol::embedding::{Classifier, Evaluation};
use hpo_trial_embedding::evaluate::measure_embeddings;
use serde_json::{Value, json};
use tch::Tensor;

/// What `make_evaluators.py` writes.
#[derive(serde::Deserialize)]
struct Reference {
    cases: Vec<Case>,
    vectors: BTreeMap<String, Vec<f32>>,
}

#[derive(serde::Deserialize)]
struct Case {
    kind: String,
    classifier: Option<Classifier>,
    files: BTreeMap<String, Vec<Value>>,
    qrels: Option<Vec<(String, String, i64)>>,
    metrics: Metrics,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../fixtures/evaluators.json")).unwrap()
}

impl Case {
    /// Writes the files into a directory; the evaluation of them.
    fn write(&self, path: &Path) -> Evaluation {
        for (name, rows) in &self.files {
            let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
            std::fs::write(path.join(name), lines).unwrap();
        }
        let mut table = json!({ "type": self.kind, "data": path.join("data.jsonl") });
        if let Some(qrels) = &self.qrels {
            let rows = qrels
                .iter()
                .map(|(query, document, score)| format!("{query}\t{document}\t{score}\n"));
            std::fs::create_dir_all(path.join("qrels")).unwrap();
            let header = "query-id\tcorpus-id\tscore\n".to_owned();
            std::fs::write(path.join("qrels/test.tsv"), header + &rows.collect::<String>()).unwrap();
            table["data"] = json!(path);
        }
        if let Some(classifier) = self.classifier {
            table["train"] = json!(path.join("train.jsonl"));
            table["classifier"] = json!(classifier);
        }
        serde_json::from_value(table).unwrap()
    }
}

fn measure(table: &Evaluation, vector: impl Fn(&str) -> Vec<f32>) -> Metrics {
    let data = evaluation::load("made", table).unwrap().data;
    let rows: Vec<Vec<f32>> = data.texts.iter().map(|text| vector(text)).collect();
    let embeddings = Tensor::from_slice2(&rows);
    let classifier = table.classifier.unwrap_or(Classifier::LogisticRegression);
    measure_embeddings(&data.task, classifier, &embeddings).unwrap()
}

#[test]
fn metrics_are_those_of_sentence_transformers() {
    one_thread();
    let Reference { cases, vectors } = reference();
    assert_eq!(cases.len(), 9);
    for (number, case) in cases.iter().enumerate() {
        let table = case.write(&directory(&format!("evaluators-{number}")));
        let metrics = measure(&table, |text| vectors[text].clone());
        let names: Vec<&String> = metrics.keys().collect();
        assert_eq!(names, case.metrics.keys().collect::<Vec<_>>(), "{}", case.kind);
        let mut known: Vec<&str> = table.r#type.metrics().to_vec();
        known.sort_unstable();
        assert_eq!(names, known, "the table of metrics");
        for (name, expected) in &case.metrics {
            let found = metrics[name];
            assert!(
                (found - expected).abs() < 1e-6,
                "{} {name}: {found}, not {expected}",
                case.kind
            );
        }
    }
}

#[test]
fn a_model_to_which_all_texts_are_alike_earns_nothing() {
    one_thread();
    for (number, case) in reference().cases.iter().enumerate() {
        let table = case.write(&directory(&format!("alike-{number}")));
        // What a model of a usual width may give, in numbers that are not exact.
        let vector: Vec<f32> = (0..384).map(|place| (place as f32).sin() / 7.0).collect();
        let metrics = measure(&table, |_| vector.clone());
        for (name, worth) in metrics {
            let most = match case.kind.as_str() {
                "classification" if case.metrics["accuracy"] > 0.7 => 0.5,
                "classification" => 0.25,
                // Two or more positives among few candidates.
                "reranking" => 0.45,
                // Relevant documents of which a hundred are found among 150 or less.
                _ if name == "recall@100" => 0.1,
                _ => 0.02,
            };
            assert!(worth <= most, "{} {name}: {worth}", case.kind);
        }
    }
}
