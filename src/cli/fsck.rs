//! `hpo fsck`.

use std::path::PathBuf;

use serde_json::json;

use super::CliError;
use super::study::{Studies, find, print, print_json};
use crate::clock::now;
use crate::fsck;
use crate::view;

/// The arguments of `hpo fsck`.
#[derive(Debug, clap::Args)]
pub(super) struct Fsck {
    /// The study: its name, its directory, or its file
    study: PathBuf,

    /// Keep everything that is provably whole: repair the journal, rebuild the trial database, and let trials whose checkpoints are
    /// lost fall back to earlier ones. A damaged journal is kept under another name
    #[arg(long)]
    repair: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Fsck {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let directory = find(studies, Some(&self.study))?;
        let examination = match self.repair {
            true => fsck::repair(&directory, now())?,
            false => fsck::examine(&directory)?,
        };
        if self.json {
            let mut value = json!(examination);
            value["whole"] = examination.is_whole().into();
            print_json(&value)?;
        } else {
            print(&view::examination(&examination))?;
        }
        if examination.is_whole() {
            Ok(())
        } else {
            Err(CliError::Damaged)
        }
    }
}
