//! Reads values out of a TOML document such that every error has its place.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};

pub(super) use hpo_data::shown;
use serde_json::{Number, Value};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

/// A place in the document, in bytes.
pub(super) type Span = Range<usize>;

/// What is wrong in the document.
#[derive(Debug)]
pub(super) struct Problem {
    /// The place; none if nothing in the document stands for it.
    pub span: Option<Span>,
    /// What is wrong.
    pub message: String,
    /// What stands at the place.
    pub label: String,
    /// How to fix it.
    pub help: String,
    /// Whether something is not there. Such a problem can be the effect of another one: a misspelt key, say.
    pub missing: bool,
}

impl Problem {
    pub fn new(span: Span, message: impl Into<String>, label: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            span: Some(span),
            message: message.into(),
            label: label.into(),
            help: help.into(),
            missing: false,
        }
    }

    pub fn missing(span: Option<Span>, message: impl Into<String>, help: impl Into<String>) -> Self {
        let label = if span.is_some() { "in this table" } else { "" };
        Self {
            span,
            message: message.into(),
            label: label.to_owned(),
            help: help.into(),
            missing: true,
        }
    }
}

pub(super) type Result<T> = std::result::Result<T, Problem>;

/// What is wrong at several places of the document; at least one as an error.
#[derive(Debug, Default)]
pub(super) struct Problems(pub Vec<Problem>);

pub(super) type Results<T> = std::result::Result<T, Problems>;

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl Problems {
    /// The value, or none with a note of what is wrong.
    pub fn keep<T, P: Into<Self>>(&mut self, result: std::result::Result<T, P>) -> Option<T> {
        result.map_err(|problems| self.0.extend(problems.into().0)).ok()
    }

    /// The value that was read if nothing is wrong.
    pub fn or<T>(self, value: Option<T>) -> Results<T> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

/// A table of the document.
#[derive(Debug, Clone)]
pub(super) struct Table<'a> {
    /// Its name in messages.
    pub name: String,
    /// Its header, or the whole of an inline table.
    pub span: Span,
    entries: &'a DeTable<'a>,
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    /// Its name in messages: the key after those of the tables around it.
    pub name: String,
    pub key: &'a str,
    pub key_span: Span,
    pub value: &'a DeValue<'a>,
    pub span: Span,
}

impl<'a> Table<'a> {
    pub fn root(document: &'a Spanned<DeTable<'a>>) -> Self {
        Self {
            name: String::new(),
            span: document.span(),
            entries: document.get_ref(),
        }
    }

    /// The entries in the order of the file.
    pub fn items(&self) -> impl Iterator<Item = Item<'a>> {
        let prefix = if self.name.is_empty() {
            String::new()
        } else {
            format!("{}.", self.name)
        };
        self.entries.iter().map(move |(key, value)| Item {
            name: format!("{prefix}{}", shown(key.get_ref())),
            key: key.get_ref(),
            key_span: key.span(),
            value: value.get_ref(),
            span: value.span(),
        })
    }

    pub fn get(&self, key: &str) -> Option<Item<'a>> {
        self.items().find(|item| item.key == key)
    }

    /// The entry, which must be there; `example` is a line that fixes it.
    pub fn required(&self, key: &str, example: &str) -> Result<Item<'a>> {
        self.get(key).ok_or_else(|| self.missing(key, example))
    }

    /// An entry is not there; `example` is a line that fixes it.
    pub fn missing(&self, key: &str, example: &str) -> Problem {
        let message = format!("`{}.{key}` is missing", self.name);
        Problem::missing(Some(self.span.clone()), message, format!("add `{example}`"))
    }

    /// The entries whose key is none of `known`.
    pub fn unknown(&self, known: &[&str]) -> Vec<Item<'a>> {
        self.items().filter(|item| !known.contains(&item.key)).collect()
    }
}

impl<'a> Item<'a> {
    pub fn boolean(&self) -> Result<bool> {
        let DeValue::Boolean(value) = self.value else {
            return Err(self.wrong_type("true or false", "write `true` or `false`, without quotes"));
        };
        Ok(*value)
    }

    /// A problem of the value.
    pub fn problem(&self, message: impl Display, label: impl Into<String>, help: impl Into<String>) -> Problem {
        Problem::new(self.span.clone(), format!("`{}` {message}", self.name), label, help)
    }

    /// The value is of another type than it must be.
    pub fn wrong_type(&self, wanted: &str, help: impl Into<String>) -> Problem {
        let found = kind(self.value);
        self.problem(
            format_args!("must be {wanted}, not {found}"),
            format!("this is {found}"),
            help,
        )
    }

