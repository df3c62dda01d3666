//! Where a study lives on disk: the journal, which is the truth, and the trial database made from it.

mod committer;
mod database;
mod directory;
mod journal;
mod reader;

use std::io::{self, Write};
use std::path::PathBuf;

pub use committer::{CommitError, Committer};
pub use database::{Database, DatabaseError};
pub(crate) use directory::sync_directory;
pub use directory::{StudyDirectory, StudyLock};
pub use journal::{JournalError, JournalReader, JournalWriter, encode};
pub use reader::StudyReader;

use crate::study::{FORMAT, Fact, Record, Study, StudySpec, Timestamp};

/// Why a study can't be opened or made.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no study.
    #[error("there is no study in {}", study.display())]
    Missing {
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
    /// The study as the journal tells it.
    pub study: Study,
    /// Makes further records durable.
    pub committer: Committer,
    /// Why the trial database had to be made anew, or can't be used, if so.
    pub database_trouble: Option<DatabaseError>,
    /// The right to write.
    pub lock: StudyLock,
}

/// Makes a new study; `file` is the text it was made from.
///
/// # Errors
/// If the directory exists or can't be written.
pub fn create(directory: &StudyDirectory, spec: &StudySpec, file: &str, now: Timestamp) -> Result<(), StoreError> {
    let first = Record {
        at: now,
        fact: Fact::StudyCreated {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            spec: Box::new(spec.clone()),
        },
    };
    let created = directory.create(|new| {
        let mut text = std::fs::File::create_new(new.study_file())?;
        text.write_all(file.as_bytes())?;
        text.sync_all()?;
        JournalWriter::create(&new.journal())?.append([&first])
    });
    created.map_err(|source| StoreError::Io {
        path: directory.root().to_owned(),
        source,
    })
}

/// Opens a study for writing: takes the lock, mends a journal cut in its last line, and brings the database up to it.
///
/// # Errors
/// If there is no study, another process has it, or its journal can't be read.
pub fn open(directory: &StudyDirectory) -> Result<Store, StoreError> {
    if !directory.has_study() {
        first_record(directory)?;
    }
    let lock = directory.lock()?;
    let (mut journal, first, spec) = first_record(directory)?;
    let mut records = vec![first];
    while let Some(record) = journal.next_record()? {
        records.push(record);
    }
    let study = Study::restore(spec, &records).map_err(|error| StoreError::Foreign {
        study: directory.root().to_owned(),
        reason: error.to_string(),
    })?;
    let path = directory.journal();
    let writer = JournalWriter::resume(&path, &journal).map_err(|source| StoreError::Io { path, source })?;
    let (database, database_trouble) = match Database::open(&directory.database(), &study, &records) {
        Ok((database, trouble)) => (Some(database), trouble),
        Err(error) => (None, Some(error)),
    };
    Ok(Store {
        study,
        committer: Committer::start(writer, database),
        database_trouble,
        lock,
    })
}

/// The beginning of a journal: what the study is.
fn first_record(directory: &StudyDirectory) -> Result<(JournalReader, Record, StudySpec), StoreError> {
    let study = directory.root().to_owned();
    match std::fs::read_dir(&study) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreError::Missing { study }),
        Err(source) => return Err(StoreError::Io { path: study, source }),
        Ok(_) if !directory.has_study() => {
            let reason = "it has no journal.jsonl".into();
            return Err(StoreError::Foreign { study, reason });
        }
        Ok(_) => {}
    }
    let mut journal = JournalReader::open(&directory.journal())?;
    let first = journal.next_record()?;
    let Some((record, spec)) = first.and_then(|record| match &record.fact {
        Fact::StudyCreated { spec, .. } => Some((record.clone(), (**spec).clone())),
        _ => None,
    }) else {
        let reason = "its journal does not begin with what the study is".into();
        return Err(StoreError::Foreign { study, reason });
    };
    Ok((journal, record, spec))
}

#[cfg(test)]
mod tests;
