//! `hpo explain`.

use serde_json::json;

use super::CliError;
use super::named::OneTrial;
use super::show::no_such_trial;
use super::study::{Studies, find, print, print_json};
use crate::analysis::Explainer;
use crate::shell::about;
use crate::store::{read_whole, version};
use crate::view::{self, notify};

/// The arguments of `hpo explain`.
#[derive(Debug, clap::Args)]
#[command(allow_missing_positional = true)]
pub(super) struct Explain {
    #[command(flatten)]
    named: OneTrial,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let (named, id) = self.named.find(studies)?;
        let directory = find(studies, named)?;
        let mut explainer = Explainer::new(id);
        let damage = read_whole(&directory, |record| explainer.take(&record))?;
        if let Some(damage) = &damage {
            notify(&format!(
                "warning: {damage}; what came after that is not known ({})",
                about(directory.root(), ["fsck"])
            ));
        }
        let (study, explanation) = explainer.end();
        let trial = study.as_ref().and_then(|study| Some((study, study.trial(id)?)));
        let Some(((study, trial), explanation)) = trial.zip(explanation) else {
            let trials = study.as_ref().map_or(0, |study| study.trials().len());
            return Err(no_such_trial(&directory, &directory.name(), id, trials));
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
