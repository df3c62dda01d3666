//! Data of evaluations: what is read of each format, what is left out or warned of, and what is refused.

use crate::common::Place;
use hpo_data::DataError;
use hpo_data::evaluation::{Candidates, Loaded, Query, Task, load};
use serde_json::{Value, json};

fn lines(rows: impl IntoIterator<Item = Value>) -> String {
    rows.into_iter().map(|row| row.to_string() + "\n").collect()
}

/// Loads the evaluation `made`; names of files are those of files here.
fn try_load(place: &Place, mut table: Value) -> Result<Loaded, DataError> {
    for key in ["data", "queries", "corpus", "qrels", "train"] {
        if let Some(name) = table[key].as_str() {
            table[key] = json!(place.path(name));
        } else {
            table.as_object_mut().unwrap().remove(key);
        }
    }
    load("made", &serde_json::from_value(table).unwrap())
}

fn loaded(place: &Place, table: Value) -> Loaded {
    try_load(place, table).unwrap_or_else(|error| panic!("{error}; {}", error.help))
}

/// The error, without the directory, and its help.
fn refused(place: &Place, table: Value) -> [String; 2] {
    let error = try_load(place, table).map(|loaded| loaded.report).unwrap_err();
    let here = format!("{}/", place.path("").display()).replace("//", "/");
    [error.to_string(), error.help].map(|text| text.replace(&here, ""))
}

/// The warnings of an evaluation without the directory, but those of few rows.
fn warnings(place: &Place, loaded: &Loaded) -> Vec<String> {
    let here = format!("{}/", place.path("").display()).replace("//", "/");
    let all = loaded.report.warnings.iter().map(|warning| warning.replace(&here, ""));
    let all = all.map(|warning| warning.strip_prefix("evaluation `made`: ").unwrap().to_owned());
    all.filter(|warning| !warning.starts_with("only ")).collect()
}

const CORPUS: &str = r#"{"_id": "d1", "title": "Trees", "text": "An oak is a tree."}
{"_id": "d2", "title": "", "text": "A cat is an animal."}
{"_id": "d3", "text": "Iron is a metal."}
"#;
const QUERIES: &str = r#"{"_id": "q1", "text": "what is an oak"}
{"_id": "q2", "text": "what is iron", "metadata": {}}
{"_id": "q3", "text": "who asks"}
"#;
const QRELS: &str = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td3\t1\nq2\td1\t1\n";

fn beir(place: &Place) {
    std::fs::create_dir_all(place.path("set/qrels")).unwrap();
    place.write("set/corpus.jsonl", CORPUS);
    place.write("set/queries.jsonl", QUERIES);
    place.write("set/qrels/test.tsv", QRELS);
}

/// The texts of the documents, and each query with those of its relevant ones.
fn retrieval(loaded: &Loaded) -> (Vec<String>, Vec<(String, Vec<String>)>) {
    let Task::Retrieval(task) = &loaded.data.task else {
        panic!("no retrieval");
    };
    let text = |place: &u32| loaded.data.texts[*place as usize].clone();
    let query = |query: &Query| (text(&query.text), query.relevant.iter().map(text).collect());
    let documents = loaded.data.texts[..task.copies.len()].to_vec();
    (documents, task.queries.iter().map(query).collect())
}

#[test]
fn a_directory_in_the_layout_of_beir_is_read() {
    let place = Place::new();
    beir(&place);
    let loaded = loaded(&place, json!({ "type": "retrieval", "data": "set" }));
    let (documents, queries) = retrieval(&loaded);
    assert_eq!(
        documents,
        ["Trees An oak is a tree.", "A cat is an animal.", "Iron is a metal."]
    );
    let expected = [
        ("what is an oak", vec!["Trees An oak is a tree."]),
        ("what is iron", vec!["Iron is a metal.", "Trees An oak is a tree."]),
    ];
    let expected =
        expected.map(|(query, texts)| (query.to_owned(), texts.iter().map(|&text| text.to_owned()).collect()));
    assert_eq!(queries, expected);
    assert_eq!(
        loaded.report.summary,
        "2 queries, 3 documents, 2 of them relevant; 1 query without a relevant document left out"
    );
    assert_eq!(
        loaded.report.warnings,
        [
            "evaluation `made`: only 2 queries: the standard error of ndcg@10, mrr@10 and recall@10 is up to 0.35 at a value of 0.5 \
             and up to 0.21 at 0.9, so smaller differences between models may be chance; give 100 or more",
            "evaluation `made`: only 3 different texts to find: accuracy@10 and recall@10 are always 1",
        ]
    );
}

