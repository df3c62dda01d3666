//! Having something done with a study, whether or not a process has it.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::CliError;
use crate::ids::TrialId;
use crate::session::Session;
use crate::shell::about;
use crate::store::{Request, StoreError, StudyDirectory, StudyLock, StudyReader};
use crate::study::{Study, Trial};
use crate::view::notify;

/// How often it is looked whether a request has been taken.
pub(super) const GLANCE: Duration = Duration::from_millis(100);

/// How long a process may take to do what it is asked: longer than one that saves its trials.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A trial that the user has named.
pub(super) fn known(study: &Study, trial: TrialId) -> Result<&Trial, CliError> {
    let missing = || {
        CliError::usage(
            format!("the study {} has no trial {trial}", study.spec().name),
            "see hpo trials",
        )
    };
    study.trial(trial).ok_or_else(missing)
}

/// Has a request carried out, whose outcome is `what`: by the process that has the study, or here if none has it.
pub(super) fn carry_out(directory: &StudyDirectory, request: &Request, what: &str) -> Result<(), CliError> {
    match (ask(directory, request)?, request.event()) {
        (Some(lock), Some(event)) => {
            let store = StudyReader::open(directory.clone())?.take_over(lock)?;
            Session::new(directory.clone(), store).amend(event)?;
            notify(&format!("{what}; resume with: {}", about(directory.root(), ["resume"])));
        }
        (None, _) | (_, None) => notify(what),
    }
    Ok(())
}

/// Leaves a request with the process that has the study and waits until it has been taken; or gives the right to write to the study,
/// once no process has it.
pub(super) fn ask(directory: &StudyDirectory, request: &Request) -> Result<Option<StudyLock>, CliError> {
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
