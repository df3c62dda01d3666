//! `hpo schema`.

use super::CliError;
use super::study::print_json;
use crate::study_file;

/// The arguments of `hpo schema`.
#[derive(Debug, clap::Args)]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn run(&self) -> Result<(), CliError> {
        print_json(&study_file::schema())
    }
}