#[test]
fn the_same_in_all_formats_is_the_same_evaluation() {
    let place = Place::new();
    beir(&place);
    let expected = loaded(&place, json!({ "type": "retrieval", "data": "set" }));
    let documents = [
        "d1\tTrees An oak is a tree.",
        "d2\tA cat is an animal.",
        "d3\tIron is a metal.",
    ];
    let queries = ["q1\twhat is an oak", "q2\twhat is iron", "q3\twho asks"];
    let table = |header: &str, rows: &[&str]| format!("{header}{}\n", rows.join("\n"));
    let qrels: Vec<&str> = QRELS.lines().skip(1).collect();
    place.write("corpus.tsv", table("_id\ttext\n", &documents));
    place.write("queries.tsv", table("query_id\tquery\n", &queries));
    place.write("bare-corpus.tsv", table("", &documents));
    place.write("bare-queries.tsv", table("", &queries));
    place.write(
        "titled.csv",
        "id,text,title\nd1,An oak is a tree.,Trees\nd2,A cat is an animal.,\nd3, Iron is a metal. ,\n",
    );
    place.write("qrels.tsv", table("query-id\tcorpus-id\tscore\n", &qrels));
    place.write("bare.tsv", table("", &qrels));
    place.write("trec.tsv", table("", &qrels).replace("\td", "\tQ0\td"));
    let judgment = |row: &&str| {
        let [query, document, score]: [&str; 3] = row.split('\t').collect::<Vec<_>>().try_into().unwrap();
        json!({ "query-id": query, "corpus-id": document, "score": score.parse::<f64>().unwrap() })
    };
    place.write("qrels.jsonl", lines(qrels.iter().map(judgment)));
    for (corpus, queries, qrels) in [
        ("set/corpus.jsonl", "set/queries.jsonl", "set/qrels/test.tsv"),
        ("corpus.tsv", "queries.tsv", "qrels.tsv"),
        ("bare-corpus.tsv", "bare-queries.tsv", "bare.tsv"),
        ("titled.csv", "queries.tsv", "trec.tsv"),
        ("titled.csv", "set/queries.jsonl", "qrels.jsonl"),
    ] {
        let table = json!({ "type": "retrieval", "corpus": corpus, "queries": queries, "qrels": qrels });
        assert_eq!(loaded(&place, table), expected, "{corpus} {queries} {qrels}");
    }
}

#[test]
fn rows_make_a_retrieval_of_their_distinct_texts() {
    let place = Place::new();
    let rows = [
        json!({ "anchor": "a", "positive": ["p1", " p2 "], "negative": ["n1"] }),
        json!({ "anchor": "b", "positive": "p1", "negative": ["n2", "n1"] }),
        json!({ "anchor": "a", "positive": "p3", "negative": "b" }),
        json!({ "anchor": "c", "positive": "n1", "negative": "p3" }),
        json!({ "anchor": "c", "positive": "p1", "negative": "n1" }),
        json!({ "anchor": "d", "positive": " ", "negative": "n1" }),
    ];
    place.write("rows.jsonl", lines(rows));
    let found = loaded(&place, json!({ "type": "retrieval", "data": "rows.jsonl" }));
    let (documents, queries) = retrieval(&found);
    assert_eq!(documents, ["p1", "p2", "n1", "n2", "p3", "b"]);
    let expected = [
        ("a", vec!["p1", "p2", "p3"]),
        ("b", vec!["p1"]),
        ("c", vec!["n1", "p1"]),
    ];
    let expected =
        expected.map(|(query, texts)| (query.to_owned(), texts.iter().map(|&text| text.to_owned()).collect()));
    assert_eq!(queries, expected);
    assert_eq!(
        found.report.summary,
        "3 queries, 6 documents, 4 of them relevant; 1 without an anchor or a positive left out"
    );
    assert_eq!(
        warnings(&place, &found),
        [
            "1 text is both positive and negative to the same anchor: relevant",
            "1 of 3 queries stand in the corpus and are not relevant to themselves: each finds itself first, as in \
             sentence-transformers",
        ]
    );
    // Pairs have no negatives.
    place.write("pairs.csv", "question,answer\na,p1\nb,p2\na,p3\n");
    let (documents, queries) = retrieval(&loaded(&place, json!({ "type": "retrieval", "data": "pairs.csv" })));
    assert_eq!((documents.len(), queries.len()), (3, 2));
}

