//! `hpo status`.

use std::path::PathBuf;

use super::CliError;
use super::study::{Studies, as_json, ask, print};
use crate::clock::now;
use crate::view;

/// The arguments of `hpo status`.
#[derive(Debug, clap::Args)]
pub(super) struct Status {
    /// The study: its name, its directory, or its file [default: the most recently changed one]
    study: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let text = ask(studies, self.study.as_deref(), |records, directory| {
            let (overview, running) = (records.overview(), directory.is_locked());
            Ok(match self.json {
                true => as_json(&view::status_json(&overview, directory, running)),
                false => {
                    let width = view::size_of_stdout().map(|(columns, _)| columns);
                    view::status(&overview, directory, running, now(), width)
                }
            })
        })?;
        print(&text)
    }
}
