//! `[space]`: the parameters and how their values are drawn.

use serde_json::Value;
use toml::de::DeValue;

use super::conditions;
use super::prior;
use super::reader::{Item, Problem, Result, Table, did_you_mean, shown};
use super::trainer::MAX_LENGTH;
use super::trainer::domain::{self, Drawn};
use crate::space::Listed;
use crate::space::{Distribution, Parameter, SearchSpace};

/// The distributions, and the keys that each has beside `type`.
const TYPES: &[(&str, &[&str])] = &[
    ("uniform", &["low", "high", "step"]),
    ("log_uniform", &["low", "high", "step"]),
    ("integer", &["low", "high", "step"]),
    ("log_integer", &["low", "high", "step"]),
    ("normal", &["mean", "std", "low", "high", "step"]),
    ("log_normal", &["median", "std", "low", "high", "step"]),
    ("choice", &["values"]),
    ("fixed", &["value"]),
];
const EXAMPLE: &str = "{ type = \"log_uniform\", low = 1e-5, high = 1e-3 }";

/// Reads the table; `embedding` if the parameters are those of the embedding trainer, whose texts have up to `max_length`
/// tokens, if that is known.
pub(super) fn read(mut table: Table, embedding: bool, max_length: Option<u64>) -> Result<SearchSpace> {
    // Messages call a parameter by its own name.
    table.name.clear();
    let mut parameters = Vec::new();
    for item in table.items() {
        let distribution = if embedding {
            let domain = domain::of(&item)?;
            let (distribution, drawn) = distribution(&item)?;
            let distribution = domain::check(domain, &item, distribution, &drawn)?;
            if let (MAX_LENGTH, Some(most)) = (item.key, max_length) {
                domain::check_length(&drawn, most)?;
            }
            distribution
        } else {
            check_name(&item)?;
            distribution(&item)?.0
        };
        let mut parameter = Parameter {
            name: item.key.to_owned(),
            distribution,
            when: conditions::read(&item)?,
            prior: None,
        };
        parameter.prior = prior::read(&item, &parameter)?;
        parameters.push(parameter);
    }
    conditions::check(&table, &parameters)?;
    if parameters.is_empty() {
        let message = "`[space]` has no parameters";
        return Err(Problem::missing(
            Some(table.span),
            message,
            format!("add one, such as `learning_rate = {EXAMPLE}`"),
        ));
    }
    Ok(SearchSpace {
        parameters,
        ..SearchSpace::default()
    })
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
        .items()
        .find(|item| {
            let known = ["type", conditions::KEY, prior::KEY, prior::CONFIDENCE].contains(&item.key);
            !known && !TYPES.iter().any(|(_, keys)| keys.contains(&item.key))
        })
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
    let Some((_, keys)) = TYPES.iter().find(|(known, _)| *known == name) else {
        let message = format!("there is no distribution `{}`", shown(name));
        let help = did_you_mean(name, TYPES.iter().map(|(known, _)| *known));
        return Err(Problem::new(kind.span, message, "unknown type", help));
    };
    let priors: &[&str] = if name == "fixed" {
        &[]
    } else {
        &[prior::KEY, prior::CONFIDENCE]
    };
    let keys = [&["type"], *keys, priors, &[conditions::KEY]].concat();
    if let Some(unknown) = table.unknown(&keys) {
        let message = format!("`{name}` has no key `{}`", shown(unknown.key));
        return Err(Problem::new(
            unknown.key_span,
            message,
            "unknown key",
            did_you_mean(unknown.key, keys.iter().copied()),
        ));
    }
    match name {
        "choice" => choice(&table),
        "fixed" => {
            let item = table.required("value", "value = 0.1")?;
            let value = item.scalar()?;
            let drawn = Drawn {
                item,
                value: value.clone(),
            };
            Ok((Distribution::Fixed { value }, vec![drawn]))
        }
        "normal" | "log_normal" => bell(&table, name),
        _ => range(&table, name),
    }
}

fn choice<'a>(table: &Table<'a>) -> Result<(Distribution, Vec<Drawn<'a>>)> {
    let list = table.required("values", "values = [16, 32]")?;
    let items = list.array("write the values in brackets, for example `values = [16, 32]`")?;
    let drawn = items
        .into_iter()
        .map(|item| item.scalar().map(|value| Drawn { item, value }));
    let drawn = drawn.collect::<Result<Vec<Drawn>>>()?;
    let mut known = Listed::default();
    for (place, Drawn { item, value }) in drawn.iter().enumerate() {
        if !known.insert(value, place) {
            let message = format!("`{}` has {} twice", list.name, shown(&value.to_string()));
            return Err(Problem::new(
                item.span.clone(),
                message,
                "already there",
                "remove one of the two",
            ));
        }
    }
    if drawn.is_empty() {
        return Err(list.problem("is empty", "nothing to choose from", "give it at least one value"));
    }
    let values = drawn.iter().map(|drawn| drawn.value.clone()).collect();
    Ok((Distribution::Choice { values }, drawn))
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
    if let "integer" | "log_integer" = kind {
        let (from, to) = (low.integer(i64::MIN..=i64::MAX)?, high.integer(i64::MIN..=i64::MAX)?);
        if kind == "log_integer" && from <= 0 {
            return Err(no_logarithm(table, kind, &low, from < 0));
        }
        if from >= to {
            return Err(empty(from == to, Value::from(from)));
        }
        let width = i64::try_from(from.abs_diff(to)).unwrap_or(i64::MAX);
        let step = table.get("step").map(|item| item.integer(1..=width)).transpose()?;
        let step = step.map_or(1, i64::unsigned_abs);
        let (low, high) = (from, to);
        let distribution = match kind {
            "log_integer" => Distribution::LogInteger { low, high, step },
            _ => Distribution::Integer { low, high, step },
        };
        return Ok((distribution, drawn(from.into(), to.into())));
    }
    let (from, to) = (low.number()?, high.number()?);
    if kind == "log_uniform" && from <= 0.0 {
        return Err(no_logarithm(table, kind, &low, from < 0.0));
    }
    if from >= to {
        return Err(empty(from == to, Value::from(from)));
    }
    let step = step(table, Some(to - from))?;
    let (low, high) = (from, to);
    let distribution = match kind {
        "log_uniform" => Distribution::LogUniform { low, high, step },
        _ => Distribution::Uniform { low, high, step },
    };
    check_step(table, &distribution, step)?;
    Ok((distribution, drawn(from.into(), to.into())))
}

