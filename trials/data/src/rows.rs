//! Rows as they are read, before any is dropped: records of a file become examples of interned texts.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use hpo_protocol::embedding::Settings;

use crate::Kind;
use crate::columns::{Layout, Role};
use crate::error::shown;
use crate::lists::Lists;
use crate::pool::{Pool, intern};
use crate::report::Dropped;
use crate::value::{Cell, decimal, name};

/// One record may stand for several rows, if it lists positives and negatives, but not for more than these.
const MAX_ROWS_PER_RECORD: usize = 10_000;

/// What a trainer sees of a row. Texts and labels are places in a [`Pool`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Example {
    /// Anchor, positive, negative.
    Triplet([u32; 3]),
    /// Anchor and positive.
    Pair([u32; 2]),
    /// Two texts and how near they are.
    Scored([u32; 2], f32),
    /// A text and its label.
    Labelled(u32, u32),
}

impl Example {
    /// The text that the others belong to.
    pub fn anchor(&self) -> u32 {
        match *self {
            Self::Triplet([anchor, ..]) | Self::Pair([anchor, _]) | Self::Scored([anchor, _], _) => anchor,
            Self::Labelled(text, _) => text,
        }
    }

    /// The text that belongs to the anchor.
    pub fn positive(&self) -> Option<u32> {
        match *self {
            Self::Triplet([_, positive, _]) | Self::Pair([_, positive]) | Self::Scored([_, positive], _) => {
                Some(positive)
            }
            Self::Labelled(..) => None,
        }
    }

    /// Whether it compares a text with itself.
    pub fn names_a_text_twice(&self) -> bool {
        match *self {
            Self::Triplet([anchor, positive, negative]) => {
                anchor == positive || anchor == negative || positive == negative
            }
            Self::Pair([one, other]) | Self::Scored([one, other], _) => one == other,
            Self::Labelled(..) => false,
        }
    }

    /// The label's place.
    pub fn label(&self) -> Option<u32> {
        match *self {
            Self::Labelled(_, label) => Some(label),
            Self::Triplet(_) | Self::Pair(_) | Self::Scored(..) => None,
        }
    }
}

/// A row and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    pub example: Example,
    /// The further negatives, if there are several: a place in [`Pool::others`].
    pub others: Option<u32>,
    /// Rows of one group are never split: a place in [`Pool::groups`].
    pub group: Option<u32>,
    /// The number of its record in the file: that of its first line, in Parquet that of its row; from 1.
    pub number: u64,
}

/// The rows of a file.
#[derive(Debug)]
pub(crate) struct FileRows {
    pub file: PathBuf,
    pub layout: Rc<Layout>,
    pub rows: Vec<Row>,
    /// Rows in the file, those without a text included.
    pub read: usize,
    /// Rows that are no longer among `rows`.
    pub dropped: Dropped,
    /// Texts with blanks around them, which were cut off.
    pub trimmed: usize,
    /// Whether they were read as a part of the training rows.
    pub split_off: bool,
    /// Texts that are lists written as such.
    pub lists: Lists,
}

impl FileRows {
    /// Of a file with these columns, nothing of which is read yet.
    pub fn new(file: &Path, layout: Rc<Layout>) -> Self {
        Self {
            file: file.to_owned(),
            lists: Lists::of(&layout),
            layout,
            rows: Vec::new(),
            read: 0,
            dropped: Dropped::default(),
            trimmed: 0,
            split_off: false,
        }
    }
}

/// How a format stores values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storage {
    /// What its users call the place of a record: a line or a row.
    pub record: &'static str,
    /// How they make a text of another value.
    pub as_text: &'static str,
}

/// A record: the values of the layout's columns, in its order. None if an optional column is not there.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub cells: &'a [Option<Cell>],
    /// See [`Row::number`].
    pub number: u64,
    pub storage: Storage,
}

