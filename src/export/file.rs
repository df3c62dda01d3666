//! Writing a file whole or not at all, or to standard output.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write, stdout};
use std::path::Path;

use super::model::{parent, partial};
use crate::disk::{create_directories, sync_directory};

/// Replaces what `target` is with a file of these bytes, durably. What is no file, such as a pipe, is written to. Directories above it
/// that there are not yet are made.
///
/// # Errors
/// On an I/O error; then the file is as it was.
pub fn write_whole(target: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link stays one.
    let target = &fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
    if target.exists() && !target.is_file() {
        return fs::write(target, bytes);
    }
    create_directories(parent(target))?;
    let partial = partial(target);
    let written = fs::write(&partial, bytes)
        .and_then(|()| File::open(&partial)?.sync_all())
        .and_then(|()| fs::rename(&partial, target));
    if written.is_err() {
        // What can't be removed does no harm.
        let _ = fs::remove_file(&partial);
    }
    written?;
    sync_directory(parent(target))
}

/// Writes to standard output. A closed pipe, as with `| head`, is not an error.
///
/// # Errors
/// On any other I/O error.
pub fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
