//! `hpo history`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::CliError;
use super::study::{Studies, all, ask_of, nowhere, print, print_json};
use crate::disk::size_of;
use crate::store::StudyDirectory;
use crate::view::{self, PastStudy, notify};

/// The arguments of `hpo history`.
#[derive(Debug, clap::Args)]
pub(super) struct History {
    /// The directory of studies [default: that of --studies, or studies in the current directory]
    directory: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl History {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let studies = Studies(self.directory.clone().or_else(|| studies.0.clone()));
        let directories = all(&studies);
        if directories.is_empty() {
            return Err(nowhere(&StudyDirectory::new(studies.here()), None));
        }
        let mut past = Vec::new();
        for directory in directories {
            let (root, name) = (directory.root().to_owned(), directory.name());
            let asked = ask_of(directory, |records, directory| {
                let overview = records.overview().into_owned();
                Ok(PastStudy::new(&overview, directory, size_of(directory.root())))
            });
            match asked {
                Ok(study) => past.push(study),
                // One damaged study does not hide the others.
                Err(error) => notify(&format!("{name}: {error} (look at it: {})", fsck(&root))),
            }
        }
        past.sort_by_key(|study| std::cmp::Reverse(study.updated_ms));
        match self.json {
            true => print_json(&json!(past)),
            false => print(&view::history(&past)),
        }
    }
}

fn fsck(root: &Path) -> String {
    crate::shell::about(root, ["fsck"])
}
