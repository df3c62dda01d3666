//! `hpo retry`.

use std::ffi::OsString;
use std::path::PathBuf;

use super::CliError;
use super::named::apart;
use super::request::{carry_out, known};
use super::study::{Studies, find};
use crate::store::{Request, StudyReader};
use crate::study::{Trial, TrialStatus};
use crate::view::notify;

/// The arguments of `hpo retry`.
#[derive(Debug, clap::Args)]
pub(super) struct Retry {
    /// The study: its name or its directory
    study: PathBuf,

    /// These trials only, which must have failed [default: all that have failed]
    #[arg(allow_negative_numbers = true)]
    trials: Vec<OsString>,
}

impl Retry {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let words = [self.study.as_os_str()].into_iter();
        let (study, mut trials) = match self.trials.is_empty() {
            true => (Some(self.study.as_path()), Vec::new()),
            false => apart(studies, words.chain(self.trials.iter().map(OsString::as_os_str)))?,
        };
        let directory = find(studies, study)?;
        let reader = StudyReader::open(directory.clone())?;
        let study = reader.study();
        let has_failed = |trial: &Trial| trial.state.status() == TrialStatus::Failed;
        for &trial in &trials {
            let known = known(study, trial)?;
            if !has_failed(known) {
                let message = format!("trial {trial} has not failed: it is {}", known.state.word());
                return Err(CliError::usage(message, "see hpo trials"));
            }
        }
        if trials.is_empty() {
            trials = study
                .trials()
                .iter()
                .filter(|trial| has_failed(trial))
                .map(|trial| trial.id)
                .collect();
        }
        if trials.is_empty() {
            notify(&format!("no trial of the study {} has failed", directory.name()));
            return Ok(());
        }
        let names: Vec<String> = trials.iter().map(ToString::to_string).collect();
        let numbered = if trials.len() == 1 { "trial" } else { "trials" };
        let are = format!("{numbered} {}: all attempts again", names.join(", "));
        carry_out(&directory, &Request::Retry { trials }, &are)
    }
}
