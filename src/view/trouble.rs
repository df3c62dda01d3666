//! What to do about a study that can't be opened.

use std::path::Path;

use crate::shell::about;
use crate::store::{JournalError, StoreError};

/// How a study is found.
pub const MISSING: &str = "give the study's directory or its file, or its name and with --studies the directory that it is in (default: \
                           studies in the current directory)";

/// What to do about it, where the message does not say so itself.
pub fn store_help(error: &StoreError) -> Option<String> {
    let help = match error {
        StoreError::InUse { study, .. } => {
            let status = about(study, ["status"]);
            return Some(format!("wait for it, or stop it with Ctrl-C; how far it is: {status}"));
        }
        StoreError::JournalGone { study } => return Some(fsck(study)),
        StoreError::Journal(JournalError::Damaged { path, .. } | JournalError::CutShort { path, .. }) => {
            return Some(fsck(path.parent().unwrap_or(path)));
        }
        StoreError::NotADirectory { .. } => "move it away, or name another directory for studies with --studies",
        StoreError::Missing { .. } => MISSING,
        StoreError::Foreign { .. } => "give the study another name, or remove that directory",
        StoreError::Journal(JournalError::Io { .. } | JournalError::Newer { .. })
        | StoreError::Commit(_)
        | StoreError::Io { .. } => return None,
    };
    Some(help.to_owned())
}

fn fsck(study: &Path) -> String {
    let fsck = about(study, ["fsck"]);
    format!("see what is damaged: {fsck}; with --repair it keeps everything that is whole")
}
