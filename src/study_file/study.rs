//! `[study]`: how much is searched.

use std::path::Path;

use super::reader::{Problem, Problems, Result, Results, Table, shown};
use super::settings;
use super::trainer::Evaluations;
use super::{constraints, objectives, require};
use crate::ids::MAX_TRIALS;
use crate::keys::{Fallback, Key, Takes};
use crate::study::{Objective, PolicySpec, Requirement, StopSpec};

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
        most: settings::MAX_SEED,
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

const KEEP_CHECKPOINTS: Key = Key {
    name: "keep_checkpoints",
    takes: Takes::Integer { least: 1, most: 1000 },
    default: Fallback::Integer(1),
    about: "the models of how many trials are kept, the best first: `hpo export STUDY --trial N --model DIR` writes any of them",
};

const TIME_LIMIT: Key = Key {
    name: "time_limit",
    takes: Takes::Text,
    default: Fallback::Nothing,
    about: "how long the search may run, such as `\"90m\"`, `\"2h\"` or `\"1d 12h\"`, the time between two runs left out. Then running trials \
            are saved, the best model so far is exported, and the same command with a higher limit continues. `--time-limit` takes \
            precedence",
};

const RESOURCE_LIMIT: Key = Key {
    name: "resource_limit",
    takes: Takes::Integer {
        least: 1,
        most: i64::MAX,
    },
    default: Fallback::Nothing,
    about: "how many epochs (steps, examples) all trials together may be trained for; then as with `time_limit`",
};

const STOP_WHEN: Key = Key {
    name: "stop_when",
    takes: Takes::Table(&[NO_BETTER_IN]),
    default: Fallback::Nothing,
    about: "another reason to end as with `time_limit`: `{ no_better_in = 20 }` once 20 trials that were drawn after the best one are \
            decided",
};

const NO_BETTER_IN: Key = Key {
    name: "no_better_in",
    takes: Takes::Integer {
        least: 1,
        most: MAX_TRIALS as i64,
    },
    default: Fallback::Nothing,
    about: "so many trials without a better one end the search",
};

/// Its keys.
pub(super) const KEYS: &[Key] = &[
    NAME,
    SEED,
    TRIALS,
    RETRIES,
    objectives::OBJECTIVE,
    objectives::DIRECTION,
    require::KEY,
    KEEP_CHECKPOINTS,
    TIME_LIMIT,
    RESOURCE_LIMIT,
    STOP_WHEN,
    constraints::KEY,
];

/// What the table says by itself.
pub(super) struct StudyTable {
    pub name: String,
    pub seed: u64,
    pub trials: u64,
    pub retries: u32,
    pub objective: Objective,
    pub further: Vec<Objective>,
    pub require: Vec<Requirement>,
    pub keep_checkpoints: u64,
    pub stop: StopSpec,
}

/// Reads the table; `policy` is that of the study, if it could be read, and `embedding` whether the embedding trainer trains it, with these
/// evaluations, if they could be read.
pub(super) fn read(
    table: &Table,
    path: &Path,
    policy: Option<&PolicySpec>,
    embedding: bool,
    evaluations: Option<&Evaluations>,
) -> Results<StudyTable> {
    let mut problems = Problems::default();
    let name = problems.keep(name(table, path));
    let settings = problems.keep(settings::read(table, KEYS));
    let ends = problems.keep(ends(table));
    let objectives = problems.keep(objectives::read(table, embedding, evaluations));
    let require = problems.keep(require::read(table, embedding, evaluations));
    let trials = settings
        .as_ref()
        .and_then(|settings| match settings.count_if_any(&TRIALS) {
            Some(trials) => Some(trials),
            None => problems.keep(whole(table, policy)),
        });
    let ((name, settings), (ends, ((objectives, require), trials))) =
        problems.or(name.zip(settings).zip(ends.zip(objectives.zip(require).zip(trials))))?;
    let [time_ms, no_better] = ends;
    let mut objectives = objectives.into_iter();
    Ok(StudyTable {
        name,
        seed: settings.count(&SEED),
        trials,
        retries: settings.count(&RETRIES) as u32,
        objective: objectives.next().unwrap_or_default(),
        further: objectives.collect(),
        require,
        keep_checkpoints: settings.count(&KEEP_CHECKPOINTS),
        stop: StopSpec {
            time_ms,
            resource: settings.count_if_any(&RESOURCE_LIMIT),
            no_better,
        },
    })
}

/// When the search ends early: after so many milliseconds, and so many trials without a better one.
fn ends(table: &Table) -> Results<[Option<u64>; 2]> {
    let mut problems = Problems::default();
    let time = table.get(TIME_LIMIT.name).map(|item| -> Result<u64> {
        let text = item.string()?;
        span_ms(text).ok_or_else(|| item.problem("is not a span of time", "not understood", SPAN))
    });
    let no_better = table.get(STOP_WHEN.name).map(|item| -> Results<Option<u64>> {
        let inner = item.table()?;
        if let Some(other) = inner.unknown(&[NO_BETTER_IN.name]).first() {
            return Err(other
                .problem("is not known", "unknown key", "write `{ no_better_in = 20 }`")
                .into());
        }
        inner.required(NO_BETTER_IN.name, "no_better_in = 20")?;
        Ok(settings::read(&inner, &[NO_BETTER_IN])?.count_if_any(&NO_BETTER_IN))
    });
    let time = problems.keep(time.transpose());
    let no_better = problems.keep(no_better.transpose());
    problems.or(time.zip(no_better).map(|(time, no_better)| [time, no_better.flatten()]))
}

/// How a span of time is written.
pub const SPAN: &str = "write a number and a unit, such as `45s`, `90m`, `2h` or `1d 12h`";

/// The milliseconds of a span of time such as `1h 30m`; `None` if it is none, or nothing at all.
pub fn span_ms(text: &str) -> Option<u64> {
    let mut ms: u64 = 0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let unit = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let each = match &rest[..unit] {
            "s" | "sec" | "seconds" => 1e3,
            "m" | "min" | "minutes" => 6e4,
            "h" | "hour" | "hours" => 3.6e6,
            "d" | "day" | "days" => 8.64e7,
            _ => return None,
        };
        ms = ms.checked_add((number * each) as u64)?;
        rest = rest[unit..].trim_start();
    }
    (ms > 0).then_some(ms)
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
