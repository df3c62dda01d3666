//! Errors as the user sees them.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::scheduler::SchedulerError;
use crate::session::SessionError;
use crate::store::{CommitError, StoreError};
use crate::view::{MISSING, has_colours, notify, store_help};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Files are invalid.
    #[error(transparent)]
    Input(#[from] Diagnostics),
    /// The arguments are invalid.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// How to fix it.
        help: String,
    },
    /// There is no study of that name or path.
    #[error("there is no study in {}{}", looked.display(), also.as_ref().map(|also| format!(", and no directory {}", also.display())).unwrap_or_default())]
    NoStudy {
        /// Where it would be by its name.
        looked: PathBuf,
        /// Where it would be by its path.
        also: Option<PathBuf>,
    },
    /// The study can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The study can't continue.
    #[error(transparent)]
    Scheduler(#[from] SchedulerError),
    /// The study has ended without a result.
    #[error("{0}")]
    Failed(String),
    /// The output can't be written.
    #[error("can't write {what}: {source}")]
    Output {
        /// The file or pipe.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The study is damaged; already reported.
    #[error("damaged")]
    Damaged,
    /// A study decides otherwise than this version; already reported.
    #[error("decisions differ")]
    Differs,
    /// Nothing can be trained on this machine; already reported.
    #[error("this machine can't train")]
    Unfit,
    /// The user has stopped the study; already reported.
    #[error("stopped")]
    Stopped,
}

impl From<Diagnostic> for CliError {
    fn from(one: Diagnostic) -> Self {
        Self::Input(one.into())
    }
}

impl From<SessionError> for CliError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Store(error) => Self::Store(error),
            SessionError::Scheduler(error) => Self::Scheduler(error),
            SessionError::Runtime(_) | SessionError::Panicked => Self::Failed(error.to_string()),
        }
    }
}

impl CliError {
    /// A mistake in the arguments.
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            help: help.into(),
        }
    }

    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Scheduler(_) | Self::Failed(_) | Self::Output { .. } | Self::Unfit | Self::Differs => 1,
            Self::Input(_) | Self::Usage { .. } => 2,
            Self::Store(_) | Self::NoStudy { .. } | Self::Damaged => 3,
            Self::Stopped => 130,
        }
    }

    /// What to do about it, where the message does not say so itself.
    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Store(error) => return store_help(error),
            Self::Usage { help, .. } => help,
            Self::NoStudy { .. } => MISSING,
            Self::Output { source, .. }
                if matches!(source.kind(), ErrorKind::AlreadyExists | ErrorKind::NotADirectory) =>
            {
                "part of the path is a file: choose another place"
            }
            Self::Output { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
                "choose a place that you may write to"
            }
            Self::Scheduler(SchedulerError::Commit(CommitError::Gone)) => {
                "if it was moved, resume it by the path of its directory: hpo resume DIRECTORY"
            }
            Self::Scheduler(SchedulerError::Paused(_)) => {
                "fix that and run the same command again: nothing recorded is lost, and the attempts that have failed do not count"
            }
            Self::Scheduler(SchedulerError::Fatal(_)) => {
                "fix that and run the same command again: nothing recorded is lost"
            }
            Self::Scheduler(SchedulerError::Commit(CommitError::Io(_) | CommitError::Cancelled))
            | Self::Scheduler(SchedulerError::NoObjective(_))
            | Self::Output { .. }
            | Self::Input(_)
            | Self::Failed(_)
            | Self::Damaged
            | Self::Differs
            | Self::Unfit
            | Self::Stopped => return None,
        };
        Some(help.to_owned())
    }

    /// Prints the error to standard error.
    pub fn print(&self) {
        match self {
            Self::Input(diagnostics) => notify(&diagnostics.render(has_colours())),
            Self::Stopped | Self::Damaged | Self::Differs | Self::Unfit => {}
            Self::Usage { .. }
            | Self::NoStudy { .. }
            | Self::Store(_)
            | Self::Scheduler(_)
            | Self::Failed(_)
            | Self::Output { .. } => {
                notify(&format!("error: {self}"));
                if let Some(help) = self.help() {
                    notify(&format!("help: {help}"));
                }
            }
        }
    }
}
