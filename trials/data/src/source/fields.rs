//! Rows of tables: fields between separators, in quotes or not.

use std::fs::File;
use std::path::Path;

use super::lines::{Lines, MARK};
use super::{MAX_LINE, open};
use crate::error::{DataError, Place};

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// What stands between two fields: one byte.
    pub separator: char,
    /// Whether a field that begins with double quotes ends with them, may hold separators and line ends, and has double quotes
    /// of its own twice (RFC 4180). Otherwise quotes are text.
    pub quotes: bool,
}

impl Dialect {
    /// How to write a text that does not fit between two separators.
    pub fn help(self) -> &'static str {
        match self.separator {
            '\t' => {
                "put texts that hold tabs, quotes or line ends in double quotes, and double the quotes in them; or write \
                 JSON lines"
            }
            _ => "put texts that hold separators, quotes or line ends in double quotes, and double the quotes in them",
        }
    }
}

/// A field within the text of its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// Its bytes, quotes included.
    pub start: usize,
    pub end: usize,
    /// Whether it stands in quotes.
    pub quoted: bool,
    /// Whether it stands in quotes and has some of its own.
    pub doubled: bool,
}

/// Rows of a file, one after the other. Empty lines between them are skipped.
pub(super) struct Rows<'a> {
    path: &'a Path,
    lines: Lines<'a>,
    dialect: Dialect,
    /// The last row, with the line ends in it and the one behind it.
    pub text: String,
    /// The number of its first line, from 1.
    pub line: usize,
    /// Its fields; at least one.
    pub fields: Vec<Field>,
}

/// What the bytes up to some place are.
enum Scan {
    /// A row.
    Row,
    /// The beginning of a row whose quotes are not closed yet.
    Open,
    /// A row with text from this place on, where quotes are closed and the field should end.
    Behind(usize),
}

impl<'a> Rows<'a> {
    pub fn open(path: &'a Path, dialect: Dialect) -> Result<Self, DataError> {
        Ok(Self::new(path, open(path)?, dialect))
    }

    pub fn new(path: &'a Path, file: File, dialect: Dialect) -> Self {
        Self {
            path,
            lines: Lines::new(path, file),
            dialect,
            text: String::new(),
            line: 0,
            fields: Vec::new(),
        }
    }

    /// Reads the next row; false at the end of the file.
    pub fn next(&mut self) -> Result<bool, DataError> {
        self.text.clear();
        self.fields.clear();
        while self.text.trim_matches(['\r', '\n', ' ', MARK]).is_empty() {
            self.text.clear();
            if !self.read_line()? {
                return Ok(false);
            }
            self.line = self.lines.number;
        }
        // A mark may stand where a file began before others were put in front of it.
        let mut at = if self.text.starts_with(MARK) {
            MARK.len_utf8()
        } else {
            0
        };
        loop {
            match self.scan(&mut at) {
                Scan::Row => return Ok(true),
                Scan::Behind(from) => {
                    let message = "there is text behind the quotes that close the field";
                    return Err(self.error(from..self.text.len(), message, self.dialect.help()));
                }
                Scan::Open => {}
            }
            let from = self.fields.last().map_or(0, |field| field.start);
            if self.text.len() > MAX_LINE {
                let message = format!("the row is longer than {} MiB", MAX_LINE >> 20);
                return Err(self.error(from..self.text.len(), message, "close the quotes that are open here"));
            }
            if !self.read_line()? {
                let end = self.text.len();
                return Err(self.error(from..end, "these quotes are never closed", self.dialect.help()));
            }
        }
    }

    fn read_line(&mut self) -> Result<bool, DataError> {
        let line = self.lines.next(self.dialect.help())?;
        self.text.push_str(line.unwrap_or_default());
        Ok(line.is_some())
    }

    /// Takes fields from `at` on, which moves to where the text ends. A last field that is open goes on from there.
    fn scan(&mut self, at: &mut usize) -> Scan {
        let (bytes, separator) = (self.text.as_bytes(), self.dialect.separator as u8);
        let content = self.text.strip_suffix('\n').unwrap_or(&self.text);
        let content = content.strip_suffix('\r').unwrap_or(content).len();
        let blanks = |at: usize| bytes[at..].iter().take_while(|byte| **byte == b' ').count();
        let mut is_open = self.fields.last().is_some_and(|field| field.end == 0);
        loop {
            if !is_open {
                // Blanks around the quotes are none of the text's.
                let begin = *at + blanks(*at);
                let quoted = self.dialect.quotes && bytes.get(begin) == Some(&b'"');
                *at = if quoted { begin } else { *at };
                self.fields.push(Field {
                    start: *at,
                    end: 0,
                    quoted,
                    doubled: false,
                });
                *at += usize::from(quoted);
            }
            let Some(field) = self.fields.last_mut() else {
                return Scan::Row;
            };
            if field.quoted {
                loop {
                    match bytes[*at..].iter().position(|byte| *byte == b'"') {
                        None => {
                            *at = bytes.len();
                            return Scan::Open;
                        }
                        Some(quote) if bytes.get(*at + quote + 1) == Some(&b'"') => {
                            field.doubled = true;
                            *at += quote + 2;
                        }
                        Some(quote) => {
                            *at += quote + 1;
                            break;
                        }
                    }
                }
                field.end = *at;
                *at += blanks(*at);
                if *at < content && bytes[*at] != separator {
                    return Scan::Behind(*at);
                }
            } else {
                let rest = bytes.get(*at..content).unwrap_or_default();
                *at += rest.iter().position(|byte| *byte == separator).unwrap_or(rest.len());
                field.end = *at;
            }
            is_open = false;
            if *at >= content {
                return Scan::Row;
            }
            *at += 1;
        }
    }

    /// The text of a field, without its quotes.
    pub fn value(&self, field: usize) -> String {
        let Some(field) = self.fields.get(field) else {
            return String::new();
        };
        match (field.quoted, field.doubled) {
            (true, true) => self.text[field.start + 1..field.end - 1].replace("\"\"", "\""),
            (true, false) => self.text[field.start + 1..field.end - 1].to_owned(),
            (false, _) => self.text[field.start..field.end].to_owned(),
        }
    }

    /// The error about some bytes of the row, of which the first line is shown.
    pub fn error(
        &self,
        span: std::ops::Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> DataError {
        let before = &self.text[..span.start];
        let from = before.rfind('\n').map_or(0, |end| end + 1);
        let from = if from == 0 && self.text.starts_with(MARK) {
            MARK.len_utf8()
        } else {
            from
        };
        let start = span.start.max(from);
        let rest = &self.text[start..];
        let end = start + rest.find(['\r', '\n']).unwrap_or(rest.len());
        let to = self.text.floor_char_boundary(span.end.clamp(start, end));
        let place = Place {
            line: self.line + before.matches('\n').count(),
            text: self.text[from..end].to_owned(),
            span: start - from..to - from,
        };
        DataError::at(self.path, place, message, help)
    }

    /// The error about a field, or else about the row's first.
    pub fn error_at(&self, field: usize, message: impl Into<String>, help: impl Into<String>) -> DataError {
        let field = self.fields.get(field).or(self.fields.first());
        self.error(field.map_or(0..0, |field| field.start..field.end), message, help)
    }

    /// The error of a row whose fields are not as many as the header's, if they are not.
    pub fn check_count(&self, expected: usize) -> Result<(), DataError> {
        let count = self.fields.len();
        if count == expected {
            return Ok(());
        }
        let message = format!("the row has {count} fields, but the header has {expected}");
        Err(self.error_at(0, message, self.dialect.help()))
    }
}
