//! Data that teach nothing, or tell nothing of a model, are refused; those that say little are warned of.

use crate::common::Place;
use hpo_data::{Data, Rows};
use serde_json::{Value, json};

fn lines(rows: impl IntoIterator<Item = Value>) -> String {
    rows.into_iter().map(|row| row.to_string() + "\n").collect()
}

/// So many answers to each of so many questions.
fn answers(questions: usize, each: usize) -> String {
    let row = |n: usize| json!({ "question": format!("question {}", n / each), "answer": format!("answer {n}") });
    lines((0..questions * each).map(row))
}

/// So many questions to each of so many answers.
fn questions(answers: usize, each: usize) -> String {
    let row = |n: usize| json!({ "question": format!("question {n}"), "answer": format!("answer {}", n / each) });
    lines((0..answers * each).map(row))
}

fn pair(anchor: &str, positive: &str) -> Value {
    json!({ "anchor": anchor, "positive": positive })
}

const MORE: &str = "a file with `validation = \"…\"`, or more rows, or a column `group`";

#[test]
fn training_data_that_teach_nothing_are_refused() {
    let spam = |n: usize| json!({ "text": format!("message {n}"), "label": "spam" });
    let scored = |n: usize| json!({ "text1": format!("a {n}"), "text2": format!("b {n}"), "score": 1 });
    let twice = |n: usize| pair(&format!("a {n}"), &format!("a {n}"));
    let cases = [
        (
            lines((0..20).map(spam)),
            true,
            "all 20 training rows of `t.jsonl` have the label `spam`",
        ),
        (
            lines((0..20).map(scored)),
            true,
            "all 20 training rows of `t.jsonl` have the same score",
        ),
        (
            lines((0..20).map(twice)),
            false,
            "all 20 training rows of `t.jsonl` name the same text twice",
        ),
        (
            questions(1, 20),
            true,
            "all 20 training rows of `t.jsonl` have the same positive, `answer 0`",
        ),
        (
            lines((0..20).map(|n| pair("a", &format!("b {n}")))),
            true,
            "all 20 training rows of `t.jsonl` have the same anchor, `a`",
        ),
        (lines([pair("a", "b")]), true, "there is one training row of `t.jsonl`"),
        (
            lines((0..9).map(|n| json!({ "text": "a", "label": n }))),
            false,
            "all 9 training rows of `t.jsonl` have the same text, `a`",
        ),
        (
            lines((0..9).map(|n| json!({ "anchor": format!("a {n}"), "positive": "b", "negative": "b" }))),
            false,
            "all 9 training rows of `t.jsonl` name the same text twice",
        ),
    ];
    for (text, clean, expected) in cases {
        let place = Place::new();
        place.write("t.jsonl", text);
        let (message, _, help) = place.refused(json!({ "train": "t.jsonl", "clean": clean }));
        assert_eq!(message, format!("{expected}: there is nothing to learn"));
        assert!(
            help.starts_with("add rows that differ, or check what the columns are for"),
            "{help}"
        );
    }
    let place = Place::new();
    place.write("t.jsonl", lines((0..20).map(twice)));
    let (message, _, help) = place.refused(json!({ "train": "t.jsonl" }));
    assert_eq!(
        message,
        "no rows of `t.jsonl` remain: of 20 dropped 20 with the same text twice"
    );
    assert!(
        help.contains("texts that differ") && !help.contains("clean = false"),
        "{help}"
    );
}

#[test]
fn a_validation_that_no_model_can_fail_is_refused() {
    let labelled = |label: &str| lines((0..4).map(|n| json!({ "text": format!("{label} {n}"), "label": label })));
    let scored =
        |score: f64| lines((0..4).map(|n| json!({ "text1": format!("{score} {n}"), "text2": "b", "score": score })));
    let pairs = questions(4, 4);
    let cases = [
        (
            pairs.clone(),
            lines([pair("x", "y")]),
            "there is one validation row of `v.jsonl`",
        ),
        (
            pairs.clone(),
            lines((0..3).map(|n| pair(&format!("x {n}"), "y"))),
            "all 3 validation rows of `v.jsonl` have the same positive, `y`",
        ),
        (
            pairs.clone(),
            lines((0..3).map(|n| pair("x", &format!("y {n}")))),
            "all 3 validation rows of `v.jsonl` have the same anchor, `x`",
        ),
        (
            pairs,
            lines([pair("x", "y"), pair("y", "x")]),
            "all 2 validation rows of `v.jsonl` have an anchor that all positives belong to",
        ),
        (
            labelled("spam") + &labelled("ham"),
            labelled("spam").replace("spam ", "new "),
            "all 4 validation rows of `v.jsonl` have the label `spam`",
        ),
        (
            scored(0.5) + &scored(1.0),
            scored(0.5).replace("0.5 ", "new "),
            "all 4 validation rows of `v.jsonl` have the same score",
        ),
    ];
    for (train, validation, expected) in cases {
        let place = Place::new();
        place.write("t.jsonl", &train);
        place.write("v.jsonl", &validation);
        let (message, _, help) = place.refused(json!({ "train": "t.jsonl", "validation": "v.jsonl" }));
        assert_eq!(message, format!("{expected}: no model is better there than another"));
        assert!(help.contains("leave `validation` out"), "{help}");
        // What is good enough to validate with is good enough to test with.
        let anchors = ["question", "text", "text1"].map(|key| format!("\"{key}\":\""));
        let good = anchors
            .iter()
            .fold(train, |text, key| text.replace(key, &format!("{key}good ")));
        place.write("good.jsonl", good);
        let (message, _, _) =
            place.refused(json!({ "train": "t.jsonl", "validation": "good.jsonl", "test": "v.jsonl" }));
        assert_eq!(
            message,
            format!(
                "{}: no model is better there than another",
                expected.replace("validation", "test")
            )
        );
    }
}

