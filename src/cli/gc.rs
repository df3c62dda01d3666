//! `hpo gc`.

use std::path::PathBuf;

use serde_json::json;

use super::CliError;
use super::layout::stdout_width;
use super::study::{Studies, all, nowhere, print, print_json};
use crate::gc::{Extent, collect};
use crate::store::StudyDirectory;
use crate::view;

/// The arguments of `hpo gc`.
#[derive(Debug, clap::Args)]
pub(super) struct Gc {
    /// The directory of studies [default: that of --studies, or studies in the current directory]
    directory: Option<PathBuf>,

    /// Remove nothing, and say what would go
    #[arg(long)]
    dry_run: bool,

    /// Remove what is made again when it is needed too: databases of finished studies, and what trainers keep to read data faster
    #[arg(long)]
    all: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Gc {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let studies = Studies(self.directory.clone().or_else(|| studies.0.clone()));
        if !studies.here().is_dir() {
            return Err(nowhere(&StudyDirectory::new(studies.here()), None));
        }
        let extent = Extent {
            all: self.all,
            dry: self.dry_run,
        };
        let found = collect(studies.here(), &all(&studies), extent).map_err(|source| CliError::Output {
            what: format!("to {}", studies.here().display()),
            source,
        })?;
        if !self.json {
            return print(&view::waste(&found, self.dry_run, stdout_width()));
        }
        let mut value = json!(found);
        value["dry_run"] = self.dry_run.into();
        print_json(&value)
    }
}
