//! `hpo explain`.

use std::path::PathBuf;

use serde_json::json;

use super::CliError;
use super::number::trial_first;
use super::show::no_such_trial;
use super::study::{Studies, find, print, print_json};
use crate::analysis::Explainer;
use crate::ids::TrialId;
use crate::shell::about;
use crate::store::{read_whole, version};
use crate::view::{self, notify};

/// The arguments of `hpo explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// The trial's number
    #[arg(allow_negative_numbers = true, value_parser = trial_first)]
    trial: TrialId,

    /// The study: its name, its directory, or its file [default: the most recently changed one]
    study: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let directory = find(studies, self.study.as_deref())?;
        let mut explainer = Explainer::new(self.trial);
        let damage = read_whole(&directory, |record| explainer.take(&record))?;
        if let Some(damage) = &damage {
            notify(&format!(
                "warning: {damage}; what came after that is not known ({})",
                about(directory.root(), ["fsck"])
            ));
        }
        let (study, explanation) = explainer.end();
        let trial = study.as_ref().and_then(|study| Some((study, study.trial(self.trial)?)));
        let Some(((study, trial), explanation)) = trial.zip(explanation) else {
            let trials = study.as_ref().map_or(0, |study| study.trials().len());
            return Err(no_such_trial(&directory, &directory.name(), self.trial, trials));
        };
        let version = version(&directory)?;
        if self.json {
            let mut value = json!(explanation);
            value["study"] = json!(study.spec().name);
            value["state"] = json!(trial.state.status());
            value["objective"] = json!(study.spec().objective);
            value["resource_unit"] = json!(study.spec().policy.unit);
            value["parameters"] = json!(trial.parameters);
            value["damage"] = json!(damage.map(|damage| damage.to_string()));
            return print_json(&value);
        }
        print(&view::explanation(study, trial, &explanation, &version))
    }
}
