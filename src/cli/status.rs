//! `hpo status`.

use std::path::{Path, PathBuf};

use super::CliError;
use super::study::{print, print_json, read};
use crate::clock::now;
use crate::view;

/// The arguments of `hpo status`.
#[derive(Debug, clap::Args)]
pub(super) struct Status {
    /// The study: its name or its directory [default: the most recently changed one]
    study: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn run(&self, studies: &Path) -> Result<(), CliError> {
        let reader = read(studies, self.study.as_deref())?;
        let (study, directory, running) = (reader.study(), reader.directory(), reader.is_running());
        if self.json {
            print_json(&view::status_json(study, directory, running))
        } else {
            print(&view::status(study, directory, running, now()))
        }
    }
}
