//! The same value is the same however it is written, and in whatever format.

use crate::common::{Column, Place, write_all, write_typed};
use hpo_data::{Data, Rows};
use parquet::basic::{LogicalType, TimeUnit};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Loads a file as training and validation data, without cleaning.
fn load(place: &Place, file: &str) -> Result<Data, String> {
    let loaded = place.load(json!({ "train": file, "validation": file, "clean": false }));
    loaded.map(|sets| sets.train).map_err(|error| error.message)
}

/// The label of each row.
fn labels(data: &Data) -> Vec<&str> {
    let Rows::Labelled(rows) = &data.rows else {
        panic!("{data:?}")
    };
    rows.iter()
        .map(|(_, label)| data.labels[*label as usize].as_str())
        .collect()
}

/// Lines of JSON with a text each and these labels, which are JSON.
fn jsonl(labels: &[&str]) -> String {
    let line = |(n, label): (usize, &&str)| format!("{{\"text\":\"t{n}\",\"label\":{label}}}\n");
    labels.iter().enumerate().map(line).collect()
}

fn table(labels: &[&str], separator: char) -> String {
    let line = |(n, label): (usize, &&str)| format!("t{n}{separator}{label}\n");
    format!("text{separator}label\n") + &labels.iter().enumerate().map(line).collect::<String>()
}

const TEXTS: [&str; 4] = ["t0", "t1", "t2", "t3"];

fn typed(place: &Place, label: Column) -> Result<Data, String> {
    write_typed(
        &place.path("t.parquet"),
        &[("text", Column::Text(TEXTS.to_vec())), ("label", label)],
    );
    load(place, "t.parquet")
}

#[test]
fn a_label_is_one_however_a_format_writes_it() {
    let place = Place::new();
    let cases: [(&[&str], &[&str]); 8] = [
        (
            &[
                "0", "0.0", "\"0\"", "-0", "0e1", "\" 0 \"", "1e0", "1", "\"1.00\"", "10e-1",
            ],
            &["0", "0", "0", "0", "0", "0", "1", "1", "1", "1"],
        ),
        (
            &["true", "\"true\"", "\"True\"", "false", "\"FALSE\""],
            &["true", "true", "true", "false", "false"],
        ),
        (&["-1", "-1.0", "\"+1\"", "1"], &["-1", "-1", "1", "1"]),
        (&["4.5", "\"4.50\"", "0.45e1", "5"], &["4.5", "4.5", "4.5", "5"]),
        (&["\"007\"", "7", "\"7.0\"", "\"07\""], &["007", "7", "7", "07"]),
        (
            &["12345678901234567890123", "12345678901234567890124"],
            &["12345678901234567890123", "12345678901234567890124"],
        ),
        (
            &["\"2026-01-31\"", "\"2026-01-31T00:00:00Z\"", "\"2026-01-31 12:00\""],
            &["2026-01-31", "2026-01-31", "2026-01-31 12:00:00"],
        ),
        (
            &["\"yes\"", "\"Yes\"", "\"nan\"", "\"1,5\""],
            &["yes", "Yes", "nan", "1,5"],
        ),
    ];
    for (written, expected) in cases {
        let bare: Vec<&str> = written.iter().map(|label| label.trim_matches('"')).collect();
        place.write("t.jsonl", jsonl(written));
        place.write("t.tsv", table(&bare, '\t'));
        place.write("t.csv", table(written, ','));
        for file in ["t.jsonl", "t.tsv", "t.csv"] {
            if file == "t.csv" && expected.contains(&"1,5") {
                place.write("t.csv", table(written, ','));
            }
            assert_eq!(labels(&load(&place, file).unwrap()), expected, "{file}");
        }
    }
}

