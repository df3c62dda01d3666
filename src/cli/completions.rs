//! `hpo completions` and `hpo man`.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;

use super::study::print;
use super::{Arguments, CliError};
use crate::disk::create_directories;

/// The arguments of `hpo completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "hpo", &mut script);
        print(&String::from_utf8_lossy(&script))
    }
}

/// The arguments of `hpo man`.
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// A directory, such as ~/.local/share/man/man1
    directory: PathBuf,
}

impl Man {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let written = create_directories(&self.directory)
            .and_then(|()| clap_mangen::generate_to(Arguments::command(), &self.directory));
        written.map_err(|source| CliError::Output {
            what: self.directory.display().to_string(),
            source,
        })
    }
}