#[test]
fn what_judgments_and_ids_have_amiss_is_said_once_with_what_becomes_of_it() {
    let place = Place::new();
    beir(&place);
    place.write(
        "set/corpus.jsonl",
        CORPUS.to_owned()
            + r#"{"_id": "d4", "text": " "}
{"_id": "d5", "text": null, "title": null}
{"_id": "d3", "text": "Iron is a metal."}
{"_id": 6, "text": "what is iron"}
{"_id": "d7", "text": "Iron is a metal."}
"#,
    );
    place.write(
        "set/queries.jsonl",
        QUERIES.to_owned() + "{\"_id\": \"q4\", \"text\": \"\"}\n",
    );
    place.write(
        "set/qrels/test.tsv",
        QRELS.to_owned()
            + "q1\td1\t1\nq1\tlost\t1\nq2\tgone\t3\nq9\td1\t1\nq8\td1\t1\nq7\td1\t0\nq4\td2\t1\nq4\t6\t0\n",
    );
    let found = loaded(&place, json!({ "type": "retrieval", "data": "set" }));
    assert_eq!(
        warnings(&place, &found),
        [
            "1 row of `set/corpus.jsonl` repeated, which counts once",
            "2 documents of `set/corpus.jsonl` without a text: ranked as the others are",
            "1 judgment of `set/qrels/test.tsv` repeated, which counts once",
            "`set/qrels/test.tsv` judges 2 queries that `set/queries.jsonl` does not have, such as `q8`: left out",
            "`set/qrels/test.tsv` calls 2 documents relevant that `set/corpus.jsonl` does not have, such as `lost`: they count as \
             never found, as in sentence-transformers",
            "1 query of `set/queries.jsonl` without a text left out",
            "1 of 2 queries stand in the corpus and are not relevant to themselves: each finds itself first, as in \
             sentence-transformers",
            "for 1 of 2 queries a document that is not relevant has the same text as one that is: it stands before it",
        ]
    );
    let Task::Retrieval(task) = &found.data.task else {
        panic!("no retrieval");
    };
    assert_eq!(
        task.queries.iter().map(|query| query.missing).collect::<Vec<_>>(),
        [1, 1]
    );
    assert_eq!(task.copies, [1, 1, 2, 2, 1]);
}

