//! Studies of Optuna: the file of a journal storage, which other storages become.

use std::collections::BTreeMap;
use std::path::Path;

use hpo_protocol::Values;
use serde::Deserialize;
use serde_json::Value;

use super::{FAILED, ImportError, Imported, ImportedTrial, storage};
use crate::study::{Direction, StudySpec};

/// What a file of SQLite begins with.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// One operation, with the fields of all kinds of them.
#[derive(Debug, Deserialize)]
struct Operation {
    op_code: u64,
    study_name: Option<String>,
    #[serde(default)]
    directions: Vec<u64>,
    study_id: Option<usize>,
    trial_id: Option<usize>,
    state: Option<u64>,
    #[serde(default)]
    params: BTreeMap<String, Value>,
    #[serde(default)]
    distributions: BTreeMap<String, String>,
    #[serde(default)]
    intermediate_values: BTreeMap<String, Option<f64>>,
    value: Option<f64>,
    values: Option<Vec<Option<f64>>>,
    param_name: Option<String>,
    param_value_internal: Option<Value>,
    distribution: Option<String>,
    step: Option<i64>,
    intermediate_value: Option<f64>,
}

#[derive(Debug)]
struct OptunaStudy {
    name: String,
    directions: Vec<u64>,
    deleted: bool,
}

#[derive(Debug, Default)]
struct OptunaTrial {
    study: usize,
    state: u64,
    parameters: Values,
    steps: BTreeMap<i64, Option<f64>>,
    value: Option<f64>,
}

/// The numbers of Optuna's states.
const RUNNING: u64 = 0;
const COMPLETE: u64 = 1;
const FAIL: u64 = 3;
const WAITING: u64 = 4;

/// Reads the results of a file, or of a storage at an address, for a study; `named` is the one among those there that is meant.
///
/// # Errors
/// If it can't be read, or no study is meant, or one that does not optimize one value in the same direction.
pub fn read(path: &Path, spec: &StudySpec, named: Option<&str>) -> Result<Imported, ImportError> {
    let unusable = |message: String, help: String| ImportError::Unusable {
        path: path.to_owned(),
        line: None,
        message,
        help,
    };
    let copy = |address: &str| storage::journal(address, named).map_err(|why| unusable(why, convert(address)));
    let bytes = match path.to_str().filter(|text| text.contains("://")) {
        Some(address) => copy(address)?,
        None => {
            let bytes = std::fs::read(path).map_err(|source| ImportError::Unreadable {
                path: path.to_owned(),
                source,
            })?;
            match bytes.starts_with(SQLITE) {
                true => copy(&format!("sqlite:///{}", path.display()))?,
                false => bytes,
            }
        }
    };
    let (studies, trials) = replay(path, &bytes)?;
    let there: Vec<(usize, &OptunaStudy)> = studies.iter().enumerate().filter(|(_, study)| !study.deleted).collect();
    let names: Vec<&str> = there.iter().map(|(_, study)| study.name.as_str()).collect();
    let meant = match (named, &there[..]) {
        (Some(named), _) => there.iter().find(|(_, study)| study.name == named),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let Some((place, study)) = meant else {
        let message = match named {
            Some(named) => format!("has no study `{named}`"),
            None => format!("has {} studies", names.len()),
        };
        return Err(unusable(
            message,
            format!("name one with --study: {}", names.join(", ")),
        ));
    };
    let direction = match spec.objective.direction {
        Direction::Minimize => 1,
        Direction::Maximize => 2,
    };
    if study.directions != [direction] {
        let message = match study.directions.len() {
            1 => format!("the study {} optimizes in the other direction", study.name),
            _ => format!("the study {} optimizes several values", study.name),
        };
        let help = "set `objective` and `direction` under `[study]` to what was optimized there: one value";
        return Err(unusable(message, help.into()));
    }
    let own: Vec<&OptunaTrial> = trials.iter().filter(|trial| trial.study == *place).collect();
    Ok(imported(study, &own, spec))
}

/// How another storage is made a file of this kind.
fn convert(storage: &str) -> String {
    format!(
        "have Optuna write a journal where it is installed, and import that: python -c \"import optuna; from optuna.storages import JournalStorage; from \
         optuna.storages.journal import JournalFileBackend; optuna.copy_study(from_study_name='NAME', from_storage='{storage}', \
         to_storage=JournalStorage(JournalFileBackend('optuna.log')))\""
    )
}

fn imported(study: &OptunaStudy, trials: &[&OptunaTrial], spec: &StudySpec) -> Imported {
    let max = spec.policy.max_resource;
    let from_zero = trials.iter().any(|trial| trial.steps.contains_key(&0));
    let first = i64::from(from_zero);
    let one = |(number, trial): (usize, &&OptunaTrial)| {
        let resource = |step: i64| u64::try_from(step + first).ok();
        let steps = trial
            .steps
            .iter()
            .filter_map(|(step, value)| Some((resource(*step)?, (*value)?)));
        let mut values: BTreeMap<u64, f64> = steps.filter(|(_, value)| value.is_finite()).collect();
        // What a trial that has ended comes to is what it came to in the end.
        if let Some(value) = trial.value.filter(|_| trial.state == COMPLETE) {
            values.entry(max).or_insert(value);
        }
        ImportedTrial {
            number: number as u64,
            parameters: trial.parameters.clone(),
            values,
            left_out: (trial.state == FAIL).then_some(FAILED),
            diverged: false,
        }
    };
    let unit = spec.policy.unit;
    let mut assumed = vec![format!(
        "its value is the study's objective, `{}`, measured as here on the same data",
        spec.objective.metric
    )];
    let has_steps = trials.iter().any(|trial| !trial.steps.is_empty());
    let counted = if from_zero {
        ", the first of which, 0, is 1 here"
    } else {
        ""
    };
    assumed.push(match has_steps {
        true => format!(
            "its steps are {}{counted}, and trials that are complete were trained to {max}",
            unit.many()
        ),
        false => format!("all were trained to `max_resource`, which is {max}: there are no values at steps"),
    });
    Imported {
        name: study.name.clone(),
        trials: trials.iter().enumerate().map(one).collect(),
        assumed,
    }
}

/// Carries out the operations of a file, as Optuna does: what it does not expect changes nothing.
fn replay(path: &Path, bytes: &[u8]) -> Result<(Vec<OptunaStudy>, Vec<OptunaTrial>), ImportError> {
    let (mut studies, mut trials) = (Vec::<OptunaStudy>::new(), Vec::<OptunaTrial>::new());
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        // The last one may be being written.
        if line.trim_ascii().is_empty() || !line.ends_with(b"\n") {
            continue;
        }
        let operation: Operation = serde_json::from_slice(&finite(line)).map_err(|error| ImportError::Unusable {
            path: path.to_owned(),
            line: Some(number),
            message: format!("is not an operation of Optuna's journal storage: {error}"),
            help: "give the file of a `JournalFileBackend`; for a table use `hpo import csv`".into(),
        })?;
        match operation.op_code {
            0 => {
                let name = operation.study_name.unwrap_or_default();
                if studies.iter().all(|study| study.deleted || study.name != name) {
                    studies.push(OptunaStudy {
                        name,
                        directions: operation.directions,
                        deleted: false,
                    });
                }
            }
            1 => {
                if let Some(study) = operation.study_id.and_then(|id| studies.get_mut(id)) {
                    study.deleted = true;
                }
            }
            4 => trials.extend(operation.created()),
            _ => {
                let trial = operation.trial_id.and_then(|id| trials.get_mut(id));
                if let Some(trial) = trial.filter(|trial| [RUNNING, WAITING].contains(&trial.state)) {
                    operation.change(trial);
                }
            }
        }
    }
    Ok((studies, trials))
}

