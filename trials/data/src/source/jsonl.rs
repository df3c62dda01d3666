//! JSON lines: an object a line. Blank lines are skipped.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::Path;

use hpo_protocol::embedding::Columns;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::explain::{explain, keys, value_span};
use super::{MAX_LINE, Sink, no_rows, unreadable};
use crate::columns::Layout;
use crate::error::{DataError, Place};
use crate::rows::{Format, Record};

/// The help where the columns are not known yet.
pub(super) const FORM: &str = r#"write one {"anchor": "…", "positive": "…", "negative": "…"} per line"#;

pub(super) fn read(path: &Path, file: File, mapping: Option<&Columns>, sink: &mut dyn Sink) -> Result<(), DataError> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    let mut layout = None;
    let mut cells = Vec::new();
    for number in 1.. {
        line.clear();
        let read = reader
            .by_ref()
            .take(MAX_LINE as u64 + 2)
            .read_until(b'\n', &mut line)
            .map_err(|error| unreadable(path, &error))?;
        if read == 0 {
            break;
        }
        let text = text(&line, number == 1).map_err(|problem| problem.at(path, number))?;
        if text.trim().is_empty() {
            continue;
        }
        let layout = match &layout {
            Some(layout) => layout,
            None => {
                let found = first(text, mapping).map_err(|problem| match problem.of_array(path) {
                    Some(array) => array.at(path, number),
                    None => problem.at(path, number),
                })?;
                sink.begin(found.clone());
                layout.insert(found)
            }
        };
        parse(text, layout, &mut cells).map_err(|problem| problem.at(path, number))?;
        let record = Record {
            cells: &cells,
            number: number as u64,
            format: Format::Json,
        };
        sink.take(&record).map_err(|flaw| {
            let span = value_span(text, &layout.columns[flaw.column].0);
            Problem::new(text, span, flaw.message, flaw.help).at(path, number)
        })?;
    }
    match layout {
        Some(_) => Ok(()),
        None => Err(no_rows(path, FORM)),
    }
}

/// What is wrong in one line.
#[derive(Debug)]
pub(super) struct Problem {
    text: String,
    span: Range<usize>,
    message: String,
    help: String,
}

impl Problem {
    pub fn new(text: &str, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            text: text.to_owned(),
            span,
            message: message.into(),
            help: help.into(),
        }
    }

    /// The problem of a file that is one array, if this is it: one in which a line can't be read on its own.
    fn of_array(&self, path: &Path) -> Option<Self> {
        let start = self.text.find('[').filter(|&at| self.text[..at].trim().is_empty())?;
        let rest = self.text[start + 1..].trim_start();
        if !rest.is_empty() && !rest.starts_with('{') {
            return None;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let help = format!("write its elements one per line: `jq -c '.[]' {file} > {name}.jsonl`");
        Some(Self::new(
            &self.text,
            start..start + 1,
            "the file is one JSON array",
            help,
        ))
    }

    fn at(self, path: &Path, line: usize) -> DataError {
        let place = Place {
            line,
            text: self.text,
            span: self.span,
        };
        DataError::at(path, place, self.message, self.help)
    }
}

/// The text of a line without its end and, on the first, without the byte order mark.
fn text(bytes: &[u8], first: bool) -> Result<&str, Problem> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if bytes.len() > MAX_LINE {
        // Only the beginning is kept: all of it would help nobody.
        let text = String::from_utf8_lossy(&bytes[..100]).into_owned();
        let message = format!("the line is longer than {} MiB", MAX_LINE >> 20);
        return Err(Problem::new(&text, 0..text.len(), message, FORM));
    }
    let line = std::str::from_utf8(bytes).map_err(|error| {
        // The replacement of the first bad byte stands where that byte stood.
        let text = String::from_utf8_lossy(bytes);
        let at = error.valid_up_to();
        Problem::new(&text, at..at + 3, "the line is not UTF-8", "save the file as UTF-8")
    })?;
    Ok(if first {
        line.strip_prefix('\u{feff}').unwrap_or(line)
    } else {
        line
    })
}

/// What the keys of the first line are for.
fn first(line: &str, mapping: Option<&Columns>) -> Result<Layout, Problem> {
    let keys = keys(line)?;
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let all = line.len() - line.trim_start().len()..line.trim_end().len();
    Layout::of(&keys, mapping).map_err(|unclear| Problem::new(line, all, unclear.message, unclear.help))
}

/// Reads the columns of the layout out of a line.
fn parse(line: &str, layout: &Layout, cells: &mut Vec<Option<Value>>) -> Result<(), Problem> {
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
    Ok(())
}

/// Reads an object and keeps the values of the layout's columns.
struct Cells<'a> {
    layout: &'a Layout,
    cells: &'a mut [Option<Value>],
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
    use super::*;

    const GOOD: &str = r#"{"anchor":"a","positive":"b","negative":"c","id":{"n":[1,"}"]}}"#;

    fn layout() -> Layout {
        first(GOOD, None).unwrap()
    }

    fn parsed(line: &str, layout: &Layout) -> Result<Vec<Option<Value>>, String> {
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
        assert_eq!(
            Value::from_iter(cells.into_iter().flatten()),
            serde_json::json!(["ä", null, ["x"]])
        );
        assert_eq!(text("\u{feff}{}\r\n".as_bytes(), true).unwrap(), "{}");
    }

    #[test]
    fn a_bad_line_is_told_with_its_place() {
        let cases = [
            (
                r#"{"anchor":"a","positive":"b"}"#,
                r#"7:1: the key `negative` is missing [{"anchor":"a","positive":"b"}]"#,
            ),
            (
                r#"{"anchor":"a","anchor":"b"}"#,
                r#"7:24: the key `anchor` is there twice ["b"]"#,
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
        let pairs = first(r#"{"anchor":"a","positive":"b"}"#, None).unwrap();
        assert_eq!(
            parsed(r#"{"anchor":"a","positive":"b","neg":"c"}"#, &pairs).unwrap_err(),
            r#"t.jsonl:7:36: the key `neg` is here, but not in the first line ["c"]"#
        );
        let problem = text(b"{\"anchor\":\"\xff\"}", false).err().unwrap();
        assert_eq!(
            (problem.message.as_str(), problem.span),
            ("the line is not UTF-8", 11..14)
        );
        let long = vec![b'x'; MAX_LINE + 1];
        let problem = text(&long, false).err().unwrap();
        assert!(problem.text.len() <= 100 && problem.message.contains("longer than 16 MiB"));
    }

    /// Every prefix and every line with one byte changed: whatever they are, they must not panic.
    #[test]
    fn a_damaged_line_never_panics() {
        let layout = layout();
        for end in 0..GOOD.len() {
            assert!(first(&GOOD[..end], None).is_err());
            assert!(parsed(&GOOD[..end], &layout).is_err());
            for byte in [0, b'"', b'{', b'}', b'[', b']', b'\\', b',', b':', b' ', 0xc3, 0xff] {
                let mut line = GOOD.as_bytes().to_vec();
                line[end] = byte;
                if let Ok(line) = text(&line, true) {
                    let _ = (first(line, None), parsed(line, &layout));
                }
            }
        }
    }
}