#[test]
fn what_is_wrong_in_files_of_beir_is_reported_with_its_place() {
    let place = Place::new();
    let table = json!({ "type": "retrieval", "data": "set" });
    let cases = [
        (
            "set/corpus.jsonl",
            "{\"_id\": \"d1\", \"text\": \"other\"}\n",
            "set/corpus.jsonl:4:9: the id `d1` is that of line 1 too, which has another text",
            "give each text an id of its own",
        ),
        (
            "set/corpus.jsonl",
            "{\"text\": \"other\"}\n",
            "set/corpus.jsonl:4:1: the key `_id` is missing",
            "write one {\"_id\": \"…\", \"text\": \"…\"} per line",
        ),
        (
            "set/corpus.jsonl",
            "{\"_id\": \"d9\", \"text\": [\"other\"]}\n",
            "set/corpus.jsonl:4:23: `text` must be a string, not an array",
            "put the text in quotes",
        ),
        (
            "set/queries.jsonl",
            "{\"_id\": \"\", \"text\": \"other\"}\n",
            "set/queries.jsonl:4:9: the id is blank",
            "give it an id, or remove it",
        ),
        (
            "set/queries.jsonl",
            "{\"_id\": \"q1\", \"text\": \"other\"}\n",
            "set/queries.jsonl:4:9: the id `q1` is that of line 1 too, which has another text",
            "give each text an id of its own",
        ),
        (
            "set/queries.jsonl",
            "not JSON\n",
            "set/queries.jsonl:4:2: the line is not JSON: expected ident",
            "name the columns `_id` and `text`, and `title` if there are titles, as BEIR does",
        ),
        (
            "set/qrels/test.tsv",
            "q1\td2\tyes\n",
            "set/qrels/test.tsv:6:7: `score` must be a finite number",
            "give a number such as 0.5",
        ),
        (
            "set/qrels/test.tsv",
            "q1\td2\n",
            "set/qrels/test.tsv:6:1: the row has 2 fields, but the header has 3",
            "",
        ),
        (
            "set/qrels/test.tsv",
            "q1\td2\t1\n",
            "set/qrels/test.tsv:6:7: `d2` is relevant to `q1` here and not elsewhere in the file, or the other way round",
            "remove one of the two",
        ),
        (
            "set/qrels/test.tsv",
            "q1\td2\t\n",
            "set/qrels/test.tsv:6:7: there is no score",
            "give 1 for relevant, 0 for not",
        ),
    ];
    for (file, line, message, help) in cases {
        beir(&place);
        let good = std::fs::read_to_string(place.path(file)).unwrap();
        place.write(file, good + line);
        let [found, fix] = refused(&place, table.clone());
        assert_eq!(found, message);
        assert!(fix.starts_with(help), "{fix}");
    }
    beir(&place);
    place.write("set/qrels/test.tsv", "topic\tdocument\tgrade\nq1\td1\t1\n");
    let [found, fix] = refused(&place, table.clone());
    assert_eq!(
        found,
        "set/qrels/test.tsv:1:1: there is no column `query-id`; the columns are `topic`, `document`, `grade`"
    );
    assert_eq!(
        fix,
        "name the columns `query-id`, `corpus-id` and `score`, as BEIR does"
    );
    place.write("set/qrels/test.tsv", "");
    assert_eq!(
        refused(&place, table.clone()),
        [
            "`set/qrels/test.tsv` has no rows",
            "name the columns `query-id`, `corpus-id` and `score`, as BEIR does"
        ]
    );
    std::fs::rename(place.path("set/qrels/test.tsv"), place.path("set/qrels/dev.tsv")).unwrap();
    assert_eq!(
        refused(&place, table),
        [
            "there is no `set/qrels/test.tsv`".to_owned(),
            "put `corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv` into the directory, or name three files with `queries`, `corpus` \
             and `qrels` instead of `data`; as judgments there is `set/qrels/dev.tsv`"
                .to_owned()
        ]
    );
}

#[test]
fn damaged_files_of_beir_never_cause_a_panic() {
    let place = Place::new();
    beir(&place);
    let table = json!({ "type": "retrieval", "data": "set" });
    for file in ["set/corpus.jsonl", "set/queries.jsonl", "set/qrels/test.tsv"] {
        let good = std::fs::read(place.path(file)).unwrap();
        for at in 0..good.len() {
            for byte in [b'"', b'\t', b'\n', 0xc3] {
                let mut bad = good.clone();
                bad[at] = byte;
                place.write(file, bad);
                let _ = try_load(&place, table.clone());
            }
            place.write(file, &good[..at]);
            let _ = try_load(&place, table.clone());
        }
        place.write(file, good);
    }
    assert!(try_load(&place, table.clone()).is_ok());
    let mut mapped = table;
    mapped["columns"] = json!({ "anchor": "text", "positive": "title" });
    let [message, help] = refused(&place, mapped);
    assert!(message.starts_with("`columns` is for files of rows"), "{message}");
    assert_eq!(help, "remove `columns` under `[evaluation.made]`");
}

