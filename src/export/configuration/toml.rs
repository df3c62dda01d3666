//! A study's file with nothing left to search.

use hpo_protocol::BASE_MODEL;
use hpo_script::Template;
use serde_json::{Map, Value, json};

use super::{Unwritable, each};
use crate::study::{StudySpec, Trainer, TrialSummary};
use crate::study_file::settings_of_today;
use crate::words::quoted;

/// The most bytes of a study's name.
const MOST_NAME: usize = 100;

fn toml_key(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if plain { name.to_owned() } else { quoted(name) }
}

/// The name of a study of one trial of another study, whose name may be as long as names can be.
fn name(spec: &StudySpec, trial: &TrialSummary) -> String {
    let end = format!("-trial-{}", trial.trial);
    let most = MOST_NAME.saturating_sub(end.len());
    format!("{}{end}", &spec.name[..spec.name.floor_char_boundary(most)])
}

/// Whether a name is that of a parameter that the trial does not have.
fn is_absent(spec: &StudySpec, trial: &TrialSummary, name: &str) -> bool {
    let mut parameters = spec.space.parameters.iter();
    !trial.parameters.contains_key(name) && parameters.any(|parameter| parameter.name == name)
}

/// Whether all placeholders of a text have values.
fn is_filled(text: &str, has: impl Fn(&str) -> bool) -> bool {
    Template::parse(text).is_ok_and(|template| template.names().all(has))
}

/// The table of what trains, as the trial had it.
fn trainer(spec: &StudySpec, trial: &TrialSummary) -> Map<String, Value> {
    let mut trainer = Map::new();
    trainer.insert("seed".into(), json!(trial.seed));
    let settings = &spec.trainer.settings;
    match &spec.trainer.command {
        Some(command) => {
            let has = |name: &str| !is_absent(spec, trial, name);
            trainer.insert("directory".into(), json!(spec.trainer.directory));
            trainer.extend(settings.clone());
            let mut arguments = command.clone();
            if spec.trainer.script {
                // What made it one may be left out where this trial has no value for it.
                trainer.insert("script".into(), json!(true));
                arguments = hpo_script::arguments_for(command, has);
                let variables = trainer.get_mut("environment").and_then(Value::as_object_mut);
                if let Some(variables) = variables {
                    variables.retain(|_, text| text.as_str().is_some_and(|text| is_filled(text, has)));
                }
            }
            trainer.insert("command".into(), json!(arguments));
        }
        None => trainer.extend(settings_of_today(
            settings,
            trial.metrics.contains_key("triplet_accuracy"),
        )),
    }
    // What the trial has chosen stands among its parameters.
    if trial.parameters.contains_key(BASE_MODEL) && spec.trainer.command.is_none() {
        trainer.remove(BASE_MODEL);
    }
    trainer
}

/// The file, which trains the configuration as the trial was trained.
pub(super) fn write(spec: &StudySpec, trial: &TrialSummary) -> Result<String, Unwritable> {
    let policy = &spec.policy;
    let mut text = format!("# Trial {} of the study {}", trial.trial, spec.name);
    if let Some((resource, value)) = trial.best_at.zip(trial.objective) {
        let objective = &spec.objective;
        let name = if objective.is_loss() {
            "validation loss"
        } else {
            &objective.metric
        };
        text += &format!(": {name} {value:.6} at {} {resource}", policy.unit.one());
    }
    text += match spec.trainer.script {
        // What a script leaves, if anything, is its own matter.
        true => {
            ".\n# To train it again: hpo train --config THIS_FILE, and with --output DIRECTORY for what the script leaves in {checkpoint_dir}\n\n"
        }
        false => {
            ".\n# To train it again: hpo train --config THIS_FILE --output MODEL_DIRECTORY\n\
             # As many threads give the same bits again; without `threads_per_trial` it is trained on all cores.\n\n"
        }
    };
    let mut trainer = trainer(spec, trial);
    // Those of another trainer are settings of its own.
    let evaluations = match &spec.trainer.command {
        Some(_) => None,
        None => trainer.remove(Trainer::EVALUATIONS),
    };
    let mut study = json!({ "name": name(spec, trial), "seed": spec.seed, "trials": 1 });
    if !spec.objective.is_loss() {
        study["objective"] = json!(spec.objective.metric);
        study["direction"] = json!(spec.objective.direction);
    }
    let mut file = json!({
        "study": study,
        "policy": {
            "type": "none",
            "resource": policy.unit,
            "max_resource": policy.max_resource,
            "report_every": policy.report_every,
        },
        "sampler": { "type": "random" },
        "slots": { "threads_per_trial": spec.threads },
        "trial": trainer,
    });
    if let Some(evaluations) = evaluations {
        file["evaluation"] = evaluations;
    }
    text += &::toml::to_string(&file)?;
    text += "\n[space]\n";
    // Other scalars of JSON are TOML as they stand, and shorter than what the library writes for small numbers.
    text += &each(&trial.parameters, |name, value| {
        let value = value.as_str().map_or_else(|| value.to_string(), quoted);
        format!("{} = {value}\n", toml_key(name))
    });
    Ok(text)
}
