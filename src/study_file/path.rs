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

/// The path without `.` and `..`, by its text alone: what it names need not exist yet.
pub(super) fn clean(path: &Path) -> PathBuf {
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
