//! Whether the model takes the values that the study's file has for it.

use hpo_data::Kind;
use hpo_protocol::embedding::{Settings, Sizes};
use hpo_protocol::{BASE_MODEL, Values};
use serde_json::Value;
use toml::de::DeTable;

use super::super::parameters;
use super::super::reader::{Problem, Table, shown};
use super::MAX_LENGTH;
use crate::space::SearchSpace;

const FROZEN_LAYERS: &str = "frozen_layers";

/// A base model that trials can have, with the text by which they choose it if there are several.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base<'a> {
    pub name: Option<&'a str>,
    pub sizes: Sizes,
}

impl Base<'_> {
    fn called(&self) -> String {
        self.name
            .map_or("the model".to_owned(), |name| format!("the model `{}`", shown(name)))
    }
}

/// The values in the text of a study's file, whose space is `space`, that one of its base models can't take. `kind` is what the data
/// are, if known.
pub(super) fn exceeded(
    text: &str,
    settings: &Settings,
    bases: &[Base],
    space: &SearchSpace,
    kind: Option<Kind>,
) -> Vec<Problem> {
    let Ok(document) = DeTable::parse(text) else {
        return Vec::new();
    };
    let root = Table::root(&document);
    let shortest = bases.iter().min_by_key(|base| base.sizes.longest);
    let mut problems: Vec<Problem> = shortest
        .and_then(|base| length(&root, settings, *base))
        .into_iter()
        .collect();
    // A layer of labels above the encoder can learn when nothing else does.
    let most = |base: &Base| base.sizes.layers - u64::from(kind != Some(Kind::Labelled));
    let table = root.get("space").and_then(|item| item.table().ok());
    let frozen = table.and_then(|mut table| {
        // Messages call a parameter by its own name.
        table.name.clear();
        table.get(FROZEN_LAYERS)
    });
    let drawn = frozen
        .and_then(|item| parameters::drawing(&item).ok())
        .map(|drawing| drawing.drawn);
    for drawn in drawn.into_iter().flatten() {
        let too_many = |base: &&Base| {
            drawn.value.as_u64().is_some_and(|layers| layers > most(base)) && together(space, base, &drawn.value)
        };
        if let Some(base) = bases.iter().filter(too_many).min_by_key(|base| base.sizes.layers) {
            let (most, model, layers) = (most(base), base.called(), base.sizes.layers);
            let or = match base.name {
                Some(_) => ", or exclude it for that model with `constraints` or `when`",
                None => "",
            };
            problems.push(drawn.item.problem(
                format_args!("must be at most {most}: {model} has {layers} layers, of which some must be trained"),
                "too many",
                format!("write {most} or less{or}"),
            ));
        }
    }
    problems
}

/// Whether a trial with that base model can have so many frozen layers, as far as the two decide it.
fn together(space: &SearchSpace, base: &Base, frozen: &Value) -> bool {
    let Some(name) = base.name else { return true };
    let pair = Values::from([
        (BASE_MODEL.to_owned(), name.into()),
        (FROZEN_LAYERS.to_owned(), frozen.clone()),
    ]);
    let parameter = space
        .parameters
        .iter()
        .find(|parameter| parameter.name == FROZEN_LAYERS);
    let conditions = parameter.iter().flat_map(|parameter| &parameter.when);
    let has = conditions
        .filter(|condition| condition.parameter == BASE_MODEL)
        .all(|condition| condition.values.iter().any(|value| value == name));
    has && space
        .constraints
        .iter()
        .all(|constraint| constraint.allows(&pair).unwrap_or(true))
}

fn length(root: &Table, settings: &Settings, base: Base) -> Option<Problem> {
    let (longest, length) = (base.sizes.longest, settings.max_length as u64);
    let model = base.called();
    if length <= longest {
        return None;
    }
    let trial = root.get("trial").and_then(|item| item.table().ok())?;
    Some(match trial.get(MAX_LENGTH) {
        Some(item) => item.problem(
            format_args!("must be at most {longest}, which is as many tokens as {model} has positions for"),
            "too large",
            format!("write {longest} or less"),
        ),
        None => {
            let message =
                format!("`trial.{MAX_LENGTH}` is {length} by default, and {model} takes {longest} tokens at most");
            Problem::missing(Some(trial.span), message, format!("add `{MAX_LENGTH} = {longest}`"))
        }
    })
}
