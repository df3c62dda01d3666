//! The same rows in every format are the same data.

use crate::common::{Place, write_all, write_parquet};
use hpo_data::{Kind, Rows, Triplet};
use parquet::basic::{Compression, GzipLevel};
use proptest::prelude::*;
use serde_json::{Value, json};

const FORMATS: [&str; 4] = ["jsonl", "csv", "tsv", "parquet"];

fn rows(rows: Value) -> Vec<Vec<Value>> {
    serde_json::from_value(rows).unwrap()
}

fn triplets(rows: &[[u32; 3]]) -> Rows {
    Rows::Triplets(rows.iter().copied().map(Triplet::from).collect())
}

/// Texts that a format might stumble over.
const NASTY: [&str; 6] = [
    "a, b\tc",
    "say \"no\"",
    "\"",
    "two\nlines",
    "träge 龍 🐉",
    "\\n {\"x\": 1}",
];

#[test]
fn every_kind_is_the_same_in_every_format() {
    let [a, b, c, d, e, f] = NASTY;
    let cases = [
        (
            Kind::Triplets,
            vec!["id", "anchor", "positive", "negative"],
            json!([[7, a, b, c], [8, d, e, f]]),
        ),
        (Kind::Pairs, vec!["query", "answer"], json!([[a, b], [c, d]])),
        (
            Kind::Scored,
            vec!["sentence1", "sentence2", "score"],
            json!([[a, b, 0.25], [c, d, -1.0]]),
        ),
        (Kind::Labelled, vec!["text", "label"], json!([[a, 10], [b, 9], [c, 10]])),
        (Kind::Labelled, vec!["label", "text"], json!([["x", a], ["y", b]])),
    ];
    for (kind, columns, values) in cases {
        let place = Place::new();
        write_all(&place, "train", &columns, &rows(values));
        let load = |train: &str| {
            let sets = place
                .load(json!({ "train": train, "validation": train, "clean": false }))
                .unwrap();
            assert_eq!(sets.train, sets.validation);
            sets.train
        };
        let expected = load("train.jsonl");
        assert_eq!(expected.kind(), kind);
        assert!(expected.texts.iter().all(|text| NASTY.contains(&text.as_str())));
        for format in FORMATS {
            assert_eq!(load(&format!("train.{format}")), expected, "{format}");
        }
    }
}

#[test]
fn rows_name_texts_and_labels_by_their_places() {
    let place = Place::new();
    place.write("t.csv", "text,label\nb,10\na,9\nb c,10\n");
    place.write("v.csv", "text,label\nd,9\ne,10\n");
    let sets = place.load(json!({ "train": "t.csv", "validation": "v.csv" })).unwrap();
    assert_eq!(sets.train.texts, ["b", "a", "b c"]);
    assert_eq!(sets.train.labels, ["10", "9"]);
    assert_eq!(sets.train.rows, Rows::Labelled(vec![(0, 0), (1, 1), (2, 0)]));
    assert_eq!(
        (sets.validation.rows, sets.validation.labels),
        (Rows::Labelled(vec![(0, 1), (1, 0)]), sets.train.labels)
    );
}

#[test]
fn marks_and_line_ends_of_windows_are_no_part_of_the_data() {
    let place = Place::new();
    place.write(
        "v.jsonl",
        "\u{feff}\r\n{\"anchor\":\"a\",\"positive\":\"b\"}\r\n\r\n{\"anchor\":\"c\",\"positive\":\"d\"}",
    );
    place.write("t.csv", "\u{feff}anchor,positive\r\na,b\r\n\r\nc,d");
    place.write("t.TSV", "\u{feff}\"anchor\"\tpositive\r\na\tb\r\nc\td\r\n");
    for train in ["t.csv", "t.TSV"] {
        let sets = place
            .load(json!({ "train": train, "validation": "v.jsonl", "clean": false }))
            .unwrap();
        assert_eq!(sets.train, sets.validation);
        assert_eq!(sets.train.texts, ["a", "b", "c", "d"]);
    }
}

