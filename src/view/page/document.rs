//! A report before it is HTML or Markdown.

use crate::view::picture::Picture;

/// A part of a report.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    /// Above a section.
    Heading(&'static str),
    /// A paragraph.
    Text(String),
    /// A paragraph that must not be overlooked.
    Notice(String),
    /// Lines that are shown as they are: commands, or columns of text.
    Lines(String),
    /// A table; in columns of numbers they end below each other.
    Table(Table),
    /// A picture.
    Picture(Picture),
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// What it has, for who can't see it.
    pub name: &'static str,
    /// The names of the columns; empty for none.
    pub head: Vec<String>,
    /// As many cells each.
    pub rows: Vec<Vec<String>>,
    /// The columns that have words.
    pub words: Vec<usize>,
}

impl Table {
    /// One of two columns of words, without a head.
    pub fn pairs(name: &'static str, rows: Vec<[String; 2]>) -> Block {
        Block::Table(Self {
            name,
            head: Vec::new(),
            rows: rows.into_iter().map(Vec::from).collect(),
            words: vec![0, 1],
        })
    }
}
