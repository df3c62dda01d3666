//! What is dropped, what is split off, and what is reported of it.

use std::collections::BTreeSet;

use crate::common::Place;
use hpo_data::{Data, Dropped, Rows, Triplet};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Rows by their texts.
fn named(data: &Data) -> BTreeSet<Vec<&str>> {
    let text = |place: &u32| data.texts[*place as usize].as_str();
    match &data.rows {
        Rows::Triplets(rows) => {
            let texts = |row: &Triplet| [&[row.anchor, row.positive], row.negatives.as_slice()].concat();
            rows.iter().map(|row| texts(row).iter().map(text).collect()).collect()
        }
        Rows::Pairs(rows) => rows.iter().map(|row| row.iter().map(text).collect()).collect(),
        Rows::Scored(rows) => rows.iter().map(|(row, _)| row.iter().map(text).collect()).collect(),
        Rows::Labelled(rows) => rows.iter().map(|(row, _)| vec![text(row)]).collect(),
    }
}

/// Anchors and positives.
fn linked(data: &Data) -> BTreeSet<&str> {
    named(data)
        .iter()
        .flat_map(|row| row.iter().take(2).copied().collect::<Vec<_>>())
        .collect()
}

const TRAIN: &str = "anchor,positive,negative
a , b,c
a,b,c
,b,c
d,d,e
f,g,h
f,i,g
v,x,y
x,v,y
w,x,v
";

const VALIDATION: &str = "anchor,positive,negative\nv,b,z\n";

#[test]
fn columns_that_are_not_read_are_named() {
    let place = Place::new();
    let rows: String = (0..40)
        .map(|n| format!("{n},what is {n},the number {n},is it {n},web\n"))
        .collect();
    place.write("t.csv", format!("id,anchor,positive,query,source\n{rows}"));
    let said = |settings| place.load(settings).unwrap().report.to_string();
    let guessed = said(json!({ "train": "t.csv" }));
    assert!(
        guessed.starts_with("data: pairs (anchor, positive); columns that are not read: `id`, `query`, `source`\n"),
        "{guessed}"
    );
    let named = said(json!({ "train": "t.csv", "columns": { "anchor": "query", "positive": "positive" } }));
    assert!(named.starts_with("data: pairs (query, positive)\n"), "{named}");
}

#[test]
fn a_report_says_what_was_dropped() {
    let place = Place::new();
    place.write("t.csv", TRAIN);
    place.write("v.csv", VALIDATION);
    let sets = place.load(json!({ "train": "t.csv", "validation": "v.csv" })).unwrap();
    assert_eq!(
        sets.report.train.read.as_ref().unwrap().dropped,
        Dropped {
            empty: 1,
            duplicates: 1,
            equal: 1,
            conflicts: 2,
            leaked: 2,
        }
    );
    assert_eq!(
        sets.report.to_string(),
        "data: triplets (anchor, positive, negative)
  training: 2 rows, 6 texts; of 9 dropped 1 empty, 1 duplicate, 1 with the same text twice, 2 contradictory, 2 that \
         leak into held-out rows; blanks cut off 2 texts
  validation: 1 row, 3 texts
warning: only 2 training rows: what a model learns from so few is mostly chance
warning: only 1 validation row: the standard error of ndcg@10, mrr@10 and recall@10 is up to 0.50 at a value of 0.5 and up to \
         0.30 at 0.9, so smaller differences between models may be chance; give 100 or more
warning: only 2 different answers in the validation rows: recall@10 is always 1 there, so compare by the loss or mrr@10"
    );
    assert_eq!(named(&sets.train), [vec!["a", "b", "c"], vec!["w", "x", "v"]].into());
    let kept: hpo_data::Report = serde_json::from_value(json!(sets.report)).unwrap();
    assert_eq!(kept, sets.report);
}

