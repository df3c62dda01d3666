//! `hpo init`: a file that can be searched as it stands, for a model and data.

use std::fs;

use hpo_test_support::{Place, write_whole_model};
use serde_json::{Value, json};

/// A tiny model in `models/tiny-e5`, whose tokens are letters.
fn place() -> Place {
    let place = Place::new();
    write_whole_model(&place.path("models/tiny-e5"), "bert", 2, 32);
    place
}

fn write(place: &Place, name: &str, numbers: std::ops::Range<u32>, row: impl Fn(u32) -> Value) {
    let rows: String = numbers.map(|number| row(number).to_string() + "\n").collect();
    let path = place.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, rows).unwrap();
}

fn word(number: u32) -> String {
    let letter = |place: u32| char::from(b'a' + (number / place % 26) as u8);
    [letter(26), letter(1)].iter().collect()
}

#[test]
fn what_it_writes_is_searched_as_it_stands_whatever_the_data_are() {
    let place = place();
    let triplet = |n| json!({ "anchor": format!("is {}", word(n)), "positive": word(n), "negative": word(n + 300) });
    write(&place, "triplets/train.jsonl", 0..80, triplet);
    write(&place, "triplets/dev.jsonl", 80..110, triplet);
    write(&place, "triplets/test.jsonl", 110..130, triplet);
    write(
        &place,
        "pairs.jsonl",
        0..80,
        |n| json!({ "question": format!("is {}", word(n)), "answer": word(n) }),
    );
    write(
        &place,
        "scored.jsonl",
        0..80,
        |n| json!({ "sentence1": word(n), "sentence2": word(n + 300), "score": f64::from(n % 5) / 5.0 }),
    );
    write(
        &place,
        "labelled.jsonl",
        0..80,
        |n| json!({ "text": word(n), "label": n % 2 }),
    );
    for (data, file, metric) in [
        ("triplets", "tiny-e5-triplets.toml", "ndcg@10"),
        ("pairs.jsonl", "tiny-e5-pairs.toml", "ndcg@10"),
        ("scored.jsonl", "tiny-e5-scored.toml", "spearman"),
        ("labelled.jsonl", "tiny-e5-labelled.toml", "macro_f1"),
    ] {
        let said = place.shell(&format!("hpo init models/tiny-e5 {data}")).ok().stdout();
        let few = format!("too few to compare trials by {metric}");
        for part in [
            "E5 model",
            &few,
            &format!("hpo search {file}"),
            &format!("wrote {file}"),
        ] {
            assert!(said.contains(part), "no {part:?} in\n{said}");
        }
        place.shell(&format!("hpo space check {file}")).ok();
        let short = "s/^trials = 27/trials = 2/; s/^max_resource = 9/max_resource = 1/";
        place
            .shell(&format!("sed -i '{short}' {file} && hpo search {file}"))
            .ok();
    }
}

