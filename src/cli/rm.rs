//! `hpo rm`.

use std::io::{IsTerminal, stdin};
use std::path::PathBuf;

use super::CliError;
use super::study::{Studies, find, print};
use crate::disk::size_of;
use crate::store::forget_experience;
use crate::view::notify;

/// The arguments of `hpo rm`.
#[derive(Debug, clap::Args)]
pub(super) struct Rm {
    /// The studies: their names, their directories, or their files
    #[arg(required = true, value_name = "STUDY")]
    named: Vec<PathBuf>,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Rm {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        // All of them or none, if one is wrong.
        let mut found = Vec::new();
        for study in &self.named {
            let directory = find(studies, Some(study))?;
            if !directory.has_study() {
                return Err(CliError::usage(
                    format!("{} is no study", directory.root().display()),
                    "name a study; whatever else is there, delete it yourself",
                ));
            }
            let lock = directory.lock()?;
            found.push((directory, lock));
        }
        for (directory, lock) in found {
            let (shown, mib) = (directory.root().display(), size_of(directory.root()) >> 20);
            if !self.yes && !asked(&format!("delete {shown} with its trials and models, {mib} MiB? [y/N] "))? {
                print(&format!("kept: {shown}\n"))?;
                continue;
            }
            directory.remove(lock).map_err(|source| CliError::Output {
                what: format!("to {shown}"),
                source,
            })?;
            forget_experience(&directory);
            print(&format!("deleted: {shown}, {mib} MiB\n"))?;
        }
        Ok(())
    }
}

/// Whether the user agrees.
fn asked(question: &str) -> Result<bool, CliError> {
    if !stdin().is_terminal() {
        return Err(CliError::usage(
            "can't ask for confirmation: standard input is not a terminal",
            "delete without asking: --yes",
        ));
    }
    notify(question.trim_end());
    let mut answer = String::new();
    // No answer is a no.
    let _ = stdin().read_line(&mut answer);
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
