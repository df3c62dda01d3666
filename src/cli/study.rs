//! Finding the study that the user means.

use std::io::{ErrorKind, Write, stdout};
use std::mem::ManuallyDrop;
use std::path::Path;
use std::time::SystemTime;

use super::CliError;
use crate::store::{StoreError, StudyDirectory, StudyReader};

/// The directory of a study named by the user: a path, or a name in `studies`. Without a name, the most recently
/// changed one.
pub(super) fn find(studies: &Path, named: Option<&Path>) -> Result<StudyDirectory, CliError> {
    if let Some(named) = named {
        let by_path = StudyDirectory::new(named);
        let by_name = StudyDirectory::new(studies.join(named));
        return Ok(if by_path.has_study() || !by_name.root().exists() && named.exists() {
            by_path
        } else {
            by_name
        });
    }
    let entries = std::fs::read_dir(studies).into_iter().flatten().flatten();
    let changed = |directory: &StudyDirectory| -> Option<SystemTime> {
        std::fs::metadata(directory.journal())
            .and_then(|journal| journal.modified())
            .ok()
    };
    let latest = entries
        .map(|entry| StudyDirectory::new(entry.path()))
        .filter(StudyDirectory::has_study)
        .max_by_key(changed);
    latest.ok_or_else(|| {
        CliError::Store(StoreError::Missing {
            study: studies.to_owned(),
        })
    })
}

/// Reads the study that the user means. It is never freed: the process ends with the command, and freeing a million reports takes a
/// while.
pub(super) fn read(studies: &Path, named: Option<&Path>) -> Result<ManuallyDrop<StudyReader>, CliError> {
    Ok(ManuallyDrop::new(StudyReader::open(find(studies, named)?)?))
}

/// Prints to standard output. A closed pipe, as with `| head`, is not an error.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    match stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush()) {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => Err(CliError::Output {
            what: "to standard output".into(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
pub(super) fn print_json(value: &serde_json::Value) -> Result<(), CliError> {
    print(&format!("{value:#}\n"))
}
