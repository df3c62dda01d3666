//! `[study]`: how much is searched.

use std::path::Path;

use super::constraints;
use super::reader::{Problem, Result, Table, shown};
use crate::study::PolicySpec;

pub(super) const STUDY_KEYS: &[&str] = &["name", "seed", "trials", "retries", constraints::KEY];
/// JSON readers elsewhere hold numbers as doubles: larger ones would be other ones there.
pub(super) const MAX_SEED: i64 = (1 << 53) - 1;

pub(super) const MAX_TRIALS: i64 = 1_000_000;
const MAX_RETRIES: i64 = 1000;

/// The `[study]` table.
pub(super) struct Study {
    pub name: String,
    pub seed: u64,
    pub trials: u64,
    pub retries: u32,
}

/// Reads the table; `policy` is that of the study, if it could be read.
pub(super) fn study(table: &Table, path: &Path, policy: Option<&PolicySpec>) -> Result<Study> {
    let optional = |key, range| table.get(key).map(|item| item.integer(range)).transpose();
    Ok(Study {
        name: name(table, path)?,
        seed: optional("seed", 0..=MAX_SEED)?.map_or(0, |n| n as u64),
        trials: trials(table, policy)?,
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

/// How many trials there are: as many as the table says, or as make a study of the policy whole.
fn trials(table: &Table, policy: Option<&PolicySpec>) -> Result<u64> {
    match (table.get("trials"), policy.and_then(PolicySpec::whole)) {
        (None, Some(trials)) if trials <= MAX_TRIALS as u64 => Ok(trials),
        (None, Some(trials)) => {
            let message = format!("a study of this policy has {trials} trials");
            let help = "write a number of `trials`, or lower `max_resource`";
            Err(Problem::new(
                table.span.clone(),
                message,
                "no `trials` in this table",
                help,
            ))
        }
        _ => Ok(table.required("trials", "trials = 27")?.integer(1..=MAX_TRIALS)? as u64),
    }
}
