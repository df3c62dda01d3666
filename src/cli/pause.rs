//! `hpo pause`.

use std::path::PathBuf;

use super::CliError;
use super::request::{carry_out, not_running};
use super::study::{Studies, find};
use crate::shell::about;
use crate::store::{Request, StudyReader};
use crate::view::notify;

/// The arguments of `hpo pause`.
#[derive(Debug, clap::Args)]
pub(super) struct Pause {
    /// The study: its name or its directory
    study: PathBuf,
}

impl Pause {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let directory = find(studies, Some(&self.study))?;
        let reader = StudyReader::open(directory.clone())?;
        if !reader.is_running() {
            return Err(not_running(&directory));
        }
        if reader.study().is_held() {
            notify(&format!("the study {} is paused already", directory.name()));
            return Ok(());
        }
        let again = about(directory.root(), ["resume"]);
        let paused = format!("paused: what is being trained is saved, and nothing is begun; it goes on with: {again}");
        carry_out(&directory, &Request::Pause, &paused)
    }
}