/// What is wrong in one column of a record.
#[derive(Debug)]
pub(crate) struct Flaw {
    pub column: usize,
    pub message: String,
    pub help: String,
}

/// What a value is good for.
pub(crate) enum Found<T> {
    Value(T),
    /// There is nothing in it, and rows without it are left out.
    Empty,
}

/// Makes rows of records.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub settings: &'a Settings,
    pub pool: &'a mut Pool,
}

impl Reader<'_> {
    /// Adds the rows of a record to those of its file.
    pub fn take(&mut self, into: &mut FileRows, record: &Record) -> Result<(), Flaw> {
        let layout = Rc::clone(&into.layout);
        let mut sheet = Sheet::new(&layout, record, self.settings.clean, self.pool);
        into.lists.take(record.cells);
        sheet.is_no_header()?;
        let group = sheet.group()?;
        let examples = sheet.examples(self.settings.score_range)?;
        into.trimmed += sheet.trimmed;
        into.dropped.empty += sheet.empty;
        into.read += sheet.empty + examples.len();
        into.rows.extend(examples.into_iter().map(|example| Row {
            example,
            others: None,
            group,
            number: record.number,
        }));
        Ok(())
    }
}

/// A record that is being read.
pub(crate) struct Sheet<'a> {
    layout: &'a Layout,
    record: &'a Record<'a>,
    clean: bool,
    pool: &'a mut Pool,
    trimmed: usize,
    empty: usize,
}

impl<'a> Sheet<'a> {
    /// Of a record of that layout. If data is to be `clean`, blanks around texts are cut off, and there may be blank ones.
    pub fn new(layout: &'a Layout, record: &'a Record, clean: bool, pool: &'a mut Pool) -> Self {
        Self {
            layout,
            record,
            clean,
            pool,
            trimmed: 0,
            empty: 0,
        }
    }

    fn examples(&mut self, score_range: Option<[f64; 2]>) -> Result<Vec<Example>, Flaw> {
        let mut examples = Vec::new();
        match self.layout.kind {
            Kind::Labelled => {
                let text = self.texts(Role::Text)?;
                let label = self.label()?;
                match (text.as_slice(), label) {
                    ([text], Found::Value(label)) => examples.push(Example::Labelled(*text, label)),
                    _ => self.empty = 1,
                }
            }
            Kind::Scored => {
                let (anchor, positive) = (self.texts(Role::Anchor)?, self.texts(Role::Positive)?);
                let score = self.score(score_range)?;
                match (anchor.as_slice(), positive.as_slice(), score) {
                    ([anchor], [positive], Found::Value(score)) => {
                        examples.push(Example::Scored([*anchor, *positive], score));
                    }
                    _ => self.empty = 1,
                }
            }
            Kind::Pairs | Kind::Triplets => {
                let anchors = self.texts(Role::Anchor)?;
                let positives = self.texts(Role::Positive)?;
                let negatives = self.texts(Role::Negative)?;
                self.are_not_too_many(positives.len() * negatives.len().max(1))?;
                let triplets = self.layout.kind == Kind::Triplets;
                if anchors.is_empty() || positives.is_empty() || (triplets && negatives.is_empty()) {
                    self.empty = self.empty.max(1);
                    return Ok(examples);
                }
                for &anchor in &anchors {
                    for &positive in &positives {
                        if !triplets {
                            examples.push(Example::Pair([anchor, positive]));
                        }
                        examples.extend(
                            negatives
                                .iter()
                                .map(|&negative| Example::Triplet([anchor, positive, negative])),
                        );
                    }
                }
                self.empty = 0;
            }
        }
        Ok(examples)
    }

    /// That a record does not stand for too many rows.
    pub fn are_not_too_many(&self, rows: usize) -> Result<(), Flaw> {
        if rows <= MAX_ROWS_PER_RECORD {
            return Ok(());
        }
        let message = format!("these lists of texts make {rows} rows, more than {MAX_ROWS_PER_RECORD}");
        Err(self.flaw(Role::Positive, message, "shorten the lists"))
    }

