//! `hpo stop`.

use std::ffi::OsString;
use std::path::PathBuf;

use super::CliError;
use super::named::apart;
use super::request::{carry_out, known};
use super::study::{Studies, find};
use crate::ids::TrialId;
use crate::session;
use crate::shell::about;
use crate::store::{Request, StudyDirectory, StudyReader};
use crate::view::notify;

/// The arguments of `hpo stop`.
#[derive(Debug, clap::Args)]
pub(super) struct Stop {
    /// The study: its name or its directory
    study: PathBuf,

    /// End this trial, and go on with the others
    #[arg(allow_negative_numbers = true)]
    trial: Option<OsString>,
}

impl Stop {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let Some(trial) = &self.trial else {
            return stop(&find(studies, Some(&self.study))?);
        };
        let (study, trials) = apart(studies, [self.study.as_os_str(), trial].into_iter())?;
        let directory = find(studies, study)?;
        trials.into_iter().try_for_each(|trial| end(&directory, trial))
    }
}

/// Ends one trial.
fn end(directory: &StudyDirectory, trial: TrialId) -> Result<(), CliError> {
    let reader = StudyReader::open(directory.clone())?;
    let known = known(reader.study(), trial)?;
    if known.state.is_final() {
        let message = format!("trial {trial} has already ended: it is {}", known.state.word());
        return Err(CliError::usage(message, "see hpo trials"));
    }
    carry_out(
        directory,
        &Request::StopTrial { trial },
        &format!("trial {trial} is ended"),
    )
}

/// Ends the search that a process runs.
fn stop(directory: &StudyDirectory) -> Result<(), CliError> {
    match session::stop(directory)? {
        true => notify(&format!(
            "stopped; resume with: {}",
            about(directory.root(), ["resume"])
        )),
        false => notify(&format!("the study {} is not running", directory.name())),
    }
    Ok(())
}