#[test]
fn data_on_which_all_models_are_equally_good_are_refused() {
    let place = Place::new();
    let scored =
        |score: f64| move |n: usize| json!({ "text1": format!("a{n}"), "text2": format!("b{n}"), "score": score });
    let pair = |anchor: &str, positive: &str| json!({ "anchor": anchor, "positive": positive });
    let triplet = |anchor: &str, positive: &str, negative: &str| json!({ "anchor": anchor, "positive": positive, "negative": negative });
    let cases = [
        (
            "retrieval",
            vec![pair("a", "x"), pair("b", "x")],
            "there is one text to find",
        ),
        (
            "retrieval",
            vec![pair("a", "x"), pair("a", "y"), pair("b", "x"), pair("b", "y")],
            "all texts are relevant to each of 2 queries",
        ),
        (
            "retrieval",
            vec![pair("a", "b"), pair("b", "a")],
            "all texts are relevant to each of 2 queries",
        ),
        (
            "similarity",
            (0..3).map(scored(4.5)).collect(),
            "all 3 scored pairs have the score 4.5",
        ),
        (
            "similarity",
            (0..1).map(scored(4.5)).collect(),
            "it has one scored pair",
        ),
        (
            "similarity",
            vec![
                json!({ "text1": "a", "text2": "a", "score": 1 }),
                json!({ "text1": "b", "text2": "b", "score": 2 }),
            ],
            "2 scored pairs that all have the same text twice",
        ),
        (
            "triplets",
            vec![triplet("a", "x", "x")],
            "1 triplet, in each of which a text stands twice",
        ),
        (
            "reranking",
            vec![triplet("a", "x", "x"), triplet("b", "y", "y")],
            "of 2 queries the positive and the negative are the same text",
        ),
    ];
    for (kind, rows, common) in cases {
        place.write("rows.jsonl", lines(rows));
        let [message, help] = refused(&place, json!({ "type": kind, "data": "rows.jsonl" }));
        assert_eq!(
            message,
            format!("`rows.jsonl`: {common}: no model is better there than another")
        );
        assert_eq!(
            help,
            "add rows that differ, or check what the columns are for (`columns` under `[evaluation.made]`)"
        );
    }
    let labelled = |n: usize, label: &str| json!({ "text": format!("t{n}"), "label": label });
    place.write("both.jsonl", lines((0..9).map(|n| labelled(n, ["a", "b"][n % 2]))));
    place.write("one.jsonl", lines((0..9).map(|n| labelled(n, "a"))));
    place.write(
        "other.jsonl",
        "{\"text\": \"t1\", \"label\": \"a\"}\n{\"text\": \"t2\", \"label\": \"c\"}\n",
    );
    let table = |train: &str, data: &str| json!({ "type": "classification", "train": train, "data": data });
    for (train, data) in [("one.jsonl", "both.jsonl"), ("both.jsonl", "one.jsonl")] {
        let [message, _] = refused(&place, table(train, data));
        assert_eq!(
            message,
            "`one.jsonl`: all texts have the label `a`: no model is better there than another"
        );
    }
    assert_eq!(
        refused(&place, table("both.jsonl", "other.jsonl")),
        [
            "other.jsonl:2:25: no text of `train` has the label `c`",
            "remove the row, or fit the classifier on texts with this label too"
        ]
    );
}

#[test]
fn rows_of_another_kind_are_refused_with_the_columns_of_the_evaluation() {
    let place = Place::new();
    place.write("pairs.jsonl", lines([json!({ "anchor": "a", "positive": "b" })]));
    place.write("odd.jsonl", lines([json!({ "a": "x", "b": "y" })]));
    for (kind, wanted) in [
        ("similarity", "scored pairs"),
        ("triplets", "triplets"),
        ("reranking", "triplets"),
    ] {
        let [message, help] = refused(&place, json!({ "type": kind, "data": "pairs.jsonl" }));
        assert_eq!(
            message,
            format!("pairs.jsonl:1:1: the columns make pairs, not {wanted}")
        );
        assert!(help.contains("`columns` under `[evaluation.made]`"), "{help}");
        let [message, help] = refused(&place, json!({ "type": kind, "data": "odd.jsonl" }));
        assert!(
            message.contains("cannot tell what the columns are for: `a`, `b`"),
            "{message}"
        );
        assert!(help.contains("say it under `[evaluation.made]`"), "{help}");
    }
    let columns = json!({ "anchor": "a", "positive": "b" });
    let [message, _] = refused(
        &place,
        json!({ "type": "retrieval", "data": "odd.jsonl", "columns": columns }),
    );
    assert!(message.contains("there is one text to find"), "{message}");
    place.write("empty.jsonl", lines([json!({ "text1": "a", "text2": "", "score": 1 })]));
    let [message, _] = refused(&place, json!({ "type": "similarity", "data": "empty.jsonl" }));
    assert_eq!(
        message,
        "no rows of `empty.jsonl` remain: something is missing in all 1"
    );
}

