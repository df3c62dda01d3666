//! `[space]`: the parameters and how their values are drawn.

use serde_json::Value;
use toml::de::DeValue;

use super::domain::{self, Drawn};
use super::reader::{Item, Problem, Result, Table, did_you_mean, shown};
use crate::space::{Distribution, Parameter, SearchSpace};

const TYPES: &[&str] = &["uniform", "log_uniform", "integer", "choice"];
const EXAMPLE: &str = "{ type = \"log_uniform\", low = 1e-5, high = 1e-3 }";

/// Reads the table; `embedding` if the parameters are those of the embedding trainer.
pub(super) fn read(mut table: Table, embedding: bool) -> Result<SearchSpace> {
    // Messages call a parameter by its own name.
    table.name.clear();
    let mut parameters = Vec::new();
    for item in table.items() {
        let distribution = if embedding {
            let domain = domain::of(&item)?;
            let (distribution, drawn) = distribution(&item)?;
            domain::check(domain, &item, distribution, &drawn)?
        } else {
            check_name(&item)?;
            distribution(&item)?.0
        };
        parameters.push(Parameter {
            name: item.key.to_owned(),
            distribution,
        });
    }
    if parameters.is_empty() {
        let message = "`[space]` has no parameters";
        return Err(Problem::missing(
            Some(table.span),
            message,
            format!("add one, such as `learning_rate = {EXAMPLE}`"),
        ));
    }
    Ok(SearchSpace { parameters })
}

fn check_name(item: &Item) -> Result<()> {
    let first = item.key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if first && item.key.len() <= 100 && item.key.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) {
        return Ok(());
    }
    let help = "use letters, digits, `_`, `.` and `-`, beginning with a letter or `_`, at most 100 bytes";
    let message = format!("`{}` cannot be the name of a parameter", item.name);
    Err(Problem::new(item.key_span.clone(), message, "not a name", help))
}

/// The distribution, and the values at its edges with their places.
fn distribution<'a>(item: &Item<'a>) -> Result<(Distribution, Vec<Drawn<'a>>)> {
    match item.value {
        DeValue::Table(_) => {}
        DeValue::Array(_) => {
            let help = format!(
                "for a choice write `{} = {{ type = \"choice\", values = […] }}`",
                item.name
            );
            return Err(item.problem("is an array", "neither a value nor a distribution", help));
        }
        _ => {
            let value = item.scalar()?;
            let drawn = Drawn {
                item: item.clone(),
                value: value.clone(),
            };
            return Ok((Distribution::Fixed { value }, vec![drawn]));
        }
    }
    let table = item.table()?;
    if table
        .unknown(&["type", "low", "high", "values"])
        .is_some_and(|_| table.get("type").is_none())
    {
        let help = format!("write `{} = {EXAMPLE}`; a name with a point needs quotes", item.name);
        return Err(Problem::new(
            table.span,
            format!("`{}` is not a distribution", item.name),
            "no `type` here",
            help,
        ));
    }
    let example = if table.get("values").is_some() {
        "type = \"choice\""
    } else {
        "type = \"uniform\""
    };
    let kind = table.required("type", example)?;
    let name = kind.string()?;
    let keys: &[&str] = match name {
        "choice" => &["type", "values"],
        "uniform" | "log_uniform" | "integer" => &["type", "low", "high"],
        _ => {
            let message = format!("there is no distribution `{}`", shown(name));
            let help = did_you_mean(name, TYPES.iter().copied());
            return Err(Problem::new(kind.span, message, "unknown type", help));
        }
    };
    if let Some(unknown) = table.unknown(keys) {
        let message = format!("`{name}` has no key `{}`", shown(unknown.key));
        return Err(Problem::new(
            unknown.key_span,
            message,
            "unknown key",
            did_you_mean(unknown.key, keys.iter().copied()),
        ));
    }
    if name == "choice" {
        choice(&table)
    } else {
        range(&table, name)
    }
}

fn choice<'a>(table: &Table<'a>) -> Result<(Distribution, Vec<Drawn<'a>>)> {
    let list = table.required("values", "values = [16, 32]")?;
    let mut drawn: Vec<Drawn> = Vec::new();
    for item in list.array("write the values in brackets, for example `values = [16, 32]`")? {
        let value = item.scalar()?;
        if drawn.iter().any(|other| same(&other.value, &value)) {
            let message = format!("`{}` has {} twice", list.name, shown(&value.to_string()));
            return Err(Problem::new(
                item.span,
                message,
                "already there",
                "remove one of the two",
            ));
        }
        drawn.push(Drawn { item, value });
    }
    if drawn.is_empty() {
        return Err(list.problem("is empty", "nothing to choose from", "give it at least one value"));
    }
    let values = drawn.iter().map(|drawn| drawn.value.clone()).collect();
    Ok((Distribution::Choice { values }, drawn))
}

/// Whether the trainer could not tell the two apart: 1 and 1.0 are the same.
fn same(a: &Value, b: &Value) -> bool {
    let float = a.is_f64() || b.is_f64();
    a == b || (float && a.is_number() && a.as_f64() == b.as_f64())
}

fn range<'a>(table: &Table<'a>, kind: &str) -> Result<(Distribution, Vec<Drawn<'a>>)> {
    let name = &table.name;
    let (low, high) = (table.required("low", "low = …")?, table.required("high", "high = …")?);
    let both = low.key_span.start.min(high.key_span.start)..low.span.end.max(high.span.end);
    let drawn = |low_value: Value, high_value: Value| {
        let low = Drawn {
            item: low.clone(),
            value: low_value,
        };
        let high = Drawn {
            item: high.clone(),
            value: high_value,
        };
        vec![low, high]
    };
    let empty = |equal: bool, low: Value| {
        let message = format!("the range of `{name}` is empty");
        if equal {
            let help = format!("raise `high`, or for a fixed value write `{name} = {low}`");
            Problem::new(both.clone(), message, "`low` and `high` are equal", help)
        } else {
            Problem::new(both.clone(), message, "`low` is above `high`", "swap `low` and `high`")
        }
    };
    if kind == "integer" {
        let (low, high) = (low.integer(i64::MIN..=i64::MAX)?, high.integer(i64::MIN..=i64::MAX)?);
        if low >= high {
            return Err(empty(low == high, Value::from(low)));
        }
        return Ok((
            Distribution::Integer { low, high, step: 1 },
            drawn(low.into(), high.into()),
        ));
    }
    let (from, to) = (low.number()?, high.number()?);
    if kind == "log_uniform" && from <= 0.0 {
        let verb = if from < 0.0 { "goes below zero" } else { "touches zero" };
        let message = format!("the range of `{name}` {verb}, which has no logarithm");
        let help = "use `type = \"uniform\"`, or a `low` above 0";
        return Err(Problem::new(low.span.clone(), message, "must be above 0", help));
    }
    if from >= to {
        return Err(empty(from == to, Value::from(from)));
    }
    let distribution = match kind {
        "log_uniform" => Distribution::LogUniform {
            low: from,
            high: to,
            step: None,
        },
        _ => Distribution::Uniform {
            low: from,
            high: to,
            step: None,
        },
    };
    Ok((distribution, drawn(from.into(), to.into())))
}
