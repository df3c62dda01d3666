//! `hpo history`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::CliError;
use super::layout::{Layout, no_column};
use super::study::{Studies, all, ask_of, nowhere, print, print_json};
use crate::disk::size_of;
use crate::store::StudyDirectory;
use crate::view::{self, PastStudy, notify};

/// The arguments of `hpo history`.
#[derive(Debug, clap::Args)]
pub(super) struct History {
    /// The directory of studies [default: that of --studies, or studies in the current directory]
    directory: Option<PathBuf>,

    #[command(flatten)]
    layout: Layout,

    /// Print JSON
    #[arg(long, conflicts_with_all = ["columns", "wide"])]
    json: bool,
}

impl History {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let known: Vec<&str> = view::history_columns().collect();
        let mut chosen = self.layout.chosen().into_iter().flatten();
        if let Some(unknown) = chosen.find(|name| !known.contains(&name.as_str())) {
            return Err(no_column(unknown, &known));
        }
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
            false => print(&view::history(&past, self.layout.chosen(), self.layout.width())),
        }
    }
}

fn fsck(root: &Path) -> String {
    crate::shell::about(root, ["fsck"])
}
