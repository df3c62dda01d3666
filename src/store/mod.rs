//! Where a study lives on disk: the journal, which is the truth; a second copy of its lines; and the trial database made from it.

mod acknowledged;
mod committer;
mod database;
mod directory;
mod end;
mod engine;
mod error;
mod experience;
mod journal;
mod keeper;
mod line;
mod lines;
mod reader;
mod records;
mod repair;
mod requests;
mod salvage;
mod tally;

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub use committer::{CommitError, Committer};
pub use database::Database;
pub use directory::{StudyDirectory, StudyLock};
pub use end::JournalEnd;
pub use error::DatabaseError;
pub use experience::{experience_base, experiences, forget_experience};
pub use journal::{JournalError, JournalReader, JournalWriter};
pub use line::encode;
pub use reader::{StudyReader, read_whole};
pub use records::Records;
pub use repair::{Copy, end_is_damaged, replace_journal, salvage_study};
pub use requests::Request;
pub use salvage::{Lost, Salvaged};
pub use tally::Tally;

use crate::disk::sha256;
use crate::ids::Timestamp;
use crate::study::{FORMAT, Fact, Origin, Record, Study, StudySpec};

/// Why a study can't be opened or made.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no study.
    #[error("there is no study in {}", study.display())]
    Missing {
        /// The directory.
        study: PathBuf,
    },
    /// The journal is gone, and something is left of the study.
    #[error("{} has no journal.jsonl, but a trial database", study.display())]
    JournalGone {
        /// The directory.
        study: PathBuf,
    },
    /// The directory holds something else.
    #[error("{} is not a study that hpo can read: {reason}", study.display())]
    Foreign {
        /// The directory.
        study: PathBuf,
        /// Why.
        reason: String,
    },
    /// Something else is where a directory must be.
    #[error("{} is {}, not a directory", path.display(), if path.is_symlink() { "a link that leads to none" } else { "a file" })]
    NotADirectory {
        /// What is there.
        path: PathBuf,
    },
    /// Another process writes to it.
    #[error("the study {} is in use{}", study.display(), holder.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    InUse {
        /// The directory.
        study: PathBuf,
        /// The process, if it said who it is.
        holder: Option<u32>,
    },
    /// The journal can't be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal can't be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The file system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A study opened for writing.
pub struct Store {
    /// The study as the journal gives it.
    pub study: Study,
    /// Makes further records durable.
    pub committer: Committer,
    /// The right to write.
    pub lock: StudyLock,
}

/// Makes a new study; `file` is the text it was made from, `origin` where that and its data are, if known, and `earlier` what it knows
/// of an earlier study.
///
/// # Errors
/// If the directory exists or can't be written.
pub fn create(
    directory: &StudyDirectory,
    spec: &StudySpec,
    file: &str,
    origin: Option<Origin>,
    earlier: Vec<Fact>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let created = Fact::StudyCreated {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").into(),
        spec: Box::new(spec.clone()),
        file_sha256: Some(sha256(file.as_bytes())),
        origin: origin.map(Box::new),
    };
    let facts = [created].into_iter().chain(earlier);
    let records: Vec<Record> = facts.map(|fact| Record { at: now, fact }).collect();
    let created = directory.create(|new| {
        let mut text = std::fs::File::create_new(new.study_file())?;
        text.write_all(file.as_bytes())?;
        text.sync_all()?;
        JournalWriter::create(&new.journal())?.append(&records).map(drop)
    });
    created.map_err(|source| match directory.has_study() {
        true => in_use(directory, None),
        false => unreachable(directory.root(), source),
    })
}

/// That another process writes to the study, which may have said who it is.
fn in_use(directory: &StudyDirectory, holder: Option<u32>) -> StoreError {
    StoreError::InUse {
        study: directory.root().to_owned(),
        holder,
    }
}