#[test]
fn lists_and_numbered_columns_become_several_rows() {
    let place = Place::new();
    place.write(
        "list.jsonl",
        "{\"query\":\"q\",\"pos\":[\"p\",\"o\"],\"neg\":[\"m\",\"n\"]}\n",
    );
    place.write(
        "columns.csv",
        "anchor,positive,negative_1,negative_2\nq,p,m,n\nq,o,m,n\nr,p,m,\n",
    );
    let both = |negatives: Option<&str>| {
        let mut settings = json!({ "train": "columns.csv", "validation": "list.jsonl", "clean": false });
        if let Some(negatives) = negatives {
            settings["negatives"] = json!(negatives);
        }
        place.load(settings).unwrap()
    };
    for negatives in [None, Some("apart")] {
        let sets = both(negatives);
        let all = [[0, 1, 2], [0, 1, 3], [0, 4, 2], [0, 4, 3], [5, 1, 2]];
        assert_eq!(sets.train.rows, triplets(&all));
        assert_eq!(sets.train.texts, ["q", "p", "m", "n", "o", "r"]);
        assert_eq!(sets.validation.rows, triplets(&all[..4]));
    }
    let sets = both(Some("together"));
    let row = |anchor: u32, positive: u32, negatives: &[u32]| Triplet {
        anchor,
        positive,
        negatives: negatives.to_vec(),
    };
    let all = [row(0, 1, &[2, 3]), row(0, 4, &[2, 3]), row(5, 1, &[2])];
    assert_eq!(sets.train.rows, Rows::Triplets(all.to_vec()));
    assert_eq!(sets.train.texts, ["q", "p", "m", "n", "o", "r"]);
    assert_eq!(sets.validation.rows, Rows::Triplets(all[..2].to_vec()));
    assert_eq!((sets.report.train.rows, sets.report.validation.rows), (3, 2));
}

/// What is wrong with a negative is no matter of the others of its row.
#[test]
fn negatives_that_stay_together_are_cleaned_one_by_one() {
    let place = Place::new();
    place.write(
        "t.jsonl",
        "{\"anchor\":\"a\",\"positive\":\"b\",\"negative\":[\"c\",\"a\",\"\",\"c\",\"d\"]}\n{\"anchor\":\"e\",\"positive\":\"f\",\"negative\":[\"e\",\"f\"]}\n",
    );
    place.write(
        "v.jsonl",
        "{\"anchor\":\"v\",\"positive\":\"w\",\"negative\":[\"x\",\"y\"]}\n",
    );
    let sets = place
        .load(json!({ "train": "t.jsonl", "validation": "v.jsonl", "negatives": "together" }))
        .unwrap();
    assert_eq!(sets.train.texts, ["a", "b", "c", "d"]);
    let row = Triplet {
        anchor: 0,
        positive: 1,
        negatives: vec![2, 3],
    };
    assert_eq!(sets.train.rows, Rows::Triplets(vec![row]));
    assert_eq!((sets.report.train.rows, sets.report.train.texts), (1, 4));
}

#[test]
fn a_mapping_says_what_columns_are_for() {
    let place = Place::new();
    place.write("t.csv", "x,y,score,label\na,b,4,z\nc,d,5,w\n");
    let load = |columns: Value| {
        let mut settings = json!({ "train": "t.csv", "validation": "t.csv", "columns": columns, "clean": false });
        if columns["score"].is_string() {
            settings["score_range"] = json!([0, 5]);
        }
        place.load(settings).unwrap().train.rows
    };
    assert_eq!(
        load(json!({ "anchor": "y", "positive": "x", "score": "score" })),
        Rows::Scored(vec![([0, 1], 0.8), ([2, 3], 1.0)])
    );
    assert_eq!(
        load(json!({ "anchor": "x", "positive": "y", "negative": ["label"] })),
        triplets(&[[0, 1, 2], [3, 4, 5]])
    );
    assert_eq!(
        load(json!({ "text": "x", "label": "label" })),
        Rows::Labelled(vec![(0, 1), (1, 0)])
    );
}

