//! `[[try_first]]`: configurations that come before those that are drawn.

use hpo_protocol::Values;
use toml::de::DeValue;

use super::reader::{Item, Problem, Result, did_you_mean, shown};
use crate::space::condition::same;
use crate::space::{Distribution, Parameter, SearchSpace, Value};

const EXAMPLE: &str = "write a line `[[try_first]]` and below it values such as `learning_rate = 1e-5`";

/// Reads the tables; `space` is where the values must come from.
pub(super) fn read(item: &Item, space: &SearchSpace) -> Result<Vec<Values>> {
    item.array(EXAMPLE)?
        .iter()
        .map(|item| match item.value {
            DeValue::Table(_) => point(item, space),
            _ => Err(item.wrong_type("a table", EXAMPLE)),
        })
        .collect()
}

fn point(item: &Item, space: &SearchSpace) -> Result<Values> {
    let table = item.table()?;
    let mut values = Values::new();
    for item in table.items() {
        let Some(parameter) = space.parameters.iter().find(|parameter| parameter.name == item.key) else {
            let message = format!("`[space]` has no parameter `{}`", shown(item.key));
            let help = did_you_mean(
                item.key,
                space.parameters.iter().map(|parameter| parameter.name.as_str()),
            );
            return Err(Problem::new(item.key_span, message, "unknown parameter", help));
        };
        values.insert(item.key.to_owned(), value(&item, parameter)?);
    }
    for item in table.items() {
        let when = space.parameters.iter().filter(|parameter| parameter.name == item.key);
        for condition in when.flat_map(|parameter| &parameter.when) {
            let other = values.get(&condition.parameter);
            if other.is_some_and(|value| !condition.values.iter().any(|wanted| same(wanted, value))) {
                let message = format!("there is no `{}` with this `{}`", item.key, condition.parameter);
                let help = format!("remove it, or change `{}`", condition.parameter);
                return Err(Problem::new(item.key_span, message, "not with the others", help));
            }
        }
    }
    if let Some(constraint) = space.constraints.iter().find(|one| one.allows(&values) == Ok(false)) {
        let message = format!(
            "this configuration breaks the constraint `{}`",
            shown(constraint.text())
        );
        let help = "change its values, or the constraint";
        return Err(Problem::new(table.span, message, "not allowed", help));
    }
    Ok(values)
}

/// The value in the form in which it would be drawn.
pub(super) fn value(item: &Item, parameter: &Parameter) -> Result<Value> {
    let given = item.scalar()?;
    let listed = match &parameter.distribution {
        Distribution::Choice { values } => values.iter().find(|value| same(value, &given)).cloned(),
        Distribution::Fixed { value } => Some(value).filter(|value| same(value, &given)).cloned(),
        Distribution::Integer { .. } | Distribution::LogInteger { .. } => {
            Some(given.clone()).filter(|given| given.is_i64() && parameter.distribution.share(given).is_some())
        }
        range => given
            .as_f64()
            .map(Value::from)
            .filter(|given| range.share(given).is_some()),
    };
    listed.ok_or_else(|| {
        let message = format!(
            "`{}` is never {}",
            parameter.name,
            shown(&given.to_string()).replace('\\', "")
        );
        let help = format!(
            "write a value that `{}` can have by `[space]`, or widen that",
            parameter.name
        );
        Problem::new(item.span.clone(), message, "not in the space", help)
    })
}
