//! `[confirmation]`: how the best configurations are confirmed.

use super::reader::{Results, Table};
use super::settings;
use crate::keys::{Fallback, Key, Takes};
use crate::study::ConfirmationSpec;

/// More of either take longer than any search.
const MOST: i64 = 100;

const CONFIGURATIONS: Key = Key {
    name: "configurations",
    takes: Takes::Integer { least: 1, most: MOST },
    default: Fallback::Integer(3),
    about: "so many of the best are confirmed: the completed trials with the lowest losses, and if too few were completed, those \
            that came farthest before they were pruned",
};

const SEEDS: Key = Key {
    name: "seeds",
    takes: Takes::Integer { least: 2, most: MOST },
    default: Fallback::Integer(3),
    about: "with so many other seeds each, at least 2",
};

/// Its keys.
pub(super) const KEYS: &[Key] = &[CONFIGURATIONS, SEEDS];

/// Reads the table; `trials` is how many the study has, if that could be read.
pub(super) fn read(table: &Table, trials: Option<u64>) -> Results<ConfirmationSpec> {
    let settings = settings::read(table, KEYS)?;
    let confirmation = ConfirmationSpec {
        configurations: settings.count(&CONFIGURATIONS),
        seeds: settings.count(&SEEDS),
    };
    if let (Some(item), Some(trials)) = (table.get(CONFIGURATIONS.name), trials)
        && confirmation.configurations > trials
    {
        return Err(item
            .problem(
                format_args!("is above `study.trials`, which is {trials}"),
                "too many",
                format!("write {trials} or less, or raise `trials`"),
            )
            .into());
    }
    Ok(confirmation)
}