#[test]
fn parquet_is_read_whatever_its_compression() {
    let place = Place::new();
    let values = rows(json!([["a", "b"], ["c", "d"]]));
    let gzip = Compression::GZIP(GzipLevel::default());
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, gzip] {
        write_parquet(&place.path("t.parquet"), &["anchor", "positive"], &values, compression);
        let settings = json!({ "train": "t.parquet", "validation": "t.parquet", "clean": false });
        assert_eq!(place.load(settings).unwrap().train.texts, ["a", "b", "c", "d"]);
    }
}

#[test]
fn each_mistake_is_reported_with_its_place() {
    let parquet = Place::new();
    let write = |place: &Place, columns: &[&str], values: Value| {
        write_parquet(&place.path("t.parquet"), columns, &rows(values), Compression::SNAPPY);
    };
    let cases: &[(&str, &[u8], &str, &str, &str)] = &[
        (
            "t.csv",
            b"anchor,positive\na,b\n\"c\nd\",\"e,f\"\ng\n",
            "t.csv:5:1: the row has 1 fields, but the header has 2",
            "g",
            "put texts that hold separators, quotes or line ends in double quotes, and double the quotes in them",
        ),
        (
            "t.csv",
            b"anchor,positive\na,b\nc,\"d\ne,f\n",
            "t.csv:3:3: these quotes are never closed",
            "\"d",
            "put texts that hold separators, quotes or line ends in double quotes, and double the quotes in them",
        ),
        (
            "t.csv",
            b"text1,text2,score\na,b,0.5\n\"x\ny\",b,good\n",
            "t.csv:4:6: `score` must be a finite number",
            "good",
            "give a number such as 0.5",
        ),
        (
            "t.tsv",
            b"text1\ttext2\tscore\na\tb\t4.5\n",
            "t.tsv:2:5: `score` is 4.5, outside -1 to 1",
            "4.5",
            "say under `[trial]` what the lowest and the highest score can be, such as `score_range = [0, 5]`; they are \
             mapped to 0 and 1",
        ),
        (
            "t.csv",
            b"\xef\xbb\xbfanchor,positive\r\n\r\na,\"\xff\"\r\n",
            "t.csv:3:4: the line is not UTF-8",
            "\u{fffd}",
            "save the file as UTF-8",
        ),
        (
            "t.csv",
            b"anchor,positive,anchor\na,b,c\n",
            "t.csv:1:17: the column `anchor` appears twice",
            "anchor",
            "rename or remove one of the two",
        ),
        (
            "t.csv",
            b"anchor;positive\na;b\n",
            "t.csv:1:1: cannot tell what the columns are for: `anchor;positive`",
            "anchor;positive",
            "separate the columns by commas, or by tabs in a file that ends in .tsv",
        ),
        (
            "t.csv",
            b"",
            "`t.csv` has no rows",
            "",
            "begin with a line of column names, such as `anchor`, `positive`, `negative`",
        ),
        (
            "t.csv",
            b"anchor,positive\n",
            "`t.csv` has no rows",
            "",
            "write rows below the header",
        ),
        (
            "t.csv",
            b"\xff\xfea\0,\0b\0",
            "`t.csv` is UTF-16",
            "",
            "save it as UTF-8",
        ),
        (
            "t.jsonl",
            b"{\0\"\0a\0\"\0:\0",
            "`t.jsonl` is UTF-16",
            "",
            "save it as UTF-8",
        ),
        (
            "t.jsonl",
            b"\x1f\x8b\x08\0",
            "`t.jsonl` is compressed by gzip",
            "",
            "unpack it: gzip -dc t.jsonl > t-unpacked.jsonl",
        ),
        (
            "t.parquet",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "`t.parquet` is a pointer of Git LFS, not the file itself",
            "",
            "fetch the file: git lfs pull",
        ),
        (
            "t.csv",
            b"PAR1\x15",
            "`t.csv` is a Parquet file",
            "",
            "give it the ending .parquet",
        ),
        (
            "t.xlsx",
            b"PK\x03\x04",
            "`t.xlsx` is a ZIP archive, as workbooks of spreadsheets are",
            "",
            "unpack it, or save the sheet as CSV",
        ),
        (
            "t.csv",
            b"anchor,positive\ra,b\rc,d\r",
            "t.csv:1:1: the lines end in carriage returns alone",
            "anchor,positive",
            "save the file with the line ends of Unix or Windows",
        ),
        (
            "t.jsonl",
            b"{\"anchor\":\"a\",\"positive\":\"b\"}\r{\"anchor\":\"c\",\"positive\":\"d\"}\r",
            "t.jsonl:1:30: the lines end in carriage returns alone",
            "\r",
            "save the file with the line ends of Unix or Windows",
        ),
        (
            "t.jsonl",
            b"{\n  \"anchor\": \"a\"\n}\n",
            "t.jsonl:1:1: the line is not JSON: EOF while parsing an object",
            "{",
            "write each object on one line, as `jq -c .` does",
        ),
        (
            "t.jsonl",
            b"{\"text1\":\"a\",\"text2\":\"b\",\"score\":1e400}",
            "t.jsonl:1:34: `score` is a number that is too large",
            "1e400",
            "write a smaller one, or `null` where there is no value",
        ),
        (
            "t.jsonl",
            b"{\"anchor\":\"a\",\"positive\":\"\\ud800b\"}",
            "t.jsonl:1:26: `positive` is no text: unexpected end of hex escape",
            "\"\\ud800b\"",
            "write characters as they are: `\\ud800` to `\\udfff` are halves of one",
        ),
        (
            "t.txt",
            b"a",
            "the name of `t.txt` does not say its format",
            "",
            "give it the ending .jsonl, .csv, .tsv or .parquet",
        ),
        (
            "t.jsonl",
            b"{\"sentence1\":\"a\",\"sentence2\":\"b\",\"score\":\"0,5\"}",
            "t.jsonl:1:42: `score` must be a finite number",
            "\"0,5\"",
            "give a number such as 0.5",
        ),
        (
            "t.jsonl",
            b"{\"text\":\"a\",\"label\":[1]}",
            "t.jsonl:1:21: `label` must be a label, not an array",
            "[1]",
            "give one name or number",
        ),
        (
            "t.jsonl",
            b"{\"anchor\":\"a\",\"positive\":[\"b\",7]}",
            "t.jsonl:1:26: `positive` must be a string, not a number",
            "[\"b\",7]",
            "put the text in quotes",
        ),
        (
            "t.json",
            b"[{\"anchor\":\"a\",\n\"positive\":\"b\"}]",
            "t.json:1:1: the file is one JSON array",
            "[",
            "write its elements one per line: jq -c '.[]' t.json > t.jsonl",
        ),
    ];
    for (name, bytes, message, pointed, help) in cases {
        let place = Place::new();
        place.write(name, bytes);
        let refused = place.refused(json!({ "train": name, "validation": name }));
        assert_eq!((refused.0.as_str(), refused.1.as_str()), (*message, *pointed));
        assert!(
            help.is_empty() && refused.2.contains("columns = {") || refused.2 == *help,
            "{}",
            refused.2
        );
    }
    let settings = || json!({ "train": "t.parquet", "validation": "t.parquet" });
    write(&parquet, &["anchor", "positive"], json!([["a", 1], ["b", 2]]));
    assert_eq!(
        parquet.refused(settings()),
        (
            "`t.parquet`, row 1: `positive` must be a string, not a number".to_owned(),
            String::new(),
            "store it as text".to_owned()
        )
    );
    write(&parquet, &["a", "b"], json!([["a", "b"]]));
    assert_eq!(
        parquet.refused(settings()).0,
        "`t.parquet`: cannot tell what the columns are for: `a`, `b`"
    );
    parquet.write("t.parquet", "no such thing");
    assert!(parquet.refused(settings()).0.starts_with("cannot read `t.parquet`: "));
}

