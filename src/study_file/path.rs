//! Paths in a study's file, which are relative to its directory.

use std::path::{Component, Path, PathBuf};

use super::reader::{Item, Result};

/// The path that an item names, absolute.
pub(super) fn absolute(item: &Item, path: &str, directory: &Path) -> Result<String> {
    let path = clean(&directory.join(path)).into_os_string();
    path.into_string().map_err(|path| {
        item.problem(
            format_args!("stands for `{}`, which is not UTF-8", path.to_string_lossy()),
            "relative to the directory of this file",
            "rename that directory, or write an absolute path",
        )
    })
}

/// The path of a file as seen from a directory; both are absolute and clean.
pub(crate) fn relative(path: &Path, directory: &Path) -> PathBuf {
    let common = path
        .components()
        .zip(directory.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = directory.components().skip(common).map(|_| Component::ParentDir);
    up.chain(path.components().skip(common)).collect()
}

/// The path without `.` and `..`, by its text alone: what it names need not exist yet.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => clean.push(component),
        }
    }
    clean
}
