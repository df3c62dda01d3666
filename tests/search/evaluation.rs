//! Searches by what the user measures on data of their own, through the real binary and the embedding trainer with a tiny model.

use std::fmt::Write;
use std::fs;

use hpo_protocol::embedding::EvaluationKind;
use hpo_test_support::{Place, copy_tree, repository};
use serde_json::{Value, json};

/// A text of the tiny model's few tokens, another one for each number below 400.
fn text(begin: &str, number: usize) -> String {
    const LETTERS: [char; 20] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'k', 'l', 'm', 'n', 'o', 'r', 's', 't', 'u', 'w', 'v',
    ];
    format!("{begin} {} {}", LETTERS[number / 20], LETTERS[number % 20])
}

fn triplets(numbers: std::ops::Range<usize>) -> String {
    let row =
        |n: usize| json!({ "anchor": text("the cat", n), "positive": text("cattle", n), "negative": text("on", n) });
    numbers.map(|n| row(n).to_string() + "\n").collect()
}

const STUDY: &str = r#"[study]
trials = 4
objective = "docs.ndcg@10"
[policy]
max_resource = 4
reduction_factor = 2
[sampler]
type = "random"
[slots]
devices = "cpu"
trials_per_device = 2
threads_per_trial = 1
[trial]
model = "model"
train = "train.jsonl"
validation = "validation.jsonl"
max_length = 16
[evaluation.docs]
type = "retrieval"
data = "beir"
[evaluation.near-by]
type = "triplets"
data = "near.jsonl"
every = "end"
[space]
learning_rate = { type = "log_uniform", low = 1e-4, high = 1e-1 }
batch_size = 8
"#;

/// A project in `project` whose study has a retrieval that decides, and triplets that are measured at the end.
fn project() -> Place {
    let place = Place::new();
    fs::create_dir_all(place.path("project/beir/qrels")).unwrap();
    copy_tree(
        &repository().join("trials/embedding/tests/fixtures/bert-mean"),
        &place.path("project/model"),
    );
    let write = |name: &str, text: &str| fs::write(place.path("project").join(name), text).unwrap();
    write("train.jsonl", &triplets(0..60));
    write("validation.jsonl", &triplets(60..90));
    write("near.jsonl", &triplets(90..200));
    let texts = |begin: &str| -> String {
        let line = |n: usize| json!({ "_id": n.to_string(), "text": text(begin, n) }).to_string() + "\n";
        (200..310).map(line).collect()
    };
    write("beir/queries.jsonl", &texts("the cat"));
    write("beir/corpus.jsonl", &texts("cattle"));
    let mut qrels = "query-id\tcorpus-id\tscore\n".to_owned();
    (200..310).for_each(|n| writeln!(qrels, "{n}\t{n}\t1").unwrap());
    write("beir/qrels/test.tsv", &qrels);
    write("s.toml", STUDY);
    place
}

fn names(metrics: &Value, evaluation: &str) -> Vec<String> {
    let begin = format!("{evaluation}.");
    let names = metrics.as_object().unwrap().keys();
    names
        .filter_map(|name| name.strip_prefix(&begin))
        .map(str::to_owned)
        .collect()
}

fn sorted(kind: EvaluationKind) -> Vec<String> {
    let mut names: Vec<String> = kind.metrics().iter().map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_metric_of_an_evaluation_decides_and_all_of_them_measure_the_exported_model() {
    let place = project();
    let checked = place.shell("cd project && hpo space check s.toml").ok().stderr();
    assert!(
        checked.contains("evaluation docs: retrieval, ") && checked.contains("evaluation near-by: triplets, "),
        "{checked}"
    );
    let search = place.shell("cd project && hpo search s.toml").ok();
    let (outcome, progress) = (search.stdout(), search.stderr());
    assert!(progress.contains("evaluation docs: retrieval, "), "{progress}");
    assert!(
        progress.contains("  docs.ndcg@10 0.") && !progress.contains("docs.recall@100"),
        "{progress}"
    );

    let hpo = |arguments: &str| place.shell(&format!("cd project && hpo {arguments}"));
    let status = hpo("status s --json").json();
    assert_eq!(
        status["objective"],
        json!({"metric": "docs.ndcg@10", "direction": "maximize"})
    );
    let (retrieval, near) = (sorted(EvaluationKind::Retrieval), sorted(EvaluationKind::Triplets));
    let untrained = &status["untrained"]["metrics"];
    assert_eq!(
        (names(untrained, "docs"), names(untrained, "near-by")),
        (retrieval.clone(), near.clone())
    );
    let best = &status["best"];
    assert_eq!(best["objective"], best["metrics"]["docs.ndcg@10"]);
    assert_eq!(
        status["better_than_untrained"],
        json!(best["objective"].as_f64() > untrained["docs.ndcg@10"].as_f64())
    );
    let tested = &status["test"];
    for evaluations in [&tested["evaluations"], &tested["untrained_evaluations"]] {
        assert_eq!(
            (names(evaluations, "docs"), names(evaluations, "near-by")),
            (retrieval.clone(), near.clone())
        );
    }
    // What was reported is what the exported model gives.
    let same = |one: &Value, other: &Value| (one.as_f64().unwrap() - other.as_f64().unwrap()).abs() < 1e-6;
    assert!(
        same(&tested["evaluations"]["docs.ndcg@10"], &best["objective"]),
        "{status}"
    );
    assert!(
        same(
            &tested["untrained_evaluations"]["docs.map@100"],
            &untrained["docs.map@100"]
        ),
        "{status}"
    );

    // One measures with each report, the other at the end.
    let journal = fs::read_to_string(place.path("project/studies/s/journal.jsonl")).unwrap();
    let facts = journal
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["fact"].clone());
    let reports: Vec<Value> = facts.filter(|fact| fact["type"] == "reported").collect();
    assert!(reports.len() >= 4 + 2 + 2, "{}", reports.len());
    for report in &reports {
        assert_eq!(names(&report["metrics"], "docs"), retrieval);
        let measured = if report["resource"] == 4 {
            near.clone()
        } else {
            Vec::new()
        };
        assert_eq!(names(&report["metrics"], "near-by"), measured, "{report}");
    }

    let table = hpo("trials s --sort docs.ndcg@10").ok().stdout();
    let head: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(head[..5], ["trial", "state", "epochs", "docs.ndcg@10", "loss"]);
    assert!(
        head.contains(&"near-by.accuracy") && !head.contains(&"docs.recall@100"),
        "{table}"
    );
    let rows =
        hpo("trials s --sort near-by.accuracy --where 'near-by.accuracy>=0' --where 'docs.recall@100>=0' --json")
            .json();
    let rows = rows.as_array().unwrap();
    assert!(
        !rows.is_empty() && rows.iter().all(|row| row["resource"] == 4),
        "{rows:?}"
    );
    hpo("show 0").ok();

    let said = "the exported model in evaluations:\n  docs.ndcg@10: ";
    assert!(
        outcome.contains(said) && outcome.contains("\n  near-by.accuracy: "),
        "{outcome}"
    );
    assert_eq!(outcome.matches("  docs.ndcg@10: ").count(), 1, "{outcome}");
    assert!(hpo("status s").ok().stdout().contains(said));
    let card = fs::read_to_string(place.path("project/studies/s/best-model/README.md")).unwrap();
    let evaluations = card
        .split("## Evaluations")
        .nth(1)
        .expect("the card has no evaluations");
    assert!(
        evaluations.contains("- docs: retrieval on `beir`")
            && evaluations.contains("| near-by.accuracy | ")
            && evaluations.contains("| docs.recall@100 | "),
        "{card}"
    );
}

