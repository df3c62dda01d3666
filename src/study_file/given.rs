//! A configuration that is given beside a study's file, checked like one in it.

use hpo_protocol::Values;
use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::reader::{Item, Problem, Problems, Span};
use super::try_first;
use crate::study::Study;

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Misgiven {
    /// The parameter at fault, if it is one.
    pub parameter: Option<String>,
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    pub help: String,
}

/// The values of a configuration in the form in which they are drawn: some or all, each a JSON scalar.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn given(study: &Study, values: &Values) -> Result<Values, Misgiven> {
    let spec = study.spec();
    if spec.sampler.covers_all() {
        return Err(Misgiven {
            parameter: None,
            message: "the study tries every configuration of its grid in any case".to_owned(),
            help: "to try others, begin a study with another space".to_owned(),
        });
    }
    let mut lines = Vec::new();
    for (name, value) in values {
        let written = written(value).ok_or_else(|| Misgiven {
            parameter: Some(name.clone()),
            message: format!("`{name}` must be a string, number or boolean"),
            help: "give it a single value".to_owned(),
        })?;
        lines.push(format!("{} = {written}", quoted(name)));
    }
    let text = lines.join("\n");
    let whole = |message: String| Misgiven {
        parameter: None,
        message,
        help: "give values of parameters, such as learning_rate=1e-5".to_owned(),
    };
    if values.is_empty() {
        return Err(whole("the configuration has no values".to_owned()));
    }
    let document = DeTable::parse(&text).map_err(|error| whole(error.message().to_owned()))?;
    let span = document.span();
    let table = DeValue::Table(document.into_inner());
    let item = Item {
        name: "the configuration".to_owned(),
        key: "",
        key_span: span.clone(),
        value: &table,
        span,
    };
    let read = try_first::point(&item, &spec.space, false);
    let read = read.map_err(|Problems(problems)| match problems.into_iter().next() {
        None => whole("the configuration can't be read".to_owned()),
        Some(Problem {
            span, message, help, ..
        }) => Misgiven {
            parameter: span.and_then(|span| of_line(&text, &span, values)),
            message,
            help,
        },
    })?;
    match study.has_enqueued(&read) {
        true => Err(Misgiven {
            parameter: None,
            message: "this configuration is enqueued already".to_owned(),
            help: "change one of its values, or look for it: hpo trials".to_owned(),
        }),
        false => Ok(read),
    }
}

/// The parameter on whose line a place is; none if it is the whole text.
fn of_line(text: &str, place: &Span, values: &Values) -> Option<String> {
    let before = text.get(..place.start)?;
    let line = before.matches('\n').count();
    let is_whole = place.len() == text.len() && values.len() > 1;
    values.keys().nth(line).filter(|_| !is_whole).cloned()
}

/// A scalar as TOML has it.
fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(quoted(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A text as TOML has it: as JSON does, but for one character.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
