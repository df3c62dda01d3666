//! Putting a model directory in its place, whole or not at all, and checking later that it still is whole.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::diagnostic::visible;
use crate::disk::{create_directories, remove_abandoned, sha256_of, sync_directory};
use crate::kill;

/// Where this process first writes a model that is to become `target`: next to it, hidden.
pub fn partial(target: &Path) -> PathBuf {
    let partial = target.with_file_name(format!("{}{}{PARTIAL}", hidden(target), std::process::id()));
    std::path::absolute(&partial).unwrap_or(partial)
}

/// Makes room for a model that is to become `target`: the directories above it that there are not yet, and nothing in its place that this
/// process, or one that has died, has left unfinished.
///
/// # Errors
/// If a directory can't be made.
pub fn prepare(target: &Path) -> io::Result<()> {
    create_directories(parent(target))?;
    clear(target);
    Ok(())
}

/// Removes what this process, and processes that have died, have left of a model that was to become `target`.
pub fn clear(target: &Path) {
    let begins = hidden(target);
    remove_abandoned(parent(target), |name| name.strip_prefix(&begins)?.strip_suffix(PARTIAL));
    // What can't be removed does no harm.
    let _ = fs::remove_dir_all(partial(target));
}

/// The prefix and the suffix of the process's number in the name of an unfinished model.
fn hidden(target: &Path) -> String {
    format!(".{}.", target.file_name().unwrap_or_default().to_string_lossy())
}
const PARTIAL: &str = ".partial";

/// Replaces `target`, which may exist, with a directory that was written completely, and makes that durable.
///
/// # Errors
/// If it contains anything other than files and directories, or on an I/O error; then `target` is as it was, or gone.
pub fn replace(partial: &Path, target: &Path) -> io::Result<()> {
    sync(partial)?;
    kill::point("model.place:before");
    if target.exists() {
        fs::remove_dir_all(target)?;
    }
    kill::point("model.place:removed");
    put(partial, target)
}

/// Renames a directory that was written completely to `target`, where nothing may be, and makes that durable.
///
/// # Errors
/// As for [`replace`], or if something is there; that stays as it is.
pub fn place(partial: &Path, target: &Path) -> io::Result<()> {
    sync(partial)?;
    // A rename would replace an empty directory.
    if target.symlink_metadata().is_ok() {
        let message = format!("{} was created in the meantime", target.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    put(partial, target)
}

fn sync(partial: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(partial)?.is_dir() {
        return Err(io::Error::other(format!("{} is not a directory", partial.display())));
    }
    files(partial)?.iter().try_for_each(|file| File::open(file)?.sync_all())
}

fn put(partial: &Path, target: &Path) -> io::Result<()> {
    fs::rename(partial, target)?;
    kill::point("model.place:renamed");
    sync_directory(parent(target))
}

/// Writes the SHA-256 of each file of a model next to it, in the format of `sha256sum`.
///
/// # Errors
/// On an I/O error.
pub fn seal(model: &Path) -> io::Result<()> {
    let mut text = String::new();
    for file in files(model)?.into_iter().filter(|path| path.is_file()) {
        let name = file.strip_prefix(parent(model)).unwrap_or(&file);
        text += &format!("{}  {}\n", digest(&file)?, name.display());
    }
    let unfinished = seal_of(model).with_extension("sha256.new");
    fs::write(&unfinished, text)?;
    File::open(&unfinished)?.sync_all()?;
    kill::point("model.seal:before");
    fs::rename(unfinished, seal_of(model))?;
    kill::point("model.seal:renamed");
    sync_directory(parent(model))
}

/// Where [`seal`] writes.
pub fn seal_of(model: &Path) -> PathBuf {
    let name = model.file_name().unwrap_or_default().to_string_lossy();
    model.with_file_name(format!("{name}.sha256"))
}

/// The files of a model that differ from what [`seal`] recorded; `None` if it recorded nothing.
///
/// # Errors
/// If the seal can't be read.
pub fn broken(model: &Path) -> io::Result<Option<Vec<String>>> {
    let text = match fs::read_to_string(seal_of(model)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let mut broken = Vec::new();
    for line in text.lines() {
        let Some((expected, name)) = line.split_once("  ") else {
            broken.push(format!("{}: a line is damaged", seal_of(model).display()));
            continue;
        };
        let file = parent(model).join(name);
        match digest(&file) {
            Ok(digest) if digest == expected => {}
            Ok(_) => broken.push(format!("{}: its SHA-256 differs", file.display())),
            Err(error) => broken.push(format!("{}: {error}", file.display())),
        }
    }
    Ok(Some(broken))
}

fn digest(file: &Path) -> io::Result<String> {
    Ok(sha256_of(&mut File::open(file)?)?.1)
}

/// All files and directories of a directory, itself included, sorted.
///
/// # Errors
/// If it can't be read, or contains anything else: opening a pipe may block forever, and a link may lead anywhere.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![directory.to_owned()];
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let refused = |what| Err(io::Error::other(format!("{} {what}", visible(&path.to_string_lossy()))));
        if path.to_string_lossy().contains(char::is_control) {
            return refused("has control characters in its name");
        } else if kind.is_dir() {
            found.extend(files(&path)?);
        } else if kind.is_file() {
            found.push(path);
        } else {
            return refused("is neither a file nor a directory");
        }
    }
    found.sort();
    Ok(found)
}

pub(super) fn parent(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_to_become_the_model_is_cleared_away() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("m");
        // No process has this number.
        let dead = i32::MAX;
        let kept = [
            format!(".m.{dead}"),
            format!(".m.{dead}.old"),
            ".m.partial".into(),
            ".m.1.partial".into(),
            "m".into(),
        ];
        let gone = [
            format!(".m.{dead}.partial"),
            format!(".m.{}.partial", std::process::id()),
        ];
        for name in kept.iter().chain(&gone) {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        clear(&target);
        let is_there = |name: &String| directory.path().join(name).exists();
        assert_eq!(
            (kept.map(|name| is_there(&name)), gone.map(|name| is_there(&name))),
            ([true; 5], [false; 2])
        );
    }
}