#[test]
fn an_exported_configuration_has_the_evaluations_and_trains_to_the_same_values() {
    let place = project();
    place.shell("cd project && hpo search s.toml").ok();
    let hpo = |arguments: &str| place.shell(&format!("cd project && hpo {arguments}"));
    hpo("export s --force --output best.toml").ok();
    let best = hpo("status s --json").json()["best"].clone();
    hpo("train --config best.toml --output again").ok();
    let trained = hpo(&format!("status s-trial-{} --json", best["trial"])).json()["best"].clone();
    assert_eq!(
        (&trained["objective"], &trained["best_at"]),
        (&best["objective"], &best["best_at"])
    );
    assert!(
        fs::read_to_string(place.path("project/again/README.md"))
            .unwrap()
            .contains("| docs.ndcg@10 | ")
    );
}

#[test]
fn other_content_and_other_tables_of_evaluations_are_refused_and_a_moved_project_goes_on() {
    let place = project();
    let more = |trials: u32| {
        let edit = format!("cd project && sed -i 's/^trials = .*/trials = {trials}/' s.toml");
        place.shell(&edit).ok();
    };
    place
        .shell("cd project && sed -i 's/max_resource = 4/max_resource = 1/' s.toml")
        .ok();
    more(1);
    place.shell("cd project && hpo search s.toml").ok();
    more(2);
    for (change, expected) in [
        (
            r"sed -i '$d' beir/qrels/test.tsv",
            [
                "`evaluation.docs.data` is not what the study s was created on",
                "s.toml:20:8",
                "`qrels/test.tsv` has other content",
            ],
        ),
        (
            "echo '{\"_id\":\"x\",\"text\":\"the cat\"}' >> beir/corpus.jsonl",
            [
                "`evaluation.docs.data` is not what the study s was created on",
                "s.toml:20:8",
                "`corpus.jsonl` has other content",
            ],
        ),
        (
            r"sed -i '$d' near.jsonl",
            [
                "`evaluation.near-by.data` is not what the study s was created on",
                "s.toml:23:8",
                "near.jsonl` has other content",
            ],
        ),
        (
            "sed -i 's/\"end\"/\"rung\"/' s.toml",
            [
                "has changed since the study s was created from it",
                "[evaluation.near-by] every: was \"end\", is \"rung\"",
                "undo the change",
            ],
        ),
        (
            "sed -i 's/.evaluation.near-by./[evaluation.far]/' s.toml",
            [
                "[evaluation.near-by]: was {",
                "}, is not there",
                "[evaluation.far]: was not there, is {",
            ],
        ),
        ("rm beir/qrels/test.tsv", ["s.toml:20:8", "beir", "test.tsv"]),
    ] {
        place.shell("cp -r project kept").ok();
        place.shell(&format!("cd project && {change}")).ok();
        for verb in ["search s.toml", "resume s"] {
            place.shell(&format!("cd project && hpo {verb}")).fails(2, &expected);
        }
        place.shell("rm -rf project && mv kept project").ok();
    }
    place
        .shell(
            "mv project moved && cd moved && mv beir docs && sed -i 's/\"beir\"/\"docs\"/' s.toml && hpo search s.toml",
        )
        .ok();
    let rows = place.shell("cd moved && hpo trials s --json").json();
    assert_eq!(rows.as_array().unwrap().len(), 2);
}
