//! What CSV, TSV and JSON lines each have rules of their own for.

use crate::common::{Column, Place, write_typed};
use hpo_data::Rows;
use proptest::prelude::*;
use serde_json::{Value, json};

fn texts(place: &Place, file: &str) -> Result<Vec<String>, String> {
    let loaded = place.load(json!({ "train": file, "validation": file, "clean": false }));
    loaded.map(|sets| sets.train.texts).map_err(|error| {
        let at = error
            .place
            .as_ref()
            .map_or(String::new(), |place| format!("{}:{}: ", place.line, place.column()));
        at + &error.message
    })
}

fn read(file: &str, text: impl AsRef<[u8]>) -> Result<Vec<String>, String> {
    let place = Place::new();
    place.write(file, text);
    texts(&place, file)
}

/// A data set as they are published: in TSV, nothing is in quotes.
#[test]
fn a_tsv_without_quotes_is_read_as_it_stands() {
    let rows = "sentence1\tsentence2\tscore
\"So be it, he said.\tHe agreed.\t0.9
It rains.\tThe sun shines.\t0.1
That is all.\"\tNothing more.\t0.2
\"Yes,\" said she.\tA \"b\" c\t0.3
\"\tone mark\t0.4
\"Quoted.\"\t\"\"\t0.5
";
    let read = read("t.tsv", rows).unwrap();
    assert_eq!(
        read,
        [
            "\"So be it, he said.",
            "He agreed.",
            "It rains.",
            "The sun shines.",
            "That is all.\"",
            "Nothing more.",
            "\"Yes,\" said she.",
            "A \"b\" c",
            "\"",
            "one mark",
            "\"Quoted.\"",
            "\"\""
        ]
    );
}

#[test]
fn a_tsv_that_a_program_has_put_quotes_into_is_read_without_them() {
    let expected = ["a\tb", "c", "say \"no\"", "d\ne", "f", "g"];
    let minimal = "anchor\tpositive\n\"a\tb\"\tc\n\"say \"\"no\"\"\"\t\"d\ne\"\nf\tg\n";
    let all = "\"anchor\"\t\"positive\"\n\"a\tb\"\t\"c\"\n\"say \"\"no\"\"\"\t\"d\ne\"\n\"f\"\t\"g\"\n";
    assert_eq!(read("t.tsv", minimal).unwrap(), expected);
    assert_eq!(read("t.tsv", all).unwrap(), expected);
    assert_eq!(
        read("t.tsv", all.replace('\n', "\r\n").replace("d\r\ne", "d\ne")).unwrap(),
        expected
    );
}

#[test]
fn a_tsv_whose_quotes_may_be_either_is_refused_with_its_line() {
    let doubtful = "anchor\tpositive\na\tb\n\"Yes, sir.\"\tNo.\n";
    let message = read("t.tsv", doubtful).unwrap_err();
    assert_eq!(message, "3:1: these quotes may hold a text together, or be part of it");
    let swallowing = "anchor\tpositive\n\"So be it.\tYes.\nIt rains.\tNo.\nThat is all.\"\tNothing.\n";
    assert_eq!(
        read("t.tsv", swallowing).unwrap_err(),
        "2:1: these quotes may hold a text together, or be part of it"
    );
    // As the help says.
    assert_eq!(
        read("t.csv", doubtful.replace('\t', ",")).unwrap(),
        ["a", "b", "Yes, sir.", "No."]
    );
}

#[test]
fn rows_that_are_not_as_they_should_be_are_reported_with_their_place() {
    let cases = [
        (
            "t.tsv",
            "anchor\tpositive\na\tb\n\"c\td\te\n",
            "3:1: the row has 3 fields, but the header has 2",
        ),
        (
            "t.tsv",
            "anchor\tpositive\na\n",
            "2:1: the row has 1 fields, but the header has 2",
        ),
        (
            "t.tsv",
            "\"anchor\"\tpositive\na\t\"b\n",
            "2:3: these quotes are never closed",
        ),
        (
            "t.csv",
            "anchor,positive\na,\"b\" c\n",
            "2:7: there is text behind the quotes that close the field",
        ),
        (
            "t.csv",
            "anchor,positive\n\"He said \"no\" to me\",b\n",
            "2:11: there is text behind the quotes that close the field",
        ),
        (
            "t.csv",
            "anchor,positive\n\"a\nb\"c,d\n",
            "3:3: there is text behind the quotes that close the field",
        ),
        (
            "t.csv",
            "anchor,positive\na,b\nanchor,positive\nc,d\n",
            "3:1: the row has the names of the columns once more",
        ),
        (
            "t.tsv",
            "anchor\tpositive\na\tb\n\u{feff}anchor\tpositive\nc\td\n",
            "3:1: the row has the names of the columns once more",
        ),
        (
            "t.jsonl",
            "{\"anchor\":\"a\",\"positive\":\"b\"}\n{\"anchor\": NaN,\"positive\":\"b\"}\n",
            "2:12: `anchor` must be a string, not a number",
        ),
        (
            "t.jsonl",
            "{\"anchor\":\"anchor\",\"positive\":\"positive\"}\n",
            "1:11: the line has the names of the columns once more",
        ),
    ];
    for (file, text, expected) in cases {
        assert_eq!(read(file, text).unwrap_err(), expected, "{text}");
    }
}

