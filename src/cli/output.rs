//! Where output may go.

use std::path::Path;

use super::CliError;
use crate::export;

/// Nothing is overwritten unless the user says so.
pub(super) fn check_output(path: &Path, force: bool) -> Result<(), CliError> {
    // What is no file, such as a pipe, loses nothing.
    match path.is_file() && !force {
        true => Err(CliError::usage(
            format!("{} already exists", path.display()),
            "name a file that does not exist, or overwrite it with --force",
        )),
        false => Ok(()),
    }
}

/// Writes a file whole or not at all. Nothing is overwritten unless the user says so.
pub(super) fn write(path: &Path, bytes: &[u8], force: bool) -> Result<(), CliError> {
    check_output(path, force)?;
    export::write_whole(path, bytes).map_err(|source| CliError::Output {
        what: path.display().to_string(),
        source,
    })
}

/// A model directory is never overwritten.
pub(super) fn refuse_existing(directory: &Path) -> Result<(), CliError> {
    // A link counts too, whatever it points to.
    if directory.symlink_metadata().is_ok() {
        return Err(CliError::usage(
            format!("{} already exists", directory.display()),
            "name a directory that does not exist",
        ));
    }
    Ok(())
}
