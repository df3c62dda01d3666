//! The keys of `[trial]` that say what stands before texts.

use hpo_protocol::Values;
use hpo_protocol::embedding::PromptSource;
use serde_json::{Map, Value, json};
use toml::de::DeValue;

use super::super::reader::{Item, Problem, Problems, Result, Results, Table, did_you_mean};
use super::keys::{PROMPT_SETS, PROMPTS, ROLES};
use crate::study::CommonNames;

const EXAMPLE: &str = "write, for example, `{ anchor = \"query: \", positive = \"passage: \" }`, or `\"model\"` for what the model's directory says";

/// Reads the keys into the settings of the embedding trainer. Where the file has no prompts, they are those of the model.
pub(super) fn read(table: &Table, values: &mut Values) -> Results<()> {
    let mut problems = Problems::default();
    let own = table.get(PROMPTS).map(|item| set(&item));
    let own = own.unwrap_or_else(|| Ok(json!(PromptSource::Model)));
    values.extend(problems.keep(own).map(|own| (PROMPTS.to_owned(), own)));
    if let Some(item) = table.get(PROMPT_SETS) {
        values.extend(problems.keep(sets(&item)).map(|sets| (PROMPT_SETS.to_owned(), sets)));
    }
    problems.or(Some(()))
}

fn sets(item: &Item) -> Results<Value> {
    let (mut problems, mut sets) = (Problems::default(), Map::new());
    for named in item.table()?.items() {
        if named.key.is_empty() {
            let help = "give it a name, such as `plain`";
            problems.0.push(Problem::new(
                named.key_span,
                "a set of prompts has no name",
                "no name",
                help,
            ));
            continue;
        }
        sets.extend(
            problems
                .keep(set(&named))
                .map(|prompts| (named.key.to_owned(), prompts)),
        );
    }
    if problems.0.is_empty() && sets.is_empty() {
        let help = format!("remove it, or add a set: {EXAMPLE}");
        return Err(item.problem("is empty", "no prompts", help).into());
    }
    problems.or(Some(Value::Object(sets)))
}

/// A set of prompts.
fn set(item: &Item) -> Results<Value> {
    if let DeValue::String(name) = item.value {
        return match PromptSource::ALL.iter().find(|source| source.name() == name.as_ref()) {
            Some(source) => Ok(json!(source)),
            None => {
                let problem = item.problem("must be a table, or `\"model\"`", "no such prompts", EXAMPLE);
                Err(problem.into())
            }
        };
    }
    if !matches!(item.value, DeValue::Table(_)) {
        return Err(item.wrong_type("a table", EXAMPLE).into());
    }
    let (mut problems, mut prompts) = (Problems::default(), Map::new());
    for role in item.table()?.items() {
        let text = problems.keep(prompt(&role));
        prompts.extend(text.map(|text| (role.key.to_owned(), Value::from(text))));
    }
    problems.or(Some(Value::Object(prompts)))
}

fn prompt<'a>(role: &Item<'a>) -> Result<&'a str> {
    let known = ROLES.iter().map(|key| key.name);
    if !known.clone().any(|name| name == role.key) {
        let help = match role.key {
            "query" | "question" => "the prompt of queries is `anchor`".to_owned(),
            "document" | "passage" | "corpus" | "answer" => "the prompt of documents is `positive`".to_owned(),
            other => did_you_mean(other, known),
        };
        let message = format!("`{}` is nothing that a prompt can be for", role.name);
        return Err(Problem::new(role.key_span.clone(), message, "unknown key", help));
    }
    match role.value {
        DeValue::String(text) => Ok(text),
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => Err(role.wrong_type("a string", "put it in quotes; `\"\"` is nothing")),
    }
}

/// The names of the sets of prompts that the settings have.
pub(in super::super) fn names(settings: &Values) -> Vec<&str> {
    let sets = settings.get(PROMPT_SETS).and_then(Value::as_object);
    sets.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

/// The prompts that trials of both studies can have: the name of the set there and here, none for those of trials that name none.
pub(super) fn common(there: &Values, here: &Values) -> CommonNames {
    let sets = |settings: &Values| -> Vec<(Option<String>, Value)> {
        let named = settings
            .get(PROMPT_SETS)
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        let named = named.map(|(name, set)| (Some(name.clone()), set.clone()));
        named
            .chain(settings.get(PROMPTS).map(|usual| (None, usual.clone())))
            .collect()
    };
    let ours = sets(here);
    let same = |(name, set): (Option<String>, Value)| {
        let alike = || ours.iter().filter(|(_, own)| *own == set).map(|(own, _)| own);
        let own = alike().find(|own| own.is_some() && **own == name).or(alike().next())?;
        Some((name, own.clone()))
    };
    sets(there).into_iter().filter_map(same).collect()
}

/// The name of the set of prompts that trials have which name none, if it has one.
pub(super) fn usual(settings: &Values) -> Option<&str> {
    let own = settings.get(PROMPTS)?;
    let sets = settings.get(PROMPT_SETS)?.as_object()?;
    sets.iter().find(|(_, set)| *set == own).map(|(name, _)| name.as_str())
}