/// That there is no study, or what is in its place.
pub fn absent(directory: &StudyDirectory) -> StoreError {
    unreachable(directory.root(), io::ErrorKind::NotFound.into())
}

/// Why a study's directory can't be read or made.
fn unreachable(study: &Path, source: io::Error) -> StoreError {
    let there = study.ancestors().find(|path| path.symlink_metadata().is_ok());
    match there.filter(|path| !path.is_dir()) {
        Some(path) => StoreError::NotADirectory { path: path.to_owned() },
        None if source.kind() == io::ErrorKind::NotFound => StoreError::Missing {
            study: study.to_owned(),
        },
        None => StoreError::Io {
            path: study.to_owned(),
            source,
        },
    }
}

/// Opens a study for writing: takes the lock, drops a last line that was never whole, and brings the second copy up to the journal.
///
/// # Errors
/// If there is no study, another process has it, or its journal can't be read or has lost records.
pub fn open(directory: &StudyDirectory) -> Result<Store, StoreError> {
    if !directory.has_study() {
        first_record(directory)?;
    }
    let lock = directory.lock()?;
    StudyReader::open(directory.clone())?.take_over(lock)
}

fn foreign(directory: &StudyDirectory, reason: impl ToString) -> StoreError {
    StoreError::Foreign {
        study: directory.root().to_owned(),
        reason: reason.to_string(),
    }
}

/// The beginning of a journal: what the study is.
fn first_record(directory: &StudyDirectory) -> Result<(JournalReader, Record, StudySpec), StoreError> {
    let study = directory.root().to_owned();
    let look = || std::fs::metadata(&study).map(|found| (found.dev(), found.ino()));
    loop {
        let seen = std::fs::read_dir(&study).and_then(|_| look());
        let seen = seen.map_err(|source| unreachable(&study, source))?;
        if directory.has_study() {
            break;
        }
        let lost = directory.database().is_dir();
        // What is missing may be only what another process has just removed, to put a new study in its place.
        match look() {
            Ok(found) if found == seen && lost => return Err(StoreError::JournalGone { study }),
            Ok(found) if found == seen => return Err(foreign(directory, "it has no journal.jsonl")),
            _ => {}
        }
    }
    let mut journal = JournalReader::open(&directory.journal())?;
    let Some(record) = journal.next_record()? else {
        // A study is made whole or not at all.
        journal.check_end(acknowledged::known(&directory.journal()).records().max(1))?;
        return Err(StoreError::Missing { study });
    };
    let Fact::StudyCreated { spec, .. } = &record.fact else {
        let reason = "its journal does not begin with what the study is";
        return Err(foreign(directory, reason));
    };
    let spec = (**spec).clone();
    Ok((journal, record, spec))
}

/// What a study was created from and on, if that is recorded. It looks at the first record only.
///
/// # Errors
/// If there is no study, or its journal can't be read.
pub fn origin(directory: &StudyDirectory) -> Result<Option<Origin>, StoreError> {
    let (_, first, _) = first_record(directory)?;
    Ok(made_from(&first).1)
}

/// The version of `hpo` that created a study. It looks at the first record only.
///
/// # Errors
/// If there is no study, or its journal can't be read.
pub fn version(directory: &StudyDirectory) -> Result<String, StoreError> {
    let (_, first, _) = first_record(directory)?;
    Ok(made_by(&first))
}

/// SHA-256 of the text that a study was made from, and its origin, by its first record.
fn made_from(first: &Record) -> (Option<String>, Option<Origin>) {
    let Fact::StudyCreated {
        file_sha256, origin, ..
    } = &first.fact
    else {
        return (None, None);
    };
    (file_sha256.clone(), origin.as_deref().cloned())
}

/// The version of the program that made a study, by its first record.
fn made_by(first: &Record) -> String {
    let Fact::StudyCreated { version, .. } = &first.fact else {
        return String::new();
    };
    version.clone()
}

#[cfg(test)]
mod tests;
