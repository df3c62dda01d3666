//! Words for a POSIX shell.

use hpo_script::variable;
use serde_json::Value;

use super::{Unwritable, each};
use crate::study::{StudySpec, TrialSummary};

/// The variable that `hpo` itself reads.
const OWN: &str = "HPO_STUDIES";

/// `HPO_NAME=value` lines.
///
/// # Errors
/// If two parameters have the same variable.
pub(super) fn variables(_: &StudySpec, trial: &TrialSummary) -> Result<String, Unwritable> {
    distinct(trial, "variable", &variable)?;
    if let Some(name) = trial.parameters.keys().find(|name| variable(name) == OWN) {
        return Err(Unwritable::Reserved {
            name: name.clone(),
            variable: OWN,
        });
    }
    Ok(each(&trial.parameters, |name, value| {
        format!("{}={}\n", variable(name), word(value))
    }))
}

/// `--name=value` words: a value that begins with `-` would otherwise be taken for another option.
///
/// # Errors
/// If parsers would take two parameters for the same one.
pub(super) fn arguments(_: &StudySpec, trial: &TrialSummary) -> Result<String, Unwritable> {
    distinct(trial, "option", &|name| format!("--{}", name.replace('_', "-")))?;
    if let Some(name) = trial.parameters.keys().find(|name| *name == "help") {
        return Err(Unwritable::Help { name: name.clone() });
    }
    let words = each(&trial.parameters, |name, value| format!("--{name}={} ", word(value)));
    Ok(words.trim_end().to_owned() + "\n")
}

/// Checks that what parameters are called is different for all of them.
fn distinct(trial: &TrialSummary, what: &'static str, called: &dyn Fn(&str) -> String) -> Result<(), Unwritable> {
    let names: Vec<&String> = trial.parameters.keys().collect();
    for (place, one) in names.iter().enumerate() {
        if let Some(other) = names[..place].iter().find(|other| called(other) == called(one)) {
            return Err(Unwritable::Collision {
                names: [(*other).clone(), (*one).clone()],
                what,
                called: called(one),
            });
        }
    }
    Ok(())
}

/// A scalar as one word for a POSIX shell, and for readers of `.env` files that know its two kinds of quotes.
fn word(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-./:=@_".contains(c);
    match text.contains('\'') {
        _ if !text.is_empty() && text.chars().all(plain) => text,
        true if !text.contains(['"', '$', '`', '\\', '!', '\n']) => format!("\"{text}\""),
        _ => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