fn positives(data: &Data) -> usize {
    distinct(data, 1)
}

/// How many different anchors (0) or positives (1) there are.
fn distinct(data: &Data, side: usize) -> usize {
    let Rows::Pairs(rows) = &data.rows else {
        panic!("{data:?}")
    };
    let texts: std::collections::BTreeSet<u32> = rows.iter().map(|row| row[side]).collect();
    texts.len()
}

#[test]
fn a_split_has_different_answers_whatever_the_number_of_questions_to_each() {
    for (answers, each, fewest) in [
        (10, 2, 3),
        (10, 30, 3),
        (40, 1, 10),
        (200, 3, 20),
        (4, 50, 2),
        (5, 7, 2),
        (30, 2, 10),
    ] {
        let place = Place::new();
        place.write("t.jsonl", questions(answers, each));
        for seed in 0..5 {
            let sets = place.load(json!({ "train": "t.jsonl", "split_seed": seed })).unwrap();
            let (train, validation) = (positives(&sets.train), positives(&sets.validation));
            assert!(validation >= fewest && train >= 2, "{answers} {each}: {validation}");
            assert_eq!(train + validation, answers);
            assert!(2 * sets.validation.rows.len() <= answers * each);
        }
        let sets = place.load(json!({ "train": "t.jsonl", "test_share": 0.1 }));
        assert!(
            answers < 6 || sets.is_ok_and(|sets| positives(&sets.validation) > 1 && positives(&sets.test.unwrap()) > 1)
        );
    }
}

#[test]
fn a_split_has_different_questions_whatever_the_number_of_answers_to_each() {
    for (questions, each, fewest) in [(10, 30, 3), (40, 12, 10), (4, 50, 2)] {
        let place = Place::new();
        place.write("t.jsonl", answers(questions, each));
        for seed in 0..5 {
            let sets = place.load(json!({ "train": "t.jsonl", "split_seed": seed })).unwrap();
            let (train, validation) = (distinct(&sets.train, 0), distinct(&sets.validation, 0));
            assert!(validation >= fewest && train >= 2, "{questions} {each}: {validation}");
        }
    }
}

#[test]
fn a_split_that_could_tell_nothing_is_refused() {
    for text in [questions(2, 30), questions(3, 5), questions(3, 1)] {
        let place = Place::new();
        place.write("t.jsonl", text);
        let (message, _, help) = place.refused(json!({ "train": "t.jsonl" }));
        let form = message.starts_with("all ") || message.starts_with("there is one ");
        assert!(form && message.contains("split off `t.jsonl`"), "{message}");
        assert!(help.contains(MORE), "{help}");
    }
    // A group for each row: questions of one answer may lie on both sides.
    let place = Place::new();
    let row =
        |n: usize| json!({ "question": format!("question {n}"), "answer": format!("answer {}", n % 2), "group": n });
    place.write("t.jsonl", lines((0..60).map(row)));
    let sets = place.load(json!({ "train": "t.jsonl" })).unwrap();
    assert_eq!(positives(&sets.validation), 2);
}

#[test]
fn a_split_of_labelled_texts_or_scores_has_different_ones() {
    let place = Place::new();
    // One text in twenty has the rarer label.
    place.write(
        "l.jsonl",
        lines((0..60).map(|n| json!({ "text": format!("t {n}"), "label": n % 20 == 0 }))),
    );
    place.write("s.jsonl", lines((0..60).map(|n| json!({ "text1": format!("a {n}"), "text2": format!("b {n}"), "score": f64::from(u8::from(n % 20 == 0)) }))));
    for seed in 0..20 {
        let labelled = place.load(json!({ "train": "l.jsonl", "split_seed": seed })).unwrap();
        let Rows::Labelled(rows) = labelled.validation.rows else {
            panic!()
        };
        assert!((0..2).all(|label| rows.iter().any(|row| row.1 == label)));
        let scored = place.load(json!({ "train": "s.jsonl", "split_seed": seed })).unwrap();
        let Rows::Scored(rows) = scored.validation.rows else {
            panic!()
        };
        assert!([0.0, 1.0].iter().all(|score| rows.iter().any(|row| row.1 == *score)));
    }
}

#[test]
fn few_rows_are_warned_of_once_with_the_error_that_they_leave() {
    let place = Place::new();
    let triplet =
        |n: usize| json!({ "anchor": format!("a {n}"), "positive": format!("b {n}"), "negative": format!("c {n}") });
    place.write("t.jsonl", lines((0..3).map(triplet)));
    place.write("v.jsonl", lines((5..8).map(triplet)));
    let report = |settings: Value| place.load(settings).unwrap().report;
    let few = report(json!({ "train": "t.jsonl", "validation": "v.jsonl" }));
    let expected = [
        "only 3 training rows: what a model learns from so few is mostly chance",
        "only 3 validation rows: the standard error of ndcg@10, mrr@10 and recall@10 is up to 0.29 at a value of 0.5 and up to 0.17 \
         at 0.9, so smaller differences between models may be chance; give 100 or more",
        "only 6 different answers in the validation rows: recall@10 is always 1 there, so compare by the loss or mrr@10",
    ];
    assert_eq!(few.warnings, expected);
    let said = expected.map(|warning| format!("\nwarning: {warning}")).concat();
    assert!(few.to_string().ends_with(&said));
    place.write("t.jsonl", lines((0..400).map(triplet)));
    let split = report(json!({ "train": "t.jsonl" }));
    assert_eq!((split.validation.rows, split.warnings.len()), (40, 1));
    let enough = report(json!({ "train": "t.jsonl", "validation_share": 0.25, "test_share": 0.25 }));
    assert_eq!(enough.warnings, [""; 0]);
}
