//! Runs on an MLflow tracking server, by its REST API: its file store is in maintenance mode, and today's servers refuse it.
//!
//! A study is a run in the experiment of its name, and each trial a run below that.

mod http;
mod names;
mod server;

use serde_json::{Value, json};

use super::event::Exported;
use super::table::text;
use super::{ExportError, Output, Sink, TrialTimes, Trials};
use crate::export::configuration::{Format, configuration};
use crate::ids::TrialId;
use crate::study::{LOSS, Study, Trial, TrialStatus, TrialSummary};
use names::Names;
use server::{Run, Server};

/// The variable by which MLflow's own clients are given the address.
const ADDRESS: &str = "MLFLOW_TRACKING_URI";
/// The tag of all runs of a study: when it was created, in milliseconds since 1970.
const CREATED: &str = "hpo.created";
/// The most metrics and the most parameters of one request.
const METRICS: usize = 1000;
const PARAMETERS: usize = 100;

struct Runs {
    server: Server,
    /// Whether runs of the same study may be replaced.
    force: bool,
    parameters: Names,
    metrics: Names,
    study: Option<StudyRun>,
    trials: Vec<(Run, Option<Exported>)>,
}

/// The run of the study itself.
#[derive(Debug, Clone)]
struct StudyRun {
    experiment: String,
    run: Run,
    /// The value of [`CREATED`].
    created: String,
    best: Option<(TrialId, f64)>,
    ended: bool,
}

pub(super) fn begin(output: Output) -> Result<Box<dyn Sink>, ExportError> {
    output.without_rows("mlflow")?;
    let given = output.target.map(|target| target.to_string_lossy().into_owned());
    let address = given.or_else(|| std::env::var(ADDRESS).ok());
    let server = address.as_deref().and_then(Server::new);
    let server = server.ok_or_else(|| ExportError::Usage {
        message: match &address {
            Some(address) if address.starts_with("https:") => {
                format!("`{address}` is encrypted, which hpo does not speak")
            }
            Some(address) => format!("`{address}` is not the address of an MLflow tracking server"),
            None => "--trials mlflow needs the address of a tracking server".into(),
        },
        help: match &address {
            Some(address) if address.starts_with("https:") => {
                "open a tunnel to the server, such as ssh -L 5000:localhost:5000 HOST, and name http://localhost:5000"
                    .into()
            }
            Some(_) | None => format!(
                "name it with --output or in {ADDRESS}, such as http://localhost:5000; to start one: mlflow server"
            ),
        },
    })?;
    Ok(Box::new(Runs {
        server,
        force: output.force,
        parameters: Names::default(),
        metrics: Names::default(),
        study: None,
        trials: Vec::new(),
    }))
}

impl Sink for Runs {
    fn update(&mut self, trials: Trials<'_>) -> Result<(), ExportError> {
        let mut study = match self.study.take() {
            Some(study) => study,
            None => self.begin_study(trials.study)?,
        };
        for (trial, times) in trials.each() {
            self.trial(&study, trials, trial, times)?;
        }
        self.settle_study(&mut study, trials)?;
        self.study = Some(study);
        Ok(())
    }
}

impl Runs {
    fn begin_study(&mut self, study: &Study) -> Result<StudyRun, ExportError> {
        let spec = study.spec();
        let experiment = self.server.experiment(&spec.name)?;
        let began = study.lifetime().0;
        let created = began.0.to_string();
        self.make_room(&experiment, &created)?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let run = self.server.create_run(json!({
            "experiment_id": experiment,
            "run_name": spec.name,
            "start_time": began.0,
            "tags": tags([(CREATED, created.clone()), ("hpo.version", version)]),
        }))?;
        let settings = [
            ("objective", json!(spec.objective.metric)),
            ("direction", json!(spec.objective.direction)),
            ("resource_unit", json!(spec.policy.unit)),
            ("max_resource", json!(spec.policy.max_resource)),
            ("seed", json!(spec.seed)),
        ];
        let settings = settings.map(|(key, value)| json!({ "key": key, "value": text(&value) }));
        self.server.log(&run, "params", &settings)?;
        Ok(StudyRun {
            experiment,
            run,
            created,
            best: None,
            ended: false,
        })
    }

    /// Deletes the runs of an earlier export, if that may be.
    fn make_room(&self, experiment: &str, created: &str) -> Result<(), ExportError> {
        let filter = format!("tags.`{CREATED}` = '{created}'");
        loop {
            let runs = self.server.search(experiment, &filter)?;
            if runs.is_empty() {
                return Ok(());
            }
            if !self.force {
                return Err(ExportError::Usage {
                    message: format!("{} has the runs of this study already", self.server.address()),
                    help: "delete them there, or replace them with --force".into(),
                });
            }
            for run in runs {
                self.server.delete(&run)?;
            }
        }
    }

    /// What is new of a trial.
    fn trial(
        &mut self,
        study: &StudyRun,
        trials: Trials<'_>,
        trial: &Trial,
        times: TrialTimes,
    ) -> Result<(), ExportError> {
        let now = Exported::all(trial);
        let place = trial.id.0 as usize;
        if self.trials.get(place).is_none() {
            let run = self.create(study, trial, times)?;
            self.trials.push((run, None));
        }
        let (run, before) = self.trials[place].clone();
        if before == Some(now) {
            return Ok(());
        }
        let mut metrics = Vec::new();
        for (step, report) in before.unwrap_or(Exported::NOTHING).new_reports(trial) {
            let loss = report.loss.map(|loss| (LOSS, loss));
            let others = report.metrics.iter().map(|(name, value)| (name.as_str(), *value));
            for (name, value) in loss.into_iter().chain(others) {
                let key = self.metrics.key(name);
                metrics.push(json!({ "key": key, "value": value, "timestamp": report.at.0, "step": step }));
            }
        }
        for some in metrics.chunks(METRICS) {
            self.server.log(&run, "metrics", some)?;
        }
        self.settle(trials, trial, times, &run)?;
        self.trials[place].1 = Some(now);
        Ok(())
    }

