//! Files and directories: made durable, digested, removed when abandoned, and how much room is left for them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use sha2::{Digest, Sha256};

/// With less than this many bytes left nothing can be saved, whatever a trainer says.
const NOTHING: u64 = 64 << 10;

/// What a trainer in any language says of a full disk or quota: the system's own words, or its numbers.
const WORDS: [&str; 5] = [
    "No space left on device",
    "ENOSPC",
    "(os error 28)",
    "Disk quota exceeded",
    "EDQUOT",
];

/// Whether an open file is the one at a path.
///
/// # Errors
/// If either can't be looked at.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (ours, there) = (file.metadata()?, fs::symlink_metadata(path)?);
    Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
}

/// Removes the directories that processes have left which died before they were done with them; `process` tells by the name of such
/// a directory which it was.
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
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)
}

/// Makes a directory and those above it, as far as there are none, and makes all of them durable.
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
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// SHA-256 of some bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 in hexadecimal of what is left to read of a file or other source, after how many bytes of it.
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

/// Bytes that can still be written where `place` lies, if that can be told.
pub(crate) fn room(place: &Path) -> Option<u64> {
    let told = rustix::fs::statvfs(place).ok()?;
    Some(told.f_bavail.saturating_mul(told.f_frsize))
}

/// Whether a segment that failed with `message` failed because nothing can be written to `place`.
pub(crate) fn is_short(place: &Path, message: &str) -> bool {
    WORDS.iter().any(|word| message.contains(word)) || room(place).is_some_and(|room| room < NOTHING)
}