    /// The texts of all columns of a role, interned. Empty ones are left out, or an error if data is not cleaned.
    pub fn texts(&mut self, role: Role) -> Result<Vec<u32>, Flaw> {
        let mut texts = Vec::new();
        let (layout, record) = (self.layout, self.record);
        for (column, cell) in record.cells.iter().enumerate() {
            if layout.columns[column].1 != role {
                continue;
            }
            // A missing cell is one of an optional column: those that must be there are checked where the file is read.
            let Some(value) = cell else { continue };
            let in_lists = matches!(role, Role::Positive | Role::Negative) && layout.kind != Kind::Scored;
            let is_absent = match value {
                Cell::Null => true,
                Cell::Text(text) => text.is_empty(),
                Cell::Bool(_) | Cell::Number(_) | Cell::List(_) | Cell::Other(_) => false,
            };
            if let Cell::List(elements) = value
                && in_lists
            {
                if elements.is_empty() && !self.clean {
                    return Err(self.blank(column));
                }
                for element in elements {
                    texts.extend(self.text(column, element)?);
                }
            } else if !is_absent || !layout.is_optional(column) {
                texts.extend(self.text(column, value)?);
            }
        }
        Ok(texts)
    }

    fn text(&mut self, column: usize, value: &Cell) -> Result<Option<u32>, Flaw> {
        let written = self.written(column, value)?;
        Ok(written.map(|text| intern(&mut self.pool.texts, text)))
    }