/// A key that the first line does not have is no longer in time to say what the rows are.
#[test]
fn a_key_that_comes_too_late_is_reported_if_it_would_have_been_read() {
    let place = Place::new();
    let late = |first: &str, other: &str| {
        let lines = [first, first, other].map(|line| format!("{{{line}}}\n"));
        place.write("t.jsonl", lines.concat());
        let (message, pointed, _) = place.refused(json!({ "train": "t.jsonl", "validation": "t.jsonl" }));
        (message, pointed)
    };
    let pair = r#""anchor":"a","positive":"b""#;
    let triplet = r#""anchor":"a","positive":"b","negative_1":"c""#;
    let labelled = r#""text":"a","label":1"#;
    for (first, key) in [
        (pair, "negative"),
        (pair, "score"),
        (pair, "Anchor"),
        (pair, "group"),
        (triplet, "negative_2"),
        (triplet, "group"),
        (labelled, "group"),
    ] {
        let (message, pointed) = late(first, &format!(r#"{first},"{key}":"late""#));
        assert!(
            message.ends_with(&format!(": the key `{key}` is here, but not in the first line")),
            "{message}"
        );
        assert_eq!(pointed, r#""late""#);
    }
    // What would not have been read either way.
    for (first, key) in [(triplet, "score"), (pair, "query"), (labelled, "class"), (pair, "id")] {
        let message = late(first, &format!(r#"{first},"{key}":"late""#)).0;
        assert!(!message.contains("first line"), "{message}");
    }
}

#[test]
fn a_pipe_is_not_waited_for() {
    let place = Place::new();
    let made = std::process::Command::new("mkfifo")
        .arg(place.path("t.jsonl"))
        .status()
        .unwrap();
    assert!(made.success());
    let refused = place.refused(json!({ "train": "t.jsonl" }));
    assert_eq!(
        (refused.0.as_str(), refused.2.as_str()),
        ("`t.jsonl` is not a file", "name the file itself")
    );
}

#[test]
fn quotes_that_swallow_the_file_do_not_fill_the_memory() {
    let place = Place::new();
    place.write("t.csv", format!("anchor,positive\na,b\n\"c{}", "x,y\n".repeat(8 << 20)));
    let (message, pointed, _) = place.refused(json!({ "train": "t.csv", "validation": "t.csv" }));
    assert_eq!(
        (message.as_str(), pointed.as_str()),
        ("t.csv:3:1: the row is longer than 16 MiB", "\"cx,y")
    );
}

/// All errors of loading, with their places.
fn all(place: &Place, settings: Value) -> Vec<String> {
    let mut error = place.load(settings).map(|sets| sets.report.to_string()).unwrap_err();
    let others = std::mem::take(&mut error.others);
    let here = format!("{}/", place.path("").display()).replace("//", "/");
    let all = [error].into_iter().chain(others);
    all.map(|error| error.to_string().replace(&here, "")).collect()
}

#[test]
fn all_mistakes_of_all_files_are_found_in_one_run() {
    let place = Place::new();
    let records: [(&str, &str, [&str; 4]); 3] = [
        (
            "t.jsonl",
            "",
            [
                r#"{"anchor":"a","positive":1}"#,
                r#"{"anchor":"b","positive":"c"}"#,
                "{",
                r#"{"positive":"d"}"#,
            ],
        ),
        ("t.csv", "anchor,positive\n", ["a", "b,c", "d,e,f", "g,\"h"]),
        (
            "t.tsv",
            "sentence1\tsentence2\tscore\n",
            ["a\tb\t7", "c\td\t1", "e\tf", "g\th\tno"],
        ),
    ];
    for (name, head, lines) in records {
        place.write(name, head.to_owned() + &lines.join("\n") + "\n");
        let found = all(&place, json!({ "train": name, "validation": name }));
        assert_eq!(found.len(), 3, "{found:?}");
        let first = 1 + usize::from(!head.is_empty());
        for (error, line) in found.iter().zip([first, first + 2, first + 3]) {
            assert!(error.starts_with(&format!("{name}:{line}:")), "{error}");
        }
    }
    let bad = |count: usize| "a,b\n".to_owned() + &"c\n".repeat(count);
    place.write("v.csv", "anchor,positive\n".to_owned() + &bad(10));
    place.write("w.csv", "anchor,positive\n".to_owned() + &bad(13));
    let found = all(
        &place,
        json!({ "train": "gone.csv", "validation": "v.csv", "test": "w.csv" }),
    );
    assert_eq!(found.len(), 1 + 10 + 11, "{found:?}");
    assert!(found[0].starts_with("cannot read `gone.csv`"), "{found:?}");
    assert!(
        found[1..11].iter().all(|error| error.starts_with("v.csv:")),
        "{found:?}"
    );
    assert_eq!(found[21], "`w.csv`: and 3 more");
    // One that all others would follow from is alone.
    place.write(
        "one.json",
        "[\n{\"anchor\":\"a\",\"positive\":\"b\"},\n{\"anchor\":\"c\",\"positive\":\"d\"}\n]\n",
    );
    let found = all(&place, json!({ "train": "one.json" }));
    assert_eq!(found, ["one.json:1:1: the file is one JSON array"]);
}

#[test]
fn files_of_one_study_are_of_one_kind() {
    let place = Place::new();
    place.write("t.csv", "anchor,positive\na,b\n");
    place.write("v.csv", "text,label\na,b\n");
    let (message, _, help) = place.refused(json!({ "train": "t.csv", "validation": "v.csv" }));
    assert_eq!(message, "`v.csv` has labelled texts, but the training data are pairs");
    assert!(help.contains("`columns`"));
}

#[test]
fn a_label_that_training_does_not_know_is_reported_with_its_place() {
    let place = Place::new();
    place.write("t.csv", "text,label\na,x\nb,y\n");
    place.write("v.csv", "text,label\nc,x\nd,z\n");
    let refused = place.refused(json!({ "train": "t.csv", "validation": "v.csv" }));
    assert_eq!(
        (refused.0.as_str(), refused.1.as_str()),
        ("v.csv:3:3: no training row has the label `z`", "z")
    );
    write_parquet(
        &place.path("v.parquet"),
        &["text", "label"],
        &rows(json!([["c", "x"], ["d", "z"]])),
        Compression::SNAPPY,
    );
    let refused = place.refused(json!({ "train": "t.csv", "validation": "v.parquet" }));
    assert_eq!(refused.0, "`v.parquet`, row 2: no training row has the label `z`");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_damage_to_a_file_makes_reading_panic(format in 0usize..4, at in 0.0f64..1.0, bytes in prop::collection::vec(any::<u8>(), 0..8), cut: bool) {
        let place = Place::new();
        let values = json!([["a", "b", 0.5], ["c", NASTY[1], 0.25]]);
        write_all(&place, "t", &["sentence1", "sentence2", "score"], &rows(values));
        let name = format!("t.{}", FORMATS[format]);
        let mut file = std::fs::read(place.path(&name)).unwrap();
        let at = (at * file.len() as f64) as usize;
        let end = if cut { file.len() } else { (at + bytes.len()).min(file.len()) };
        file.splice(at..end, bytes);
        place.write(&name, file);
        if let Err(error) = place.load(json!({ "train": name, "validation": name, "clean": false })) {
            prop_assert!(!error.help.is_empty());
            prop_assert!(error.message.len() < 2000);
        }
    }
}
