//! Studies beside each other: whether their values can be compared, and whether the better one is better by more than chance.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::Overview;
use crate::study::{Objective, Origin, StudySpec, Trainer, probability_lower};

/// Whether the best values of two studies can be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparable {
    /// Whether they can; none if that is not known.
    pub comparable: Option<bool>,
    /// Why not, or why it is not known, one sentence each without a full stop.
    pub reasons: Vec<String>,
}

/// Whether two studies have the same files of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharedInput {
    /// The key of the studies' files that names them.
    pub role: String,
    /// Whether their content is the same; none if one of the studies has none of that role.
    pub same: Option<bool>,
}

/// What runs with other seeds say of the difference of two configurations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Apart {
    /// By how much the first is better, as the mean of its runs, or as the best value where there are none.
    pub by: f64,
    /// The probability that it is really better, 0 to 1; none if that is not known.
    pub probability: Option<f64>,
    /// How many runs each has.
    pub runs: [usize; 2],
}

/// The settings by which validation data are split off the training data.
const SPLIT: [&str; 2] = ["validation_share", "split_seed"];

/// The files of two studies by role.
pub fn shared_inputs(one: &Origin, other: &Origin) -> Vec<SharedInput> {
    let roles: BTreeSet<&str> = one
        .inputs
        .iter()
        .chain(&other.inputs)
        .map(|input| input.role.as_str())
        .collect();
    let shared = |role: &str| SharedInput {
        role: role.to_owned(),
        same: (one.has(role) && other.has(role)).then(|| one.content(role) == other.content(role)),
    };
    roles.into_iter().map(shared).collect()
}

/// Whether the best values of two studies can be compared: they are of the same objective, measured on the same data.
pub fn comparable(one: (&StudySpec, Option<&Origin>), other: (&StudySpec, Option<&Origin>)) -> Comparable {
    let ((a, was), (b, is)) = (one, other);
    let no = |reason: String| Comparable {
        comparable: Some(false),
        reasons: vec![reason],
    };
    let unknown = |reason: &str| Comparable {
        comparable: None,
        reasons: vec![reason.to_owned()],
    };
    if a.objective != b.objective {
        let name = |objective: &Objective| format!("{} ({})", objective.metric, objective.direction.name());
        return no(format!(
            "the objective is {} and {}",
            name(&a.objective),
            name(&b.objective)
        ));
    }
    let (Some(was), Some(is)) = (was, is) else {
        return unknown("not both record the content of their data");
    };
    let shared = shared_inputs(was, is);
    let differs = |input: &&SharedInput| input.same != Some(true);
    if a.trainer.command.is_some() || b.trainer.command.is_some() {
        // A program that a study knows by its content may have another name.
        let known = shared.iter().any(|input| input.role.starts_with("command"));
        let program = known || a.trainer.command == b.trainer.command;
        return match program && !shared.iter().any(|input| differs(&input)) {
            true => Comparable {
                comparable: Some(true),
                reasons: Vec::new(),
            },
            false => {
                unknown("they are trained by other programs or with other files, and what these measure is theirs")
            }
        };
    }
    let mut reasons = Vec::new();
    let setting = |trainer: &Trainer, key: &str| trainer.settings.get(key).cloned().unwrap_or(Value::Null);
    match [a, b].map(|spec| spec.trainer.evaluation_of(&spec.objective.metric)) {
        [Some(name), _] | [None, Some(name)] => {
            let own = format!("evaluation.{name}.");
            let of = shared.iter().filter(|input| input.role.starts_with(&own));
            reasons.extend(of.filter(differs).map(|input| format!("`{}` differs", input.role)));
        }
        [None, None] if was.has("validation") || is.has("validation") => {
            let of = shared.iter().filter(|input| input.role == "validation");
            reasons.extend(of.filter(differs).map(|_| "the validation data differ".to_owned()));
        }
        [None, None] => {
            let of = shared.iter().filter(|input| input.role == "train");
            let split = |key: &&&str| setting(&a.trainer, key) != setting(&b.trainer, key);
            let why = "and the validation data are a share of them";
            reasons.extend(of.filter(differs).map(|_| format!("the training data differ, {why}")));
            reasons.extend(SPLIT.iter().filter(split).map(|key| format!("`{key}` differs")));
        }
    }
    Comparable {
        comparable: Some(reasons.is_empty()),
        reasons,
    }
}

/// Whether the best configuration of one study is better than that of another by more than runs with other seeds differ; none if one of
/// them has no result, or the objectives are not the same.
pub fn apart(one: &Overview, other: &Overview) -> Option<Apart> {
    let objective = &one.spec.objective;
    let runs = |overview: &Overview| -> Vec<f64> {
        let first = overview.confirmation.iter().flat_map(|all| all.configurations.first());
        first.flat_map(|first| first.values.clone()).collect()
    };
    let (of_one, of_other) = (runs(one), runs(other));
    let value = |runs: &[f64], overview: &Overview| match runs.len() {
        0 => overview.best.as_ref()?.objective,
        count => Some(runs.iter().sum::<f64>() / count as f64),
    };
    let by = objective.signed(value(&of_other, other)?) - objective.signed(value(&of_one, one)?);
    let costs = |runs: &[f64]| -> Vec<f64> { runs.iter().map(|value| objective.signed(*value)).collect() };
    (objective == &other.spec.objective).then(|| Apart {
        by,
        probability: match of_one.is_empty() || of_other.is_empty() {
            true => None,
            false => probability_lower(&costs(&of_one), &costs(&of_other)),
        },
        runs: [of_one.len(), of_other.len()],
    })
}
