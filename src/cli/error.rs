//! Errors as the user sees them.

use std::io::{ErrorKind, IsTerminal, stderr};

use crate::diagnostic::Diagnostic;
use crate::scheduler::SchedulerError;
use crate::session::SessionError;
use crate::store::{CommitError, JournalError, StoreError};
use crate::view::notify;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A file is invalid.
    #[error(transparent)]
    Input(#[from] Diagnostic),
    /// The arguments are invalid.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// How to fix it.
        help: String,
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
    /// The user has stopped the study; already reported.
    #[error("stopped")]
    Stopped,
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
            Self::Scheduler(_) | Self::Failed(_) | Self::Output { .. } => 1,
            Self::Input(_) | Self::Usage { .. } => 2,
            Self::Store(_) | Self::Damaged => 3,
            Self::Stopped => 130,
        }
    }

    /// What to do about it, if the message does not say so itself.
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Usage { help, .. } => help.clone(),
            Self::Store(StoreError::InUse { .. }) => {
                "wait for it, or stop it with Ctrl-C; `hpo status` shows how far it is".into()
            }
            Self::Output { source, .. } => match source.kind() {
                ErrorKind::NotFound => "there is no such directory: create it first, or check the path".into(),
                ErrorKind::PermissionDenied => "choose a place that you may write to".into(),
                _ => return None,
            },
            Self::Store(StoreError::NotADirectory { .. }) => {
                "move it away, or name another directory for studies with --studies".into()
            }
            Self::Store(StoreError::Missing { .. }) => "give the study's directory, or its name in --studies".into(),
            Self::Store(
                StoreError::JournalGone { .. }
                | StoreError::Journal(JournalError::Damaged { .. } | JournalError::CutShort { .. }),
            ) => "run hpo fsck to see what is damaged; with --repair it keeps everything that is whole".into(),
            Self::Store(StoreError::Foreign { .. }) => "give the study another name, or remove that directory".into(),
            Self::Scheduler(SchedulerError::Commit(CommitError::Gone)) => {
                "if it was moved, resume it by the path of its directory: hpo resume DIRECTORY".into()
            }
            Self::Scheduler(SchedulerError::Fatal(_)) => {
                "fix that and run the same command again: nothing recorded is lost".into()
            }
            _ => return None,
        })
    }

    /// Prints the error to standard error.
    pub fn print(&self) {
        match self {
            Self::Input(diagnostic) => notify(&diagnostic.render(stderr().is_terminal())),
            Self::Stopped | Self::Damaged => {}
            error => {
                notify(&format!("error: {error}"));
                if let Some(help) = self.help() {
                    notify(&format!("help: {help}"));
                }
            }
        }
    }
}
