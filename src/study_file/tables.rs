//! The tables of a study's file and the names of their keys.

use super::reader::{Item, Problem, Table, did_you_mean};
use super::{confirmation, notify, settings, slots, study, trainer};
use crate::keys::{Key, Kind};
use crate::study::{COMMON_KEYS, PolicyKind, SamplerSpec};

/// The names of the tables, each with those of its keys. `[space]` has the names that the trainer knows, and `[[try_first]]` those
/// of the space.
fn tables() -> [(&'static str, Vec<&'static str>); 10] {
    let names = |keys: &[Key]| keys.iter().map(|key| key.name).collect();
    [
        ("study", names(study::KEYS)),
        ("policy", names_of_kinds(COMMON_KEYS, PolicyKind::KINDS)),
        ("sampler", names_of_kinds(&[], SamplerSpec::KINDS)),
        ("confirmation", names(confirmation::KEYS)),
        ("slots", names(slots::KEYS)),
        ("notify", names(notify::KEYS)),
        ("trial", names(&[trainer::KEYS, trainer::script::keys::KEYS].concat())),
        (
            trainer::EVALUATION,
            names_of_kinds(trainer::EVALUATION_KEYS, trainer::EVALUATION_KINDS),
        ),
        ("space", Vec::new()),
        ("try_first", Vec::new()),
    ]
}

/// The names of all keys that some kind has, each once.
fn names_of_kinds<T, G>(common: &[Key], kinds: &'static [Kind<T, G>]) -> Vec<&'static str> {
    let mut names = vec![settings::TYPE];
    names.extend(common.iter().map(|key| key.name));
    for row in rows(kinds) {
        if !names.contains(&row.key.name) {
            names.push(row.key.name);
        }
    }
    names
}

/// A key as some kinds have it.
pub(super) struct Row {
    /// The key.
    pub key: &'static Key,
    /// The names of the kinds that have it with this meaning.
    pub kinds: Vec<&'static str>,
}

/// The keys of kinds; one that does not mean the same for all is there several times in a row.
pub(super) fn rows<T, G>(kinds: &'static [Kind<T, G>]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for kind in kinds {
        for key in kind.about.keys.iter().chain(kind.about.keys_if_learning) {
            let same = |row: &&mut Row| row.key.name == key.name && row.key.about == key.about;
            if let Some(row) = rows.iter_mut().find(same) {
                row.kinds.push(kind.about.name);
                continue;
            }
            let others = rows.iter().rposition(|row| row.key.name == key.name);
            let row = Row {
                key,
                kinds: vec![kind.about.name],
            };
            rows.insert(others.map_or(rows.len(), |place| place + 1), row);
        }
    }
    rows
}

/// The tables of the file that are not known.
pub(super) fn unknown_names(root: &Table) -> Vec<Problem> {
    let names = tables().map(|(name, _)| name);
    root.unknown(&names)
        .iter()
        .map(|item| unknown(item, &names, ""))
        .collect()
}

/// The keys of a table that are not known.
pub(super) fn unknown_keys(table: &Table) -> Vec<Problem> {
    // Evaluations have tables within a table, and of others there may be several.
    let own = table.name.split(['.', '[']).next().unwrap_or_default();
    let keys = tables().into_iter().find(|(name, _)| *name == own);
    let keys = keys.map_or(Vec::new(), |(_, keys)| keys);
    table
        .unknown(&keys)
        .iter()
        .map(|item| unknown(item, &keys, own))
        .collect()
}

fn unknown(item: &Item, known: &[&str], table: &str) -> Problem {
    let other = tables()
        .into_iter()
        .find(|(name, keys)| *name != table && keys.contains(&item.key));
    let help = match other {
        Some((trainer::EVALUATION, _)) => format!("`{}` belongs under `[{}.NAME]`", item.key, trainer::EVALUATION),
        Some((name, _)) => format!("`{}` belongs under `[{name}]`", item.key),
        None => did_you_mean(item.key, known.iter().copied()),
    };
    Problem::new(
        item.key_span.clone(),
        format!("unknown key `{}`", item.name),
        "unknown key",
        help,
    )
}
