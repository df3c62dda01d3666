//! Files of triplets: JSON lines with the string keys `anchor`, `positive` and `negative`; other keys are ignored.

mod explain;

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use self::explain::explain;

/// Longer lines are an error, so that a file without line ends does not fill the memory.
const MAX_LINE: usize = 16 << 20;

const FORM: &str = r#"write one {"anchor": "…", "positive": "…", "negative": "…"} per line"#;

/// An anchor, a text that is near it in meaning, and one that is not. None of them is blank.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Triplet {
    /// The text compared with the two others.
    pub anchor: String,
    /// A text near to the anchor.
    pub positive: String,
    /// A text far from the anchor.
    pub negative: String,
}

impl Triplet {
    fn is_blank(&self) -> bool {
        [&self.anchor, &self.positive, &self.negative]
            .into_iter()
            .any(|text| text.trim().is_empty())
    }
}

/// What is wrong in a file of triplets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TripletError {
    /// The file.
    pub file: PathBuf,
    /// Where in the file; none if it cannot be read or is empty.
    pub place: Option<Box<Place>>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: String,
}

/// A place in a file of triplets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The line's text.
    pub text: String,
    /// The offending bytes of `text`.
    pub span: Range<usize>,
}

impl Place {
    /// The column in characters, from 1.
    pub fn column(&self) -> usize {
        let before = self.text.get(..self.span.start).unwrap_or(&self.text);
        before.chars().count() + 1
    }
}

impl fmt::Display for TripletError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => {
                let (file, line, column) = (self.file.display(), place.line, place.column());
                write!(f, "{file}:{line}:{column}: {}", self.message)
            }
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for TripletError {}

/// Reads all triplets of a file, at least one.
pub fn read(path: &Path) -> Result<Vec<Triplet>, TripletError> {
    let mut triplets = Vec::new();
    scan(path, |triplet| triplets.push(triplet))?;
    Ok(triplets)
}

/// Counts the triplets of a file, at least one, without holding them in memory.
pub fn count(path: &Path) -> Result<usize, TripletError> {
    let mut count = 0;
    scan(path, |_| count += 1)?;
    Ok(count)
}

fn scan(path: &Path, mut take: impl FnMut(Triplet)) -> Result<(), TripletError> {
    let whole = |message: String, help: &str| TripletError {
        file: path.to_owned(),
        place: None,
        message,
        help: help.to_owned(),
    };
    let shown = path.display();
    let unreadable = |error| {
        whole(
            format!("cannot read `{shown}`: {error}"),
            "check the path and its permissions",
        )
    };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(whole(format!("`{shown}` is a directory"), "name the JSONL file itself"));
    }
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    let mut any = false;
    for number in 1.. {
        line.clear();
        let read = reader
            .by_ref()
            .take(MAX_LINE as u64 + 2)
            .read_until(b'\n', &mut line)
            .map_err(unreadable)?;
        if read == 0 {
            break;
        }
        if let Some(triplet) = parse_line(&line, number == 1).map_err(|problem| problem.at(path, number))? {
            any = true;
            take(triplet);
        }
    }
    if any {
        Ok(())
    } else {
        Err(whole(format!("`{shown}` has no triplets"), FORM))
    }
}

/// What is wrong in one line.
struct Problem {
    text: String,
    span: Range<usize>,
    message: String,
    help: String,
}

impl Problem {
    fn new(text: &str, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            text: text.to_owned(),
            span,
            message: message.into(),
            help: help.into(),
        }
    }

    fn at(self, path: &Path, line: usize) -> TripletError {
        TripletError {
            file: path.to_owned(),
            place: Some(Box::new(Place {
                line,
                text: self.text,
                span: self.span,
            })),
            message: self.message,
            help: self.help,
        }
    }
}

fn parse_line(bytes: &[u8], first: bool) -> Result<Option<Triplet>, Problem> {
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
    let line = if first {
        line.strip_prefix('\u{feff}').unwrap_or(line)
    } else {
        line
    };
    if line.trim().is_empty() {
        return Ok(None);
    }
    match serde_json::from_str::<Triplet>(line) {
        Ok(triplet) if !triplet.is_blank() => Ok(Some(triplet)),
        _ => Err(explain(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"anchor":"a","positive":"b","negative":"c","id":{"n":[1,"}"]}}"#;

    fn parsed(line: &str) -> Result<Option<Triplet>, String> {
        parse_line(line.as_bytes(), false).map_err(|problem| {
            let line = problem.at(Path::new("t.jsonl"), 7);
            let place = line.place.clone().unwrap();
            format!("{line} [{}]", &place.text[place.span])
        })
    }

    #[test]
    fn a_good_line_is_read_and_a_blank_one_skipped() {
        assert_eq!(parsed(GOOD).unwrap().unwrap().positive, "b");
        assert_eq!(parsed(" \t\r\n"), Ok(None));
        assert!(parse_line(format!("\u{feff}{GOOD}\r\n").as_bytes(), true).is_ok_and(|triplet| triplet.is_some()));
    }

    #[test]
    fn a_bad_line_is_told_with_its_place() {
        let cases = [
            (
                r#"{"anchor":"a","positive":"b"}"#,
                r#"7:1: the key `negative` is missing [{"anchor":"a","positive":"b"}]"#,
            ),
            (
                r#"{"anchor": 3, "positive":"b","negative":"c"}"#,
                "7:12: `anchor` must be a string, not a number [3]",
            ),
            (
                r#"{"anchor":"ä","positive":{"x":"\"}"} ,"negative":"c"}"#,
                r#"7:26: `positive` must be a string, not an object [{"x":"\"}"}]"#,
            ),
            (
                r#"{"anchor":"a","positive":"b","negative":" \t"}"#,
                r#"7:41: `negative` is blank [" \t"]"#,
            ),
            (
                r#"{"anchor":"a","anchor":"b"}"#,
                r#"7:24: the key `anchor` is there twice ["b"]"#,
            ),
            (r#"["a"]"#, r#"7:1: a triplet is an object, not an array [["a"]]"#),
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
            assert_eq!(parsed(line), Err(format!("t.jsonl:{expected}")));
        }
        let problem = parse_line(b"{\"anchor\":\"\xff\"}", false).err().unwrap();
        assert_eq!(
            (problem.message.as_str(), problem.span),
            ("the line is not UTF-8", 11..14)
        );
        let problem = parse_line(&vec![b'x'; MAX_LINE + 1], false).err().unwrap();
        assert!(problem.text.len() <= 100 && problem.message.contains("longer than 16 MiB"));
    }

    /// Every prefix and every line with one byte changed: whatever they are, they must not panic.
    #[test]
    fn a_damaged_line_never_panics() {
        for end in 0..GOOD.len() {
            assert!(parse_line(&GOOD.as_bytes()[..end], true).is_err() || end == 0);
            for byte in [0, b'"', b'{', b'}', b'[', b']', b'\\', b',', b':', b' ', 0xc3, 0xff] {
                let mut line = GOOD.as_bytes().to_vec();
                line[end] = byte;
                let _ = parse_line(&line, true);
            }
        }
    }
}
