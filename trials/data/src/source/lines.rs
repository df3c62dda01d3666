//! Text files, a line at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::Path;

use super::{MAX_LINE, unreadable};
use crate::error::{DataError, Mistakes, Place};

/// The byte order mark, by which some programs begin a file in UTF-8.
pub(super) const MARK: char = '\u{feff}';

/// What is wrong with a file that has the line ends of neither Unix nor Windows.
pub(super) const CARRIAGE_RETURNS: &str = "the lines end in carriage returns alone";
pub(super) const LINE_ENDS: &str = "save the file with the line ends of Unix or Windows";

/// The lines of a file.
pub(super) struct Lines<'a> {
    path: &'a Path,
    reader: BufReader<File>,
    /// The number of the last line read, from 1.
    pub number: usize,
    bytes: Vec<u8>,
}

impl<'a> Lines<'a> {
    pub fn new(path: &'a Path, file: File) -> Self {
        Self {
            path,
            reader: BufReader::with_capacity(1 << 16, file),
            number: 0,
            bytes: Vec::new(),
        }
    }

    /// The next line with its end, or nothing at the end of the file. `form` is the help for a line that is too long.
    pub fn next(&mut self, form: &str) -> Result<Option<&str>, DataError> {
        self.bytes.clear();
        let mut limited = self.reader.by_ref().take(MAX_LINE as u64 + 2);
        let read = limited
            .read_until(b'\n', &mut self.bytes)
            .map_err(|error| unreadable(self.path, &error))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let line = text(&self.bytes, form).map_err(|problem| problem.at(self.path, self.number))?;
        Ok(Some(line))
    }
}

/// Gives each line that is not blank to `take`, with its number from 1 and without its end. `form` is the help for a line
/// that is too long. After a line that is wrong it goes on, so that others are found too.
pub(crate) fn each(
    path: &Path,
    file: File,
    form: &str,
    mut take: impl FnMut(usize, &str) -> Result<(), Problem>,
) -> Result<(), DataError> {
    let mut lines = Lines::new(path, file);
    let mut mistakes = Mistakes::of_a_file();
    loop {
        let number = lines.number + 1;
        let Some(Some(line)) = mistakes.keep(lines.next(form)) else {
            return mistakes.end_of(path);
        };
        let line = content(line);
        if !line.trim().is_empty() {
            mistakes.keep(take(number, line).map_err(|problem| problem.at(path, number)));
        }
    }
}

/// A line without its end, and without the byte order mark that it begins with if a file begins here, or did before others
/// were put in front of it.
pub(super) fn content(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    line.strip_prefix(MARK).unwrap_or(line)
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

/// The text of a line.
pub(super) fn text<'a>(bytes: &'a [u8], form: &str) -> Result<&'a str, Problem> {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if line.strip_suffix(b"\r").unwrap_or(line).len() > MAX_LINE {
        // Only the beginning is kept: all of it would help nobody.
        let text = String::from_utf8_lossy(&bytes[..100]).into_owned();
        let message = format!("the line is longer than {} MiB", MAX_LINE >> 20);
        return Err(Problem::new(&text, 0..text.len(), message, form));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        // The replacement of the first bad byte stands where that byte stood.
        let text = String::from_utf8_lossy(bytes);
        let at = error.valid_up_to();
        let text = text.trim_end_matches(['\r', '\n']);
        Problem::new(text, at..at + 3, "the line is not UTF-8", "save the file as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_lines_and_the_mark_at_their_beginning_are_no_text() {
        assert_eq!(content("\u{feff}{}\r\n"), "{}");
        assert_eq!(content("\u{feff}"), "");
        assert_eq!(content("a\u{feff}\rb\n"), "a\u{feff}\rb");
    }

    #[test]
    fn bytes_that_are_no_text_and_endless_lines_are_reported() {
        let problem = text(b"{\"anchor\":\"\xff\"}", "").err().unwrap();
        assert_eq!(
            (problem.message.as_str(), problem.span),
            ("the line is not UTF-8", 11..14)
        );
        let long = vec![b'x'; MAX_LINE + 1];
        let problem = text(&long, "").err().unwrap();
        assert!(problem.text.len() <= 100 && problem.message.contains("longer than 16 MiB"));
    }
}
