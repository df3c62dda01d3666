//! The journal: one record per line.
//!
//! A line that does not end in a newline was being written when the writer died; it was never
//! acknowledged and does not count. Any other line that does not fit is damage, and is reported with its place. That the
//! journal has lost its end is found out by [`Acknowledged`](super::acknowledged::Acknowledged).

mod reader;
mod writer;

use std::io;
use std::path::PathBuf;

pub use reader::JournalReader;
pub use writer::JournalWriter;

use crate::words::counted;

/// Why a journal can't be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file can't be opened or read.
    #[error("can't read {}: {source}", path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line is not what was written.
    #[error("{}:{line}: the record at byte {offset} is damaged: {reason}", path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Where the line begins.
        offset: u64,
        /// What does not fit.
        reason: String,
    },
    /// It ends too early.
    #[error("{}:{line}: the journal ends at byte {offset}, but {} had been acknowledged", path.display(), counted(*missing, "more record"))]
    CutShort {
        /// The journal.
        path: PathBuf,
        /// The line that should come next, from 1.
        line: u64,
        /// Where the last whole line ends.
        offset: u64,
        /// How many records are known to be missing.
        missing: u64,
    },
    /// A later version wrote it.
    #[error("{} was written by hpo {version}, whose format this version can't read", path.display())]
    Newer {
        /// The journal.
        path: PathBuf,
        /// The version that wrote it.
        version: String,
    },
}

#[cfg(test)]
mod tests;
