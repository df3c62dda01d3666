//! Files and directories: made durable, digested, removed when abandoned, and how much room is left for them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use sha2::{Digest, Sha256};

/// With less than this many bytes left nothing can be saved.
const NOTHING: u64 = 64 << 10;

/// Whether an open file is the one at a path.
///
/// # Errors
/// If either can't be looked at.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (ours, there) = (file.metadata()?, fs::symlink_metadata(path)?);
    Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
}

/// Removes the directories of processes that have died before they were done with them; `process` gives the number of the
/// process in the name of such a directory.
pub(crate) fn remove_abandoned(parent: &Path, process: impl Fn(&str) -> Option<&str>) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| process(name)?.parse().ok());
        if process.and_then(Pid::from_raw).is_some_and(has_ended) {
            // What can't be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether there is no process of this number.
pub(crate) fn has_ended(process: Pid) -> bool {
    test_kill_process(process) == Err(Errno::SRCH)
}

/// Makes a directory that is its owner's only.
///
/// # Errors
/// If there is something at `path` already, or it can't be made.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)
}

/// Makes a directory and those above it, as far as there are none, and makes all of them durable.
///
/// # Errors
/// If one of them can't be made or synced.
pub(crate) fn create_directories(path: &Path) -> io::Result<()> {
    let mut missing: Vec<&Path> = path
        .ancestors()
        .take_while(|at| !at.as_os_str().is_empty() && !at.exists())
        .collect();
    missing.reverse();
    fs::create_dir_all(path)?;
    for made in missing {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_directory(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Makes the entries of a directory durable.
///
/// # Errors
/// If it can't be opened or synced.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// SHA-256 of some bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// How many bytes are left to read of a file or other source, and their SHA-256 in hexadecimal.
///
/// # Errors
/// Whatever reading it says.
pub(crate) fn sha256_of(mut file: impl Read) -> io::Result<(u64, String)> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, hex(&hash.finalize()))),
            n => {
                hash.update(&buffer[..n]);
                bytes += n as u64;
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that can still be written where `place` lies, if the system says.
pub(crate) fn room(place: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(place).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// The bytes of all files below a directory, as far as they can be looked at. Links are not followed.
pub(crate) fn size_of(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(there) if there.is_dir() => size_of(&entry.path()),
        Ok(there) => there.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// Whether nothing can be saved where `place` lies.
pub(crate) fn has_no_room(place: &Path) -> bool {
    room(place).is_some_and(|room| room < NOTHING)
}

/// Whether an error comes of a full disk or quota, so that space may come back by itself, or of the limit for the size of files.
pub(crate) fn is_full(error: io::ErrorKind) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error, StorageFull | QuotaExceeded | FileTooLarge)
}

/// What `why` something can't be saved comes of, in words.
pub(crate) fn what_is_full(why: &str) -> &'static str {
    match why.to_lowercase().contains("file too large") {
        true => "the limit for the size of files (ulimit -f) is reached",
        false => "the disk is full",
    }
}
