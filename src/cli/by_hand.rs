//! `hpo stop` and `hpo retry`: what the user does to a study, whether or not a process has it.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::CliError;
use super::number::trial;
use super::study::find;
use crate::ids::TrialId;
use crate::session::Session;
use crate::store::{Request, StoreError, StudyDirectory, StudyLock, StudyReader};
use crate::study::{Study, Trial, TrialStatus};
use crate::view::notify;

/// How often it is looked whether a request has been taken.
const GLANCE: Duration = Duration::from_millis(100);

/// How long a process may take to do what it is asked: longer than one that saves its trials.
const PATIENCE: Duration = Duration::from_secs(60);

/// The arguments of `hpo stop`.
#[derive(Debug, clap::Args)]
pub(super) struct Stop {
    /// The study: its name or its directory
    study: PathBuf,

    /// End this trial, and go on with the others
    #[arg(allow_negative_numbers = true, value_parser = trial)]
    trial: Option<TrialId>,
}

/// The arguments of `hpo retry`.
#[derive(Debug, clap::Args)]
pub(super) struct Retry {
    /// The study: its name or its directory
    study: PathBuf,

    /// These trials only, which must have failed [default: all that have failed]
    #[arg(allow_negative_numbers = true, value_parser = trial)]
    trials: Vec<TrialId>,
}

impl Stop {
    pub(super) fn run(&self, studies: &Path) -> Result<(), CliError> {
        let directory = find(studies, Some(&self.study))?;
        let Some(trial) = self.trial else {
            return stop(&directory);
        };
        let reader = StudyReader::open(directory.clone())?;
        let known = known(reader.study(), trial)?;
        if known.state.is_final() {
            let message = format!(
                "trial {trial} has come to its end already: it is {}",
                known.state.word()
            );
            return Err(CliError::usage(message, "see hpo trials"));
        }
        carry_out(
            &directory,
            &Request::StopTrial { trial },
            &format!("trial {trial} is ended"),
        )
    }
}

impl Retry {
    pub(super) fn run(&self, studies: &Path) -> Result<(), CliError> {
        let directory = find(studies, Some(&self.study))?;
        let reader = StudyReader::open(directory.clone())?;
        let study = reader.study();
        let has_failed = |trial: &Trial| trial.state.status() == TrialStatus::Failed;
        for &trial in &self.trials {
            let known = known(study, trial)?;
            if !has_failed(known) {
                let message = format!("trial {trial} has not failed: it is {}", known.state.word());
                return Err(CliError::usage(message, "see hpo trials"));
            }
        }
        let mut trials = self.trials.clone();
        if trials.is_empty() {
            trials = study
                .trials()
                .iter()
                .filter(|trial| has_failed(trial))
                .map(|trial| trial.id)
                .collect();
        }
        if trials.is_empty() {
            notify(&format!("no trial of the study {} has failed", directory.name()));
            return Ok(());
        }
        let names: Vec<String> = trials.iter().map(ToString::to_string).collect();
        let numbered = if trials.len() == 1 { "trial" } else { "trials" };
        let are = format!("{numbered} {}: all attempts again", names.join(", "));
        carry_out(&directory, &Request::Retry { trials }, &are)
    }
}

fn known(study: &Study, trial: TrialId) -> Result<&Trial, CliError> {
    let missing = || {
        CliError::usage(
            format!("the study {} has no trial {trial}", study.spec().name),
            "see hpo trials",
        )
    };
    study.trial(trial).ok_or_else(missing)
}

/// Ends the search that a process runs.
fn stop(directory: &StudyDirectory) -> Result<(), CliError> {
    let process = match directory.lock() {
        Err(StoreError::InUse { holder, .. }) => holder.unwrap_or_default(),
        Err(error) => return Err(error.into()),
        Ok(_) => {
            notify(&format!("the study {} is not running", directory.name()));
            return Ok(());
        }
    };
    if ask(directory, &Request::Stop { process })?.is_none() {
        // It saves first what it trains.
        let began = Instant::now();
        while directory.is_locked() && began.elapsed() < PATIENCE {
            sleep(GLANCE);
        }
    }
    notify(&format!(
        "stopped; resume with: hpo resume {}",
        directory.root().display()
    ));
    Ok(())
}

/// Has a request carried out, whose outcome is `what`: by the process that has the study, or here if none has it.
fn carry_out(directory: &StudyDirectory, request: &Request, what: &str) -> Result<(), CliError> {
    match (ask(directory, request)?, request.event()) {
        (Some(lock), Some(event)) => {
            let store = StudyReader::open(directory.clone())?.take_over(lock)?;
            Session::new(directory.clone(), store).amend(event)?;
            notify(&format!(
                "{what}; resume with: hpo resume {}",
                directory.root().display()
            ));
        }
        (None, _) | (_, None) => notify(what),
    }
    Ok(())
}

/// Leaves a request with the process that has the study and waits until it has been taken; or gives the right to write to the study,
/// once no process has it.
fn ask(directory: &StudyDirectory, request: &Request) -> Result<Option<StudyLock>, CliError> {
    let began = Instant::now();
    let mut left: Option<PathBuf> = None;
    // It may have been taken in this moment.
    let take_back = |file: &PathBuf| drop(std::fs::remove_file(file));
    loop {
        let in_use = match directory.lock() {
            Ok(lock) => {
                left.iter().for_each(take_back);
                return Ok(Some(lock));
            }
            Err(error @ StoreError::InUse { .. }) => error,
            Err(error) => return Err(error.into()),
        };
        match &left {
            None => {
                let written = request.leave(directory).map_err(|source| StoreError::Io {
                    path: directory.requests(),
                    source,
                });
                left = Some(written?);
            }
            Some(file) if !file.exists() => return Ok(None),
            Some(file) if began.elapsed() > PATIENCE => {
                take_back(file);
                return Err(CliError::Failed(format!("{in_use}, which does not answer")));
            }
            Some(_) => sleep(GLANCE),
        }
    }
}
