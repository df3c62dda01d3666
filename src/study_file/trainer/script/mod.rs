//! A command that is a script: what it is given, and where its metrics are found.

mod command;
pub(in crate::study_file) mod keys;
mod notes;

use std::collections::BTreeMap;

use hpo_protocol::Values;
use hpo_script::{CHECKPOINT_DIR, Metrics, RESOURCE, SEEDS, Script, Variables, compile};
use serde_json::{Value, json};
use toml::de::DeValue;

use self::command::{Placeholders, check_argument, check_text, loses_value};
use self::keys::{ENVIRONMENT as VARIABLES, GRACE, KEYS, METRICS, METRICS_FILE, RESUME, STOPS_EARLY};
use super::super::reader::{Item, Problem, Problems, Result, Results, Table, did_you_mean};
use super::super::settings::{self, MAX_SEED};
use super::keys::{COMMAND, DIRECTORY, SEED};
use crate::study::{Objective, Trainer};

pub(super) use self::command::{is_script, said_to_be_script};
pub use self::notes::{keeps_nothing, script_notes};

/// The key of the variables of the environment.
pub(super) const ENVIRONMENT: &str = VARIABLES.name;

/// Metrics are not called by longer names, in bytes.
const LONGEST_NAME: usize = 100;

/// Reads the settings of a script whose trials have these parameters, the items of `[space]`.
pub(super) fn read(table: &Table, parameters: &[Item]) -> Results<Values> {
    let mut problems = Problems::default();
    problems.0.extend(unknown(table));
    problems.0.extend(taken(parameters));
    problems.0.extend(too_large(table));
    let placeholders = Placeholders::of(parameters);
    if let Some(arguments) = table.get(COMMAND.name).and_then(|item| item.array("").ok()) {
        for (place, argument) in arguments.iter().enumerate() {
            problems.0.extend(check_argument(argument, place, &placeholders));
            problems.0.extend(loses_value(&arguments, place, parameters));
        }
    }
    let in_file = table.get(METRICS_FILE.name).is_some();
    let metrics = table.get(METRICS.name).map(|item| metrics(&item, in_file));
    let metrics = problems.keep(metrics.transpose());
    let file = table
        .get(METRICS_FILE.name)
        .map(|item| metrics_file(&item, &placeholders));
    let file = problems.keep(file.transpose());
    let environment = table.get(VARIABLES.name).map(|item| environment(&item, &placeholders));
    let environment = problems.keep(environment.transpose());
    let given = problems.keep(settings::read(table, KEYS));
    let all = metrics.zip(file).zip(environment).zip(given);
    let script = all.map(|(((metrics, metrics_file), environment), given)| Script {
        metrics: metrics.unwrap_or_default(),
        metrics_file,
        environment: environment.unwrap_or_default(),
        grace_seconds: given.number(&GRACE),
        resume: given.flag(&RESUME),
        stops_early: given.flag(&STOPS_EARLY),
    });
    let values = script.map(|script| match json!(script) {
        Value::Object(settings) => settings.into_iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Values::new(),
    });
    problems.or(values)
}

/// The settings of a trainer that is a script.
pub(super) fn settings_of(trainer: &Trainer) -> Option<Script> {
    let settings = trainer.script.then(|| json!(trainer.settings))?;
    serde_json::from_value(settings).ok()
}

/// The names of all metrics that a script reports, if its settings name them.
pub(in crate::study_file) fn named_metrics(trainer: &Trainer) -> Option<Vec<String>> {
    let script = settings_of(trainer).filter(|script| !script.metrics.is_empty())?;
    Some(script.metrics.into_keys().filter(|name| name != RESOURCE).collect())
}

/// That the objective is not among the metrics, if it must be.
pub(in crate::study_file) fn lacks_objective(
    trial: &Table,
    trainer: &Trainer,
    objective: &Objective,
) -> Option<Problem> {
    let script = settings_of(trainer)?;
    let metric = &objective.metric;
    let item = trial
        .get(METRICS.name)
        .filter(|_| !script.metrics.contains_key(metric))?;
    let others: Vec<&str> = script
        .metrics
        .keys()
        .map(String::as_str)
        .filter(|name| *name != RESOURCE)
        .collect();
    let what = if script.metrics_file.is_some() {
        "column"
    } else {
        "pattern"
    };
    let help = match others.first() {
        Some(other) => format!(
            "add one, or compare trials by another metric: `objective = {}` and its `direction` under `[study]`",
            json!(other)
        ),
        None => format!("add `{metric} = …`"),
    };
    Some(item.problem(
        format_args!("has no {what} for `{metric}`, by which trials are compared"),
        "not there",
        help,
    ))
}