#[test]
fn rows_keep_what_evaluators_measure() {
    let place = Place::new();
    let scored = [
        json!({ "sentence1": "a", "sentence2": "b", "score": 4.2 }),
        json!({ "sentence1": "a", "sentence2": "b", "score": 4.2 }),
        json!({ "sentence1": "c", "sentence2": "c", "score": "5" }),
        json!({ "sentence1": "c", "sentence2": "d", "score": null }),
        json!({ "sentence1": "d", "sentence2": "a", "score": -300 }),
    ];
    place.write("scored.jsonl", lines(scored));
    let found = loaded(&place, json!({ "type": "similarity", "data": "scored.jsonl" }));
    let expected = vec![([0, 1], 4.2), ([0, 1], 4.2), ([2, 2], 5.0), ([3, 0], -300.0)];
    assert_eq!(found.data.task, Task::Similarity(expected));
    assert_eq!(
        found.report.summary,
        "4 scored pairs; 1 without a text or a score left out"
    );

    let rows = [
        json!({ "query": "q", "positive": ["a", "b"], "negative": ["c", "a"] }),
        json!({ "query": "q", "positive": ["a"], "negative": ["c", "d"] }),
        json!({ "query": "r", "positive": ["a"], "negative": [] }),
    ];
    place.write("rows.jsonl", lines(rows));
    let found = loaded(&place, json!({ "type": "reranking", "data": "rows.jsonl" }));
    let row = |positives: &[u32], negatives: &[u32]| Candidates {
        query: 0,
        positives: positives.to_vec(),
        negatives: negatives.to_vec(),
    };
    assert_eq!(
        found.data.task,
        Task::Reranking(vec![row(&[1, 2], &[3, 1]), row(&[1], &[3, 4])])
    );
    assert_eq!(
        found.report.summary,
        "2 queries, 3 positives, 4 negatives; 1 without a query, a positive or a negative left out"
    );
    assert_eq!(
        warnings(&place, &found),
        ["a text is positive and negative in 1 of 2 queries: the negative stands first there"]
    );
    let found = loaded(&place, json!({ "type": "triplets", "data": "rows.jsonl" }));
    let Task::Triplets(triplets) = &found.data.task else {
        panic!("no triplets");
    };
    assert_eq!(
        triplets,
        &[[0, 1, 3], [0, 1, 1], [0, 2, 3], [0, 2, 1], [0, 1, 3], [0, 1, 4]]
    );
    assert_eq!(
        warnings(&place, &found),
        ["a text stands twice in 1 of 6 triplets, on which all models are equally good"]
    );

    place.write(
        "train.jsonl",
        lines([json!({ "text": "a", "label": 1 }), json!({ "text": "b", "label": 0 })]),
    );
    let test = [
        json!({ "text": "c", "label": 1.0 }),
        json!({ "text": "a", "label": "1" }),
        json!({ "text": "d", "label": false }),
    ];
    place.write("test.jsonl", lines(test));
    let [message, _] = refused(
        &place,
        json!({ "type": "classification", "train": "train.jsonl", "data": "test.jsonl" }),
    );
    assert!(
        message.contains("no text of `train` has the label `false`"),
        "{message}"
    );
    place.write(
        "test.jsonl",
        lines([
            json!({ "text": "c", "label": 1.0 }),
            json!({ "text": "a", "label": "0" }),
        ]),
    );
    let found = loaded(
        &place,
        json!({ "type": "classification", "train": "train.jsonl", "data": "test.jsonl" }),
    );
    let Task::Classification(task) = &found.data.task else {
        panic!("no classification");
    };
    assert_eq!(task.labels, ["0", "1"]);
    assert_eq!(
        (&task.train, &task.test),
        (&vec![(0, 1), (1, 0)], &vec![(2, 1), (0, 0)])
    );
    assert_eq!(
        warnings(&place, &found),
        [
            "the classifier is fitted on 1 of the 2 texts that it is asked about",
            "the labels `1` and `1.0` are the same value, and count as one"
        ]
    );
}
