//! Reads tables by their keys.

use std::fmt::Display;

use super::reader::{Item, Problem, Problems, Result, Results, Table, did_you_mean, shown};
use crate::keys::{Fallback, Given, Key, Kind, Settings, Takes};

/// The key that names one of several kinds.
pub(super) const TYPE: &str = "type";

/// The values of those of the keys whose values are numbers, words, or true and false. What needs more than a look at the value
/// is left to whoever needs it.
pub(super) fn read(table: &Table, keys: &[Key]) -> Results<Settings> {
    let (mut settings, mut problems) = (Settings::default(), Problems::default());
    for key in keys {
        let Some(item) = table.get(key.name) else { continue };
        if let Some(given) = problems.keep(given(&item, key)).flatten() {
            settings.insert(key, given);
        }
    }
    problems.or(Some(settings))
}

/// The value of a key; none if it takes others than numbers, words, and true and false.
pub(super) fn given(item: &Item, key: &Key) -> Result<Option<Given>> {
    Ok(Some(match key.takes {
        Takes::Integer { least, most } => Given::Integer(item.integer(least..=most)?),
        Takes::Number(interval, refusal) => {
            let number = item.number()?;
            if !interval.contains(number) {
                return Err(item.problem(refusal.message, refusal.label, refusal.help));
            }
            Given::Number(number)
        }
        Takes::Flag => Given::Flag(item.boolean()?),
        Takes::Word(words, refusal) => {
            let word = item.string()?;
            let place = words.iter().position(|known| *known == word);
            Given::Word(place.ok_or_else(|| {
                let help = did_you_mean(word, words.iter().copied());
                item.problem(refusal.message, refusal.label, help)
            })?)
        }
        Takes::Text
        | Takes::Path
        | Takes::Texts
        | Takes::TextOrTexts
        | Takes::Devices
        | Takes::Range
        | Takes::Scalar
        | Takes::Scalars
        | Takes::Conditions
        | Takes::Table(_)
        | Takes::AnyText
        | Takes::WordOrTable(..)
        | Takes::Named(_) => return Ok(None),
    }))
}

/// The value of a key that must be there.
pub(super) fn required<'a>(table: &Table<'a>, key: &Key) -> Result<Item<'a>> {
    match key.default {
        Fallback::Required(example) => table.required(key.name, example),
        Fallback::Integer(_)
        | Fallback::Number(_)
        | Fallback::Flag(_)
        | Fallback::Word(_)
        | Fallback::Nothing
        | Fallback::Described(_) => unreachable!("`{}` need not be there", key.name),
    }
}

/// The kind that a table names by its `type`, or the usual one; all keys of the table are its own or common ones. `learns` if the
/// study's sampler does.
pub(super) fn kind<T, G>(
    table: &Table,
    what: impl Display,
    kinds: &'static [Kind<T, G>],
    usual: &'static str,
    common: &[Key],
    learns: bool,
) -> Result<&'static Kind<T, G>> {
    let item = table.get(TYPE);
    let name = item.as_ref().map_or(Ok(usual), Item::string)?;
    let Some(kind) = kinds.iter().find(|kind| kind.about.name == name) else {
        let message = format!("there is no {what} `{}`", shown(name));
        let help = did_you_mean(name, kinds.iter().map(|kind| kind.about.name));
        let place = item.map_or(table.span.clone(), |item| item.span);
        return Err(Problem::new(place, message, format!("unknown {what}"), help));
    };
    let has = |keys: &[Key], item: &Item| keys.iter().any(|key| key.name == item.key);
    let known = |item: &Item| {
        item.key == TYPE
            || has(common, item)
            || has(kind.about.keys, item)
            || learns && has(kind.about.keys_if_learning, item)
    };
    // What no kind has is unknown, and reported as that.
    let of_another = |item: &Item| {
        kinds
            .iter()
            .any(|kind| has(kind.about.keys, item) || has(kind.about.keys_if_learning, item))
    };
    let Some(item) = table.items().find(|item| !known(item) && of_another(item)) else {
        return Ok(kind);
    };
    let with = kinds.iter().filter(|kind| has(kind.about.keys, &item));
    let with: Vec<String> = with.map(|kind| format!("`{}`", kind.about.name)).collect();
    let message = format!("`{}` has no effect with the {what} `{name}`", item.name);
    let help = format!("remove it, or choose a `type` that has it: {}", with.join(", "));
    Err(Problem::new(
        item.key_span,
        message,
        format!("not of this {what}"),
        help,
    ))
}
