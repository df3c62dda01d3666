//! `[trial]`: what trains a trial.

mod check;
mod data;
pub(super) mod domain;
mod effect;
mod embedding;
mod evaluation;
mod habits;
mod inputs;
mod keys;
mod limits;
mod look;
mod model;
mod models;
mod older;
mod places;
pub(super) mod prompts;
mod prompts_in_use;
pub(super) mod script;

use std::path::{Path, PathBuf};

use hpo_protocol::Values;
use serde_json::{Value, json};
use toml::de::DeValue;

use super::path::absolute;
use super::reader::{Item, Problems, Result, Results, Table};
use super::settings;
use crate::study::Trainer;

pub use check::{about_input, check_files};
pub(super) use evaluation::{
    COMMON as EVALUATION_KEYS, Evaluations, KINDS as EVALUATION_KINDS, TABLE as EVALUATION, direction,
    read as evaluations,
};
pub use habits::habits;
pub use inputs::{NamedInput, named_inputs};
pub(super) use keys::{COMMAND, DIRECTORY, KEYS, MAX_LENGTH, SEED};
pub(crate) use keys::{PROMPT_SETS, PROMPTS};
pub use look::{Look, look};
pub(super) use models::searched;
pub use older::{settings_of_then, settings_of_today};
pub use prompts_in_use::{PromptOrigin, PromptsInUse, prompts_in_use};
pub use script::{keeps_nothing, script_notes};
pub(super) use script::{lacks_objective, named_metrics};
#[cfg(test)]
pub(super) use {keys::COLUMNS, keys::ROLES, places::in_data};

/// Reads the table of a file in `directory`, which is absolute, that has these evaluations. `model` is the parameter of that name, by
/// which trials of the embedding trainer choose their base model, and `parameters` are all of `[space]`.
pub(super) fn read(
    table: &Table,
    model: Option<&Item>,
    parameters: &[Item],
    directory: &Path,
    evaluations: &Evaluations,
) -> Results<Trainer> {
    let command = table.get(COMMAND.name);
    let script = command.is_some() && script::is_script(table, parameters);
    let mut settings = match command {
        Some(_) if script => script::read(table, parameters)?,
        Some(_) => external(table)?,
        None => embedding::read(table, model, directory)?,
    };
    if !evaluations.is_empty() {
        settings.insert(Trainer::EVALUATIONS.to_owned(), json!(evaluations));
    }
    let runs_in = table.get(DIRECTORY.name).filter(|_| command.is_some());
    let runs_in = runs_in
        .map(|item| absolute(&item, item.string()?, directory))
        .transpose()?;
    Ok(Trainer {
        command: command.map(|item| argv(&item, directory)).transpose()?,
        directory: runs_in.map_or_else(|| directory.to_owned(), PathBuf::from),
        settings,
        seed: settings::read(table, &[SEED])?.count_if_any(&SEED),
        script,
    })
}

fn external(table: &Table) -> Results<Values> {
    let (mut settings, mut problems) = (Values::new(), Problems::default());
    let others = table.unknown(&[COMMAND.name, DIRECTORY.name, SEED.name]);
    for item in others.iter().filter(|item| script::said_to_be_script(item).is_none()) {
        settings.extend(problems.keep(value(item)).map(|value| (item.key.to_owned(), value)));
    }
    problems.or(Some(settings))
}

fn value(item: &Item) -> Result<Value> {
    match matches!(item.value, DeValue::Array(_)) {
        true => item.array("")?.iter().map(value).collect(),
        false => item.scalar(),
    }
}

/// A program, whose path is made absolute if it is one, and its arguments.
pub(super) fn argv(item: &Item, directory: &Path) -> Result<Vec<String>> {
    const EXAMPLE: &str = "write the program and its arguments, for example `command = [\"python3\", \"trainer.py\"]`";
    let elements = item.array(EXAMPLE)?;
    let mut argv = Vec::new();
    for element in &elements {
        let argument = element.string()?;
        let is_path = argv.is_empty() && argument.contains('/');
        argv.push(if is_path {
            absolute(element, argument, directory)?
        } else {
            argument.to_owned()
        });
    }
    if argv.is_empty() {
        Err(item.problem("is empty", "no program", EXAMPLE))
    } else {
        Ok(argv)
    }
}
