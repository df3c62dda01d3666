//! `hpo train`.

use std::path::{Path, PathBuf};

use super::run::SlotArguments;
use super::search::search;
use super::study::print;
use super::{CliError, export};
use crate::ids::TrialId;
use crate::store::StudyReader;
use crate::study::PolicyKind;
use crate::study_file;

/// The arguments of `hpo train`.
#[derive(Debug, clap::Args)]
pub(super) struct Train {
    /// A study's file in which every parameter is fixed, as `hpo export` writes it
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Where to write the model; it must not exist [default: best-model in the study's directory]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,

    #[command(flatten)]
    slots: SlotArguments,
}

impl Train {
    pub(super) fn run(&self, studies: &Path) -> Result<(), CliError> {
        let mut file = study_file::read(&self.config)?;
        let searched: Vec<&str> = file
            .study
            .space
            .parameters
            .iter()
            .filter(|parameter| !parameter.distribution.is_fixed())
            .map(|parameter| parameter.name.as_str())
            .collect();
        if !searched.is_empty() {
            return Err(CliError::usage(
                format!("{} does not fix: {}", self.config.display(), searched.join(", ")),
                "give each of them one value, such as `dropout = 0.1`, or use hpo search",
            ));
        }
        if let Some(output) = &self.output {
            export::refuse_existing(output)?;
        }
        if file.slots.threads_per_trial.is_none() && file.slots.trials_per_device.is_none() {
            // There is one trial: it has the whole machine.
            file.slots.trials_per_device = Some(1);
        }
        file.study.trials = 1;
        file.study.policy.kind = PolicyKind::None;
        file.study.confirmation = None;
        let again = format!("hpo train --config {}", self.config.display());
        let directory = search(&file, studies, &self.slots, &again)?;
        if let Some(output) = &self.output {
            let reader = StudyReader::open(directory)?;
            export::write_model(&reader, TrialId(0), output)?;
            print(&format!("model: {}\n", output.display()))?;
        }
        Ok(())
    }
}
