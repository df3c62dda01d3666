//! Words for a POSIX shell.

use serde_json::Value;

use super::{Unwritable, each};
use crate::study::{StudySpec, TrialSummary};

/// `HPO_NAME=value` lines.
pub(super) fn variables(_: &StudySpec, trial: &TrialSummary) -> Result<String, Unwritable> {
    let plain = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_uppercase(),
        false => '_',
    };
    Ok(each(&trial.parameters, |name, value| {
        let name: String = name.chars().map(plain).collect();
        format!("HPO_{name}={}\n", shell_word(value))
    }))
}

/// `--name value` words.
pub(super) fn arguments(_: &StudySpec, trial: &TrialSummary) -> Result<String, Unwritable> {
    let words = each(&trial.parameters, |name, value| {
        format!("--{name} {} ", shell_word(value))
    });
    Ok(words.trim_end().to_owned() + "\n")
}

/// A scalar as one word for a POSIX shell.
fn shell_word(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let plain = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-./:=@_".contains(c));
    if plain {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
