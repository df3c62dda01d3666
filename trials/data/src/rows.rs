//! Rows as they are read, before any is dropped: records of a file become examples of interned texts.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use hpo_protocol::embedding::Settings;
use indexmap::IndexSet;
use serde_json::Value;

use crate::Kind;
use crate::columns::{Layout, Role};
use crate::error::shown;
use crate::report::Dropped;

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
    /// Rows of one group are never split: a place in [`Pool::groups`].
    pub group: Option<u32>,
    /// The number of its record in the file: that of its first line, in Parquet that of its row; from 1.
    pub number: u64,
}

/// All texts, labels and groups of a study, each once.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    pub texts: IndexSet<String>,
    pub labels: IndexSet<String>,
    pub groups: IndexSet<String>,
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
}

impl FileRows {
    /// Of a file with these columns, nothing of which is read yet.
    pub fn new(file: &Path, layout: Rc<Layout>) -> Self {
        Self {
            file: file.to_owned(),
            layout,
            rows: Vec::new(),
            read: 0,
            dropped: Dropped::default(),
            trimmed: 0,
            split_off: false,
        }
    }
}

/// Stands for a number that is not finite, which JSON can't say.
pub(crate) const NOT_FINITE: &str = "\0not finite";

/// How a format stores values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storage {
    /// What its users call the place of a record: a line or a row.
    pub record: &'static str,
    /// How they make a text of another value.
    pub as_text: &'static str,
    pub numbers: Numbers,
}

/// How a format stores numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// As JSON does.
    Json,
    /// Likewise, but for those that are not finite, which are [`NOT_FINITE`].
    Float,
    /// As texts.
    Text,
}

/// A record: the values of the layout's columns, in its order. None if an optional column is not there.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub cells: &'a [Option<Value>],
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
enum Found<T> {
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
        let mut sheet = Sheet {
            layout: &layout,
            record,
            clean: self.settings.clean,
            pool: self.pool,
            trimmed: 0,
            empty: 0,
        };
        let group = sheet.group();
        let examples = sheet.examples(self.settings.score_range)?;
        into.trimmed += sheet.trimmed;
        into.dropped.empty += sheet.empty;
        into.read += sheet.empty + examples.len();
        into.rows.extend(examples.into_iter().map(|example| Row {
            example,
            group,
            number: record.number,
        }));
        Ok(())
    }
}

/// A record that is being read.
struct Sheet<'a> {
    layout: &'a Layout,
    record: &'a Record<'a>,
    clean: bool,
    pool: &'a mut Pool,
    trimmed: usize,
    empty: usize,
}