/// As pandas writes a column of lists.
#[test]
fn lists_that_a_table_has_as_texts_are_refused() {
    let place = Place::new();
    let refused = |file: &str, text: &str| {
        place.write(file, text);
        place.refused(json!({ "train": file }))
    };
    let message = |file: &str| {
        format!("`{file}`: all texts of `negative` are lists that are written as texts, such as `['a', 'b']`")
    };
    let csv = "query,pos,negative\na,b,\"['c', \"\"d's\"\"]\"\ne,f,\ng,h,['i']\nj,k,[]\n";
    let (said, _, help) = refused("t.csv", csv);
    assert_eq!(
        (said, help.contains("`negative_1`, `negative_2`")),
        (message("t.csv"), true)
    );
    let (said, _, _) = refused("t.tsv", "query\tpos\tnegative\na\tb\t['c', 'd']\ne\tf\t['g']\n");
    assert_eq!(said, message("t.tsv"));
    let json = "{\"query\":\"a\",\"pos\":\"b\",\"negative\":\"['c']\"}\n".repeat(2);
    assert_eq!(refused("t.jsonl", &json).0, message("t.jsonl"));
    // A list is one, and a text may look like one.
    place.write("t.csv", csv.replace("[]", "x"));
    let real = "{\"query\":\"a\",\"pos\":[\"b\"],\"negative\":[\"['c']\",\"d\"]}\n";
    place.write("t.jsonl", real.to_owned() + &real.replace("\"a\"", "\"z\""));
    place.write("v.jsonl", real.replace("\"a\"", "\"v\""));
    for file in ["t.csv", "t.jsonl"] {
        assert!(place.load(json!({ "train": file, "validation": "v.jsonl" })).is_ok());
    }
}

#[test]
fn blanks_around_quotes_are_none_of_the_text() {
    assert_eq!(
        read("t.csv", "anchor,positive\n\"a\", \"b, c\"\n\"d\" ,e\n").unwrap(),
        ["a", "b, c", "d", "e"]
    );
    assert_eq!(
        read("t.csv", "anchor,positive\n a 5\" disk, b\nc,d\n").unwrap(),
        [" a 5\" disk", " b", "c", "d"]
    );
}

/// Files that were put together begin with a mark wherever one of them began.
#[test]
fn a_byte_order_mark_at_the_beginning_of_any_line_is_no_text() {
    let expected = ["a", "b", "c", "d, e"];
    let json = |mark: &str| {
        format!(
            "{mark}{{\"anchor\":\"a\",\"positive\":\"b\"}}\n{mark}{{\"anchor\":\"c\",\"positive\":\"d, e\"}}\n{mark}"
        )
    };
    let csv = |mark: &str| format!("{mark}anchor,positive\n{mark}a,b\n{mark}\"c\",\"d, e\"\n{mark}");
    let tsv = |mark: &str| format!("{mark}anchor\tpositive\n{mark}a\tb\n{mark}c\td, e\n{mark}");
    for mark in ["", "\u{feff}"] {
        assert_eq!(read("t.jsonl", json(mark)).unwrap(), expected);
        assert_eq!(read("t.csv", csv(mark)).unwrap(), expected);
        assert_eq!(read("t.tsv", tsv(mark)).unwrap(), expected);
    }
    for file in ["t.jsonl", "t.csv", "t.tsv"] {
        let message = read(file, b"\xff\xfea\0,\0b\0\n\0").unwrap_err();
        assert!(message.ends_with(&format!("{file}` is UTF-16")), "{message}");
        let message = read(file, b"\xffa\n").unwrap_err();
        assert_eq!(message, "1:1: the line is not UTF-8");
    }
}