#[test]
fn labels_of_every_type_that_parquet_has_are_those_of_the_other_formats() {
    let place = Place::new();
    let day = 86_400_000_000_000i64;
    let moments = |unit: TimeUnit| Some(LogicalType::timestamp(false, unit));
    let times = |unit: TimeUnit| Some(LogicalType::time(false, unit));
    let good: Vec<(Column, [&str; 4])> = vec![
        (
            Column::Bool(vec![true, false, true, false]),
            ["true", "false", "true", "false"],
        ),
        (Column::Int32(vec![0, 1, -1, 0], None), ["0", "1", "-1", "0"]),
        (
            Column::Int32(vec![0, 1, 255, 0], Some(LogicalType::integer(8, false))),
            ["0", "1", "255", "0"],
        ),
        (
            Column::Int64(vec![0, 1, i64::MIN, -1], Some(LogicalType::integer(64, false))),
            ["0", "1", "9223372036854775808", "18446744073709551615"],
        ),
        (Column::Float(vec![0.0, 0.1, 1.0, -0.0]), ["0", "0.1", "1", "0"]),
        (
            Column::Double(vec![0.0, 0.1, 1e21, 4.5]),
            ["0", "0.1", "1000000000000000000000", "4.5"],
        ),
        (
            Column::Fixed(
                vec![&[0, 0x3c], &[0, 0], &[0x66, 0x2e], &[0, 0x3c]],
                Some(LogicalType::Float16),
            ),
            ["1", "0", "0.1", "1"],
        ),
        (
            Column::Int32(vec![100, 150, 0, -5], Some(LogicalType::decimal(2, 9))),
            ["1", "1.5", "0", "-0.05"],
        ),
        (
            Column::Int64(vec![100, 150, 0, -5], Some(LogicalType::decimal(0, 18))),
            ["100", "150", "0", "-5"],
        ),
        (
            Column::Fixed(
                vec![&[0, 100], &[0, 0], &[0xff, 0xfb], &[0, 1]],
                Some(LogicalType::decimal(2, 4)),
            ),
            ["1", "0", "-0.05", "0.01"],
        ),
        (
            Column::Int32(vec![0, 14_611, -1, 0], Some(LogicalType::Date)),
            ["1970-01-01", "2010-01-02", "1969-12-31", "1970-01-01"],
        ),
        (
            Column::Int64(vec![0, day, day + 1, 45_000_000_000_000], moments(TimeUnit::NANOS)),
            [
                "1970-01-01",
                "1970-01-02",
                "1970-01-02 00:00:00.000000001",
                "1970-01-01 12:30:00",
            ],
        ),
        (
            Column::Int64(vec![0, day / 1000, 1, -1], moments(TimeUnit::MICROS)),
            [
                "1970-01-01",
                "1970-01-02",
                "1970-01-01 00:00:00.000001",
                "1969-12-31 23:59:59.999999",
            ],
        ),
        (
            Column::Int64(vec![0, 1, 2, 45_000_000], moments(TimeUnit::MILLIS)),
            [
                "1970-01-01",
                "1970-01-01 00:00:00.001",
                "1970-01-01 00:00:00.002",
                "1970-01-01 12:30:00",
            ],
        ),
        (
            Column::Int64(vec![0, 45_000_000_000_000, 1, 0], times(TimeUnit::NANOS)),
            ["00:00:00", "12:30:00", "00:00:00.000000001", "00:00:00"],
        ),
        (
            Column::Int32(vec![0, 45_000_000, 1, 0], times(TimeUnit::MILLIS)),
            ["00:00:00", "12:30:00", "00:00:00.001", "00:00:00"],
        ),
        (Column::Text(vec!["0", "0.0", "TRUE", "a"]), ["0", "0", "true", "a"]),
        (
            Column::Fixed(vec![b"ab", b"cd", b"10", b"ab"], None),
            ["ab", "cd", "10", "ab"],
        ),
    ];
    for (column, expected) in good {
        assert_eq!(labels(&typed(&place, column).unwrap()), expected);
    }
    let uuid: Vec<&[u8]> = vec![&[7; 16]; 4];
    let bad = [
        (
            Column::Double(vec![0.0, f64::NAN, 1.0, 1.0]),
            ", row 2: `label` must be a finite number",
        ),
        (
            Column::Float(vec![0.0, 1.0, f32::INFINITY, 1.0]),
            ", row 3: `label` must be a finite number",
        ),
        (
            Column::Fixed(uuid, Some(LogicalType::Uuid)),
            ": the column `label` has UUIDs",
        ),
        (Column::Intervals(4), ": the column `label` has intervals"),
        (
            Column::Fixed(vec![&[0xff], b"a", b"b", b"c"], None),
            ", row 1: `label` is not UTF-8",
        ),
    ];
    for (column, expected) in bad {
        let message = typed(&place, column).unwrap_err();
        assert!(message.ends_with(&format!("t.parquet`{expected}")), "{message}");
    }
}