    /// The text of a value, without the blanks around it if data is cleaned; none if it is blank.
    fn written<'v>(&mut self, column: usize, value: &'v Cell) -> Result<Option<&'v str>, Flaw> {
        let text = match value {
            Cell::Text(text) => text.as_str(),
            Cell::Null => "",
            Cell::Bool(_) | Cell::Number(_) | Cell::List(_) | Cell::Other(_) => {
                let message = format!("must be a string, not {}", value.kind());
                return Err(self.at(column, &message, self.record.storage.as_text));
            }
        };
        // A byte order mark is no more to be seen than a blank.
        let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        if trimmed.is_empty() {
            return if self.clean { Ok(None) } else { Err(self.blank(column)) };
        }
        self.trimmed += usize::from(self.clean && trimmed.len() < text.len());
        Ok(Some(if self.clean { trimmed } else { text }))
    }

    /// The text of the only column of a role, which is not interned; empty if it is blank or not there.
    pub fn plain(&mut self, role: Role) -> Result<&'a str, Flaw> {
        match self.single(role) {
            Some((column, value)) => Ok(self.written(column, value)?.unwrap_or_default()),
            None => Ok(""),
        }
    }

    /// The text by which a value names something, as it is written; none if it is blank.
    pub fn named(&self, role: Role, what: &str) -> Result<Option<(usize, String)>, Flaw> {
        let Some((column, value)) = self.single(role) else {
            return Ok(None);
        };
        let written = match value {
            Cell::Text(text) => text.trim().to_owned(),
            Cell::Bool(value) => value.to_string(),
            Cell::Null => String::new(),
            Cell::Number(number) if decimal(number).is_some() => number.clone(),
            Cell::Number(_) => {
                return Err(self.at(column, "must be a finite number", "give one name or number"));
            }
            Cell::List(_) | Cell::Other(_) => {
                let message = format!("must be {what}, not {}", value.kind());
                return Err(self.at(column, &message, "give one name or number"));
            }
        };
        Ok(Some((column, written)))
    }

    pub fn label(&mut self) -> Result<Found<u32>, Flaw> {
        match self.named(Role::Label, "a label")? {
            Some((_, written)) if !written.is_empty() => Ok(Found::Value(self.pool.label(&written))),
            Some((column, _)) if !self.clean => Err(self.blank(column)),
            Some(_) | None => Ok(Found::Empty),
        }
    }

    /// The score as it is written, and its column.
    pub fn number(&self) -> Result<Found<(usize, f64)>, Flaw> {
        let Some((column, value)) = self.single(Role::Score) else {
            return Ok(Found::Empty);
        };
        let written = match value {
            Cell::Number(written) => written.as_str(),
            Cell::Text(written) => written.trim(),
            Cell::Bool(true) => "true",
            Cell::Bool(false) => "false",
            Cell::Null => "",
            Cell::List(_) | Cell::Other(_) => {
                let message = format!("must be a number, not {}", value.kind());
                return Err(self.at(column, &message, "give a number such as 0.5"));
            }
        };
        let number: Option<f64> = match name(written).as_str() {
            "" if self.clean => return Ok(Found::Empty),
            "" => return Err(self.blank(column)),
            "true" => Some(1.0),
            "false" => Some(0.0),
            other => other.parse().ok(),
        };
        match number.filter(|number| number.is_finite()) {
            Some(number) => Ok(Found::Value((column, number))),
            None => Err(self.at(column, "must be a finite number", "give a number such as 0.5")),
        }
    }

    fn score(&self, range: Option<[f64; 2]>) -> Result<Found<f32>, Flaw> {
        let Found::Value((column, number)) = self.number()? else {
            return Ok(Found::Empty);
        };
        let [low, high] = range.unwrap_or([-1.0, 1.0]);
        if !(low..=high).contains(&number) {
            let message = format!("is {number}, outside {low} to {high}");
            let help = match range {
                None => {
                    "say under `[trial]` what the lowest and the highest score can be, such as `score_range = [0, 5]`; \
                     they are mapped to 0 and 1"
                }
                Some(_) => "fix the score, or widen `score_range`",
            };
            return Err(self.at(column, &message, help));
        }
        let score = match range {
            Some(_) => (number - low) / (high - low),
            None => number,
        };
        // 0 is added so that there is one zero only.
        Ok(Found::Value((score + 0.0) as f32))
    }

    fn group(&mut self) -> Result<Option<u32>, Flaw> {
        let named = self.named(Role::Group, "the name of a group")?;
        let written = named.map(|(_, written)| written).filter(|written| !written.is_empty());
        Ok(written.map(|written| intern(&mut self.pool.groups, &name(&written))))
    }

    /// A row that has the names of its columns once more is the header of a file that was joined to another.
    pub fn is_no_header(&self) -> Result<(), Flaw> {
        let is_name = |(cell, (name, _)): (&Option<Cell>, &(String, Role))| matches!(cell, Some(Cell::Text(text)) if text.trim() == name.trim());
        if !std::iter::zip(self.record.cells, &self.layout.columns).all(is_name) {
            return Ok(());
        }
        let record = self.record.storage.record;
        Err(Flaw {
            column: 0,
            message: format!("the {record} has the names of the columns once more"),
            help: format!("remove the {record}, which is no text to train with"),
        })
    }

    /// The value of a role that only one column has.
    fn single(&self, role: Role) -> Option<(usize, &'a Cell)> {
        let column = self.layout.columns.iter().position(|(_, of)| *of == role)?;
        Some((column, self.record.cells.get(column)?.as_ref()?))
    }

    fn blank(&self, column: usize) -> Flaw {
        let help = format!("give it a text, or remove the {}", self.record.storage.record);
        self.at(column, "is blank", &help)
    }

    pub fn flaw(&self, role: Role, message: String, help: &str) -> Flaw {
        let column = self.layout.columns.iter().position(|(_, of)| *of == role);
        Flaw {
            column: column.unwrap_or(0),
            message,
            help: help.to_owned(),
        }
    }

    fn at(&self, column: usize, message: &str, help: &str) -> Flaw {
        Flaw {
            column,
            message: format!("`{}` {message}", shown(&self.layout.columns[column].0)),
            help: help.to_owned(),
        }
    }
}