#[test]
fn a_directory_of_beir_becomes_an_evaluation_and_paths_are_those_of_the_file() {
    let place = place();
    write(
        &place,
        "train.jsonl",
        0..300,
        |n| json!({ "question": format!("is {}", word(n)), "answer": word(n) }),
    );
    write(
        &place,
        "own docs/corpus.jsonl",
        300..360,
        |n| json!({ "_id": n.to_string(), "text": word(n) }),
    );
    write(
        &place,
        "own docs/queries.jsonl",
        300..360,
        |n| json!({ "_id": n.to_string(), "text": format!("is {}", word(n)) }),
    );
    let judged: String = (300..360).map(|n| format!("{n}\t{n}\t1\n")).collect();
    fs::create_dir_all(place.path("own docs/qrels")).unwrap();
    fs::write(
        place.path("own docs/qrels/test.tsv"),
        format!("query-id\tcorpus-id\tscore\n{judged}"),
    )
    .unwrap();
    fs::create_dir_all(place.path("files")).unwrap();
    let init = "hpo init models/tiny-e5 train.jsonl 'own docs' -o files/s.toml";
    let said = place.shell(init).ok().stdout();
    assert!(
        said.contains("own-docs is measured beside the validation data and decides nothing"),
        "{said}"
    );
    let text = fs::read_to_string(place.path("files/s.toml")).unwrap();
    for part in [
        "[evaluation.own-docs]",
        "data = \"../own docs\"",
        "train = \"../train.jsonl\"",
        "model = \"../models/tiny-e5\"",
        "prompts = { anchor = \"query: \", positive = \"passage: \" }",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    place.shell("hpo space check files/s.toml").ok();

    let said = ["files/s.toml already exists", "--force"];
    place.shell(init).fails(2, &said);
    place.shell(&format!("{init} --force")).ok();
}

#[test]
fn columns_of_any_name_are_said_to_it_and_written_down() {
    let place = place();
    let row = |n| json!({ "frage 1": format!("is {}", word(n)), "gut": word(n), "falsch": word(n + 300), "auch falsch": word(n + 200) });
    write(&place, "train.jsonl", 0..80, row);
    write(&place, "dev.jsonl", 80..110, row);
    let roles = "--columns 'anchor=frage 1,positive=gut' --columns negative=falsch,'negative=auch falsch'";
    let init = format!("hpo init models/tiny-e5 train.jsonl dev.jsonl {roles} -o s.toml");
    let said = place.shell(&init).ok().stdout();
    assert!(said.contains("triplets (frage 1, gut, falsch, auch falsch)"), "{said}");
    let text = fs::read_to_string(place.path("s.toml")).unwrap();
    let line = "columns = { anchor = \"frage 1\", positive = \"gut\", negative = [\"falsch\", \"auch falsch\"] }\n";
    assert!(text.contains(line), "{text}");
    place.shell("hpo space check s.toml").ok();
}

#[test]
fn what_it_can_not_use_is_reported_and_nothing_is_written() {
    let place = place();
    write(
        &place,
        "train.jsonl",
        0..80,
        |n| json!({ "question": format!("is {}", word(n)), "answer": word(n) }),
    );
    write(&place, "odd/train.jsonl", 0..3, |n| json!({ "what": n }));
    fs::copy(place.path("train.jsonl"), place.path("odd/training.jsonl")).unwrap();
    fs::create_dir_all(place.path("empty")).unwrap();
    for (arguments, parts) in [
        (
            "owner/model train.jsonl",
            &["there is no model directory", "hf download owner/model"][..],
        ),
        ("models/tiny-e5 nothing.jsonl", &["nothing.jsonl`: No such file"]),
        ("models/tiny-e5 odd", &["would both be for training"]),
        ("models/tiny-e5 odd/train.jsonl", &["odd/train.jsonl"]),
        (
            "models/tiny-e5 empty",
            &["has no files of data named train, validation or test"],
        ),
        ("models train.jsonl", &["has no `config.json`"]),
        (
            "train.jsonl models/tiny-e5",
            &["train.jsonl is a file, not a model's directory", "hpo init MODEL DATA"],
        ),
        (
            "models/tiny-e5 odd/train.jsonl",
            &[
                "cannot tell what the columns are for: `what`",
                "--columns anchor=…,positive=…",
            ],
        ),
        (
            "models/tiny-e5 train.jsonl --columns anchor=question,positiv=answer",
            &[
                "positiv` is not a role that a column can have",
                "did you mean `positive`?",
            ],
        ),
        (
            "models/tiny-e5 train.jsonl --columns anchor=question,positive=reply",
            &["train.jsonl", "`reply`", "fix `--columns`"],
        ),
        (
            "models/tiny-e5 train.jsonl --columns anchor=question,anchor=answer",
            &["--columns names 2 columns for anchor"],
        ),
        (
            "models/tiny-e5 train.jsonl --columns question",
            &["such as anchor=question"],
        ),
    ] {
        let refused = place
            .shell(&format!("hpo init {arguments} -o new.toml"))
            .fails(2, parts);
        assert!(!refused.stderr().contains("new.toml"), "{}", refused.stderr());
        assert!(!place.path("new.toml").exists());
    }
}
