//! The base model of all trials, or those among which they choose.

use std::path::Path;

use serde_json::{Map, Value};
use toml::de::DeTable;

use super::super::parameters;
use super::super::path::absolute;
use super::super::reader::{Item, Problem, Result, Span, Table, shown};
use super::keys::MODEL;

/// Reads the directory that `[trial]` names, or those that `searched` does, the parameter of `[space]` that takes its place: a table
/// of directories by the texts that name them there.
pub(super) fn read(table: &Table, searched: Option<&Item>, directory: &Path) -> Result<Value> {
    match (table.get(MODEL.name), searched) {
        (Some(_), Some(searched)) => Err(Problem::new(
            searched.key_span.clone(),
            "`model` stands under `[trial]` and under `[space]`",
            "also under `[trial]`",
            "remove it under `[space]` to give all trials the same base model, or under `[trial]` to let them choose",
        )),
        (None, Some(searched)) => choice(searched, directory),
        (Some(item), None) => absolute(&item, item.string()?, directory).map(Value::from),
        (None, None) => {
            let mut problem = table.missing(MODEL.name, "model = \"path/to/all-MiniLM-L6-v2\"");
            problem.help += ", or a `model` under `[space]` that is a choice of several, or a `command` if the trainer is a program of yours";
            Err(problem)
        }
    }
}

fn choice(searched: &Item, directory: &Path) -> Result<Value> {
    let mut models = Map::new();
    // What is no text is reported where the space is read.
    let drawing = parameters::drawing(searched);
    for drawn in drawing.iter().flat_map(|drawing| &drawing.drawn) {
        let Some(name) = drawn.value.as_str().filter(|name| !name.is_empty()) else {
            continue;
        };
        let path = Value::from(absolute(&drawn.item, name, directory)?);
        if let Some((other, _)) = models.iter().find(|(_, known)| **known == path) {
            let message = format!("`{}` is the same directory as `{}`", shown(name), shown(other));
            let span = drawn.item.span.clone();
            return Err(Problem::new(span, message, "already there", "remove one of the two"));
        }
        models.insert(name.to_owned(), path);
    }
    Ok(Value::Object(models))
}

/// Where the base model of that name stands in a study's file.
pub(super) fn named<'a>(root: &Table<'a>, name: &str) -> Option<Item<'a>> {
    let searched = searched(root)?;
    let drawn = parameters::drawing(&searched).ok()?.drawn;
    let named = drawn.into_iter().find(|drawn| drawn.value == name);
    named.map(|drawn| drawn.item)
}

/// The same in its text.
pub(super) fn place(text: &str, name: &str) -> Option<Span> {
    let document = DeTable::parse(text).ok()?;
    named(&Table::root(&document), name).map(|item| item.span)
}

/// The parameter by which trials choose their base model.
pub(in super::super) fn searched<'a>(root: &Table<'a>) -> Option<Item<'a>> {
    let mut space = root.get("space")?.table().ok()?;
    // Messages call a parameter by its own name.
    space.name.clear();
    space.get(MODEL.name)
}
