//! `[space]`: the parameters and how their values are drawn.

use hpo_protocol::{BASE_MODEL, Values};
use toml::de::DeValue;

use super::distributions::{self, Drawing};
use super::reader::{Item, Problem, Problems, Result, Results, Table, did_you_mean, shown};
use super::trainer::{MAX_LENGTH, PROMPTS, domain, prompts};
use super::{conditions, prior, settings};
use crate::space::{Parameter, SearchSpace};

const EXAMPLE: &str = "{ type = \"log_uniform\", low = 1e-5, high = 1e-3 }";

/// Reads the table; `embedding` if the parameters are those of the embedding trainer, which has these settings, if they are known.
pub(super) fn read(mut table: Table, embedding: bool, trial: Option<&Values>) -> Results<SearchSpace> {
    // Messages call a parameter by its own name.
    table.name.clear();
    let (mut parameters, mut problems) = (Vec::new(), Problems::default());
    for item in table.items() {
        parameters.extend(problems.keep(parameter(&item, embedding, trial)));
    }
    problems.or(Some(()))?;
    conditions::check(&table, &parameters)?;
    if parameters.is_empty() {
        let message = "`[space]` has no parameters";
        return Err(Problem::missing(
            Some(table.span),
            message,
            format!("add one, such as `learning_rate = {EXAMPLE}`"),
        )
        .into());
    }
    Ok(SearchSpace {
        parameters,
        ..SearchSpace::default()
    })
}

fn parameter(item: &Item, embedding: bool, trial: Option<&Values>) -> Results<Parameter> {
    let distribution = if embedding {
        let domain = domain::of(item)?;
        let Drawing { distribution, drawn } = drawing(item)?;
        let distribution = domain::check(domain, item, distribution, &drawn)?;
        let most = trial.and_then(|trial| trial.get(MAX_LENGTH)?.as_u64());
        match (item.key, trial, most) {
            (MAX_LENGTH, _, Some(most)) => domain::check_length(&drawn, most)?,
            (PROMPTS, Some(trial), _) => domain::check_prompts(&drawn, &prompts::names(trial))?,
            _ => {}
        }
        distribution
    } else {
        check_name(item)?;
        drawing(item)?.distribution
    };
    let mut parameter = Parameter {
        name: item.key.to_owned(),
        distribution,
        when: conditions::read(item)?,
        prior: None,
    };
    if embedding && item.key == BASE_MODEL && !parameter.when.is_empty() {
        let when = item.table()?.get(conditions::KEY.name);
        let span = when.map_or(item.span.clone(), |when| when.span);
        let message = "`model` can't depend on other parameters: every trial has a base model";
        return Err(Problem::new(span, message, "not in every trial", "remove `when`").into());
    }
    parameter.prior = prior::read(item, &parameter)?;
    Ok(parameter)
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

/// How a parameter is drawn.
pub(super) fn drawing<'a>(item: &Item<'a>) -> Result<Drawing<'a>> {
    match item.value {
        DeValue::Table(_) => of_table(item, &item.table()?),
        DeValue::Array(_) => {
            let help = format!(
                "for a choice write `{} = {{ type = \"choice\", values = […] }}`",
                item.name
            );
            Err(item.problem("is an array", "neither a value nor a distribution", help))
        }
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            distributions::fixed(item.clone())
        }
    }
}

fn of_table<'a>(item: &Item<'a>, table: &Table<'a>) -> Result<Drawing<'a>> {
    let is_known = |key: &str| {
        let own = distributions::KINDS.iter().flat_map(|kind| kind.keys);
        let mut keys = own.chain(prior::KEYS).chain([&conditions::KEY]);
        key == settings::TYPE || keys.any(|known| known.name == key)
    };
    if table.get(settings::TYPE).is_none() && table.items().any(|item| !is_known(item.key)) {
        let help = format!("write `{} = {EXAMPLE}`; a name with a point needs quotes", item.name);
        return Err(Problem::new(
            table.span.clone(),
            format!("`{}` is not a distribution", item.name),
            "no `type` here",
            help,
        ));
    }
    let example = match (table.get("values"), table.get("value")) {
        (Some(_), _) => "type = \"choice\"",
        (None, Some(_)) => "type = \"fixed\"",
        (None, None) => "type = \"uniform\"",
    };
    let kind = table.required(settings::TYPE, example)?;
    let name = kind.string()?;
    let Some(known) = distributions::KINDS.iter().find(|kind| kind.name == name) else {
        let message = format!("there is no distribution `{}`", shown(name));
        let help = did_you_mean(name, distributions::KINDS.iter().map(|kind| kind.name));
        return Err(Problem::new(kind.span, message, "unknown type", help));
    };
    let keys: Vec<&str> = [settings::TYPE]
        .into_iter()
        .chain(known.all_keys().map(|key| key.name))
        .collect();
    if let Some(unknown) = table.unknown(&keys).into_iter().next() {
        let message = format!("`{name}` has no key `{}`", shown(unknown.key));
        return Err(Problem::new(
            unknown.key_span,
            message,
            "unknown key",
            did_you_mean(unknown.key, keys),
        ));
    }
    (known.read)(table)
}
