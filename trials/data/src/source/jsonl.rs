//! JSON lines: an object a line. Blank lines are skipped.

use std::fmt;
use std::fs::File;
use std::path::Path;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};

use super::convert;
use super::explain::{FORM, explain, members, object, value_span};
use super::lines::{self, Problem};
use super::{Format, Sink, no_rows};
use crate::columns::{Layout, Unclear};
use crate::error::DataError;
use crate::rows::{Record, Storage};
use crate::value::Cell;

pub(super) const JSONL: Format = Format {
    endings: &["jsonl", "json", "ndjson"],
    read,
};

const STORAGE: Storage = Storage {
    record: "line",
    as_text: "put the text in quotes",
};

fn read(path: &Path, file: File, sink: &mut dyn Sink) -> Result<(), DataError> {
    let mut layout = None;
    let mut cells = Vec::new();
    let mut unclear = false;
    lines::each(path, file, FORM, |number, text| {
        let layout = match &layout {
            Some(layout) => layout,
            // What the keys are for is said once.
            None if unclear => return Ok(()),
            None => {
                let found = first(text, |names| sink.begin(names));
                let found = found.map_err(|problem| array(&problem, path).unwrap_or(problem));
                layout.insert(found.inspect_err(|_| unclear = true)?)
            }
        };
        parse(text, layout, &mut cells)?;
        let record = Record {
            cells: &cells,
            number: number as u64,
            storage: STORAGE,
        };
        sink.take(&record).map_err(|flaw| {
            let span = value_span(text, &layout.columns[flaw.column].0);
            Problem::new(text, span, flaw.message, flaw.help)
        })
    })?;
    match layout {
        Some(_) => Ok(()),
        None => Err(no_rows(path, FORM)),
    }
}

/// The problem of a file that is one array, if this is it: one in which a line can't be read on its own.
fn array(problem: &Problem, path: &Path) -> Option<Problem> {
    let line = &problem.text;
    let start = line.find('[').filter(|&at| line[..at].trim().is_empty())?;
    let rest = line[start + 1..].trim_start();
    if !rest.is_empty() && !rest.starts_with('{') {
        return None;
    }
    let help = format!("write its elements one per line: {}", convert::lines(path));
    Some(Problem::new(line, start..start + 1, "the file is one JSON array", help))
}

/// What the keys of the first line are for.
fn first(line: &str, layout: impl FnOnce(&[&str]) -> Result<Layout, Unclear>) -> Result<Layout, Problem> {
    object(line, None)?;
    let members = members(line);
    let keys: Vec<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
    let all = line.len() - line.trim_start().len()..line.trim_end().len();
    layout(&keys).map_err(|unclear| {
        let span = unclear.at.map_or(all, |at| members[at].1.clone());
        Problem::new(line, span, unclear.message, unclear.help)
    })
}

/// Reads the columns of the layout out of a line.
fn parse(line: &str, layout: &Layout, cells: &mut Vec<Option<Cell>>) -> Result<(), Problem> {
    cells.clear();
    cells.resize(layout.columns.len(), None);
    let mut deserializer = serde_json::Deserializer::from_str(line);
    let whole = Cells { layout, cells }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    let missing = |column: usize| cells[column].is_none() && !layout.is_optional(column);
    if whole.is_err() || (0..cells.len()).any(missing) {
        return Err(explain(line, layout));
    }
    for (cell, (key, _)) in cells.iter_mut().zip(&layout.columns) {
        if let Some(Cell::Number(number)) = cell {
            // As it is written: a long one may be more than a binary number can hold.
            line[value_span(line, key)].clone_into(number);
        }
    }
    Ok(())
}

/// Reads an object and keeps the values of the layout's columns.
struct Cells<'a> {
    layout: &'a Layout,
    cells: &'a mut [Option<Cell>],
}

impl<'de> DeserializeSeed<'de> for Cells<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Cells<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<std::borrow::Cow<str>>()? {
            match self.layout.position(&key) {
                Some(column) if self.cells[column].is_some() => return Err(A::Error::custom("twice")),
                Some(column) => self.cells[column] = Some(map.next_value()?),
                None if self.layout.is_surprising(&key) => return Err(A::Error::custom("surprising")),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::text;
    use super::*;

    const GOOD: &str = r#"{"anchor":"a","positive":"b","negative":"c","id":{"n":[1,"}"]}}"#;

    fn row(line: &str) -> Result<Layout, Problem> {
        first(line, |names| Layout::of(names, None))
    }

    fn layout() -> Layout {
        row(GOOD).unwrap()
    }

    fn parsed(line: &str, layout: &Layout) -> Result<Vec<Option<Cell>>, String> {
        let mut cells = Vec::new();
        parse(line, layout, &mut cells).map(|()| cells).map_err(|problem| {
            let line = problem.at(Path::new("t.jsonl"), 7);
            let place = line.place.clone().unwrap();
            format!("{line} [{}]", &place.text[place.span])
        })
    }

    #[test]
    fn the_columns_are_read_in_the_order_of_the_layout() {
        let cells = parsed(r#"{"negative":["x"],"po\u0073itive":null,"anchor":"ä"}"#, &layout()).unwrap();
        let text = |text: &str| Cell::Text(text.to_owned());
        assert_eq!(cells, [text("ä"), Cell::Null, Cell::List(vec![text("x")])].map(Some));
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let layout = row(r#"{"text":"a","label":1}"#).unwrap();
        for number in [
            "0",
            "-0.0",
            "1e0",
            "123456789012345678901234567890",
            "0.10000000000000000000001",
        ] {
            let line = format!(r#"{{"text":"a","label" : {number} }}"#);
            assert_eq!(
                parsed(&line, &layout).unwrap()[1],
                Some(Cell::Number(number.to_owned()))
            );
        }
    }

    #[test]
    fn a_bad_line_is_reported_with_its_place() {
        let cases = [
            (
                r#"{"anchor":"a","positive":"b"}"#,
                r#"7:1: the key `negative` is missing [{"anchor":"a","positive":"b"}]"#,
            ),
            (
                r#"{"anchor":"a","anchor":"b"}"#,
                r#"7:24: the column `anchor` appears twice ["b"]"#,
            ),
            (r#"["a"]"#, r#"7:1: a row is an object, not an array [["a"]]"#),
            (
                r#"{"anchor":"a","positive":x}"#,
                "7:26: the line is not JSON: expected value [x]",
            ),
            (
                r#"{"anchor":"a""#,
                "7:13: the line is not JSON: EOF while parsing an object [\"]",
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(parsed(line, &layout()), Err(format!("t.jsonl:{expected}")));
        }
        let pairs = row(r#"{"anchor":"a","positive":"b"}"#).unwrap();
        assert_eq!(
            parsed(r#"{"anchor":"a","positive":"b","neg":"c"}"#, &pairs).unwrap_err(),
            r#"t.jsonl:7:36: the key `neg` is here, but not in the first line ["c"]"#
        );
    }

    /// Every prefix and every line with one byte changed: whatever they are, they must not panic.
    #[test]
    fn a_damaged_line_never_panics() {
        let layout = layout();
        for end in 0..GOOD.len() {
            assert!(row(&GOOD[..end]).is_err());
            assert!(parsed(&GOOD[..end], &layout).is_err());
            for byte in [0, b'"', b'{', b'}', b'[', b']', b'\\', b',', b':', b' ', 0xc3, 0xff] {
                let mut line = GOOD.as_bytes().to_vec();
                line[end] = byte;
                if let Ok(line) = text(&line, FORM) {
                    let _ = (row(line), parsed(line, &layout));
                }
            }
        }
    }
}
