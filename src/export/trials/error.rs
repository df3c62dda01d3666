//! Why trials can't be exported.

use std::io;
use std::path::Path;

/// Why trials can't be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// They can't be written there at all.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// How to fix it.
        help: String,
    },
    /// The system says no.
    #[error("can't write {what}: {source}")]
    Output {
        /// Where.
        what: String,
        /// What it says.
        source: io::Error,
    },
    /// A value has no place in the format.
    #[error("the trials can't be written: {0}")]
    Unwritable(String),
    /// The server that they are sent to does not take them.
    #[error("{address}: {reason}")]
    Server {
        /// Its address.
        address: String,
        /// What it says.
        reason: String,
    },
}

impl ExportError {
    /// What the system says of a path.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = path.display().to_string();
        move |source| Self::Output { what, source }
    }
}
