//! Whether the model takes the values that the study's file has for it.

use hpo_data::Kind;
use hpo_protocol::embedding::{Settings, Sizes};
use toml::de::DeTable;

use super::super::parameters;
use super::super::reader::{Problem, Table};
use super::MAX_LENGTH;

const FROZEN_LAYERS: &str = "frozen_layers";

/// The values in the text of a study's file that a model of these sizes can't take. `kind` is what the data are, if known.
pub(super) fn exceeded(text: &str, settings: &Settings, sizes: Sizes, kind: Option<Kind>) -> Vec<Problem> {
    let Ok(document) = DeTable::parse(text) else {
        return Vec::new();
    };
    let root = Table::root(&document);
    let mut problems: Vec<Problem> = length(&root, settings, sizes).into_iter().collect();
    // A layer of labels above the encoder can learn when nothing else does.
    let most = sizes.layers - u64::from(kind != Some(Kind::Labelled));
    let space = root.get("space").and_then(|item| item.table().ok());
    let frozen = space.and_then(|mut space| {
        // Messages call a parameter by its own name.
        space.name.clear();
        space.get(FROZEN_LAYERS)
    });
    let drawn = frozen
        .and_then(|item| parameters::drawing(&item).ok())
        .map(|drawing| drawing.drawn);
    for drawn in drawn.into_iter().flatten() {
        if drawn.value.as_u64().is_some_and(|layers| layers > most) {
            let layers = sizes.layers;
            problems.push(drawn.item.problem(
                format_args!("must be at most {most}: the model has {layers} layers, of which some must be trained"),
                "too many",
                format!("write {most} or less"),
            ));
        }
    }
    problems
}

fn length(root: &Table, settings: &Settings, sizes: Sizes) -> Option<Problem> {
    let (longest, length) = (sizes.longest, settings.max_length as u64);
    if length <= longest {
        return None;
    }
    let trial = root.get("trial").and_then(|item| item.table().ok())?;
    Some(match trial.get(MAX_LENGTH) {
        Some(item) => item.problem(
            format_args!("must be at most {longest}, which is as many tokens as the model has positions for"),
            "too large",
            format!("write {longest} or less"),
        ),
        None => {
            let message =
                format!("`trial.{MAX_LENGTH}` is {length} by default, and the model takes {longest} tokens at most");
            Problem::missing(Some(trial.span), message, format!("add `{MAX_LENGTH} = {longest}`"))
        }
    })
}
