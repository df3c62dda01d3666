//! One row of a table: its contents, and whether the study can use it.

use std::ops::Range;

use hpo_protocol::Values;
use serde::Deserialize;

use super::listed;
use crate::space::{Parameter, SearchSpace, Value};

/// A row as written in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// A parameter without a value may be null.
    pub parameters: Values,
    /// Values of the study's objective by epoch; null once the run has diverged.
    #[serde(alias = "values")]
    pub losses: Vec<Option<f64>>,
    #[serde(default)]
    pub seed: Option<u64>,
    #[serde(default)]
    pub seconds: Option<f64>,
}

/// What is wrong in a line.
#[derive(Debug)]
pub(super) struct Flaw {
    /// The bytes of the line that are at fault.
    pub span: Range<usize>,
    pub message: String,
    pub help: String,
}

const FORM: &str = "a row is one line such as {\"parameters\": {\"learning_rate\": 5e-5}, \"losses\": [0.51, 0.43]}, with \
                    \"seed\" if a configuration has several, and \"seconds\", the duration of an epoch, if known: docs/simulation.md";

/// Longer epochs would overflow the clock of a long study.
const MAX_SECONDS: f64 = 1e9;

/// Whether an epoch can have such a duration, if one is given.
pub fn valid_seconds(seconds: Option<f64>) -> bool {
    seconds.is_none_or(|seconds| seconds > 0.0 && seconds <= MAX_SECONDS)
}

impl Row {
    pub fn parse(line: &str) -> Result<Self, Flaw> {
        let mut row: Self = serde_json::from_str(line).map_err(|error| {
            let at = error.column().saturating_sub(1).min(line.len());
            let message = error.to_string();
            let message = message
                .rsplit_once(" at line ")
                .map_or(message.as_str(), |(message, _)| message);
            let not_json = line.contains("NaN") || line.contains("Infinity");
            Flaw {
                span: at..at + 1,
                message: format!(
                    "this is not a row of a table: {}",
                    message.chars().take(200).collect::<String>()
                ),
                help: if not_json {
                    "JSON has no NaN and no Infinity: write null from the epoch at which a run diverged on".into()
                } else {
                    FORM.into()
                },
            }
        })?;
        row.parameters.retain(|_, value| !value.is_null());
        row.check(line)?;
        Ok(row)
    }

    fn check(&self, line: &str) -> Result<(), Flaw> {
        if self.losses.is_empty() {
            return Err(Flaw::at(line, "losses", "the row has no losses", FORM));
        }
        let diverged = self
            .losses
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.losses.len());
        if self.losses[diverged..].iter().any(Option::is_some) {
            let message = format!(
                "a loss follows the null of epoch {}, which means that the run has diverged",
                diverged + 1
            );
            let help = "for an epoch at which nothing was measured, repeat the loss of the epoch before";
            return Err(Flaw::at(line, "losses", message, help));
        }
        if !valid_seconds(self.seconds) {
            let help = "give the duration of an epoch in seconds, up to 1e9, or leave it out";
            return Err(Flaw::at(line, "seconds", "an epoch can't have taken so long", help));
        }
        Ok(())
    }

    /// The configuration, without the parameters that its values switch off and with those that the study fixes.
    pub fn configuration(&self, space: &SearchSpace, line: &str) -> Result<Values, Flaw> {
        let known = |name: &String| space.parameters.iter().any(|parameter| parameter.name == *name);
        if let Some(name) = self.parameters.keys().find(|name| !known(name)) {
            let message = format!("the study's space has no parameter `{name}`");
            let help = format!(
                "give `{name}` under `[space]`, as a plain value if it is to stay the same, or remove it from the table"
            );
            return Err(Flaw::at(line, name, message, help));
        }
        let mut values = self.parameters.clone();
        for parameter in &space.parameters {
            let value = values.entry(parameter.name.clone());
            let value = value.or_insert_with(|| {
                let fixed = parameter
                    .distribution
                    .listed()
                    .filter(|_| parameter.distribution.is_fixed());
                fixed.and_then(|values| values.first().cloned()).unwrap_or_default()
            });
            if let Some(message) = unlike(parameter, value) {
                let help =
                    "write numbers without quotes and texts with quotes, both in the table and in the study's file";
                return Err(Flaw::at(line, &parameter.name, message, help));
            }
        }
        let values = space.only_active(listed(space, &values));
        match values.iter().find(|(_, value)| value.is_null()) {
            Some((name, _)) => Err(Flaw::at(
                line,
                "parameters",
                format!("the row has no value for `{name}`, which the study searches"),
                format!(
                    "add \"{name}\" to the row's parameters, or fix it in the study with a plain value under `[space]`"
                ),
            )),
            None => Ok(values),
        }
    }
}

/// The error if the value is of another kind than the parameter's.
fn unlike(parameter: &Parameter, value: &Value) -> Option<String> {
    let name = &parameter.name;
    if value.is_array() || value.is_object() {
        return Some(format!("`{name}` is neither a number nor a text nor true or false"));
    }
    let all = |is: fn(&Value) -> bool| match parameter.distribution.listed() {
        Some(values) => values.iter().all(is),
        // Whatever else is drawn is a number.
        None => is(&Value::from(0)),
    };
    if value.is_null() {
        None
    } else if all(Value::is_number) && !value.is_number() {
        Some(format!("`{name}` is a number in the study, but not here"))
    } else if all(Value::is_string) && !value.is_string() {
        Some(format!("`{name}` is a text in the study, but not here"))
    } else {
        None
    }
}

impl Flaw {
    /// About the value of a key in the line.
    pub fn at(line: &str, name: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        let name = Value::from(name).to_string();
        let start = line.find(&name);
        Self {
            span: start.map_or(0..line.len(), |start| start..start + name.len()),
            message: message.into(),
            help: help.into(),
        }
    }
}
