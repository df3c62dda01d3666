//! Reports what happens in a search to the command of `[notify]`, beside showing it, and keeps its dashboard.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::dashboard::Beside;
use super::hook::{Happening, Hook};
use crate::clock::{now, utc};
use crate::disk::what_is_full;
use crate::ids::{Timestamp, TrialId};
use crate::scheduler::{Observer, SchedulerError};
use crate::session::{Ended, Outcome, SessionError};
use crate::store::StudyDirectory;
use crate::study::{Fact, Objective, Record, Study};
use crate::study_file::NotifySettings;
use crate::view::Progress;

/// Shows progress, and reports to the command.
pub(super) struct Informed {
    progress: Progress,
    hook: Option<Hook>,
    beside: Option<Beside>,
    study: String,
    objective: Objective,
    directory: PathBuf,
    best: Option<(TrialId, f64)>,
}

impl Informed {
    /// Of a study as it is now; without `notify` nothing is reported to a command.
    pub fn new(
        progress: Progress,
        notify: Option<&NotifySettings>,
        beside: Option<Beside>,
        study: &Study,
        directory: &StudyDirectory,
    ) -> Self {
        let log = directory.logs().join("notify.log");
        Self {
            progress,
            hook: notify.map(|settings| Hook::start(settings, &log)),
            beside,
            study: study.spec().name.clone(),
            objective: study.spec().objective.clone(),
            directory: directory
                .root()
                .canonicalize()
                .unwrap_or_else(|_| directory.root().to_owned()),
            best: best(study),
        }
    }

    /// Removes the live lines, and reports to the command how the search has ended. What drops this waits for the command.
    pub fn finish(&self, ended: &Result<Ended, SessionError>) {
        self.progress.finish();
        match ended {
            Err(error @ SessionError::Scheduler(SchedulerError::Paused(_))) => {
                self.send(Happening::Paused, [("message", json!(error.to_string()))]);
            }
            Err(error) => self.send(Happening::Failed, [("message", json!(error.to_string()))]),
            Ok(Ended {
                outcome: Outcome::Stopped,
                ..
            }) => {
                if let Some(hook) = &self.hook {
                    hook.abandon();
                }
            }
            Ok(ended) => self.ended(ended),
        }
    }

    fn ended(&self, ended: &Ended) {
        let Some(best) = ended.study.best().map(|best| ended.study.summary(best)) else {
            let message = "no trial has a result";
            return self.send(Happening::Failed, [("message", json!(message))]);
        };
        let limit = match ended.outcome {
            Outcome::Limited(limit) => json!(limit),
            Outcome::Finished | Outcome::Stopped => Value::Null,
        };
        let model = ended.model.as_ref().and_then(|model| model.as_ref().ok());
        let facts = [
            ("trials", json!(ended.study.trials().len())),
            ("limit", limit),
            ("best", json!(best)),
            ("model", json!(model)),
        ];
        self.send(Happening::Finished, facts);
    }

    fn send<'f>(&self, happening: Happening, facts: impl IntoIterator<Item = (&'f str, Value)>) {
        let Some(hook) = &self.hook else { return };
        let mut message = json!({
            "event": happening.name(),
            "study": self.study,
            "directory": self.directory,
            "at": utc(now()),
            "objective": self.objective.metric,
            "direction": self.objective.direction,
        });
        for (name, value) in facts {
            message[name] = value;
        }
        hook.send(happening, &message);
    }
}

/// The best trial and its value.
fn best(study: &Study) -> Option<(TrialId, f64)> {
    let best = study.best()?;
    Some((best.id, best.best()?.1))
}

impl Observer for Informed {
    fn recorded(&mut self, study: &Study, records: &[Record]) {
        self.progress.recorded(study, records);
        if records.iter().any(|record| matches!(record.fact, Fact::SearchHeld)) {
            let message = format!("it was asked to pause, and goes on with: hpo resume {}", self.study);
            self.send(Happening::Paused, [("message", json!(message))]);
        }
        let now = best(study);
        if self.hook.is_some() && now != self.best {
            self.best = now;
            if let Some(row) = study.best().map(|best| study.summary(best)) {
                self.send(Happening::Best, [("best", json!(row))]);
            }
        }
    }

    fn progress(&mut self, trial: TrialId, resource: f64, examples_per_second: Option<f64>) {
        self.progress.progress(trial, resource, examples_per_second);
    }

    fn stopping(&mut self) {
        self.progress.stopping();
    }

    fn note(&mut self, text: &str) {
        self.progress.note(text);
    }

    fn paused(&mut self, why: &str) {
        self.progress.paused(why);
        self.send(
            Happening::Paused,
            [("message", json!(format!("{}: {why}", what_is_full(why))))],
        );
    }

    fn resumed(&mut self) {
        self.progress.resumed();
    }

    fn tick(&mut self, study: &Study, now: Timestamp) {
        self.progress.tick(study, now);
        if let Some(complaint) = self.hook.as_ref().and_then(Hook::complaint) {
            self.progress.note(&complaint);
        }
        if let Some(complaint) = self.beside.as_mut().and_then(Beside::complaint) {
            self.progress.note(&complaint);
        }
    }
}
