//! `hpo space`.

use std::path::PathBuf;

use clap::Subcommand;
use hpo_protocol::Values;
use serde_json::json;

use super::CliError;
use super::study::{print, print_json};
use crate::study::{History, Request};
use crate::study_file;
use crate::view;

/// How many configurations are shown.
const SAMPLES: u64 = 5;

/// The verbs of `hpo space`.
#[derive(Debug, Subcommand)]
pub(super) enum Space {
    /// Check a study's file, and print its space, the size of the space, and some configurations
    Check(Check),
}

/// The arguments of `hpo space check`.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// The study's file
    file: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Space {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let Self::Check(check) = self;
        let study = study_file::read(&check.file)?.study;
        let request = Request {
            history: History {
                space: &study.space,
                rungs: &study.policy.rungs(),
                observations: &[],
            },
            seed: study.seed,
            start: 0,
            first: 0,
            count: SAMPLES.min(study.trials),
        };
        let samples: Vec<Values> = study.sampler.draw(&request);
        if check.json {
            return print_json(&json!({
                "study": study.name,
                "space": study.space,
                "size": study.space.size(),
                "samples": samples,
            }));
        }
        print(&view::space(&study.name, &study.space, &samples))
    }
}
