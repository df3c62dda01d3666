//! What is wrong with a study's data.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What is wrong in a file of data, where, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataError {
    /// The file.
    pub file: PathBuf,
    /// Where in the file; none if the file as a whole is at fault or has no lines.
    pub place: Option<Box<Place>>,
    /// What is wrong. Names the file if there is no [`place`](Self::place).
    pub message: String,
    /// How to fix it.
    pub help: String,
}

/// A place in a text file.
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

impl DataError {
    /// About a file as a whole, which the message must name.
    pub(crate) fn whole(file: &Path, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: None,
            message: message.into(),
            help: help.into(),
        }
    }

    /// About a place in a text file.
    pub(crate) fn at(file: &Path, place: Place, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: Some(Box::new(place)),
            message: message.into(),
            help: help.into(),
        }
    }
}

impl fmt::Display for DataError {
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

impl std::error::Error for DataError {}

/// A text of the user within a message: short, and on one line.
pub fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}
