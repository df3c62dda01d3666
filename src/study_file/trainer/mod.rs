//! `[trial]`: what trains a trial.

mod check;
mod data;
pub(super) mod domain;
mod effect;

use std::path::{Path, PathBuf};

use hpo_protocol::Values;
use hpo_protocol::embedding::Settings;
use serde_json::Value;
use toml::de::DeValue;

use super::path::absolute;
use super::reader::{Item, Problem, Result, Table, did_you_mean};
use super::study::MAX_SEED;
use crate::study::Trainer;

pub use check::check_files;
#[cfg(test)]
pub(super) use check::in_data;

/// The keys of the embedding trainer.
pub(super) const EMBEDDING_KEYS: &[&str] = &[
    "model",
    "train",
    "validation",
    "test",
    "columns",
    "clean",
    "score_range",
    "validation_share",
    "test_share",
    "split_seed",
    "synonyms",
    "validation_margin",
    MAX_LENGTH,
    "seed",
];

/// The key of the embedding trainer that has the tokens per text. The parameter of this name must not exceed it.
pub(super) const MAX_LENGTH: &str = "max_length";

/// The key that makes it another trainer.
pub(super) const COMMAND: &str = "command";

/// Where the command runs, if not in the directory of the file.
const DIRECTORY: &str = "directory";

const MODEL_EXAMPLE: &str = "model = \"path/to/all-MiniLM-L6-v2\"";
const MAX_TOKENS: i64 = 1_000_000;

/// Reads the table of a file in `directory`, which is absolute.
pub(super) fn read(table: &Table, directory: &Path) -> Result<Trainer> {
    let command = table.get(COMMAND);
    let settings = match command {
        Some(_) => external(table)?,
        None => embedding(table, directory)?,
    };
    let runs_in = table.get(DIRECTORY).filter(|_| command.is_some());
    let runs_in = runs_in
        .map(|item| absolute(&item, item.string()?, directory))
        .transpose()?;
    Ok(Trainer {
        command: command.map(|item| argv(&item, directory)).transpose()?,
        directory: runs_in.map_or_else(|| directory.to_owned(), PathBuf::from),
        settings,
        seed: table
            .get("seed")
            .map(|item| item.integer(0..=MAX_SEED))
            .transpose()?
            .map(|n| n as u64),
    })
}

fn embedding(table: &Table, directory: &Path) -> Result<Values> {
    if let Some(item) = table.unknown(EMBEDDING_KEYS) {
        let help = did_you_mean(item.key, EMBEDDING_KEYS.iter().copied().chain([COMMAND]));
        let message = format!("the embedding trainer has no setting `{}`", item.name);
        return Err(Problem::new(item.key_span, message, "unknown key", help));
    }
    let mut values = Values::new();
    for (key, example) in [("model", MODEL_EXAMPLE), ("train", "train = \"train.jsonl\"")] {
        let item = table.required(key, example).map_err(|mut problem| {
            if key == "model" {
                problem.help += ", or a `command` if the trainer is a program of yours";
            }
            problem
        })?;
        values.insert(key.to_owned(), Value::from(absolute(&item, item.string()?, directory)?));
    }
    data::read(table, directory, &mut values)?;
    if let Some(item) = table.get("validation_margin") {
        let margin = item.number()?;
        if margin <= 0.0 {
            return Err(item.problem("must be above 0", "not above 0", "write a number above 0, such as 0.5"));
        }
        values.insert(item.key.to_owned(), Value::from(margin));
    }
    if let Some(item) = table.get(MAX_LENGTH) {
        values.insert(item.key.to_owned(), Value::from(item.integer(3..=MAX_TOKENS)?));
    }
    // By way of `Settings`, so that the defaults of today are frozen with the study.
    let whole = |error: serde_json::Error| {
        Problem::new(
            table.span.clone(),
            error.to_string(),
            "",
            "check the keys of this table",
        )
    };
    let settings: Settings = serde_json::from_value(Value::from_iter(values)).map_err(whole)?;
    serde_json::from_value(serde_json::to_value(settings).map_err(whole)?).map_err(whole)
}

fn external(table: &Table) -> Result<Values> {
    let own = |item: &Item| ![COMMAND, DIRECTORY, "seed"].contains(&item.key);
    table
        .items()
        .filter(own)
        .map(|item| Ok((item.key.to_owned(), value(&item)?)))
        .collect()
}

fn value(item: &Item) -> Result<Value> {
    match item.value {
        DeValue::Array(_) => item.array("")?.iter().map(value).collect(),
        _ => item.scalar(),
    }
}

fn argv(item: &Item, directory: &Path) -> Result<Vec<String>> {
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