    fn create(&mut self, study: &StudyRun, trial: &Trial, times: TrialTimes) -> Result<Run, ExportError> {
        let known = [
            ("mlflow.parentRunId", study.run.id.clone()),
            (CREATED, study.created.clone()),
            ("hpo.trial", trial.id.to_string()),
            ("hpo.seed", trial.seed.to_string()),
        ];
        let confirms = trial.confirms().map(|of| ("hpo.confirms", of.to_string()));
        let run = self.server.create_run(json!({
            "experiment_id": study.experiment,
            "run_name": format!("trial-{:04}", trial.id),
            "start_time": times.started.unwrap_or(times.created).0,
            "tags": tags(known.into_iter().chain(confirms)),
        }))?;
        let each = trial.parameters.iter();
        let parameters: Vec<Value> = each
            .map(|(name, value)| json!({ "key": self.parameters.key(name), "value": text(value) }))
            .collect();
        for some in parameters.chunks(PARAMETERS) {
            self.server.log(&run, "params", some)?;
        }
        Ok(run)
    }

    /// Where a trial stands now, and what it has come to.
    fn settle(&mut self, trials: Trials<'_>, trial: &Trial, times: TrialTimes, run: &Run) -> Result<(), ExportError> {
        let row = trials.summary(trial);
        let mut known = vec![
            ("hpo.state", row.state.word().to_owned()),
            ("hpo.trained_seconds", row.trained_seconds.to_string()),
            ("hpo.failures", row.failures.to_string()),
        ];
        known.extend(row.message.clone().map(|message| ("hpo.message", message)));
        self.server.log(run, "tags", tags(known).as_slice())?;
        if let Some((value, at)) = row.objective.zip(row.best_at)
            && let Some(report) = trial.reports.get(&at)
        {
            let key = self.best_key(trials.study);
            let best = json!({ "key": key, "value": value, "timestamp": report.at.0, "step": at });
            self.server.log(run, "metrics", &[best])?;
        }
        let status = match row.state {
            TrialStatus::Waiting if trial.attempts == 0 => "SCHEDULED",
            TrialStatus::Waiting | TrialStatus::Running | TrialStatus::Paused => "RUNNING",
            TrialStatus::Completed => "FINISHED",
            TrialStatus::Pruned => "KILLED",
            TrialStatus::Diverged | TrialStatus::Failed => "FAILED",
        };
        let ended = times.ended.map(|at| at.0);
        self.server.update(run, status, ended)?;
        match ended.is_some() && row.objective.is_some() {
            true => self.put_configuration(trials.study, &row, run, "configuration.toml"),
            false => Ok(()),
        }
    }

    /// The name of the metric that is the best value of the objective so far.
    fn best_key(&mut self, study: &Study) -> String {
        let name = format!("best/{}", study.spec().objective.metric);
        self.metrics.key(&name)
    }

    fn put_configuration(&self, study: &Study, row: &TrialSummary, run: &Run, name: &str) -> Result<(), ExportError> {
        let text = configuration(study.spec(), row, Format::Toml);
        let text = text.map_err(|error| ExportError::Unwritable(error.to_string()))?;
        self.server.put_artifact(run, name, text.into_bytes())
    }

    /// How far the study is, and its best trial.
    fn settle_study(&mut self, study: &mut StudyRun, trials: Trials<'_>) -> Result<(), ExportError> {
        let whole = trials.study;
        let best = whole.best().map(|best| trials.summary(best));
        let now = best.as_ref().and_then(|row| Some((row.trial, row.objective?)));
        let updated = whole.lifetime().1.0;
        if let Some((trial, value)) = now.filter(|_| now != study.best) {
            let key = self.best_key(whole);
            let ended = whole.search_trials().filter(|trial| trial.state.is_final()).count();
            let metric = json!({ "key": key, "value": value, "timestamp": updated, "step": ended });
            self.server.log(&study.run, "metrics", &[metric])?;
            let run = self.trials.get(trial.0 as usize).map(|(run, _)| run.id.clone());
            let known = [
                ("hpo.best_trial", trial.to_string()),
                ("hpo.best_run", run.unwrap_or_default()),
            ];
            self.server.log(&study.run, "tags", &tags(known))?;
            study.best = now;
        }
        let renamed = self.parameters.changed().chain(self.metrics.changed());
        let renamed: Value = renamed
            .map(|(name, key)| (key.clone(), json!(name)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let ended = whole.is_finished() || whole.halted().is_some();
        if ended && !study.ended {
            self.server
                .log(&study.run, "tags", &tags([("hpo.names", renamed.to_string())]))?;
            if let Some(row) = &best {
                self.put_configuration(whole, row, &study.run, "best.toml")?;
            }
            self.server.update(&study.run, "FINISHED", Some(updated))?;
        } else if study.ended && !ended {
            self.server.update(&study.run, "RUNNING", None)?;
        }
        study.ended = ended;
        Ok(())
    }
}

fn tags<'a>(known: impl IntoIterator<Item = (&'a str, String)>) -> Vec<Value> {
    let known = known.into_iter();
    known
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect()
}
