//! Evaluations that can't be measured, or that can't tell models apart, are refused before anything is written.

use std::fs;
use std::path::Path;

use hpo_test_support::{bert, hpo_alone, write_model};

use crate::bad_input::refused;

const STUDY: &str = r#"[study]
trials = 2

[policy]
type = "none"
max_resource = 1

[trial]
model = "model"
train = "train.jsonl"
max_length = 16

[space]
learning_rate = { type = "log_uniform", low = 1e-5, high = 1e-3 }

"#;

/// A directory with a model, training data, and a study with these evaluations, the first of which begins at line 16.
fn directory(evaluations: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    write_model(&here.join("model"), &bert());
    fs::write(here.join("train.jsonl"), pairs(0..200)).unwrap();
    fs::write(here.join("space.toml"), format!("{STUDY}{evaluations}")).unwrap();
    directory
}

fn pairs(numbers: std::ops::Range<u32>) -> String {
    numbers
        .map(|n| format!("{{\"anchor\":\"question {n}\",\"positive\":\"answer {n}\"}}\n"))
        .collect()
}

fn write(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn all_that_is_wrong_with_the_files_of_evaluations() {
    let evaluations = r#"[evaluation.docs]
type = "retrieval"
data = "beir"
[evaluation.gone]
type = "similarity"
data = "gone.csv"
[evaluation.same]
type = "similarity"
data = "same.csv"
[evaluation.broken]
type = "triplets"
data = "broken.jsonl"
[evaluation.columns]
type = "retrieval"
data = "whole"
columns = { anchor = "query", positive = "answer" }
"#;
    let directory = directory(evaluations);
    let here = directory.path();
    write(here, "beir/queries.jsonl", "{\"_id\":\"1\",\"text\":\"a\"}\n");
    write(
        here,
        "beir/corpus.jsonl",
        "{\"_id\":\"1\",\"text\":\"b\"}\n{\"_id\":\"2\",\"text\":\"c\"}\n",
    );
    write(here, "whole/queries.jsonl", "{\"_id\":\"1\",\"text\":\"a\"}\n");
    write(here, "same.csv", "sentence1,sentence2,score\na,b,1\nc,d,1\ne,f,1\n");
    write(
        here,
        "broken.jsonl",
        "{\"anchor\":\"a\",\"positive\":\"b\",\"negative\":\"c\"}\n{\"anchor\":\"a\",\"positive\":7,\"negative\":\"c\"}\n",
    );
    refused(
        here,
        &[
            "space.toml:18:8",
            "qrels/test.tsv",
            "space.toml:21:8",
            "gone.csv",
            "space.toml:24:8",
            "no model is better there than another",
            "broken.jsonl:2:26",
            "`positive` must be a string, not a number",
            "space.toml:31:11",
            "`columns` has no effect: `data` is a directory in BEIR's layout",
        ],
    );
}

#[test]
fn an_objective_that_no_evaluation_has() {
    let text = STUDY.replace("trials = 2", "trials = 2\nobjective = \"doc.ndcg@10\"");
    let directory = directory("");
    let evaluation = "[evaluation.docs]\ntype = \"retrieval\"\ndata = \"pairs.jsonl\"\n";
    fs::write(directory.path().join("space.toml"), format!("{text}{evaluation}")).unwrap();
    write(directory.path(), "pairs.jsonl", &pairs(0..9));
    refused(
        directory.path(),
        &[
            "space.toml:3:13",
            "is a metric of no evaluation: the file has `docs`",
            "help: did you mean `docs.ndcg@10`?",
        ],
    );
}

#[test]
fn few_queries_are_warned_of_with_the_standard_error_of_their_metrics() {
    let directory = directory("[evaluation.docs]\ntype = \"retrieval\"\ndata = \"pairs.jsonl\"\n");
    write(directory.path(), "pairs.jsonl", &pairs(0..25));
    let output = std::process::Command::new(hpo_alone(directory.path()))
        .args(["space", "check", "space.toml"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    for part in [
        "evaluation docs: retrieval, 25 queries, 25 documents",
        "warning: evaluation `docs`: only 25 queries: the standard error of ndcg@10",
        "is up to 0.10 at a value of 0.5",
    ] {
        assert!(stderr.contains(part), "{part:?} is not in\n{stderr}");
    }
}
