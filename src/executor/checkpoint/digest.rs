//! The content of a checkpoint: a file, or a directory with all that is in it.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::disk::{sha256, sha256_of, sync_directory};

/// A checkpoint that is a directory has no more files and directories in it.
const MOST_ENTRIES: usize = 100_000;

/// Its directories are not nested deeper.
const DEEPEST: usize = 64;

const BEING_WRITTEN: &str = "it is still being written";

/// A source that can be read until a moment; for ever if there is none.
struct Until<R> {
    from: R,
    due: Option<Instant>,
}

impl<R: io::Read> io::Read for Until<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.due.is_some_and(|due| Instant::now() >= due) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "reading it takes too long"));
        }
        self.from.read(buffer)
    }
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.into())
}

/// Size and SHA-256 of a file or a directory, after it was synced, if it can be read until it is `due`. Links are not followed: they
/// may change, and lead anywhere.
///
/// # Errors
/// Whatever the system says, and if it is neither, has something else in it, or is still being written.
pub(super) fn digest(path: &Path, due: Option<Instant>) -> io::Result<(u64, String)> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return file(path, due);
    }
    let mut tree = Tree::default();
    tree.add(path, Path::new(""), due, 0)?;
    Ok((tree.bytes, sha256(&tree.manifest)))
}

/// What was found in a directory.
#[derive(Default)]
struct Tree {
    entries: usize,
    /// The sizes of all files together.
    bytes: u64,
    /// A line for each entry, in the order of their paths: the digest of this is that of the directory.
    manifest: Vec<u8>,
}

impl Tree {
    /// Adds what is in a directory at a path below `root`.
    fn add(&mut self, root: &Path, below: &Path, due: Option<Instant>, depth: usize) -> io::Result<()> {
        let directory = root.join(below);
        let names = names(&directory)?;
        self.entries += names.len();
        if self.entries > MOST_ENTRIES || depth > DEEPEST {
            return Err(wrong(format!(
                "it has more than {MOST_ENTRIES} files, or directories more than {DEEPEST} deep"
            )));
        }
        for name in &names {
            let below = below.join(name);
            let path = root.join(&below);
            if fs::symlink_metadata(&path)?.is_dir() {
                self.line("d", 0, &below);
                self.add(root, &below, due, depth + 1)?;
            } else {
                let within =
                    |error: io::Error| io::Error::new(error.kind(), format!("`{}` in it: {error}", below.display()));
                let (bytes, sha256) = file(&path, due).map_err(within)?;
                self.bytes = self.bytes.saturating_add(bytes);
                self.line(&sha256, bytes, &below);
            }
        }
        sync_directory(&directory)?;
        match names == self::names(&directory)? {
            true => Ok(()),
            false => Err(wrong(BEING_WRITTEN)),
        }
    }

    fn line(&mut self, what: &str, bytes: u64, path: &Path) {
        let path = path.as_os_str().as_bytes();
        // The length tells names with newlines in them from several lines.
        self.manifest
            .extend(format!("{what} {bytes} {} ", path.len()).as_bytes());
        self.manifest.extend(path);
        self.manifest.push(b'\n');
    }
}

/// The names in a directory, in their order.
fn names(directory: &Path) -> io::Result<Vec<OsString>> {
    let names = fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name()));
    let mut names = names.collect::<io::Result<Vec<OsString>>>()?;
    names.sort_unstable();
    Ok(names)
}

/// Size and SHA-256 of a file.
fn file(path: &Path, due: Option<Instant>) -> io::Result<(u64, String)> {
    // Opening a pipe would wait for ever for somebody to write to it.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::LOOP.raw_os_error() => wrong("it is a link, not a file"),
        _ => error,
    })?;
    if !file.metadata()?.is_file() {
        return Err(wrong("not a file"));
    }
    file.sync_all()?;
    let size = file.metadata()?.len();
    // A file that grows while it is read would have no end.
    let from = file.take(size.saturating_add(1));
    let (bytes, sha256) = sha256_of(Until { from, due })?;
    if bytes != size {
        return Err(wrong(BEING_WRITTEN));
    }
    Ok((bytes, sha256))
}
