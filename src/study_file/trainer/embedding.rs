//! The settings of the embedding trainer.

use std::path::Path;

use hpo_protocol::Values;
use hpo_protocol::embedding::{Negatives, Settings, ValidationLoss};
use serde_json::Value;

use super::super::path::absolute;
use super::super::reader::{Item, Problem, Problems, Result, Results, Table, did_you_mean};
use super::super::settings;
use super::data;
use super::keys::{COMMAND, KEYS, MAX_TOKENS, MODEL, NEGATIVES, TRAIN, VALIDATION_LOSS, VALIDATION_MARGIN};
use super::{models, prompts};
use crate::keys;

/// Reads the table of a file in `directory`; `searched` is the parameter by which trials choose their base model, if they do.
pub(super) fn read(table: &Table, searched: Option<&Item>, directory: &Path) -> Results<Values> {
    let known: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    let mut problems = Problems::default();
    for item in table.unknown(&known) {
        let help = did_you_mean(item.key, known.iter().copied().chain([COMMAND.name]));
        let message = format!("the embedding trainer has no setting `{}`", item.name);
        problems
            .0
            .push(Problem::new(item.key_span, message, "unknown key", help));
    }
    let misspelt = !problems.0.is_empty();
    let mut values = Values::new();
    let train = settings::required(table, &TRAIN).and_then(|item| absolute(&item, item.string()?, directory));
    for (key, value) in [
        (&MODEL, models::read(table, searched, directory)),
        (&TRAIN, train.map(Value::from)),
    ] {
        match value {
            // Its name may only be misspelt.
            Err(problem) if problem.missing && misspelt => {}
            value => values.extend(problems.keep(value).map(|value| (key.name.to_owned(), value))),
        }
    }
    if let Some(given) = problems.keep(settings::read(table, KEYS)) {
        problems.keep(data::read(table, &given, directory, &mut values));
        problems.keep(validation_loss(table, &given, &mut values));
        let negatives = given.choice(&NEGATIVES, Negatives::ALL);
        values.insert(NEGATIVES.name.to_owned(), Value::from(negatives.name()));
        values.insert(MAX_TOKENS.name.to_owned(), Value::from(given.count(&MAX_TOKENS)));
    }
    problems.keep(prompts::read(table, &mut values));
    problems.or(Some(()))?;
    Ok(frozen(table, values)?)
}

/// Reads what the validation loss is.
fn validation_loss(table: &Table, given: &keys::Settings, values: &mut Values) -> Result<()> {
    let loss = given.choice(&VALIDATION_LOSS, ValidationLoss::ALL);
    values.insert(VALIDATION_LOSS.name.to_owned(), Value::from(loss.name()));
    if loss == ValidationLoss::Triplet {
        let margin = given.number(&VALIDATION_MARGIN);
        values.insert(VALIDATION_MARGIN.name.to_owned(), Value::from(margin));
    } else if let Some(item) = table.get(VALIDATION_MARGIN.name) {
        let message = format!("has no effect: `validation_loss` is `{loss}`");
        let verb = if table.get(VALIDATION_LOSS.name).is_some() {
            "write"
        } else {
            "add"
        };
        let help = format!("remove it, or {verb} `validation_loss = \"triplet\"`");
        return Err(item.problem(message, "not of this loss", help));
    }
    Ok(())
}

/// The settings with the defaults of today.
fn frozen(table: &Table, values: Values) -> Result<Values> {
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
