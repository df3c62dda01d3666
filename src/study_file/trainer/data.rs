//! The keys of `[trial]` that say what data is read, and what becomes of it.

use std::path::Path;

use hpo_protocol::Values;
use hpo_protocol::embedding::Columns;
use serde::Deserialize;
use serde_json::{Value, json};
use toml::de::DeValue;

use super::super::path::absolute;
use super::super::reader::{Item, Problem, Result, Table, did_you_mean};
use super::keys::{
    CLEAN, COLUMNS, COLUMNS_KEY, SCORE_RANGE, SPLIT_SEED, SYNONYMS, TEST, TEST_SHARE, VALIDATION, VALIDATION_SHARE,
};
use crate::keys::{Key, Settings};

/// Reads the keys, but `train`, into the settings of the embedding trainer; `given` are the simple ones of them. Defaults of today
/// are frozen where they matter to the study.
pub(super) fn read(table: &Table, given: &Settings, directory: &Path, values: &mut Values) -> Result<()> {
    let mut set = |key: &Key, value: Value| {
        values.insert(key.name.to_owned(), value);
    };
    for key in [&VALIDATION, &TEST, &SYNONYMS] {
        if let Some(item) = table.get(key.name) {
            set(key, json!(absolute(&item, item.string()?, directory)?));
        }
    }
    if let Some(item) = table.get(COLUMNS_KEY.name) {
        set(&COLUMNS_KEY, columns(&item)?);
    }
    set(&CLEAN, json!(given.flag(&CLEAN)));
    if let Some(item) = table.get(SCORE_RANGE.name) {
        set(&SCORE_RANGE, json!(range(&item)?));
    }
    let splits = Splits::of(table, given)?;
    if let Some(share) = splits.validation {
        set(&VALIDATION_SHARE, json!(share));
    }
    if let Some(share) = splits.test {
        set(&TEST_SHARE, json!(share));
    }
    if let Some(seed) = splits.seed {
        set(&SPLIT_SEED, json!(seed));
    }
    Ok(())
}

/// What is split off the training data.
struct Splits {
    validation: Option<f64>,
    test: Option<f64>,
    seed: Option<u64>,
}

impl Splits {
    fn of(table: &Table, given: &Settings) -> Result<Self> {
        for (share, file) in [(&VALIDATION_SHARE, &VALIDATION), (&TEST_SHARE, &TEST)] {
            if let (Some(item), Some(_)) = (table.get(share.name), table.get(file.name)) {
                let message = format!("has no effect beside `{}`", file.name);
                let help = format!("remove it, or remove `{}`", file.name);
                return Err(item.problem(message, "nothing is split off", help));
            }
        }
        let splits_validation = table.get(VALIDATION.name).is_none();
        let validation = splits_validation.then(|| given.number(&VALIDATION_SHARE));
        let test = given.number_if_any(&TEST_SHARE);
        if let (Some(item), Some(validation), Some(test)) = (table.get(TEST_SHARE.name), validation, test)
            && test + validation >= 1.0
        {
            let message = format!("and `validation_share` are {} together", test + validation);
            return Err(item.problem(
                message,
                "nothing is left to train with",
                "make them less than 1 together",
            ));
        }
        let splits = validation.is_some() || test.is_some();
        if let (Some(item), false) = (table.get(SPLIT_SEED.name), splits) {
            let help = "remove it, or remove `validation`";
            return Err(item.problem("has no effect beside `validation`", "nothing is split off", help));
        }
        Ok(Self {
            validation,
            test,
            seed: splits.then(|| given.count(&SPLIT_SEED)),
        })
    }
}

pub(super) fn columns(item: &Item) -> Result<Value> {
    const EXAMPLE: &str = "write, for example, `columns = { anchor = \"query\", positive = \"answer\" }`";
    if !matches!(item.value, DeValue::Table(_)) {
        return Err(item.wrong_type("a table", EXAMPLE));
    }
    let table = item.table()?;
    let known: Vec<&str> = COLUMNS.iter().map(|key| key.name).collect();
    if let Some(role) = table.unknown(&known).into_iter().next() {
        let message = format!("`{}` is not a role that a column can have", role.name);
        let help = did_you_mean(role.key, known);
        return Err(Problem::new(role.key_span, message, "unknown key", help));
    }
    let role = |role: Item| -> Result<(String, Value)> {
        let value = match role.key {
            "negative" => role
                .texts(EXAMPLE)?
                .iter()
                .map(Item::string)
                .collect::<Result<Value>>()?,
            _ => json!(role.string()?),
        };
        Ok((role.key.to_owned(), value))
    };
    let roles: Vec<(String, Value)> = table.items().map(role).collect::<Result<_>>()?;
    let columns = Value::from_iter(roles);
    if Columns::deserialize(&columns).is_ok_and(|columns| columns.kind().is_some()) {
        return Ok(columns);
    }
    let help = "name anchor, positive and negative for triplets; anchor and positive for pairs; anchor, positive and \
                score for scored pairs; text and label for labelled texts; and a group if you like";
    Err(item.problem("has roles that do not go together", "no kind of data has these", help))
}

fn range(item: &Item) -> Result<[f64; 2]> {
    const EXAMPLE: &str = "write the lowest and the highest score there can be, such as `[0, 5]`";
    let ends = item.array(EXAMPLE)?;
    let [low, high] = ends.as_slice() else {
        return Err(item.problem("must be two numbers", "not two", EXAMPLE));
    };
    let (low, high) = (low.number()?, high.number()?);
    if low < high && (high - low).is_finite() {
        Ok([low, high])
    } else {
        Err(item.problem("is empty", "the first is not below the second", EXAMPLE))
    }
}
