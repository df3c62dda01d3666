//! `[evaluation.NAME]`: data of the user's own that models are measured on.

mod check;
mod keys;

use std::collections::BTreeMap;
use std::path::Path;

use hpo_data::Kind;
use hpo_protocol::embedding::{Classifier, Columns, Evaluation, EvaluationKind, Every};
use serde::Deserialize;

use super::super::known;
use super::super::path::absolute;
use super::super::reader::{Item, Problem, Problems, Result, Results, Table, similar};
use super::super::settings;
use super::data;
use super::keys::COMMAND;
use crate::keys::{self as study_keys, Key};
use crate::study::{Direction, LOSS};
use keys::{CLASSIFIER, COLUMNS_KEY, CORPUS, DATA, EVERY, QRELS, QUERIES, TRAIN};

pub(super) use check::check;
pub(in super::super) use keys::{COMMON, KINDS, TABLE};

/// Names of metrics are no longer than 100 bytes.
const MOST_NAME: usize = 50;

/// The evaluations of a study's file, by name.
pub(in super::super) type Evaluations = BTreeMap<String, Evaluation>;

/// Reads all of them. `external` if the trainer is another one.
pub(in super::super) fn read(root: &Table, directory: &Path, external: bool) -> Results<Evaluations> {
    const HELP: &str = "give each evaluation a name: a line `[evaluation.docs]` and the keys below it";
    let (mut problems, mut all) = (Problems::default(), Evaluations::new());
    let Some(item) = root.get(TABLE) else { return Ok(all) };
    let tables = item.table().map_err(|problem| Problem {
        help: HELP.to_owned(),
        ..problem
    })?;
    let unnamed = tables.items().find(|item| item.table().is_err() && is_key(item.key));
    if let Some(item) = unnamed {
        let message = format!("`{}` is in no evaluation", item.name);
        return Err(Problem::new(item.key_span, message, "an evaluation has a name", HELP).into());
    }
    for item in tables.items() {
        if external {
            let message = format!(
                "`[{}]` has no effect: a trainer of your own reports its own metrics",
                item.name
            );
            let help = format!(
                "remove it, and have the `{}` report what it measures itself",
                COMMAND.name
            );
            let problem = Problem::new(item.key_span, message, "not of this trainer", help);
            problems.0.push(problem);
        } else if let Some(evaluation) = problems.keep(named(root, &item, directory)) {
            all.insert(item.key.to_owned(), evaluation);
        }
    }
    problems.or(Some(all))
}

fn is_key(name: &str) -> bool {
    Evaluation::KEYS.iter().any(|key| key.name == name)
}

fn named(root: &Table, item: &Item, directory: &Path) -> Results<Evaluation> {
    let mut problems = Problems::default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if item.key.is_empty() || item.key.len() > MOST_NAME || !item.key.chars().all(plain) {
        let message = format!("`{}` cannot be the beginning of a metric's name", item.name);
        let help = format!("use letters, digits, `_` and `-`, at most {MOST_NAME} of them");
        problems
            .0
            .push(Problem::new(item.key_span.clone(), message, "not a name", help));
    }
    let table = problems.keep(item.table());
    let evaluation = table.and_then(|table| {
        let objective = objective(root, item.key);
        known(&mut problems, &table, |table| one(table, directory, objective))
    });
    problems.or(evaluation)
}

/// The metric of an evaluation that is an objective of the study, if one is.
fn objective<'a>(root: &Table<'a>, evaluation: &str) -> Option<&'a str> {
    let objective = root.get("study")?.table().ok()?.get("objective")?;
    let objectives = objective.array("").unwrap_or_else(|_| vec![objective]);
    let named = objectives.iter().filter_map(|item| item.string().ok()?.split_once('.'));
    let mut own = named.filter(|(name, _)| *name == evaluation);
    own.next().map(|(_, metric)| metric)
}

/// What a `type` is called in messages.
const WHAT: &str = "type of evaluation";

/// Reads one; `objective` is the metric of it that decides, if any.
fn one(table: &Table, directory: &Path, objective: Option<&str>) -> Results<Evaluation> {
    let kind = settings::named(table, WHAT, KINDS, None)?;
    let mut problems = Problems(settings::of_others(table, WHAT, KINDS, kind, COMMON, false));
    let own: Vec<Key> = [COMMON, kind.about.keys].concat();
    let given = problems.keep(settings::read(table, &own));
    let mut path = |key: &Key| {
        let item = table
            .get(key.name)
            .filter(|_| own.iter().any(|own| own.name == key.name))?;
        let path = problems.keep(item.string().and_then(|path| absolute(&item, path, directory)))?;
        Some(path.into())
    };
    let (data, train) = (path(&DATA), path(&TRAIN));
    let (queries, corpus, qrels) = (path(&QUERIES), path(&CORPUS), path(&QRELS));
    let kind = (kind.read)(&());
    let columns = table.get(COLUMNS_KEY.name);
    let columns = columns.and_then(|item| problems.keep(columns_of(&item, kind)));
    problems.0.extend(lacking(table, kind));
    let given = given.and_then(|given| Some((problems.keep(every(table, &given, objective))?, given)));
    let evaluation = given.map(|(every, given)| Evaluation {
        r#type: kind,
        data,
        queries,
        corpus,
        qrels,
        columns,
        train,
        classifier: (kind == EvaluationKind::Classification).then(|| given.choice(&CLASSIFIER, Classifier::ALL)),
        every,
    });
    problems.or(evaluation)
}

