//! `[confirmation]`: how the best configurations are confirmed.

use super::reader::{Result, Table};
use crate::study::ConfirmationSpec;

pub(super) const KEYS: &[&str] = &["configurations", "seeds"];

/// More of either take longer than any search.
const MOST: i64 = 100;

/// Reads the table; `trials` is how many the study has, if that could be read.
pub(super) fn read(table: &Table, trials: Option<u64>) -> Result<ConfirmationSpec> {
    let optional = |key, range, default: u64| match table.get(key) {
        Some(item) => Ok(item.integer(range)? as u64),
        None => Ok(default),
    };
    let configurations = optional("configurations", 1..=MOST, 3)?;
    let seeds = optional("seeds", 2..=MOST, 3)?;
    if let (Some(item), Some(trials)) = (table.get("configurations"), trials)
        && configurations > trials
    {
        return Err(item.problem(
            format_args!("is above `study.trials`, which is {trials}"),
            "too many",
            format!("write {trials} or less, or raise `trials`"),
        ));
    }
    Ok(ConfirmationSpec { configurations, seeds })
}