#[test]
fn scores_are_numbers_however_they_are_written() {
    let place = Place::new();
    let written = [
        "0.5", "5e-1", "\"0.50\"", "true", "\"True\"", "1", "\"1.0\"", "false", "0.10",
    ];
    let expected = [0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 0.0, 0.1];
    let scores = |data: Data| -> Vec<f32> {
        let Rows::Scored(rows) = data.rows else { panic!() };
        rows.iter().map(|(_, score)| *score).collect()
    };
    let line = |score: &str| format!("{{\"text1\":\"a\",\"text2\":\"b\",\"score\":{score}}}\n");
    place.write("t.jsonl", written.map(line).concat());
    place.write(
        "t.csv",
        "text1,text2,score\n".to_owned() + &written.map(|score| format!("a,b,{score}\n")).concat(),
    );
    assert_eq!(scores(load(&place, "t.jsonl").unwrap()), expected);
    assert_eq!(scores(load(&place, "t.csv").unwrap()), expected);
    let typed = |score: Column, place: &Place| {
        let text = |text| Column::Text(vec![text; 2]);
        write_typed(
            &place.path("t.parquet"),
            &[("text1", text("a")), ("text2", text("b")), ("score", score)],
        );
        load(place, "t.parquet")
    };
    for score in [
        Column::Float(vec![0.1, 1.0]),
        Column::Double(vec![0.1, 1.0]),
        Column::Int32(vec![10, 100], Some(LogicalType::decimal(2, 9))),
        Column::Text(vec!["0.1", "1.0"]),
    ] {
        assert_eq!(scores(typed(score, &place).unwrap()), [0.1, 1.0]);
    }
    // One mistake has one answer.
    let wrong = |message: &str| message.ends_with("`score` must be a finite number");
    for score in [
        "NaN",
        "Infinity",
        "-Infinity",
        "\"0,5\"",
        "\"80%\"",
        "\"nan\"",
        "\"2026-01-31\"",
    ] {
        place.write("t.jsonl", line("0.5") + &line(score));
        place.write("t.csv", format!("text1,text2,score\na,b,0.5\na,b,{score}\n"));
        for file in ["t.jsonl", "t.csv"] {
            let message = load(&place, file).unwrap_err();
            assert!(wrong(&message), "{file}: {message}");
        }
    }
    assert!(wrong(&typed(Column::Double(vec![0.5, f64::NAN]), &place).unwrap_err()));
}

#[test]
fn groups_are_one_however_they_are_written() {
    let place = Place::new();
    let line = |(n, group): (usize, &str)| format!("{{\"anchor\":\"a{n}\",\"positive\":\"b{n}\",\"group\":{group}}}\n");
    let groups = [
        "1", "1.0", "\"1\"", "true", "\"True\"", "\"g\"", "\" g\"", "2", "2.0", "\"2\"", "3", "\"3\"",
    ];
    place.write("t.jsonl", groups.into_iter().enumerate().map(line).collect::<String>());
    let sides = |data: &Data| -> std::collections::BTreeSet<String> {
        let group = |text: &String| {
            groups[text[1..].parse::<usize>().unwrap()]
                .trim_matches('"')
                .to_lowercase()
                .trim()
                .replace(".0", "")
        };
        data.texts.iter().map(group).collect()
    };
    for seed in 0..10 {
        let sets = place.load(json!({ "train": "t.jsonl", "split_seed": seed })).unwrap();
        assert!(sides(&sets.train).is_disjoint(&sides(&sets.validation)));
    }
    for (group, what) in [("[1]", "an array"), ("{\"a\":1}", "an object")] {
        place.write("t.jsonl", line((0, group)));
        let message = load(&place, "t.jsonl").unwrap_err();
        assert_eq!(message, format!("`group` must be the name of a group, not {what}"));
    }
}

#[test]
fn labels_that_are_written_in_two_ways_are_reported() {
    let place = Place::new();
    place.write("t.csv", table(&["0.0", "1.0", "0.0", "x"], ','));
    place.write("v.csv", table(&["0", "1", "x", "x"], ',').replace("\nt", "\nv"));
    let sets = place.load(json!({ "train": "t.csv", "validation": "v.csv" })).unwrap();
    assert_eq!(
        (sets.train.labels.len(), labels(&sets.validation)),
        (3, vec!["0", "1", "x", "x"])
    );
    let note = "\nnote: the labels `0.0` and `0` are the same value, and count as one";
    assert!(sets.report.to_string().contains(note));
    place.write("t.csv", table(&["0.0", "1.0", "0.0", "x"], ','));
    let sets = place
        .load(json!({ "train": "t.csv", "validation": "t.csv", "clean": false }))
        .unwrap();
    assert!(sets.report.rewritten.is_empty());
}

/// Texts that a format might stumble over, or nothing.
fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => "[ab\"',;\t\n\r\\\\{é龍 0-9]{1,6}".prop_map(Value::from),
        1 => prop::sample::select(vec!["\"", "\"\"", "\"a", "a\"", "\"a\"", " a", "a\tb\nc\td", "0", "null", "[1]", "a\u{feff}b"]).prop_map(Value::from),
        1 => prop::sample::select(vec![Value::Null, json!(""), json!("  ")]),
    ]
}

