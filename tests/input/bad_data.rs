//! Data that teach or tell nothing, or that can be read in two ways, are refused before anything is written.

use std::fs;
use std::path::Path;

use crate::bad_input::{directory, refused};

/// Writes a study of files of data with these keys under `[trial]`.
fn study(directory: &Path, train: &str, keys: &str) {
    let text = format!(
        "[study]\ntrials = 2\n\n[policy]\ntype = \"none\"\nmax_resource = 1\n\n[trial]\nmodel = \"model\"\ntrain = \"{train}\"\n{keys}\n\
         [space]\nlearning_rate = {{ type = \"log_uniform\", low = 1e-5, high = 1e-3 }}\n"
    );
    fs::write(directory.join("space.toml"), text).unwrap();
}

/// Data with `keys` are refused, at the key that names their file or at their own place.
fn data_refused(files: &[(&str, String)], keys: &str, parts: &[&str]) {
    let directory = directory();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    study(directory.path(), files[0].0, keys);
    refused(directory.path(), parts);
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(|n| line(n) + "\n").collect()
}

#[test]
fn training_data_that_teach_nothing() {
    let label = lines(20, |n| format!(r#"{{"text":"message {n}","label":"spam"}}"#));
    let parts = [
        "space.toml:10:9",
        "20 training rows of",
        "have the label `spam`",
        "nothing to learn",
        "help: add rows",
    ];
    data_refused(&[("train.jsonl", label)], "", &parts);
    let same = lines(20, |n| format!("text {n},text {n}"));
    data_refused(
        &[("train.csv", format!("anchor,positive\n{same}"))],
        "clean = false",
        &["20 training rows of", "name the same text twice"],
    );
    let score = lines(20, |n| format!("a {n}\tb {n}\t1.0"));
    data_refused(
        &[("train.tsv", format!("sentence1\tsentence2\tscore\n{score}"))],
        "",
        &["20 training rows of", "have the same score"],
    );
}

#[test]
fn an_objective_that_is_not_measured_on_the_data() {
    let directory = directory();
    let rows = lines(200, |n| format!(r#"{{"anchor":"a {n}","positive":"b {n}"}}"#));
    fs::write(directory.path().join("train.jsonl"), rows).unwrap();
    study(directory.path(), "train.jsonl", "");
    let file = directory.path().join("space.toml");
    let text = fs::read_to_string(&file).unwrap();
    for metric in ["spearman", "accuracy", "triplet_accuracy"] {
        let objective = format!("[study]\nobjective = \"{metric}\"");
        fs::write(&file, text.replacen("[study]", &objective, 1)).unwrap();
        let said = format!("`{metric}` is not measured on pairs");
        refused(
            directory.path(),
            &["space.toml:2:13", &said, "`ndcg@10`, `mrr@10`, `recall@10` or `loss`"],
        );
    }
}

#[test]
fn validation_data_that_tell_nothing() {
    let faq = |answers: usize, each: usize| {
        lines(answers * each, |n| {
            format!(r#"{{"question":"q {n}","answer":"a {}"}}"#, n / each)
        })
    };
    data_refused(
        &[
            ("train.jsonl", faq(10, 2)),
            ("v.jsonl", r#"{"question":"x","answer":"y"}"#.to_owned()),
        ],
        "validation = \"v.jsonl\"",
        &[
            "validation = \"v.jsonl\"",
            "there is one validation row of",
            "leave `validation` out",
        ],
    );
    data_refused(
        &[("train.jsonl", faq(2, 10))],
        "",
        &[
            "10 validation rows split off",
            "have the same positive, `a ",
            "a column `group`",
        ],
    );
    data_refused(
        &[("train.jsonl", faq(3, 1))],
        "",
        &["there is one validation row split off", "give a file"],
    );
    let labels = |label: &str| lines(5, |n| format!(r#"{{"text":"{label} {n}","label":"{label}"}}"#));
    data_refused(
        &[
            ("train.jsonl", labels("ham") + &labels("spam")),
            ("v.jsonl", labels("ham").replace("ham ", "new ")),
        ],
        "validation = \"v.jsonl\"",
        &[
            "validation = \"v.jsonl\"",
            "5 validation rows of",
            "have the label `ham`",
        ],
    );
}

#[test]
fn files_that_can_be_read_in_two_ways() {
    let quotes =
        "sentence1\tsentence2\tscore\n\"So be it.\tYes.\t0.9\nIt rains.\tNo.\t0.1\nThat is all.\"\tMore.\t0.2\n";
    data_refused(
        &[("train.tsv", quotes.to_owned())],
        "",
        &[
            "train.tsv:2:1",
            "these quotes may hold a text together",
            "write JSON lines",
        ],
    );
    data_refused(
        &[("train.csv", "text,label,label\na,b,c\n".to_owned())],
        "",
        &[
            "train.csv:1:12",
            "the column `label` appears twice",
            "rename or remove one",
        ],
    );
    data_refused(
        &[("train.csv", "text,label\na,b\n\u{feff}text,label\nc,d\n".to_owned())],
        "",
        &["train.csv:3:1", "the row has the names of the columns once more"],
    );
    data_refused(
        &[("train.jsonl", "{\"text\":\"a\",\"label\":1,\"label\":2}\n".to_owned())],
        "",
        &["train.jsonl:1:31", "the column `label` appears twice"],
    );
}

#[test]
fn the_mistakes_of_all_files_are_reported_in_one_run() {
    let train = "anchor,positive\na,b\nc\nd,e,f\n".to_owned();
    let validation = lines(12, |_| r#"{"anchor":"a"}"#.to_owned());
    let files = [
        ("train.csv", train),
        (
            "validation.jsonl",
            r#"{"anchor":"a","positive":"b"}"#.to_owned() + "\n" + &validation,
        ),
    ];
    let parts = [
        "train.csv:3:1",
        "train.csv:4:1",
        "validation.jsonl:2:",
        "validation.jsonl:11:",
        "validation.jsonl`: and 2 more",
        "help: fix those above first",
    ];
    data_refused(&files, "validation = \"validation.jsonl\"\n", &parts);
}
