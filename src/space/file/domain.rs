//! Whether the embedding trainer takes every value that can be drawn.

use hpo_protocol::embedding::{Domain, PARAMETERS};
use serde_json::Value;

use super::reader::{Item, Problem, Result, did_you_mean};
use crate::space::Distribution;

/// A value at the edge of a distribution, and where it is written.
pub(super) struct Drawn<'a> {
    pub item: Item<'a>,
    pub value: Value,
}

/// The domain of a parameter of the embedding trainer.
pub(super) fn of(item: &Item) -> Result<Domain> {
    PARAMETERS
        .iter()
        .find(|parameter| parameter.name == item.key)
        .map(|parameter| parameter.domain)
        .ok_or_else(|| {
            let help = did_you_mean(item.key, PARAMETERS.iter().map(|parameter| parameter.name));
            let message = format!("the embedding trainer has no parameter `{}`", item.name);
            Problem::new(item.key_span.clone(), message, "unknown parameter", help)
        })
}

/// The distribution with its values in the form that the trainer reads.
pub(super) fn check(domain: Domain, item: &Item, distribution: Distribution, drawn: &[Drawn]) -> Result<Distribution> {
    let whole = matches!(domain, Domain::Integer { .. });
    if whole
        && matches!(
            distribution,
            Distribution::Uniform { .. } | Distribution::LogUniform { .. }
        )
    {
        let message = format!("`{}` takes whole numbers only, and this draws fractions", item.name);
        let help = "use `type = \"integer\"`, or a `choice` of whole numbers";
        return Err(Problem::new(item.span.clone(), message, "draws fractions", help));
    }
    for drawn in drawn {
        check_value(domain, drawn)?;
    }
    // A fraction may be written as 1, yet is 1.0 for the trainer and in every report.
    let float = |value: Value| {
        if whole {
            value
        } else {
            value.as_f64().map_or(value, Value::from)
        }
    };
    Ok(match distribution {
        Distribution::Fixed { value } => Distribution::Fixed { value: float(value) },
        Distribution::Choice { values } => Distribution::Choice {
            values: values.into_iter().map(float).collect(),
        },
        range => range,
    })
}

fn check_value(domain: Domain, drawn: &Drawn) -> Result<()> {
    let (label, limit) = match domain {
        Domain::Integer { low } => match drawn.value.as_i64() {
            Some(n) if n >= low => return Ok(()),
            Some(_) => ("too small", format!("of at least {low}")),
            None => ("not a whole number", String::new()),
        },
        Domain::Float {
            low,
            low_included,
            high,
        } => match drawn.value.as_f64() {
            Some(x) if x > high => ("too large", format!("of at most {high}")),
            Some(x) if x > low || (low_included && x == low) => return Ok(()),
            Some(_) if low_included => ("too small", format!("of at least {low}")),
            Some(_) => ("too small", format!("above {low}")),
            None => ("not a number", String::new()),
        },
    };
    let help = match limit.as_str() {
        "" if drawn.value.is_string() => format!("write {}, without quotes", describe(domain)),
        "" => format!("write {}", describe(domain)),
        limit => format!("write a number {limit}"),
    };
    Err(drawn
        .item
        .problem(format_args!("must be {}", describe(domain)), label, help))
}

fn describe(domain: Domain) -> String {
    match domain {
        Domain::Integer { low } => format!("a whole number of at least {low}"),
        Domain::Float {
            low,
            low_included,
            high,
        } => match (low_included, high == f64::MAX) {
            (true, true) => format!("a number of at least {low}"),
            (true, false) => format!("a number from {low} to {high}"),
            (false, true) => format!("a number above {low}"),
            (false, false) => format!("a number above {low} and at most {high}"),
        },
    }
}