/// Columns of one type each, as Parquet has them: names, numbers, truth values.
fn values() -> impl Strategy<Value = Vec<Value>> {
    let some = |value: BoxedStrategy<Value>| prop::collection::vec(prop_oneof![9 => value, 1 => Just(Value::Null)], 12);
    prop_oneof![
        some(
            prop::sample::select(vec![
                "0",
                "0.0",
                "1e0",
                "1",
                "True",
                "true",
                "a",
                " a",
                "",
                "007",
                "7",
                "-0",
                "0.5",
                "2026-01-31",
                "2026-01-31T00:00:00"
            ])
            .prop_map(Value::from)
            .boxed()
        ),
        some((-3i64..3).prop_map(Value::from).boxed()),
        some(any::<i64>().prop_map(Value::from).boxed()),
        some(
            prop_oneof![
                (-4i32..4).prop_map(|n| json!(f64::from(n) / 4.0)),
                any::<f64>().prop_map(Value::from)
            ]
            .boxed()
        ),
        some(any::<bool>().prop_map(Value::from).boxed()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_same_rows_are_the_same_data_or_the_same_mistake_in_every_format(
        kind in 0usize..4, texts in prop::collection::vec((text(), text(), text()), 1..12), values in values(), group: bool, clean: bool,
    ) {
        let columns: &[&str] = match kind {
            0 => &["anchor", "positive", "negative"],
            1 => &["anchor", "positive"],
            2 => &["text1", "text2", "score"],
            _ => &["text", "label"],
        };
        let mut columns = columns.to_vec();
        let mut rows: Vec<Vec<Value>> = Vec::new();
        for ((one, two, three), value) in texts.iter().zip(&values) {
            let mut row = match kind {
                0 => vec![one.clone(), two.clone(), three.clone()],
                1 => vec![one.clone(), two.clone()],
                2 => vec![one.clone(), two.clone(), value.clone()],
                _ => vec![one.clone(), value.clone()],
            };
            if group && kind < 2 {
                row.push(value.clone());
            }
            rows.push(row);
        }
        if group && kind < 2 {
            columns.push("group");
        }
        let place = Place::new();
        write_all(&place, "t", &columns, &rows);
        let load = |format: &str, validation: Option<&str>| {
            let file = format!("t.{format}");
            let loaded = place.load(json!({ "train": file, "validation": validation.map(|_| &file), "clean": clean }));
            loaded.map(|sets| (sets.train, sets.validation)).map_err(|error| {
                let message = error.message.replace(&file, "t");
                // A message that has a place does not name the file, and a row of Parquet has none.
                let message = message.split_once(": `").filter(|(before, _)| before.contains(", row ")).map_or(message.clone(), |(_, rest)| format!("`{rest}"));
                message.replace("the line", "the row")
            })
        };
        for validation in [None, Some("same")] {
            let expected = load("jsonl", validation);
            for format in ["csv", "tsv", "parquet"] {
                let found = load(format, validation);
                let doubtful = format == "tsv" && found.as_ref().is_err_and(|message| message.starts_with("these quotes may"));
                prop_assert!(doubtful || found == expected, "{}: {:?}\n{:?}", format, found, expected);
            }
        }
    }
}

/// They count as they are written, which is hardly what was meant.
#[test]
fn labels_that_are_nearly_the_same_or_stand_for_none_are_warned_of() {
    let place = Place::new();
    let warnings = |labels: &[&str]| {
        let row = |n: usize| json!({ "text": format!("t{n}"), "label": labels[n % labels.len()] }).to_string();
        place.write("t.jsonl", (0..240).map(row).collect::<Vec<_>>().join("\n"));
        let sets = place
            .load(json!({ "train": "t.jsonl", "validation_share": 0.5 }))
            .unwrap();
        sets.report.warnings
    };
    assert_eq!(
        warnings(&["Spam", "ham", "spam"]),
        [
            "the labels `Spam` and `spam` differ in case or blanks alone, and are two: write them in one way if they are not"
        ]
    );
    assert_eq!(warnings(&["a b", "a  b"]).len(), 1);
    for (one, other) in [
        ("caf\u{e9}", "cafe\u{301}"),
        ("\u{ac00}", "\u{1100}\u{1161}"),
        ("A1", "\u{ff21}\u{ff11}"),
        ("spam", "spam\u{200b}"),
    ] {
        let said = warnings(&[one, "ham", other]);
        assert!(
            said.len() == 1 && said[0].contains("Unicode writes their characters"),
            "{said:?}"
        );
    }
    assert_eq!(
        warnings(&["yes", "NaN"]),
        ["there is a label `NaN`: leave the field empty, or write `null`, where there is none"]
    );
    assert!(warnings(&["spam", "ham", "nano"]).is_empty());
}