fn unknown(table: &Table) -> Vec<Problem> {
    let own = KEYS.iter().chain([&COMMAND, &DIRECTORY, &SEED]);
    // Of names that are equally near, the last one is meant: `metrics` rather than `metrics_file`.
    let known: Vec<&str> = own.rev().map(|key| key.name).collect();
    let problem = |item: &Item| {
        let message = format!("a script has no setting `{}`", item.name);
        let help = did_you_mean(item.key, known.iter().copied());
        Problem::new(item.key_span.clone(), message, "unknown key", help)
    };
    table.unknown(&known).iter().map(problem).collect()
}

/// A seed that no script can be given. What is no seed at all is reported elsewhere.
fn too_large(table: &Table) -> Option<Problem> {
    let seed = table.get(SEED.name)?;
    let is_seed = seed.integer(0..=MAX_SEED).is_ok();
    seed.integer(0..=SEEDS as i64 - 1).err().filter(|_| is_seed)
}

/// Parameters whose names, or variables in the environment, are those of something else.
fn taken(parameters: &[Item]) -> Vec<Problem> {
    let mut variables = Variables::default();
    let problem = |item: &Item| {
        let taken = variables.add(item.key).err()?;
        let message = format!("`{}` {taken}", item.key);
        let help = "give the parameter another name; placeholders give it any name in the command";
        Some(Problem::new(item.key_span.clone(), message, "already taken", help))
    };
    parameters.iter().filter_map(problem).collect()
}

/// Reads where metrics are found.
fn metrics(item: &Item, in_file: bool) -> Results<Metrics> {
    const EXAMPLE: &str = r"{ loss = 'val_loss[=:]\s*([-+0-9.eE]+)' }";
    if !matches!(item.value, DeValue::Table(_)) {
        return Err(item
            .wrong_type("a table", format!("write `metrics = {EXAMPLE}`"))
            .into());
    }
    let (mut problems, mut metrics) = (Problems::default(), Metrics::new());
    for named in item.table()?.items() {
        let is_name = (1..=LONGEST_NAME).contains(&named.key.len()) && !named.key.chars().any(char::is_control);
        if !is_name {
            let help = format!("write a name of at most {LONGEST_NAME} bytes, without control characters");
            let message = format!("`{}` cannot be the name of a metric", named.name);
            problems
                .0
                .push(Problem::new(named.key_span.clone(), message, "not a name", help));
        }
        let Some(text) = problems.keep(named.string()) else {
            continue;
        };
        if let Some(error) = (!in_file).then(|| compile(text).err()).flatten() {
            let help = format!("write, for example, `{EXAMPLE}`; `(?:…)` groups without being one");
            problems.0.push(named.problem(error, "not a pattern", help));
        }
        metrics.insert(named.key.to_owned(), text.to_owned());
    }
    if metrics.is_empty() && problems.0.is_empty() {
        return Err(item
            .problem("is empty", "no metric", format!("write `metrics = {EXAMPLE}`"))
            .into());
    }
    problems.or(Some(metrics))
}

fn metrics_file(item: &Item, placeholders: &Placeholders) -> Result<String> {
    let text = item.string()?;
    if let Some(problem) = check_text(item, text, placeholders) {
        return Err(problem);
    }
    let begins = format!("{{{CHECKPOINT_DIR}}}/");
    match text.starts_with(&begins) {
        true => Ok(text.to_owned()),
        false => Err(item.problem(
            format_args!(
                "is not in the script's own directory, `{{{CHECKPOINT_DIR}}}`: trials would write over each other's"
            ),
            "shared by all trials",
            format!(
                "pass `{{{CHECKPOINT_DIR}}}` to the script as the place for its output, and write `{begins}metrics.csv`"
            ),
        )),
    }
}

fn environment(item: &Item, placeholders: &Placeholders) -> Results<BTreeMap<String, String>> {
    if !matches!(item.value, DeValue::Table(_)) {
        let help = "write, for example, `environment = { LR = \"{learning_rate}\" }`";
        return Err(item.wrong_type("a table", help).into());
    }
    let (mut problems, mut environment) = (Problems::default(), BTreeMap::new());
    for named in item.table()?.items() {
        if named.key.is_empty() || named.key.contains(['=', '\0']) || Variables::owns(named.key) {
            let message = format!("`{}` cannot be set", named.name);
            let help = "use a name without `=` that does not begin with `HPO_`: these variables are there already";
            problems
                .0
                .push(Problem::new(named.key_span.clone(), message, "not a name", help));
        }
        let DeValue::String(text) = named.value else {
            problems.0.push(named.wrong_type("a string", "put it in quotes"));
            continue;
        };
        problems.0.extend(check_text(&named, text, placeholders));
        environment.insert(named.key.to_owned(), text.to_string());
    }
    problems.or(Some(environment))
}
