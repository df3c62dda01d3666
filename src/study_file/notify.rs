//! `[notify]`: a command to which is reported what happens.

use std::path::{Path, PathBuf};

use super::reader::{Results, Table};
use super::settings::required;
use super::trainer::argv;
use crate::keys::{Fallback, Key, Takes};

const COMMAND: Key = Key {
    name: "command",
    takes: Takes::Texts,
    default: Fallback::Required("command = [\"./notify.sh\"]"),
    about: "a program and its arguments, run in the directory of the file: at a new best trial, and when the search finishes, fails or \
            pauses. It reads one JSON object from its standard input",
};

/// Its keys.
pub(super) const KEYS: &[Key] = &[COMMAND];

/// What is run when something happens; no part of what the study is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifySettings {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub directory: PathBuf,
}

/// Reads the table of a file in `directory`.
pub(super) fn read(table: &Table, directory: &Path) -> Results<NotifySettings> {
    Ok(NotifySettings {
        command: argv(&required(table, &COMMAND)?, directory)?,
        directory: directory.to_owned(),
    })
}
