//! Putting a model directory in its place, whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::kill;
use crate::store::sync_directory;

/// Where a model that shall become `target` is written first: beside it, hidden.
pub fn partial(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let partial = target.with_file_name(format!(".{name}.partial"));
    // What an earlier run has left there is of no use to anybody.
    let _ = fs::remove_dir_all(&partial);
    std::path::absolute(&partial).unwrap_or(partial)
}

/// Puts a directory that has been written whole in the place of `target`, which may exist.
///
/// # Errors
/// If the file system says no; then `target` is as it was, or gone.
pub fn place(partial: &Path, target: &Path) -> io::Result<()> {
    kill::point("model.place:before");
    if target.exists() {
        fs::remove_dir_all(target)?;
    }
    kill::point("model.place:removed");
    fs::rename(partial, target)?;
    kill::point("model.place:renamed");
    sync_directory(
        target
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new(".")),
    )
}
