//! `when`: parameters that only some configurations have.

use toml::de::DeValue;

use super::reader::{Item, Problem, Result, Table, did_you_mean, shown};
use crate::keys::{Fallback, Key, Takes};
use crate::space::{Condition, Distribution, Parameter, Scale, Value};
use crate::space::{Listed, Required, require};
use crate::words::listed;

/// The key of a distribution that says when a configuration has the parameter.
pub(super) const KEY: Key = Key {
    name: "when",
    takes: Takes::Conditions,
    default: Fallback::Nothing,
    about: "the values of other parameters with which alone a configuration has this one, such as `{ optimizer = \"sgd\" }`",
};

const EXAMPLE: &str = "write, for example, `when = { optimizer = \"sgd\" }`";

/// The conditions of a parameter.
pub(super) fn read(parameter: &Item) -> Result<Vec<Condition>> {
    let DeValue::Table(_) = parameter.value else {
        return Ok(Vec::new());
    };
    let Some(item) = parameter.table()?.get(KEY.name) else {
        return Ok(Vec::new());
    };
    if !matches!(item.value, DeValue::Table(_)) {
        return Err(item.wrong_type("a table", EXAMPLE));
    }
    let table = item.table()?;
    let conditions: Vec<Condition> = table
        .items()
        .map(|item| {
            let values = match matches!(item.value, DeValue::Array(_)) {
                true => item.array(EXAMPLE)?.iter().map(Item::scalar).collect::<Result<_>>()?,
                false => vec![item.scalar()?],
            };
            let parameter = item.key.to_owned();
            match values.is_empty() {
                true => Err(item.problem(
                    "is empty",
                    "no value",
                    "name the values with which there is the parameter",
                )),
                false => Ok(Condition { parameter, values }),
            }
        })
        .collect::<Result<_>>()?;
    match conditions.is_empty() {
        true => Err(item.problem("is empty", "no condition", EXAMPLE)),
        false => Ok(conditions),
    }
}

/// Whether all conditions can hold.
pub(super) fn check(table: &Table, parameters: &[Parameter]) -> Result<()> {
    for parameter in parameters {
        for condition in &parameter.when {
            if let Some(problem) = problem(table, parameters, parameter, condition) {
                return Err(problem);
            }
        }
    }
    for parameter in parameters {
        if let Err(other) = require(parameters, &parameter.name, &mut Required::new()) {
            let name = &parameter.name;
            let when = table.get(name).and_then(|item| item.table().ok()?.get(KEY.name));
            let message = format!("no configuration has `{name}`: `{other}` would have to have two values at once");
            let help = format!("change the conditions of `{name}`, or those of the parameters that they name");
            return Err(match when {
                Some(when) => Problem::new(when.span, message, "never hold together", help),
                None => Problem::missing(None, message, help),
            });
        }
    }
    Ok(())
}

fn problem(table: &Table, parameters: &[Parameter], parameter: &Parameter, condition: &Condition) -> Option<Problem> {
    // Found: the conditions were read from it.
    let item = table
        .get(&parameter.name)?
        .table()
        .ok()?
        .get(KEY.name)?
        .table()
        .ok()?
        .get(&condition.parameter)?;
    let name = shown(&condition.parameter);
    let Some(other) = parameters.iter().find(|other| other.name == condition.parameter) else {
        let message = format!("`[space]` has no parameter `{name}`");
        let help = did_you_mean(&condition.parameter, parameters.iter().map(|other| other.name.as_str()));
        return Some(Problem::new(item.key_span, message, "unknown parameter", help));
    };
    if depends(parameters, other, &parameter.name) {
        let message = format!("`{}` depends on itself", parameter.name);
        let help = "remove one of the conditions in the circle";
        return Some(Problem::new(item.key_span, message, "depends on it in turn", help));
    }
    if other.distribution.scale() == Scale::Continuous {
        let message = format!("`{name}` is any number, and has none of them twice");
        let help = "choose a parameter that is fixed, a choice, or of steps";
        return Some(Problem::new(item.key_span, message, "never has a certain value", help));
    }
    let never = never(&other.distribution, &condition.values)?;
    let never = never.as_str().map_or(never.to_string(), str::to_owned);
    let message = format!("`{name}` is never `{}`", shown(&never));
    let help = match other.distribution.listed() {
        Some([value]) if other.distribution.is_fixed() => format!("it is always {value}"),
        Some(values) => {
            let values = values.iter().map(ToString::to_string);
            format!("its values are {}", listed(values, ", "))
        }
        None => "write a value that it can have".to_owned(),
    };
    Some(Problem::new(item.span, message, "not among its values", help))
}

/// The first value that is never drawn.
fn never<'v>(distribution: &Distribution, values: &'v [Value]) -> Option<&'v Value> {
    let Some(own) = distribution.listed() else {
        return values.iter().find(|value| distribution.share(value).is_none());
    };
    let listed: Listed = own.iter().collect();
    values.iter().find(|value| listed.place(value).is_none())
}

/// Whether a parameter depends on the one of that name, itself or by way of others.
fn depends(parameters: &[Parameter], on: &Parameter, name: &str) -> bool {
    let mut known = vec![on.name.as_str()];
    let mut next = 0;
    while let Some(&at) = known.get(next) {
        let parameter = parameters.iter().find(|parameter| parameter.name == at);
        for condition in parameter.into_iter().flat_map(|parameter| &parameter.when) {
            if !known.contains(&condition.parameter.as_str()) {
                known.push(&condition.parameter);
            }
        }
        next += 1;
    }
    known.contains(&name)
}
