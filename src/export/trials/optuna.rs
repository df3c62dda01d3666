//! The file of Optuna's `JournalStorage`: one operation a line, which `optuna.load_study` and optuna-dashboard read.
//!
//! Of a trial it has the parameters with their distributions, the objective at each report, what it came to and, as user attributes,
//! what else is known of it.

mod distribution;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::event::{Exported, goes_on};
use super::{ExportError, Output, Sink, TrialTimes, Trials};
use crate::clock::local;
use crate::export::file::write_whole;
use crate::ids::TrialId;
use crate::study::{Direction, Objective, Trial, TrialStatus};
use distribution::Drawn;

/// The numbers of Optuna's operations.
const CREATE_STUDY: u64 = 0;
const SET_STUDY_USER_ATTRIBUTE: u64 = 2;
const SET_STUDY_SYSTEM_ATTRIBUTE: u64 = 3;
const CREATE_TRIAL: u64 = 4;
const SET_STATE: u64 = 6;
const SET_INTERMEDIATE_VALUE: u64 = 7;
const SET_USER_ATTRIBUTE: u64 = 8;

/// The numbers of Optuna's states.
const RUNNING: u64 = 0;
const COMPLETE: u64 = 1;
const PRUNED: u64 = 2;
const FAIL: u64 = 3;
const WAITING: u64 = 4;

/// A journal that is being written.
struct Journal {
    path: PathBuf,
    /// What it has of each trial.
    exported: Vec<Exported>,
    best: Option<TrialId>,
    /// What is not written yet.
    lines: Vec<u8>,
}

pub(super) fn begin(output: Output) -> Result<Box<dyn Sink>, ExportError> {
    output.without_rows("optuna")?;
    Ok(Box::new(Journal {
        path: output.required("optuna", "a file")?,
        exported: Vec::new(),
        best: None,
        lines: Vec::new(),
    }))
}

impl Sink for Journal {
    fn update(&mut self, trials: Trials<'_>) -> Result<(), ExportError> {
        // What has ended can't be changed there.
        let anew = self.exported.is_empty() || goes_on(&self.exported, trials);
        self.lines.clear();
        if anew {
            self.exported.clear();
            self.best = None;
            self.begin_study(trials);
        }
        for (trial, times) in trials.each() {
            self.trial(trials, trial, times);
        }
        let best = trials.study.best().map(|best| best.id);
        if best != self.best {
            self.best = best;
            self.log(
                SET_STUDY_USER_ATTRIBUTE,
                json!({ "study_id": 0, "user_attr": { "best_trial": best } }),
            );
        }
        let written = match (anew, self.lines.is_empty()) {
            (true, _) => write_whole(&self.path, &self.lines),
            (false, true) => Ok(()),
            // Those that follow it are shown what is added.
            (false, false) => OpenOptions::new()
                .append(true)
                .open(&self.path)
                .and_then(|mut file| file.write_all(&self.lines)),
        };
        written.map_err(ExportError::at(&self.path))
    }
}

impl Journal {
    fn log(&mut self, operation: u64, mut fields: Value) {
        fields["op_code"] = operation.into();
        // Optuna takes what its own workers write for the answer to what they have asked.
        fields["worker_id"] = "hpo".into();
        self.lines.extend_from_slice(format!("{fields}\n").as_bytes());
    }

    fn begin_study(&mut self, trials: Trials<'_>) {
        let spec = trials.study.spec();
        let directions = spec.objectives().map(|objective| match objective.direction {
            Direction::Minimize => 1,
            Direction::Maximize => 2,
        });
        let directions: Vec<u64> = directions.collect();
        self.log(
            CREATE_STUDY,
            json!({ "study_name": spec.name, "directions": directions }),
        );
        let names: Vec<&str> = spec.objectives().map(|objective| objective.metric.as_str()).collect();
        let metric = json!({ "study:metric_names": names });
        self.log(
            SET_STUDY_SYSTEM_ATTRIBUTE,
            json!({ "study_id": 0, "system_attr": metric }),
        );
        for (name, value) in [
            ("step", json!(spec.policy.unit)),
            ("max_resource", json!(spec.policy.max_resource)),
            ("hpo_version", json!(env!("CARGO_PKG_VERSION"))),
        ] {
            self.log(
                SET_STUDY_USER_ATTRIBUTE,
                json!({ "study_id": 0, "user_attr": { name: value } }),
            );
        }
    }

