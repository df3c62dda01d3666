//! `hpo resume`.

use std::path::{Path, PathBuf};

use super::CliError;
use super::run::SlotArguments;
use super::search;

/// The arguments of `hpo resume`.
#[derive(Debug, clap::Args)]
pub(super) struct Resume {
    /// The study: its name or its directory
    study: PathBuf,

    #[command(flatten)]
    slots: SlotArguments,
}

impl Resume {
    pub(super) fn run(&self, studies: &Path) -> Result<(), CliError> {
        search::resume(studies, &self.study, &self.slots)
    }
}