fn no_logarithm(table: &Table, kind: &str, low: &Item, below: bool) -> Problem {
    let verb = if below { "goes below zero" } else { "touches zero" };
    let message = format!("the range of `{}` {verb}, which has no logarithm", table.name);
    let plain = kind.trim_start_matches("log_");
    let help = format!("use `type = \"{plain}\"`, or a `low` above 0");
    Problem::new(low.span.clone(), message, "must be above 0", help)
}

/// The distance of neighbouring values, at most `most`.
fn step(table: &Table, most: Option<f64>) -> Result<Option<f64>> {
    let Some(item) = table.get("step") else { return Ok(None) };
    let step = item.number()?;
    if step > 0.0 && most.is_some_and(|most| (most + 2.0 * step).is_infinite()) {
        let help = "write `low` and `high` closer together, or leave `step` out";
        return Err(item.problem("is in a range too wide to count steps in", "too wide a range", help));
    }
    if step > 0.0 && most.is_none_or(|most| step <= most) {
        Ok(Some(step))
    } else {
        let help = "write how far neighbouring values are apart, such as 0.05";
        Err(item.problem("must be above 0 and not wider than the range", "no step", help))
    }
}

/// Whether neighbouring values can be told apart.
fn check_step(table: &Table, distribution: &Distribution, step: Option<f64>) -> Result<()> {
    let (least, largest) = distribution.least_step();
    match table.get("step") {
        Some(item) if step.is_some_and(|step| step < least) => {
            let message = format!("is too small beside numbers like {largest:.1e}: rounding would blur the values");
            let help = format!("write at least {:.0e}, or leave it out", 2.0 * least);
            Err(item.problem(message, "too small", help))
        }
        _ => Ok(()),
    }
}

/// A normal distribution, or one of the logarithm.
fn bell<'a>(table: &Table<'a>, kind: &str) -> Result<(Distribution, Vec<Drawn<'a>>)> {
    let positive = |item: &Item| {
        let number = item.number()?;
        match number > 0.0 {
            true => Ok(number),
            false => Err(item.problem("must be above 0", "not above 0", "write a number above 0")),
        }
    };
    let logarithmic = kind == "log_normal";
    let centre = match logarithmic {
        true => table.required("median", "median = 2e-5")?,
        false => table.required("mean", "mean = 0.1")?,
    };
    let mean = if logarithmic {
        positive(&centre)?.ln()
    } else {
        centre.number()?
    };
    let std = positive(&table.required("std", "std = 0.5")?)?;
    let mut drawn = Vec::new();
    let mut bound = |key| {
        let Some(item) = table.get(key) else { return Ok(None) };
        let number = if logarithmic { positive(&item)? } else { item.number()? };
        let value = Value::from(number);
        drawn.push(Drawn { item, value });
        Ok(Some(number))
    };
    let (low, high) = (bound("low")?, bound("high")?);
    if let (Some(item), Some(low), Some(high)) = (table.get("high"), low, high)
        && low >= high
    {
        let help = "raise `high`, or lower `low`";
        return Err(item.problem(format_args!("is not above `low`, which is {low}"), "too low", help));
    }
    let step = step(table, low.zip(high).map(|(low, high)| high - low))?;
    let distribution = match logarithmic {
        true => Distribution::LogNormal {
            mean,
            std,
            low,
            high,
            step,
        },
        false => Distribution::Normal {
            mean,
            std,
            low,
            high,
            step,
        },
    };
    let beyond = drawn.iter().find(|bound| match (bound.item.key, bound.value.as_f64()) {
        ("low", Some(low)) => (if logarithmic { low.ln() } else { low }) > mean,
        _ => low.is_none_or(|low| (if logarithmic { low.ln() } else { low }) <= mean),
    });
    match beyond {
        Some(bound) if !distribution.has_draws() => {
            let message = "is so far from the middle that nothing can be drawn";
            let plain = if logarithmic { "log_uniform" } else { "uniform" };
            let help = format!("stay within 37 times `std` of it, or use `type = \"{plain}\"`");
            Err(bound.item.problem(message, "too far away", help))
        }
        _ => {
            check_step(table, &distribution, step)?;
            Ok((distribution, drawn))
        }
    }
}
