//! `[study]`: how much is searched.

use std::path::Path;

use super::constraints;
use super::reader::{Problem, Problems, Result, Results, Table, shown};
use super::settings;
use crate::ids::MAX_TRIALS;
use crate::keys::{Fallback, Key, Takes};
use crate::study::PolicySpec;

/// JSON readers elsewhere hold numbers as doubles: larger ones would be other ones there.
pub(super) const MAX_SEED: i64 = (1 << 53) - 1;

const NAME: Key = Key {
    name: "name",
    takes: Takes::Text,
    default: Fallback::Described("the file's name"),
    about: "the study's directory in `--studies` (`studies/` beside this file if not given): letters, digits, `.`, `_`, `-`",
};

const SEED: Key = Key {
    name: "seed",
    takes: Takes::Integer {
        least: 0,
        most: MAX_SEED,
    },
    default: Fallback::Integer(0),
    about: "the seed of all that is random: the same seed gives the same trials, decisions and best configuration, as far as \
            [the policy](policies.md) has them depend on nothing else",
};

const TRIALS: Key = Key {
    name: "trials",
    takes: Takes::Integer {
        least: 1,
        most: MAX_TRIALS as i64,
    },
    default: Fallback::Described(
        "one round of Hyperband's brackets with `hyperband`, `async_hyperband`, and `successive_halving` whose sampler learns; else \
         required",
    ),
    about: "how many configurations are tried in all. It may be raised later: the further ones form a bracket of their own",
};

const RETRIES: Key = Key {
    name: "retries",
    takes: Takes::Integer { least: 0, most: 1000 },
    default: Fallback::Integer(2),
    about: "how often a trial whose worker failed is tried again, from its last checkpoint",
};

/// Its keys.
pub(super) const KEYS: &[Key] = &[NAME, SEED, TRIALS, RETRIES, constraints::KEY];

/// What the table says by itself.
pub(super) struct StudyTable {
    pub name: String,
    pub seed: u64,
    pub trials: u64,
    pub retries: u32,
}

/// Reads the table; `policy` is that of the study, if it could be read.
pub(super) fn read(table: &Table, path: &Path, policy: Option<&PolicySpec>) -> Results<StudyTable> {
    let mut problems = Problems::default();
    let name = problems.keep(name(table, path));
    let settings = problems.keep(settings::read(table, KEYS));
    let (name, settings) = problems.or(name.zip(settings))?;
    Ok(StudyTable {
        name,
        seed: settings.count(&SEED),
        trials: match settings.count_if_any(&TRIALS) {
            Some(trials) => trials,
            None => whole(table, policy)?,
        },
        retries: settings.count(&RETRIES) as u32,
    })
}

fn name(table: &Table, path: &Path) -> Result<String> {
    const RULE: &str = "use letters, digits, `.`, `_` and `-`, not beginning with `.` or `-`, at most 100 bytes";
    if let Some(item) = table.get(NAME.name) {
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

/// How many trials make a study of the policy whole.
fn whole(table: &Table, policy: Option<&PolicySpec>) -> Result<u64> {
    match policy.and_then(PolicySpec::whole) {
        Some(trials) if trials <= MAX_TRIALS => Ok(trials),
        Some(trials) => {
            let message = format!("a study of this policy has {trials} trials");
            let help = "write a number of `trials`, or lower `max_resource`";
            Err(Problem::new(
                table.span.clone(),
                message,
                "no `trials` in this table",
                help,
            ))
        }
        None => Err(table.missing(TRIALS.name, "trials = 27")),
    }
}
