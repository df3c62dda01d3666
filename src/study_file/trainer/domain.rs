//! Whether the embedding trainer takes every value that can be drawn.

use hpo_protocol::embedding::{Domain, PARAMETERS};
use serde_json::Value;

use super::super::reader::{Item, Problem, Result, did_you_mean, shown};
use super::{MAX_LENGTH, PROMPT_SETS};
use crate::space::Distribution;

/// A value at the edge of a distribution, and where it is written.
pub(in super::super) struct Drawn<'a> {
    pub item: Item<'a>,
    pub value: Value,
}

/// The domain of a parameter of the embedding trainer.
pub(in super::super) fn of(item: &Item) -> Result<Domain> {
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
pub(in super::super) fn check(
    domain: Domain,
    item: &Item,
    distribution: Distribution,
    drawn: &[Drawn],
) -> Result<Distribution> {
    let range = distribution.listed().is_none();
    let whole = distribution.is_whole();
    match domain {
        Domain::Integer { .. } if range && !whole => {
            let message = format!("`{}` takes whole numbers only, and this draws fractions", item.name);
            let help = "use `type = \"integer\"` or `\"log_integer\"`, or a `choice` of whole numbers";
            return Err(Problem::new(item.span.clone(), message, "draws fractions", help));
        }
        Domain::Bool | Domain::Choice(_) | Domain::Name | Domain::Directory if range => {
            let message = format!("`{}` must be {domain}, and this draws numbers", item.name);
            let help = "use `type = \"choice\"` with `values = […]`";
            return Err(Problem::new(item.span.clone(), message, "draws numbers", help));
        }
        Domain::Integer { .. }
        | Domain::Float { .. }
        | Domain::Bool
        | Domain::Choice(_)
        | Domain::Name
        | Domain::Directory => {}
    }
    for drawn in drawn {
        check_value(domain, drawn)?;
    }
    if let Some(missing) = unbounded(domain, &distribution) {
        let message = format!("`{}` must be {domain}, and this draws any number", item.name);
        let help = format!("add `{missing}` to the distribution");
        return Err(Problem::new(item.span.clone(), message, "has no bound there", help));
    }
    // A fraction may be written as 1, yet is 1.0 for the trainer and in every report.
    let float = |value: Value| match (domain, value.as_f64()) {
        (Domain::Float { .. }, Some(number)) => Value::from(number),
        _ => value,
    };
    Ok(match distribution {
        Distribution::Fixed { value } => Distribution::Fixed { value: float(value) },
        Distribution::Choice { values } => Distribution::Choice {
            values: values.into_iter().map(float).collect(),
        },
        range @ (Distribution::Uniform { .. }
        | Distribution::LogUniform { .. }
        | Distribution::Integer { .. }
        | Distribution::LogInteger { .. }
        | Distribution::Normal { .. }
        | Distribution::LogNormal { .. }) => range,
    })
}

/// Whether no text would be longer than the trainer keeps texts, which is `most` tokens.
pub(in super::super) fn check_length(drawn: &[Drawn], most: u64) -> Result<()> {
    let too_long = |drawn: &&Drawn| drawn.value.as_u64().is_some_and(|length| length > most);
    let Some(Drawn { item, .. }) = drawn.iter().find(too_long) else {
        return Ok(());
    };
    let message = format!("must be at most {most}, the `{MAX_LENGTH}` under `[trial]`");
    let help = format!("lower it, or write a larger `{MAX_LENGTH}` under `[trial]`");
    Err(item.problem(message, "too large", help))
}

/// Whether every name is that of a set of prompts, which are `known`.
pub(in super::super) fn check_prompts(drawn: &[Drawn], known: &[&str]) -> Result<()> {
    let unknown = drawn.iter().find_map(|drawn| {
        let name = drawn.value.as_str()?;
        (!known.contains(&name)).then_some((&drawn.item, name))
    });
    let Some((item, name)) = unknown else {
        return Ok(());
    };
    let message = format_args!("must be the name of one of the `{PROMPT_SETS}` under `[trial]`");
    let help = match known {
        [] => format!(
            "add, for example, `{PROMPT_SETS} = {{ {} = {{ anchor = \"query: \" }} }}` under `[trial]`",
            shown(name)
        ),
        known => did_you_mean(name, known.iter().copied()),
    };
    Err(item.problem(message, "no such prompts", help))
}

/// The bound that a distribution lacks to stay in the domain.
fn unbounded(domain: Domain, distribution: &Distribution) -> Option<&'static str> {
    let Domain::Float {
        low: least, high: most, ..
    } = domain
    else {
        return None;
    };
    let (low, high) = match *distribution {
        Distribution::Normal { low, high, .. } => (low, high),
        // Its numbers are above 0.
        Distribution::LogNormal { low, high, .. } => (low.or(Some(0.0)), high),
        Distribution::Fixed { .. }
        | Distribution::Choice { .. }
        | Distribution::Uniform { .. }
        | Distribution::LogUniform { .. }
        | Distribution::Integer { .. }
        | Distribution::LogInteger { .. } => return None,
    };
    match (low, high) {
        (None, _) if least > f64::MIN => Some("low"),
        (_, None) if most < f64::MAX => Some("high"),
        _ => None,
    }
}

fn check_value(domain: Domain, drawn: &Drawn) -> Result<()> {
    let value = &drawn.value;
    if domain.contains(value) {
        return Ok(());
    }
    let (label, help) = match domain {
        Domain::Integer { low } => match value.as_i64() {
            Some(_) => ("too small", format!("write a number of at least {low}")),
            None => ("not a whole number", unquoted(domain, value)),
        },
        Domain::Float {
            low,
            low_included,
            high,
        } => match value.as_f64() {
            Some(x) if x > high => ("too large", format!("write a number of at most {high}")),
            Some(_) if low_included => ("too small", format!("write a number of at least {low}")),
            Some(_) => ("too small", format!("write a number above {low}")),
            None => ("not a number", unquoted(domain, value)),
        },
        Domain::Bool => ("neither true nor false", unquoted(domain, value)),
        Domain::Name => ("no name", format!("write {domain}, in quotes")),
        Domain::Directory => ("no path", format!("write {domain}, in quotes")),
        Domain::Choice(choices) => match value.as_str() {
            Some(name) => (
                "unknown value",
                did_you_mean(name, choices.iter().map(|choice| choice.name)),
            ),
            None => ("not a text", format!("write {domain}, in quotes")),
        },
    };
    Err(drawn.item.problem(format_args!("must be {domain}"), label, help))
}

fn unquoted(domain: Domain, value: &Value) -> String {
    let quotes = if value.is_string() { ", without quotes" } else { "" };
    format!("write {domain}{quotes}")
}
