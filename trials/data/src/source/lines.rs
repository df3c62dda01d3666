//! Text files, a line at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::Path;

use super::{MAX_LINE, unreadable};
use crate::error::{DataError, Place};

/// Gives each line that is not blank to `take`, with its number from 1. `form` is the help for a line that is too long.
pub(crate) fn each(
    path: &Path,
    file: File,
    form: &str,
    mut take: impl FnMut(usize, &str) -> Result<(), Problem>,
) -> Result<(), DataError> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
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
        let taken = text(&line, number == 1, form).and_then(|text| match text.trim().is_empty() {
            true => Ok(()),
            false => take(number, text),
        });
        taken.map_err(|problem| problem.at(path, number))?;
    }
    Ok(())
}

/// What is wrong in one line.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The line.
    pub text: String,
    /// The offending bytes of it.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    pub help: String,
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

    pub fn at(self, path: &Path, line: usize) -> DataError {
        let place = Place {
            line,
            text: self.text,
            span: self.span,
        };
        DataError::at(path, place, self.message, self.help)
    }
}

/// The text of a line without its end and, on the first, without the byte order mark.
pub(super) fn text<'a>(bytes: &'a [u8], first: bool, form: &str) -> Result<&'a str, Problem> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if bytes.len() > MAX_LINE {
        // Only the beginning is kept: all of it would help nobody.
        let text = String::from_utf8_lossy(&bytes[..100]).into_owned();
        let message = format!("the line is longer than {} MiB", MAX_LINE >> 20);
        return Err(Problem::new(&text, 0..text.len(), message, form));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_lines_and_the_mark_at_the_beginning_are_no_text() {
        assert_eq!(text("\u{feff}{}\r\n".as_bytes(), true, "").unwrap(), "{}");
        assert_eq!(text("\u{feff}".as_bytes(), false, "").unwrap(), "\u{feff}");
    }

    #[test]
    fn bytes_that_are_no_text_and_endless_lines_are_reported() {
        let problem = text(b"{\"anchor\":\"\xff\"}", false, "").err().unwrap();
        assert_eq!(
            (problem.message.as_str(), problem.span),
            ("the line is not UTF-8", 11..14)
        );
        let long = vec![b'x'; MAX_LINE + 1];
        let problem = text(&long, false, "").err().unwrap();
        assert!(problem.text.len() <= 100 && problem.message.contains("longer than 16 MiB"));
    }
}
