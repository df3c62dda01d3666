//! The keys of `[trial]` that say what data is read, and what becomes of it.

use std::path::Path;

use hpo_protocol::Values;
use hpo_protocol::embedding::{Columns, Settings};
use serde::Deserialize;
use serde_json::{Value, json};
use toml::de::DeValue;

use super::super::path::absolute;
use super::super::reader::{Item, Problem, Result, Table, did_you_mean};
use super::super::study::MAX_SEED;

/// Reads the keys, but `train`, into the settings of the embedding trainer. Defaults of today are frozen where they
/// matter to the study.
pub(super) fn read(table: &Table, directory: &Path, values: &mut Values) -> Result<()> {
    let mut set = |key: &str, value: Value| {
        values.insert(key.to_owned(), value);
    };
    for item in ["validation", "test", "synonyms"]
        .iter()
        .filter_map(|key| table.get(key))
    {
        set(item.key, json!(absolute(&item, item.string()?, directory)?));
    }
    if let Some(item) = table.get("columns") {
        set(item.key, columns(&item)?);
    }
    if let Some(item) = table.get("clean") {
        set(item.key, json!(item.boolean()?));
    }
    if let Some(item) = table.get("score_range") {
        set(item.key, json!(range(&item)?));
    }

    for (key, file) in [("validation_share", "validation"), ("test_share", "test")] {
        if let (Some(item), Some(_)) = (table.get(key), table.get(file)) {
            let message = format!("has no effect beside `{file}`");
            return Err(item.problem(
                message,
                "nothing is split off",
                format!("remove it, or remove `{file}`"),
            ));
        }
    }
    let validation_share = share(table, "validation_share")?.unwrap_or(Settings::VALIDATION_SHARE);
    let test_share = share(table, "test_share")?;
    let splits_validation = table.get("validation").is_none();
    if splits_validation {
        set("validation_share", json!(validation_share));
    }
    if let Some(share) = test_share {
        set("test_share", json!(share));
    }
    if let (Some(item), Some(share), true) = (table.get("test_share"), test_share, splits_validation)
        && share + validation_share >= 1.0
    {
        let message = format!("and `validation_share` are {} together", share + validation_share);
        return Err(item.problem(
            message,
            "nothing is left to train with",
            "make them less than 1 together",
        ));
    }
    let splits = splits_validation || test_share.is_some();
    match table.get("split_seed") {
        Some(item) if !splits => {
            let help = "remove it, or remove `validation`";
            return Err(item.problem("has no effect beside `validation`", "nothing is split off", help));
        }
        Some(item) => set(item.key, json!(item.integer(0..=MAX_SEED)?)),
        None if splits => set("split_seed", json!(0)),
        None => {}
    }
    Ok(())
}

fn columns(item: &Item) -> Result<Value> {
    const EXAMPLE: &str = "write, for example, `columns = { anchor = \"query\", positive = \"answer\" }`";
    if !matches!(item.value, DeValue::Table(_)) {
        return Err(item.wrong_type("a table", EXAMPLE));
    }
    let table = item.table()?;
    let known: Vec<&str> = Columns::KEYS.iter().map(|key| key.name).collect();
    if let Some(role) = table.unknown(&known) {
        let message = format!("`{}` is nothing that a column can be for", role.name);
        let help = did_you_mean(role.key, known);
        return Err(Problem::new(role.key_span, message, "unknown key", help));
    }
    let role = |role: Item| -> Result<(String, Value)> {
        let value = match (role.key, role.value) {
            ("negative", DeValue::Array(_)) => {
                let names = role.array(EXAMPLE)?;
                names.iter().map(Item::string).collect::<Result<Value>>()?
            }
            ("negative", _) => json!([role.string()?]),
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

/// A share of the training rows.
fn share(table: &Table, key: &str) -> Result<Option<f64>> {
    let Some(item) = table.get(key) else { return Ok(None) };
    let share = item.number()?;
    if share > 0.0 && share < 1.0 {
        Ok(Some(share))
    } else {
        let help = "write a share of the training rows, such as 0.1";
        Err(item.problem("must be above 0 and below 1", "no share of the rows", help))
    }
}
