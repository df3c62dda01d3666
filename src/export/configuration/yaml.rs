//! YAML.

use serde_json::Value;

use super::{Unwritable, facts};
use crate::study::{StudySpec, TrialSummary};
use crate::words::quoted;

/// A mapping of all that is known of the trial.
pub(super) fn write(spec: &StudySpec, trial: &TrialSummary) -> Result<String, Unwritable> {
    Ok(yaml(&facts(spec, trial), 0) + "\n")
}

/// JSON strings, booleans and integers are YAML as they stand. A number such as `1e-5` is not: readers of YAML 1.1,
/// PyYAML among them, take it for a text unless it has a point and the exponent a sign.
fn yaml(value: &Value, indent: usize) -> String {
    let Some(fields) = value.as_object().filter(|fields| !fields.is_empty()) else {
        return match (value.as_str(), value.as_number().filter(|number| number.is_f64())) {
            (Some(text), _) => quoted(text),
            (None, Some(number)) => float(&number.to_string()),
            (None, None) => value.to_string(),
        };
    };
    fields.iter().fold(String::new(), |text, (name, value)| {
        let newline = if text.is_empty() && indent == 0 { "" } else { "\n" };
        let value = yaml(value, indent + 1);
        let space = if value.starts_with('\n') { "" } else { " " };
        text + &format!(
            "{newline}{:width$}{}:{space}{value}",
            "",
            yaml_key(name),
            width = 2 * indent
        )
    })
}

fn float(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, ""));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    match exponent.strip_prefix(['+', '-']) {
        _ if exponent.is_empty() => format!("{mantissa}{point}"),
        Some(_) => format!("{mantissa}{point}e{exponent}"),
        None => format!("{mantissa}{point}e+{exponent}"),
    }
}

fn yaml_key(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        && !matches!(
            name,
            "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
        );
    if plain { name.to_owned() } else { quoted(name) }
}