#[test]
fn a_column_that_is_there_twice_is_refused_in_every_format() {
    let cases: [&[&str]; 4] = [
        &["anchor", "positive", "negative", "negative"],
        &["anchor", "anchor", "positive"],
        &["text", "label", "label"],
        &["anchor", "positive", "group", "group"],
    ];
    for columns in cases {
        let place = Place::new();
        let twice = columns
            .iter()
            .find(|name| columns.iter().filter(|other| other == name).count() == 2)
            .unwrap();
        let row: Vec<String> = (0..columns.len()).map(|n| format!("v{n}")).collect();
        let members: Vec<String> = columns
            .iter()
            .zip(&row)
            .map(|(name, value)| format!("\"{name}\":\"{value}\""))
            .collect();
        place.write("t.jsonl", format!("{{{}}}\n", members.join(",")));
        place.write("t.csv", format!("{}\n{}\n", columns.join(","), row.join(",")));
        place.write("t.tsv", format!("{}\n{}\n", columns.join("\t"), row.join("\t")));
        let typed: Vec<(&str, Column)> = columns
            .iter()
            .map(|name| (*name, Column::Text(vec!["a", "b"])))
            .collect();
        write_typed(&place.path("t.parquet"), &typed);
        for file in ["t.jsonl", "t.csv", "t.tsv", "t.parquet"] {
            let (message, _, help) = place.refused(json!({ "train": file }));
            assert!(
                message.ends_with(&format!("the column `{twice}` appears twice")),
                "{file}: {message}"
            );
            assert_eq!(help, "rename or remove one of the two");
        }
    }
    // With a mapping likewise, and in a later line of JSON.
    let place = Place::new();
    write_typed(
        &place.path("t.parquet"),
        &["a", "b", "b"].map(|name| (name, Column::Text(vec!["x", "y"]))),
    );
    let columns = json!({ "anchor": "a", "positive": "b" });
    let (message, _, _) = place.refused(json!({ "train": "t.parquet", "columns": columns }));
    assert_eq!(message, "`t.parquet`: the column `b` appears twice");
    let lines = "{\"anchor\":\"a\",\"positive\":\"b\"}\n{\"anchor\":\"c\",\"positive\":\"d\",\"positive\":\"e\"}\n";
    assert_eq!(
        read("t.jsonl", lines).unwrap_err(),
        "2:41: the column `positive` appears twice"
    );
    // Nobody reads these.
    assert!(read("t.csv", "anchor,id,positive,id\na,1,b,2\nc,3,d,4\n").is_ok());
    assert!(
        read(
            "t.jsonl",
            "{\"id\":1,\"id\":2,\"anchor\":\"a\",\"positive\":\"b\"}\n{\"anchor\":\"c\",\"positive\":\"d\"}\n"
        )
        .is_ok()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What `csv` writes is read as that library reads it.
    #[test]
    fn tables_are_read_as_others_read_them(rows in prop::collection::vec(("[ab\",\t\n\r;é ]{1,5}", "[ab\",\t\n\r;é ]{1,5}"), 2..8), tab: bool, all: bool, windows: bool) {
        let (name, separator) = if tab { ("t.tsv", b'\t') } else { ("t.csv", b',') };
        let mut builder = csv::WriterBuilder::new();
        builder.delimiter(separator);
        if all {
            builder.quote_style(csv::QuoteStyle::Always);
        }
        if windows {
            builder.terminator(csv::Terminator::CRLF);
        }
        let mut writer = builder.from_writer(Vec::new());
        writer.write_record(["anchor", "positive"]).unwrap();
        for (n, (one, other)) in rows.iter().enumerate() {
            writer.write_record([format!("{one}a{n}"), format!("{other}b{n}")]).unwrap();
        }
        let file = writer.into_inner().unwrap();
        let place = Place::new();
        place.write(name, &file);
        let loaded = place.load(json!({ "train": name, "validation": name, "clean": false }));
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(file.as_slice());
        let expected: Vec<String> = reader.records().flat_map(|record| record.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()).collect();
        match loaded {
            Ok(sets) => {
                let rows: Vec<[u32; 2]> = (0..rows.len() as u32).map(|n| [2 * n, 2 * n + 1]).collect();
                prop_assert_eq!(sets.train.rows, Rows::Pairs(rows));
                prop_assert_eq!(sets.train.texts, expected);
            }
            Err(error) => prop_assert!(tab && error.message.starts_with("these quotes may"), "{}", error),
        }
    }

    /// A TSV that nobody has put quotes into is read as it stands, unless it might be taken for one with quotes.
    #[test]
    fn plain_tables_are_read_as_they_stand(rows in prop::collection::vec(("[ab\", ]{1,5}", "[ab\", ]{1,5}"), 2..8)) {
        let place = Place::new();
        let lines = rows.iter().enumerate().map(|(n, (one, other))| format!("{one}{n}\t{other}x{n}\n"));
        place.write("t.tsv", "anchor\tpositive\n".to_owned() + &lines.collect::<String>());
        let expected: Vec<String> = rows.iter().enumerate().flat_map(|(n, (one, other))| [format!("{one}{n}"), format!("{other}x{n}")]).collect();
        let loaded: Result<_, Value> = place.load(json!({ "train": "t.tsv", "validation": "t.tsv", "clean": false })).map_err(|error| json!(error.message));
        prop_assert_eq!(loaded.unwrap().train.texts, expected);
    }
}
