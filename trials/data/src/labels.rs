//! The labels of training data.

use std::collections::BTreeMap;

use indexmap::IndexSet;
use unicode_normalization::UnicodeNormalization;

use crate::error::shown;
use crate::example::Row;
use crate::pool::Pool;

/// What programs write where there is no value.
const MISSING: [&str; 7] = ["nan", "none", "null", "n/a", "na", "<na>", "nat"];

/// So many labels are warned of.
const SHOWN: usize = 3;

/// Those of these rows, sorted.
pub(crate) fn of(rows: &[Row], pool: &Pool) -> IndexSet<String> {
    let used: IndexSet<u32> = rows.iter().filter_map(|row| row.example.label()).collect();
    let named = used
        .into_iter()
        .filter_map(|label| pool.labels.get_index(label as usize));
    let mut labels: IndexSet<String> = named.cloned().collect();
    labels.sort();
    labels
}

/// In what two labels differ that are nearly alike.
fn difference(one: &str, other: &str) -> &'static str {
    let lower = |label: &str| label.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    match lower(one) == lower(other) {
        true => "case or blanks",
        // They may well look the same.
        false => "how Unicode writes their characters (NFC, NFD …), or in characters that do not show,",
    }
}

/// Whether a character does not show, and is no blank either.
fn is_hidden(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// What there is to say of labels that are hardly meant as they are written.
pub(crate) fn doubtful(labels: &IndexSet<String>) -> Vec<String> {
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for label in labels {
        let words: Vec<String> = label.split_whitespace().map(str::to_lowercase).collect();
        let shows = words.join(" ");
        let shows = shows.nfkc().filter(|character| !is_hidden(*character));
        alike.entry(shows.collect()).or_default().push(label);
    }
    let several = alike.values().filter_map(|labels| match labels.as_slice() {
        [one, other, ..] => Some(format!(
            "the labels `{}` and `{}` differ in {} alone, and are two: write them in one way if they are not",
            shown(one),
            shown(other),
            difference(one, other)
        )),
        _ => None,
    });
    let missing = labels
        .iter()
        .filter(|label| MISSING.contains(&label.to_lowercase().as_str()));
    let missing = missing.map(|label| {
        format!(
            "there is a label `{}`: leave the field empty, or write `null`, where there is none",
            shown(label)
        )
    });
    several.take(SHOWN).chain(missing.take(SHOWN)).collect()
}