/// A line with null for the numbers that Python writes and JSON does not have.
fn finite(line: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    let mut text = text.into_owned();
    for name in ["-Infinity", "Infinity", "NaN"] {
        for before in [": ", ":", "[", ", "] {
            text = text.replace(&format!("{before}{name}"), &format!("{before}null"));
        }
    }
    text.into_bytes()
}

impl Operation {
    fn created(self) -> Option<OptunaTrial> {
        let value = self.value.or_else(|| self.values.as_ref()?.first().copied().flatten());
        let parameters = self.params.iter().filter_map(|(name, internal)| {
            let drawn = external(self.distributions.get(name)?, internal)?;
            Some((name.clone(), drawn))
        });
        let steps = self.intermediate_values.iter();
        Some(OptunaTrial {
            study: self.study_id?,
            state: self.state.unwrap_or(RUNNING),
            parameters: parameters.collect(),
            steps: steps
                .filter_map(|(step, value)| Some((step.parse().ok()?, *value)))
                .collect(),
            value,
        })
    }

    fn change(self, trial: &mut OptunaTrial) {
        match self.op_code {
            5 => {
                let drawn = self.distribution.zip(self.param_value_internal);
                let drawn = drawn.and_then(|(distribution, internal)| external(&distribution, &internal));
                trial.parameters.extend(self.param_name.zip(drawn));
            }
            6 => {
                trial.state = self.state.unwrap_or(trial.state);
                let values = self.values.unwrap_or_default();
                trial.value = values.first().copied().flatten().or(trial.value);
            }
            7 => trial
                .steps
                .extend(self.step.map(|step| (step, self.intermediate_value))),
            // Attributes say nothing about results.
            _ => {}
        }
    }
}

/// The value that Optuna records as `internal`: of a choice its place.
fn external(distribution: &str, internal: &Value) -> Option<Value> {
    let distribution: Value = serde_json::from_str(distribution).ok()?;
    let attributes = distribution.get("attributes").unwrap_or(&distribution);
    if let Some(choices) = attributes.get("choices").and_then(Value::as_array) {
        return choices.get(internal.as_f64()? as usize).cloned();
    }
    let kind = distribution
        .get("name")
        .or_else(|| distribution.get("type"))?
        .as_str()?;
    match kind.to_ascii_lowercase().starts_with("int") {
        true => internal
            .as_i64()
            .or_else(|| Some(internal.as_f64()? as i64))
            .map(Value::from),
        false => Some(internal.clone()),
    }
}
