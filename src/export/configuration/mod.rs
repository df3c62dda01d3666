//! The configuration of a trial in the formats that others read: each is a file of its own and a line of [`Format`].

mod json;
mod shell;
#[cfg(test)]
mod tests;
mod toml;
mod yaml;

use hpo_protocol::{BASE_MODEL, Values};
use serde_json::{Value, json};

use crate::study::{StudySpec, TrialSummary};

/// Why a configuration can't be written in a format.
#[derive(Debug, thiserror::Error)]
pub enum Unwritable {
    /// A value has no place in it.
    #[error(transparent)]
    Value(#[from] ::toml::ser::Error),
    /// Two parameters would be the same in it.
    #[error("the parameters `{}` and `{}` would both be the {what} {called}", names[0], names[1])]
    Collision {
        /// The parameters.
        names: [String; 2],
        /// What they would be.
        what: &'static str,
        /// Its name.
        called: String,
    },
    /// A parameter would be a variable that `hpo` itself reads.
    #[error("the parameter `{name}` would be {variable}, by which hpo itself is given the directory of studies")]
    Reserved {
        /// The parameter.
        name: String,
        /// The variable.
        variable: &'static str,
    },
    /// A parameter would be the option that asks for help.
    #[error("the parameter `{name}` would be --{name}, by which programs are asked how they are used")]
    Help {
        /// The parameter.
        name: String,
    },
    /// The command of a script has none of the parameters.
    #[error(
        "the command of the script has no placeholder of a parameter: it reads them from its environment or a file"
    )]
    NotPassed,
    /// There is no command with options.
    #[error("the trainer is no script with a command of its own")]
    NoScript,
}

/// Declares the formats, each with the function that writes it.
macro_rules! formats {
    ($($(#[doc = $about:literal])+ $format:ident => $write:path,)+) => {
        /// A format for a configuration.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
        pub enum Format {
            $($(#[doc = $about])+ $format,)+
        }

        /// The configuration of a trial, ending in a newline.
        ///
        /// # Errors
        /// If a value has no place in the format.
        pub fn configuration(spec: &StudySpec, trial: &TrialSummary, format: Format) -> Result<String, Unwritable> {
            let trial = &with_absolute_model(spec, trial);
            match format {
                $(Format::$format => $write(spec, trial),)+
            }
        }
    };
}

formats! {
    /// A study's file with one trial whose parameters are fixed: what `hpo train` reads.
    Toml => toml::write,
    /// A JSON object.
    Json => json::write,
    /// YAML.
    Yaml => yaml::write,
    /// `HPO_NAME=value` lines for a shell.
    Env => shell::variables,
    /// Words for a command line, quoted for a shell: a script's options as its command has them, or `--name=value`.
    Args => shell::arguments,
    /// The whole command of a script, quoted for a shell.
    Command => shell::command,
}

/// The trial with the whole path of its base model, if it has chosen one: what it has is relative to the study's file, and nobody
/// knows where the configuration will be read.
fn with_absolute_model(spec: &StudySpec, trial: &TrialSummary) -> TrialSummary {
    let mut trial = trial.clone();
    let path = spec.trainer.base_model(&trial.parameters).map(Value::from);
    if let (Some(model), Some(path)) = (trial.parameters.get_mut(BASE_MODEL), path) {
        *model = path;
    }
    trial
}

fn each(parameters: &Values, line: impl Fn(&str, &Value) -> String) -> String {
    parameters.iter().map(|(name, value)| line(name, value)).collect()
}

fn facts(spec: &StudySpec, trial: &TrialSummary) -> Value {
    json!({
        "study": spec.name,
        "trial": trial.trial,
        "objective": trial.objective,
        "loss": trial.loss,
        "resource": trial.best_at,
        "resource_unit": spec.policy.unit,
        "metrics": trial.best_at.map(|_| &trial.metrics),
        "seed": trial.seed,
        "parameters": trial.parameters,
    })
}