    pub fn table(&self) -> Result<Table<'a>> {
        let DeValue::Table(entries) = self.value else {
            let help = format!("write a line `[{}]` and the keys below it", self.name);
            return Err(self.wrong_type("a table", help));
        };
        Ok(Table {
            name: self.name.clone(),
            // A table that only its dotted keys imply has no place of its own.
            span: if self.span.is_empty() {
                self.key_span.clone()
            } else {
                self.span.clone()
            },
            entries,
        })
    }

    pub fn array(&self, help: &str) -> Result<Vec<Item<'a>>> {
        let DeValue::Array(elements) = self.value else {
            return Err(self.wrong_type("an array", help));
        };
        let element = |(n, element): (usize, &'a Spanned<DeValue<'a>>)| Item {
            name: format!("{}[{n}]", self.name),
            key: self.key,
            key_span: element.span(),
            value: element.get_ref(),
            span: element.span(),
        };
        Ok(elements.iter().enumerate().map(element).collect())
    }

    /// A text, or at least one in an array, as an item each; `example` is a line that has some.
    pub fn texts(&self, example: &str) -> Result<Vec<Item<'a>>> {
        match self.value {
            DeValue::String(_) => Ok(vec![self.clone()]),
            DeValue::Array(texts) if texts.is_empty() => {
                Err(self.problem("is empty", "nothing here", format!("remove it, or {example}")))
            }
            DeValue::Array(_) => self.array(example),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_) => Err(self.wrong_type("a string, or an array of strings", example)),
        }
    }

    /// A string that is not empty and without the NUL character, which no operating system takes in a name.
    pub fn string(&self) -> Result<&'a str> {
        let DeValue::String(text) = self.value else {
            return Err(self.wrong_type("a string", "put it in quotes"));
        };
        if text.is_empty() {
            Err(self.problem("is empty", "nothing here", "give it a text"))
        } else if text.contains('\0') {
            Err(self.problem("has a NUL character", "not possible here", "remove the `\\u0000`"))
        } else {
            Ok(text)
        }
    }

    /// A whole number within `range`.
    pub fn integer(&self, range: RangeInclusive<i64>) -> Result<i64> {
        let help = match (*range.start(), *range.end()) {
            (i64::MIN, i64::MAX) => "write a whole number".to_owned(),
            (least, most) => format!("write a whole number from {least} to {most}"),
        };
        match self.value {
            DeValue::Integer(integer) => match parse(integer) {
                Some(n) if range.contains(&n) => Ok(n),
                Some(n) if n < *range.start() => {
                    Err(self.problem(format_args!("must be at least {}", range.start()), "too small", help))
                }
                _ => Err(self.problem(format_args!("must be at most {}", range.end()), "too large", help)),
            },
            DeValue::Float(_) => Err(self.wrong_type("a whole number", format!("{help}, without a point or exponent"))),
            DeValue::String(_) => Err(self.wrong_type("a whole number", format!("{help}, without quotes"))),
            DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                Err(self.wrong_type("a whole number", help))
            }
        }
    }

    /// A finite number; a whole one too.
    pub fn number(&self) -> Result<f64> {
        match self.value {
            DeValue::Integer(_) | DeValue::Float(_) => match self.scalar()?.as_f64() {
                Some(n) => Ok(n),
                None => Err(self.not_finite()),
            },
            DeValue::String(_) => Err(self.wrong_type("a number", "write it without quotes")),
            DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                Err(self.wrong_type("a number", "write a number such as 0.1 or 1e-5"))
            }
        }
    }

    /// A string, number or boolean.
    pub fn scalar(&self) -> Result<Value> {
        match self.value {
            DeValue::String(text) => Ok(Value::from(text.as_ref())),
            DeValue::Boolean(value) => Ok(Value::from(*value)),
            DeValue::Integer(integer) => parse(integer)
                .map(Value::from)
                .ok_or_else(|| self.problem("does not fit into 64 bits", "too large", "write a smaller number")),
            DeValue::Float(float) => match float.as_str().parse().ok().and_then(Number::from_f64) {
                Some(number) => Ok(Value::Number(number)),
                None => Err(self.not_finite()),
            },
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                Err(self.wrong_type("a string, number or boolean", "write a single value, a date in quotes"))
            }
        }
    }

    fn not_finite(&self) -> Problem {
        self.problem(
            "must be a finite number",
            "not finite",
            "write a number such as 0.1 or 1e-5",
        )
    }
}

fn parse(integer: &DeInteger) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn kind(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// More words than a message can list.
const MANY: usize = 12;

/// Of the known words the one that was probably meant, or a list of all.
pub(super) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match similar(word, &known) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.len() > MANY => "`hpo schema` lists them all".to_owned(),
        None => format!("use {}", list(&known)),
    }
}

/// Of the known words the one that was probably meant.
pub(crate) fn similar<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let plain = |word: &str| word.to_lowercase().replace(['-', ' '], "_");
    let score = |candidate: &str| {
        let (word, candidate) = (plain(word), plain(candidate));
        let edits = strsim::normalized_damerau_levenshtein(&word, &candidate);
        let initials: String = candidate.split('_').filter_map(|part| part.chars().next()).collect();
        let begins = !word.is_empty() && candidate.starts_with(&word) && word.len() >= 3;
        let begins = begins || (initials.len() > 1 && word == initials);
        if begins || word.replace('_', "") == candidate.replace('_', "") {
            1.0
        } else {
            edits
        }
    };
    let scores = known.iter().map(|name| (score(name), *name));
    let best = scores.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|_| word.len() <= 100);
    best.filter(|(score, _)| *score >= 0.6).map(|(_, name)| name)
}

fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("one of {} or {last}", others.join(", ")),
        None => String::new(),
    }
}