/// When it measures: with each report if it decides, since each is compared.
fn every(table: &Table, given: &study_keys::Settings, objective: Option<&str>) -> Result<Every> {
    match (
        given.choice_if_any(&EVERY, Every::ALL),
        objective,
        table.get(EVERY.name),
    ) {
        (None, None, _) => Ok(Every::Rung),
        (None, Some(_), _) => Ok(Every::Report),
        (Some(every), Some(metric), Some(item)) if every != Every::Report => Err(item.problem(
            format_args!("must be `report`: its `{metric}` is the study's objective, which each report must have"),
            "not with each report",
            "write `every = \"report\"`, or leave it out",
        )),
        (Some(every), _, _) => Ok(every),
    }
}

/// What its columns are for, which must be rows that it measures with.
fn columns_of(item: &Item, kind: EvaluationKind) -> Result<Columns> {
    let columns = data::columns(item)?;
    let Ok(columns) = Columns::deserialize(columns) else {
        return Err(item.problem("can't be read", "not columns", "check its keys"));
    };
    match columns.kind().filter(|rows| !kind.rows().contains(rows)) {
        None => Ok(columns),
        Some(rows) => Err(item.problem(
            format_args!(
                "are those of {rows}, and `{kind}` is measured with {}",
                one_of(kind.rows())
            ),
            format!("columns of {rows}"),
            "name the columns of such rows, or choose another `type`",
        )),
    }
}

fn one_of(rows: &[Kind]) -> String {
    let names: Vec<String> = rows.iter().map(ToString::to_string).collect();
    names.join(" or ")
}

/// Paths that are missing, or that have no effect beside others.
fn lacking(table: &Table, kind: EvaluationKind) -> Vec<Problem> {
    let has = |key: &&Key| table.get(key.name).is_some();
    let mut problems = Vec::new();
    let files = [&QUERIES, &CORPUS, &QRELS];
    let idle = |key: &Key, beside: &str| {
        let item = table.get(key.name)?;
        let help = format!("remove it, or remove {beside}");
        Some(item.problem(format_args!("has no effect beside {beside}"), "not read", help))
    };
    if kind == EvaluationKind::Retrieval && files.iter().any(has) {
        if has(&&DATA) {
            problems.extend(files.into_iter().filter_map(|key| idle(key, "`data`")));
        } else {
            let missing = files.into_iter().filter(|key| !has(key));
            problems
                .extend(missing.map(|key| table.missing(key.name, &format!("{} = \"{}\"", key.name, example(key)))));
            problems.extend(idle(&COLUMNS_KEY, "`queries`, `corpus` and `qrels`"));
        }
    } else if !has(&&DATA) {
        let mut problem = table.missing(DATA.name, "data = \"rows.jsonl\"");
        if kind == EvaluationKind::Retrieval {
            problem.help += ", or `queries`, `corpus` and `qrels`";
        }
        problems.push(problem);
    }
    if kind == EvaluationKind::Classification {
        problems.extend(settings::required(table, &TRAIN).err());
    }
    problems
}

fn example(key: &Key) -> &'static str {
    match key.name == QRELS.name {
        true => "qrels.tsv",
        false => "texts.jsonl",
    }
}

/// The direction of a metric of an evaluation, which the study's objective names; `all` is none if they could not be read.
pub(in super::super) fn direction(item: &Item, metric: &str, all: Option<&Evaluations>) -> Result<Direction> {
    let Some((all, (name, metric))) = all.zip(metric.split_once('.')) else {
        return Ok(Direction::Maximize);
    };
    let Some(evaluation) = all.get(name) else {
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        let (has, help) = match (names.as_slice(), similar(name, &names)) {
            ([], _) => (
                "none".to_owned(),
                format!("add a table `[{TABLE}.{name}]`, or write `{LOSS}`"),
            ),
            (names, Some(similar)) => (
                quoted(names),
                format!("did you mean `{}`?", Evaluation::metric(similar, metric)),
            ),
            (names, None) => (quoted(names), "use one of these".to_owned()),
        };
        let message = format!("is a metric of no evaluation: the file has {has}");
        return Err(item.problem(message, "unknown evaluation", help));
    };
    let metrics = evaluation.r#type.metrics();
    if metrics.contains(&metric) {
        return Ok(Direction::Maximize);
    }
    let help = match similar(metric, metrics) {
        Some(similar) => format!("did you mean `{}`?", Evaluation::metric(name, similar)),
        None => "use one of these".to_owned(),
    };
    let has = quoted(metrics);
    let message = format!(
        "is not a metric of the evaluation `{name}`, a {}: it has {has}",
        evaluation.r#type
    );
    Err(item.problem(message, "unknown metric", help))
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