    /// What is new of a trial.
    fn trial(&mut self, trials: Trials<'_>, trial: &Trial, times: TrialTimes) {
        let id = trial.id.0;
        let before = self.exported.get(id as usize).copied();
        let now = Exported::all(trial);
        if before == Some(now) {
            return;
        }
        let started = times.started.map(local);
        match before {
            None => self.create(trials, trial, started.as_deref()),
            Some(before) if now.started && !before.started => self.log(
                SET_STATE,
                json!({ "trial_id": id, "state": RUNNING, "values": null, "datetime_start": started }),
            ),
            Some(_) => {}
        }
        for (step, report) in before.unwrap_or(Exported::NOTHING).new_reports(trial) {
            // One without has diverged; of several objectives Optuna takes no intermediate values.
            if let Some(cost) = report.cost.filter(|_| !trials.study.spec().has_several()) {
                let value = trials.objective(cost);
                self.log(
                    SET_INTERMEDIATE_VALUE,
                    json!({ "trial_id": id, "step": step, "intermediate_value": value }),
                );
            }
        }
        if now.state.is_final() {
            self.end(trials, trial, times);
        }
        match self.exported.get_mut(id as usize) {
            Some(exported) => *exported = now,
            None => self.exported.push(now),
        }
    }

    fn create(&mut self, trials: Trials<'_>, trial: &Trial, started: Option<&str>) {
        let (mut parameters, mut distributions) = (json!({}), json!({}));
        for parameter in &trials.study.spec().space.parameters {
            let Some(value) = trial.parameters.get(&parameter.name) else {
                continue;
            };
            if let Some(drawn) = Drawn::new(&parameter.distribution, value) {
                parameters[&parameter.name] = drawn.internal;
                distributions[&parameter.name] = drawn.distribution.into();
            }
        }
        let state = if started.is_some() { RUNNING } else { WAITING };
        let mut attributes = json!({ "seed": trial.seed });
        if let Some(confirms) = trial.confirms() {
            attributes["confirms"] = json!(confirms);
        }
        self.log(
            CREATE_TRIAL,
            json!({
                "study_id": 0,
                "datetime_start": started,
                "state": state,
                "value": null,
                "values": null,
                "params": parameters,
                "distributions": distributions,
                "user_attrs": attributes,
                "system_attrs": {},
                "intermediate_values": {},
            }),
        );
    }

    fn end(&mut self, trials: Trials<'_>, trial: &Trial, times: TrialTimes) {
        let row = trials.summary(trial);
        let mut attributes = vec![
            ("state".to_owned(), json!(row.state)),
            ("trained_seconds".to_owned(), json!(row.trained_seconds)),
            ("failures".to_owned(), json!(row.failures)),
        ];
        let at_best = [
            ("best_step", json!(row.best_at)),
            ("loss", json!(row.loss)),
            ("message", json!(row.message)),
        ];
        let known = at_best.into_iter().filter(|(_, value)| !value.is_null());
        attributes.extend(known.map(|(name, value)| (name.to_owned(), value)));
        let metrics = row.metrics.iter();
        attributes.extend(metrics.map(|(name, value)| (format!("metrics.{name}"), json!(value))));
        let id = trial.id;
        for (name, value) in attributes {
            let attribute = json!({ name: value });
            self.log(SET_USER_ATTRIBUTE, json!({ "trial_id": id, "user_attr": attribute }));
        }
        let state = match (row.state, row.objective) {
            (TrialStatus::Completed, Some(_)) => COMPLETE,
            (TrialStatus::Pruned, _) => PRUNED,
            (TrialStatus::Diverged | TrialStatus::Failed | TrialStatus::Completed, _) => FAIL,
            (TrialStatus::Waiting | TrialStatus::Running | TrialStatus::Paused, _) => RUNNING,
        };
        let spec = trials.study.spec();
        let value = |objective: &Objective| match spec.has_several() {
            true => row.objectives.get(&objective.metric).copied(),
            false => row.objective,
        };
        let values: Option<Vec<f64>> = spec.objectives().map(value).collect();
        let values = values.filter(|_| state != FAIL);
        self.log(
            SET_STATE,
            json!({ "trial_id": id, "state": state, "values": values, "datetime_complete": times.ended.map(local) }),
        );
    }
}
