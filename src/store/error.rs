//! What can be wrong with the trial database.

use std::io;
use std::path::PathBuf;

use super::journal::JournalError;
use crate::words::counted;

/// Why the database can't be used. The study can go on without it.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// sled says so.
    #[error("sled: {0}")]
    Sled(#[from] sled::Error),
    /// sled panicked, as it does on some damaged files.
    #[error("sled panicked on a damaged file")]
    Panicked,
    /// It has lost everything.
    #[error("it was empty")]
    Emptied,
    /// It does not say what the journal says.
    #[error("it does not agree with the journal")]
    Disagrees,
    /// Another process has it open.
    #[error("another process has it open")]
    Busy,
    /// It was not made from all that the journal has.
    #[error("it has not all that the journal has")]
    Behind,
    /// It was asked not to go on.
    #[error("it was stopped before it had all that the journal has")]
    Stopped,
    /// It holds records that the journal does not have, each whole: the journal has lost its end.
    #[error("the journal has lost its end: the database has {} of it", counted(*records, "record"))]
    Ahead {
        /// How many records the journal should have.
        records: u64,
    },
    /// A row is not JSON of its type.
    #[error("a row can't be read: {0}")]
    Row(#[from] serde_json::Error),
    /// The journal can't be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It could not be moved aside.
    #[error("{}: {source}", path.display())]
    Move {
        /// The database.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl DatabaseError {
    /// The same for the user, with what has come of it: whether there is a database now.
    pub fn report(&self, made_anew: bool) -> String {
        match made_anew {
            true => format!("the trial database was made anew from the journal: {self}"),
            false => format!("the trial database can't be used, and will be made anew from the journal: {self}"),
        }
    }

    /// Whether a database made anew would fare better.
    pub(super) fn is_its_own_fault(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match self {
            Self::Sled(sled::Error::Io(error)) => {
                !matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
            }
            Self::Journal(_) | Self::Move { .. } | Self::Stopped | Self::Busy | Self::Behind => false,
            Self::Sled(_) | Self::Panicked | Self::Emptied | Self::Disagrees | Self::Ahead { .. } | Self::Row(_) => {
                true
            }
        }
    }
}
