//! `hpo train`.

use std::path::PathBuf;

use super::output::refuse_existing;
use super::run::SlotArguments;
use super::search::search;
use super::study::{Studies, print};
use super::{CliError, export};
use crate::ids::TrialId;
use crate::shell::path_word;
use crate::store::StudyReader;
use crate::study::{PolicyKind, StudySpec};
use crate::study_file::{self, StudyFile};
use crate::view::notify;

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
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
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
            refuse_existing(output)?;
            if study_file::keeps_nothing(&file) {
                notify(
                    "note: nothing passes {checkpoint_dir} to the script: unless it leaves its model in HPO_CHECKPOINT_DIR, there will be \
                     none for --output",
                );
            }
        }
        once(&mut file);
        let (config, output) = (path_word(&self.config), self.output.as_deref().map(path_word));
        let output = output.iter().flat_map(|path| ["--output".as_ref(), path.as_os_str()]);
        let words = ["train".as_ref(), "--config".as_ref(), config.as_os_str()].into_iter();
        let again = self.slots.command(words.chain(output), studies);
        let directory = studies.of(&file.path, &file.study.name);
        let directory = search(&file, directory, None, &self.slots, &again)?;
        if let Some(output) = &self.output {
            let reader = StudyReader::open(directory)?;
            export::write_model(&reader, TrialId(0), output)?;
            print(&format!("model: {}\n", output.display()))?;
        }
        Ok(())
    }
}

/// Makes it the file of a study of one trial that is trained to its end.
pub(super) fn once(file: &mut StudyFile) {
    // There is one trial: it has the whole machine.
    file.slots.machines.truncate(1);
    for machine in &mut file.slots.machines {
        if file.slots.threads_per_trial.is_none() && machine.trials_per_device.is_none() {
            machine.have_one_slot();
        }
    }
    file.study.trials = 1;
    file.study.policy.kind = PolicyKind::None;
    file.study.confirmation = None;
}

/// Whether [`once`] may have made a study what it is.
pub(super) fn is_once(spec: &StudySpec) -> bool {
    let mut parameters = spec.space.parameters.iter();
    spec.trials == 1 && spec.policy.kind == PolicyKind::None && parameters.all(|one| one.distribution.is_fixed())
}