#[test]
fn without_cleaning_rows_are_taken_as_they_are_and_empty_ones_are_mistakes() {
    let place = Place::new();
    place.write("t.csv", TRAIN);
    place.write("v.csv", VALIDATION);
    let settings = json!({ "train": "t.csv", "validation": "v.csv", "clean": false });
    let refused = place.refused(settings.clone());
    assert_eq!(
        (refused.0.as_str(), refused.2.as_str()),
        ("t.csv:4:1: `anchor` is blank", "give it a text, or remove the row")
    );
    place.write("t.csv", TRAIN.replace("\n,b,c", ""));
    let sets = place.load(settings).unwrap();
    assert_eq!(sets.train.rows.len(), 8);
    assert!(sets.train.texts.contains(&"a ".to_owned()));
    assert_eq!(sets.report.train.read.unwrap().dropped, Dropped::default());

    let blank = |line: &str| {
        place.write("b.jsonl", line);
        place
            .refused(json!({ "train": "b.jsonl", "validation": "b.jsonl", "clean": false }))
            .0
    };
    assert_eq!(
        blank(r#"{"anchor":"a","positive":" \t"}"#),
        "b.jsonl:1:26: `positive` is blank"
    );
    assert_eq!(
        blank(r#"{"anchor":"a","positive":[]}"#),
        "b.jsonl:1:26: `positive` is blank"
    );
    assert_eq!(
        blank(r#"{"anchor":"a","positive":null}"#),
        "b.jsonl:1:26: `positive` is blank"
    );
    assert_eq!(blank(r#"{"text":"a","label":" "}"#), "b.jsonl:1:21: `label` is blank");
    assert_eq!(
        blank(r#"{"text1":"a","text2":"b","score":null}"#),
        "b.jsonl:1:34: `score` is blank"
    );
}

#[test]
fn data_of_which_nothing_remains_is_refused() {
    let place = Place::new();
    place.write("t.csv", "anchor,positive\na,b\n,b\n");
    place.write("v.csv", "anchor,positive\na,c\n");
    let refused = place.refused(json!({ "train": "t.csv", "validation": "v.csv" }));
    assert_eq!(
        refused.0,
        "no rows of `t.csv` remain: of 2 dropped 1 empty, 1 that leak into held-out rows"
    );
    assert!(refused.2.contains("`clean = false`"));
    let refused = place.refused(json!({ "train": "v.csv", "validation": "v.csv" }));
    assert_eq!(
        refused.0,
        "no rows of `v.csv` remain: of 1 dropped 1 that leak into held-out rows"
    );
    assert!(
        refused
            .2
            .starts_with("give `train`, `validation` and `test` different rows")
    );
    place.write("t.csv", "anchor,positive,negative\na,b,c\na,b,c\n");
    assert_eq!(
        place.refused(json!({ "train": "t.csv" })).0,
        "`t.csv` has a single row (of 2 dropped 1 duplicate): none can be split off to be validation data"
    );
}

#[test]
fn validation_is_kept_apart_from_test() {
    let place = Place::new();
    place.write("t.csv", "anchor,positive\na,b\nc,d\ne,f\ni,j\n");
    place.write("v.csv", "anchor,positive\ng,h\nc,x\nk,l\n");
    place.write("test.csv", "anchor,positive\nc,d\ne,x\n");
    let sets = place
        .load(json!({ "train": "t.csv", "validation": "v.csv", "test": "test.csv" }))
        .unwrap();
    assert_eq!(named(&sets.train), [vec!["a", "b"], vec!["i", "j"]].into());
    assert_eq!(named(&sets.validation), [vec!["g", "h"], vec!["k", "l"]].into());
    assert_eq!(sets.test.unwrap().rows.len(), 2);
}

fn numbered(rows: impl Iterator<Item = (usize, usize)>) -> String {
    let lines = rows.map(|(anchor, positive)| format!("a{anchor},p{positive}\n"));
    "anchor,positive\n".to_owned() + &lines.collect::<String>()
}

#[test]
fn validation_and_test_are_split_off_without_shared_texts() {
    let place = Place::new();
    place.write("t.csv", numbered((0..200).map(|n| (n, n / 2))));
    let load = |settings: Value| place.load(settings).unwrap();
    let sets = load(json!({ "train": "t.csv", "test_share": 0.2 }));
    let test = sets.test.as_ref().unwrap();
    assert_eq!(
        [sets.train.rows.len(), sets.validation.rows.len(), test.rows.len()],
        [140, 20, 40]
    );
    for (one, other) in [
        (&sets.train, &sets.validation),
        (&sets.train, test),
        (&sets.validation, test),
    ] {
        assert!(linked(one).is_disjoint(&linked(other)));
    }
    assert!(
        sets.report
            .to_string()
            .contains("\n  validation: 20 rows, 30 texts, split off the training data\n")
    );
    assert_eq!(
        load(json!({ "train": "t.csv", "test_share": 0.2, "split_seed": 0 })),
        sets
    );
    let other = load(json!({ "train": "t.csv", "test_share": 0.2, "split_seed": 1 }));
    assert_ne!(named(&other.validation), named(&sets.validation));
    let larger = load(json!({ "train": "t.csv", "validation_share": 0.3 }));
    assert_eq!([larger.train.rows.len(), larger.validation.rows.len()], [140, 60]);
}

#[test]
fn rows_of_a_group_go_together_and_texts_that_groups_share_do_not_leak() {
    let place = Place::new();
    let lines: String = (0..100)
        .map(|n| {
            format!(
                "{{\"anchor\":\"a{}\",\"positive\":\"b{n}\",\"group\":{}}}\n",
                n / 2,
                n % 10
            )
        })
        .collect();
    place.write("t.jsonl", lines);
    let sets = place
        .load(json!({ "train": "t.jsonl", "validation_share": 0.2 }))
        .unwrap();
    let read = sets.report.train.read.as_ref().unwrap();
    assert_eq!(read.columns, ["anchor", "positive", "group"]);
    assert_eq!(sets.validation.rows.len(), 20);
    assert_eq!(sets.train.rows.len() + read.dropped.leaked, 80);
    assert!(linked(&sets.train).is_disjoint(&linked(&sets.validation)));
}

#[test]
fn data_that_hangs_together_is_not_split() {
    let place = Place::new();
    // A chain, in which each text is shared by two rows.
    place.write("t.csv", numbered((0..50usize).map(|n| (n / 2, n.div_ceil(2)))));
    let refused = place.refused(json!({ "train": "t.csv" }));
    assert_eq!(
        refused.0,
        "cannot split 5 validation rows off `t.csv`: 50 of its 50 rows belong together, since they share texts or a group"
    );
    assert_eq!(
        refused.2,
        "give a file with `validation = \"…\"`, or a column `group` that says which rows belong together"
    );
    place.write("t.csv", "text,label\na,x\nb,y\n");
    let refused = place.refused(json!({ "train": "t.csv", "test_share": 0.5 }));
    assert_eq!(
        refused.0,
        "cannot split 1 test rows off `t.csv`: too many labels have a single row, which training needs"
    );
}

#[test]
fn a_range_of_scores_is_checked() {
    let place = Place::new();
    place.write("t.csv", numbered([(1, 1)].into_iter()));
    let refused = place.refused(json!({ "train": "t.csv", "score_range": [0, 5] }));
    assert_eq!(
        refused.0,
        "`score_range` is set, but `t.csv` has pairs, which have no scores"
    );
    let refused = place.refused(json!({ "train": "t.csv", "score_range": [5, 0] }));
    assert_eq!(refused.0, "`score_range` is 5 to 0, which is not a range");
    place.write("t.csv", "text1,text2,score\na,b,5.5\n");
    let refused = place.refused(json!({ "train": "t.csv", "score_range": [0, 5] }));
    assert_eq!(
        (refused.0.as_str(), refused.2.as_str()),
        (
            "t.csv:2:5: `score` is 5.5, outside 0 to 5",
            "fix the score, or widen `score_range`"
        )
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Triplets of few texts, so that all that can be wrong with them is.
    #[test]
    fn clean_data_is_clean_whatever_the_order_of_its_rows(
        rows in prop::collection::vec((0u32..60, 0u32..60, 0u32..60), 1..80), turn in 0usize..80, seed in 0u64..5,
    ) {
        let place = Place::new();
        let text = |text: u32| if text == 0 { " ".to_owned() } else { format!("t{text} ") };
        let line = |(a, p, n): &(u32, u32, u32)| {
            json!({ "anchor": text(*a), "positive": text(*p), "negative": text(*n) }).to_string() + "\n"
        };
        let mut lines: Vec<String> = rows.iter().map(line).collect();
        place.write("t.jsonl", lines.concat());
        let settings = json!({ "train": "t.jsonl", "split_seed": seed, "validation_share": 0.2 });
        let sets = place.load(settings.clone());
        let turn = turn % lines.len();
        lines.rotate_left(turn);
        place.write("t.jsonl", lines.concat());
        let turned = place.load(settings);
        let Ok(sets) = sets else {
            prop_assert!(turned.is_err());
            return Ok(());
        };
        let turned = turned.unwrap();
        prop_assert_eq!(named(&sets.train), named(&turned.train));
        prop_assert_eq!(named(&sets.validation), named(&turned.validation));

        let all = named(&sets.train);
        prop_assert_eq!(all.len(), sets.train.rows.len());
        for row in &all {
            prop_assert!(row[0] != row[1] && row[1] != row[2] && row[0] != row[2]);
            prop_assert!(!all.iter().any(|other| other[0] == row[0] && other[2] == row[1]));
            prop_assert!(row.iter().all(|text| !text.is_empty() && text.trim() == *text));
        }
        prop_assert!(linked(&sets.train).is_disjoint(&linked(&sets.validation)));
        let read = sets.report.train.read.unwrap();
        prop_assert_eq!(read.rows, rows.len());
        prop_assert_eq!(sets.train.rows.len() + sets.validation.rows.len() + read.dropped.total(), rows.len());

        let again: String = all.iter().map(|row| {
            json!({ "anchor": row[0], "positive": row[1], "negative": row[2] }).to_string() + "\n"
        }).collect();
        place.write("again.jsonl", again);
        place.write("v.jsonl", "{\"anchor\":\"v\",\"positive\":\"w\",\"negative\":\"x\"}");
        let again = place.load(json!({ "train": "again.jsonl", "validation": "v.jsonl" })).unwrap();
        prop_assert_eq!(again.report.train.read.unwrap().dropped, Dropped::default());
    }
}
