//! Finding the study that the user means.

use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::CliError;
use crate::export;
use crate::shell::path_word;
use crate::store::{Database, DatabaseError, Records, StoreError, StudyDirectory, StudyReader, absent};
use crate::study::{Objective, StudySpec};
use crate::study_file;
use crate::view::notify;

/// The name of the directory of studies, unless the user says otherwise.
const USUAL: &str = "studies";

/// Where studies are kept, if the user says so.
#[derive(Debug, Clone, Default)]
pub(super) struct Studies(pub Option<PathBuf>);

impl Studies {
    /// The directory of the study of that name that a file has: beside the file, unless the user says otherwise.
    pub(super) fn of(&self, file: &Path, study: &str) -> StudyDirectory {
        let beside = || file.with_file_name(USUAL);
        let directory = StudyDirectory::new(self.0.clone().unwrap_or_else(beside).join(study));
        let here = StudyDirectory::new(Path::new(USUAL).join(study));
        if self.0.is_none() && !directory.has_study() && here.has_study() {
            notify(&format!(
                "note: there is a study {study} in {}, but those of {} are kept in {}; to go on with it, add --studies {USUAL}",
                here.root().display(),
                file.display(),
                directory.root().with_file_name("").display()
            ));
        }
        directory
    }

    /// Where studies are looked for by their names alone.
    pub(super) fn here(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(USUAL))
    }

    /// The option by which another command has the same ones.
    pub(super) fn option(&self) -> Vec<OsString> {
        let given = self.0.iter();
        given.flat_map(|path| ["--studies".into(), path_word(path)]).collect()
    }
}

/// The directory of a study named by the user: its path, its name among the studies, or the file that it was created from. Without a
/// name, the most recently changed one.
pub(super) fn find(studies: &Studies, named: Option<&Path>) -> Result<StudyDirectory, CliError> {
    let here = studies.here();
    if let Some(named) = named {
        let by_path = StudyDirectory::new(named);
        let by_name = StudyDirectory::new(here.join(named));
        if by_path.has_study() {
            return Ok(by_path);
        }
        if named.is_file() && !by_name.root().is_dir() {
            if named.extension() != Some("toml".as_ref()) {
                let help = "give the study's directory, its name, or the TOML file that it was created from";
                return Err(CliError::usage(format!("{} is no study", named.display()), help));
            }
            let file = study_file::read(named)?;
            return Ok(studies.of(named, &file.study.name));
        }
        return match (
            by_name.root().symlink_metadata().is_ok(),
            named.symlink_metadata().is_ok(),
        ) {
            (true, _) => Ok(by_name),
            (false, true) => Ok(by_path),
            (false, false) => Err(nowhere(&by_name, Some(named))),
        };
    }
    let changed = |directory: &StudyDirectory| -> Option<SystemTime> {
        std::fs::metadata(directory.journal())
            .and_then(|journal| journal.modified())
            .ok()
    };
    let latest = all(studies).into_iter().max_by_key(changed);
    latest.ok_or_else(|| nowhere(&StudyDirectory::new(here), None))
}

/// All studies where they are looked for by their names, in the order of these.
pub(super) fn all(studies: &Studies) -> Vec<StudyDirectory> {
    let entries = std::fs::read_dir(studies.here()).into_iter().flatten().flatten();
    // Hidden ones are what processes have left that died while they made or removed a study.
    let visible = entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    let mut paths: Vec<PathBuf> = visible.map(|entry| entry.path()).collect();
    paths.sort();
    let all = paths.into_iter().map(StudyDirectory::new);
    all.filter(StudyDirectory::has_study).collect()
}

/// That there is no study, where it was looked for, or what is in its place.
pub(super) fn nowhere(looked: &StudyDirectory, named: Option<&Path>) -> CliError {
    let why = absent(looked);
    let StoreError::Missing { study } = why else {
        return CliError::Store(why);
    };
    CliError::NoStudy {
        also: named.filter(|named| **named != *study).map(Path::to_owned),
        looked: study,
    }
}

/// Reads the study that the user means. It is never freed: the process ends with the command, and freeing a million reports takes a
/// while.
pub(super) fn read(studies: &Studies, named: Option<&Path>) -> Result<ManuallyDrop<StudyReader>, CliError> {
    Ok(ManuallyDrop::new(StudyReader::open(find(studies, named)?)?))
}

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The database can't answer it, so the journal must.
    Database(DatabaseError),
    /// The question was wrong.
    Wrong(CliError),
}

impl From<DatabaseError> for Unanswered {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<CliError> for Unanswered {
    fn from(error: CliError) -> Self {
        Self::Wrong(error)
    }
}

/// Answers a question about the study that the user means.
pub(super) fn ask<T>(
    studies: &Studies,
    named: Option<&Path>,
    question: impl Fn(Records<'_>, &StudyDirectory) -> Result<T, Unanswered>,
) -> Result<T, CliError> {
    ask_of(find(studies, named)?, question)
}

/// Answers a question about the study in a directory: from its database if that is whole, up to date and free, else from its journal.
pub(super) fn ask_of<T>(
    directory: StudyDirectory,
    question: impl Fn(Records<'_>, &StudyDirectory) -> Result<T, Unanswered>,
) -> Result<T, CliError> {
    // It is not closed, which takes sled a while: nothing was written to it.
    if let Some(database) = Database::current(&directory).map(ManuallyDrop::new) {
        match question(Records::Database(&database), &directory) {
            Ok(answer) => return Ok(answer),
            Err(Unanswered::Wrong(error)) => return Err(error),
            Err(Unanswered::Database(reason)) => tracing::debug!(%reason, "the trial database is damaged"),
        }
    }
    let reader = ManuallyDrop::new(StudyReader::open(directory)?);
    question(Records::Journal(reader.study()), reader.directory()).map_err(|unanswered| match unanswered {
        Unanswered::Wrong(error) => error,
        Unanswered::Database(error) => CliError::Failed(error.to_string()),
    })
}

/// The objective of a study that has this name.
pub(super) fn objective_named<'s>(spec: &'s StudySpec, metric: &str) -> Result<&'s Objective, CliError> {
    let found = spec.objectives().find(|objective| objective.metric == *metric);
    found.ok_or_else(|| {
        let names: Vec<&str> = spec.objectives().map(|objective| objective.metric.as_str()).collect();
        CliError::usage(
            format!("`{metric}` is no objective of the study {}", spec.name),
            format!("its objectives: {}", names.join(", ")),
        )
    })
}

/// Prints to standard output. A closed pipe, as with `| head`, is not an error.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    export::print(text.as_bytes()).map_err(|source| CliError::Output {
        what: "to standard output".into(),
        source,
    })
}

/// A value as JSON, as it is printed.
pub(super) fn as_json(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// Prints a value as JSON.
pub(super) fn print_json(value: &serde_json::Value) -> Result<(), CliError> {
    print(&as_json(value))
}
