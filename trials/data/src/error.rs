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
    /// Other mistakes that were found in the same run, none of which follows from this one.
    pub others: Vec<DataError>,
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
            others: Vec::new(),
        }
    }

    /// It and the others, each alone.
    pub fn all(mut self) -> Vec<Self> {
        let others = std::mem::take(&mut self.others);
        std::iter::once(self).chain(others).collect()
    }

    /// With another help, and so the others.
    pub(crate) fn with_help(mut self, help: &dyn Fn(String) -> String) -> Self {
        self.help = help(self.help);
        let others = self.others.into_iter();
        self.others = others.map(|other| other.with_help(help)).collect();
        self
    }

    /// About a place in a text file.
    pub(crate) fn at(file: &Path, place: Place, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: Some(Box::new(place)),
            message: message.into(),
            help: help.into(),
            others: Vec::new(),
        }
    }
}

/// So many mistakes of a file are reported one by one.
const MOST: usize = 10;

/// Mistakes, while others are looked for.
#[derive(Debug)]
pub(crate) struct Mistakes {
    found: Vec<DataError>,
    /// So many are kept.
    most: usize,
    /// How many were found beside these.
    more: usize,
}

impl Mistakes {
    /// Of all files together.
    pub fn of_all() -> Self {
        Self {
            found: Vec::new(),
            most: usize::MAX,
            more: 0,
        }
    }

    /// Of one file, which may be wrong throughout.
    pub fn of_a_file() -> Self {
        Self {
            most: MOST,
            ..Self::of_all()
        }
    }

    /// What was read, if there was no mistake in it.
    pub fn keep<T>(&mut self, read: Result<T, DataError>) -> Option<T> {
        let mut error = match read {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        if self.found.len() == self.most {
            self.more += 1;
            return None;
        }
        let others = std::mem::take(&mut error.others);
        self.found.push(error);
        self.found.extend(others);
        None
    }

    /// The first one, with all others; each once, if the same file is there for two purposes.
    pub fn end(self) -> Result<(), DataError> {
        let mut all: Vec<DataError> = Vec::new();
        for error in self.found {
            if !all.contains(&error) {
                all.push(error);
            }
        }
        let mut all = all.into_iter();
        let Some(mut first) = all.next() else { return Ok(()) };
        first.others = all.collect();
        Err(first)
    }

    /// The same for those of a file.
    pub fn end_of(mut self, file: &Path) -> Result<(), DataError> {
        if self.more > 0 {
            let message = format!("`{}`: and {} more", file.display(), self.more);
            self.found
                .push(DataError::whole(file, message, "fix those above first"));
        }
        self.end()
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
