//! Having something done with a study, in words.

use super::CliError;
use crate::ids::TrialId;
use crate::session::{self, Done, RequestError};
use crate::shell::about;
use crate::store::{Request, StudyDirectory};
use crate::study::{Study, Trial};
use crate::view::notify;

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
    match session::carry_out(directory, request)? {
        Done::ByItsProcess => notify(what),
        Done::Here => notify(&format!("{what}; resume with: {}", about(directory.root(), ["resume"]))),
        Done::NotRunning => return Err(not_running(directory)),
    }
    Ok(())
}

/// That no process has a study.
pub(super) fn not_running(directory: &StudyDirectory) -> CliError {
    CliError::usage(
        format!("the study {} is not running", directory.name()),
        format!("start it by: {}", about(directory.root(), ["resume"])),
    )
}

impl From<RequestError> for CliError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Session(error) => error.into(),
            RequestError::Unanswered(_) => Self::Failed(error.to_string()),
        }
    }
}
