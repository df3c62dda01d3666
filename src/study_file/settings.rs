//! Reads tables by their keys.

use super::reader::{Item, Problem, Problems, Result, Results, Table, did_you_mean, shown};
use crate::keys::{Fallback, Given, Key, Kind, Settings, Takes};

/// JSON readers elsewhere hold numbers as doubles: larger ones would be other ones there.
pub(super) const MAX_SEED: i64 = (1 << 53) - 1;

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
        | Takes::WordOrWords(..)
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
    what: &str,
    kinds: &'static [Kind<T, G>],
    usual: &'static str,
    common: &[Key],
    learns: bool,
) -> Results<&'static Kind<T, G>> {
    let kind = named(table, what, kinds, Some(usual))?;
    Problems(of_others(table, what, kinds, kind, common, learns)).or(Some(kind))
}

/// The kind that a table names by its `type`, or the usual one; without one it must name it.
pub(super) fn named<T, G>(
    table: &Table,
    what: &str,
    kinds: &'static [Kind<T, G>],
    usual: Option<&'static str>,
) -> Result<&'static Kind<T, G>> {
    let (item, name) = match (table.get(TYPE), usual) {
        (Some(item), _) => (Some(item.clone()), item.string()?),
        (None, Some(usual)) => (None, usual),
        (None, None) => return Err(table.missing(TYPE, &format!("{TYPE} = \"{}\"", kinds[0].about.name))),
    };
    kinds.iter().find(|kind| kind.about.name == name).ok_or_else(|| {
        let message = format!("there is no {what} `{}`", shown(name));
        let help = did_you_mean(name, kinds.iter().map(|kind| kind.about.name));
        let place = item.map_or(table.span.clone(), |item| item.span);
        Problem::new(place, message, format!("unknown {what}"), help)
    })
}

/// The keys of a table that only other kinds have. What no kind has is unknown, and reported as that.
pub(super) fn of_others<T, G>(
    table: &Table,
    what: &str,
    kinds: &'static [Kind<T, G>],
    own: &Kind<T, G>,
    common: &[Key],
    learns: bool,
) -> Vec<Problem> {
    let has = |keys: &[Key], item: &Item| keys.iter().any(|key| key.name == item.key);
    let known = |item: &Item| {
        item.key == TYPE
            || has(common, item)
            || has(own.about.keys, item)
            || learns && has(own.about.keys_if_learning, item)
    };
    let of_another = |item: &Item| {
        kinds
            .iter()
            .any(|kind| has(kind.about.keys, item) || has(kind.about.keys_if_learning, item))
    };
    let idle = table.items().filter(|item| !known(item) && of_another(item));
    let problems = idle.map(|item| {
        let with = kinds.iter().filter(|kind| has(kind.about.keys, &item));
        let with: Vec<String> = with.map(|kind| format!("`{}`", kind.about.name)).collect();
        let message = format!("`{}` has no effect with the {what} `{}`", item.name, own.about.name);
        let help = format!("remove it, or choose a `type` that has it: {}", with.join(", "));
        Problem::new(item.key_span, message, format!("not of this {what}"), help)
    });
    problems.collect()
}
