//! Putting a model directory in its place, whole or not at all, and telling later whether it still is.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::kill;
use crate::store::{sha256_of, sync_directory};

/// Where a model that shall become `target` is written first: beside it, hidden.
pub fn partial(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let partial = target.with_file_name(format!(".{name}.partial"));
    // What an earlier run has left there is of no use to anybody.
    let _ = fs::remove_dir_all(&partial);
    std::path::absolute(&partial).unwrap_or(partial)
}

/// Puts a directory that has been written whole in the place of `target`, which may exist, and makes it durable.
///
/// # Errors
/// If it is no directory, or the file system says no; then `target` is as it was, or gone.
pub fn place(partial: &Path, target: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(partial)?.is_dir() {
        return Err(io::Error::other(format!("{} is not a directory", partial.display())));
    }
    for file in files(partial)? {
        File::open(&file)?.sync_all()?;
    }
    kill::point("model.place:before");
    if target.exists() {
        fs::remove_dir_all(target)?;
    }
    kill::point("model.place:removed");
    fs::rename(partial, target)?;
    kill::point("model.place:renamed");
    sync_directory(parent(target))
}

/// Writes the SHA-256 of each file of a model beside it, as `sha256sum` does.
///
/// # Errors
/// If the file system says no.
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

/// The files of a model that are not what [`seal`] has seen; none if it has not seen the model.
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
        let Some((told, name)) = line.split_once("  ") else {
            broken.push(format!("{}: a line is damaged", seal_of(model).display()));
            continue;
        };
        let file = parent(model).join(name);
        match digest(&file) {
            Ok(digest) if digest == told => {}
            Ok(_) => broken.push(format!("{}: its SHA-256 is another", file.display())),
            Err(error) => broken.push(format!("{}: {error}", file.display())),
        }
    }
    Ok(Some(broken))
}

fn digest(file: &Path) -> io::Result<String> {
    Ok(sha256_of(&mut File::open(file)?)?.1)
}

/// All files and directories of a directory, itself included, sorted.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![directory.to_owned()];
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn parent(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}