impl Sheet<'_> {
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
                let rows = positives.len() * negatives.len().max(1);
                if rows > MAX_ROWS_PER_RECORD {
                    let message = format!("these lists of texts make {rows} rows, more than {MAX_ROWS_PER_RECORD}");
                    return Err(self.flaw(Role::Positive, message, "shorten the lists"));
                }
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

    /// The texts of all columns of a role, interned. Empty ones are left out, or an error if data is not cleaned.
    fn texts(&mut self, role: Role) -> Result<Vec<u32>, Flaw> {
        let mut texts = Vec::new();
        let (layout, record) = (self.layout, self.record);
        for (column, cell) in record.cells.iter().enumerate() {
            if layout.columns[column].1 != role {
                continue;
            }
            // A missing cell is one of an optional column: those that must be there are checked where the file is read.
            let Some(value) = cell else { continue };
            let in_lists = matches!(role, Role::Positive | Role::Negative) && layout.kind != Kind::Scored;
            let is_absent = value.is_null() || value.as_str() == Some("");
            match value.as_array().filter(|_| in_lists) {
                Some(elements) => {
                    if elements.is_empty() && !self.clean {
                        return Err(self.blank(column));
                    }
                    for element in elements {
                        texts.extend(self.text(column, element)?);
                    }
                }
                None if is_absent && layout.is_optional(column) => {}
                None => texts.extend(self.text(column, value)?),
            }
        }
        Ok(texts)
    }

    fn text(&mut self, column: usize, value: &Value) -> Result<Option<u32>, Flaw> {
        let text = match value {
            Value::String(text) => text.as_str(),
            Value::Null if self.clean => "",
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                let message = format!("must be a string, not {}", kind(value));
                let help = match value.is_null() {
                    true => "give it a text, or remove the row",
                    false => self.record.storage.as_text,
                };
                return Err(self.at(column, &message, help));
            }
        };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return if self.clean { Ok(None) } else { Err(self.blank(column)) };
        }
        let text = if self.clean { trimmed } else { text };
        self.trimmed += usize::from(self.clean && trimmed.len() < value.as_str().map_or(0, str::len));
        Ok(Some(intern(&mut self.pool.texts, text)))
    }

    fn label(&mut self) -> Result<Found<u32>, Flaw> {
        let Some((column, value)) = self.single(Role::Label) else {
            return Ok(Found::Empty);
        };
        let label = match value {
            Value::String(label) => label.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Null => String::new(),
            Value::Array(_) | Value::Object(_) => {
                let message = format!("must be a label, not {}", kind(value));
                return Err(self.at(column, &message, "give one name or number"));
            }
        };
        match (label.is_empty(), self.clean) {
            (false, _) => Ok(Found::Value(intern(&mut self.pool.labels, &label))),
            (true, true) => Ok(Found::Empty),
            (true, false) => Err(self.blank(column)),
        }
    }

    fn score(&self, range: Option<[f64; 2]>) -> Result<Found<f32>, Flaw> {
        let Some((column, value)) = self.single(Role::Score) else {
            return Ok(Found::Empty);
        };
        let number = match value {
            Value::Number(number) => number.as_f64(),
            // NaN and infinities, which JSON has no words for.
            Value::String(text) if self.record.storage.numbers == Numbers::Float && text == NOT_FINITE => None,
            Value::Bool(value) => Some(f64::from(u8::from(*value))),
            Value::Null if self.clean => return Ok(Found::Empty),
            Value::String(text) if self.record.storage.numbers == Numbers::Text => match text.trim() {
                "" if self.clean => return Ok(Found::Empty),
                "" => return Err(self.blank(column)),
                text => text.parse().ok(),
            },
            Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                let message = format!("must be a number, not {}", kind(value));
                return Err(self.at(column, &message, "give a number, without quotes"));
            }
        };
        let Some(number) = number.filter(|number: &f64| number.is_finite()) else {
            return Err(self.at(column, "must be a finite number", "give a number such as 0.5"));
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

    fn group(&mut self) -> Option<u32> {
        let (_, value) = self.single(Role::Group)?;
        let group = match value.as_str() {
            Some(text) if text.trim().is_empty() => return None,
            Some(text) => text.trim().to_owned(),
            None if value.is_null() => return None,
            None => value.to_string(),
        };
        Some(intern(&mut self.pool.groups, &group))
    }

    /// The value of a role that only one column has.
    fn single(&self, role: Role) -> Option<(usize, &Value)> {
        let column = self.layout.columns.iter().position(|(_, of)| *of == role)?;
        Some((column, self.record.cells.get(column)?.as_ref()?))
    }

    fn blank(&self, column: usize) -> Flaw {
        let help = format!("give it a text, or remove the {}", self.record.storage.record);
        self.at(column, "is blank", &help)
    }

    fn flaw(&self, role: Role, message: String, help: &str) -> Flaw {
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

/// The place of a text among the distinct ones. There is no memory for as many as `u32` counts.
fn intern(texts: &mut IndexSet<String>, text: &str) -> u32 {
    let place = match texts.get_index_of(text) {
        Some(place) => place,
        None => texts.insert_full(text.to_owned()).0,
    };
    place as u32
}

/// What a value is, with its article.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
