//! `[study]` and `[policy]`: how much is searched.

use std::path::Path;

use super::reader::{Problem, Result, Table, shown};
use crate::study::PolicySpec;

pub(super) const STUDY_KEYS: &[&str] = &["name", "seed", "trials", "retries"];
pub(super) const POLICY_KEYS: &[&str] = &["min_resource", "max_resource", "reduction_factor"];

/// JSON readers elsewhere hold numbers as doubles: larger ones would be other ones there.
pub(super) const MAX_SEED: i64 = (1 << 53) - 1;

const MAX_TRIALS: i64 = 1_000_000;
const MAX_RETRIES: i64 = 1000;
const MAX_RESOURCE: i64 = 1_000_000_000_000;

/// The `[study]` table.
pub(super) struct Study {
    pub name: String,
    pub seed: u64,
    pub trials: u64,
    pub retries: u32,
}

pub(super) fn study(table: &Table, path: &Path) -> Result<Study> {
    let optional = |key, range| table.get(key).map(|item| item.integer(range)).transpose();
    Ok(Study {
        name: name(table, path)?,
        seed: optional("seed", 0..=MAX_SEED)?.map_or(0, |n| n as u64),
        trials: table.required("trials", "trials = 27")?.integer(1..=MAX_TRIALS)? as u64,
        retries: optional("retries", 0..=MAX_RETRIES)?.map_or(2, |n| n as u32),
    })
}

fn name(table: &Table, path: &Path) -> Result<String> {
    const RULE: &str = "use letters, digits, `.`, `_` and `-`, not beginning with `.` or `-`, at most 100 bytes";
    if let Some(item) = table.get("name") {
        let name = item.string()?;
        return if is_name(name) {
            Ok(name.to_owned())
        } else {
            Err(item.problem("cannot name a directory everywhere", "not a name", RULE))
        };
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    if is_name(&stem) {
        return Ok(stem.into_owned());
    }
    let message = format!("the file's name `{}` cannot be the study's name", shown(&stem));
    let help = format!("add `name = \"my-study\"` here; {RULE}");
    Err(Problem::new(
        table.span.clone(),
        message,
        "no `name` in this table",
        help,
    ))
}

fn is_name(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

pub(super) fn policy(table: &Table) -> Result<PolicySpec> {
    let optional = |key, range, default| match table.get(key) {
        Some(item) => item.integer(range),
        None => Ok(default),
    };
    let min_resource = optional("min_resource", 1..=MAX_RESOURCE, 1)?;
    let max = table.required("max_resource", "max_resource = 9")?;
    let max_resource = max.integer(1..=MAX_RESOURCE)?;
    if max_resource < min_resource {
        return Err(max.problem(
            format_args!("is below `policy.min_resource`, which is {min_resource}"),
            "too small",
            format!("write {min_resource} or more, or lower `min_resource`"),
        ));
    }
    Ok(PolicySpec {
        min_resource: min_resource as u64,
        max_resource: max_resource as u64,
        reduction_factor: optional("reduction_factor", 2..=MAX_TRIALS, 3)? as u64,
    })
}
