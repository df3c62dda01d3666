//! What the user of a script should know though nothing is wrong.

use hpo_script::{CHECKPOINT_DIR, CONFIG, RESUME_FROM, Template, variable};

use super::super::super::StudyFile;
use super::settings_of;
use crate::words::listed;

/// What the user should know of the script that a file names, a sentence each.
pub fn script_notes(file: &StudyFile) -> Vec<String> {
    let study = &file.study;
    let Some(script) = settings_of(&study.trainer) else {
        return Vec::new();
    };
    let command = study.trainer.command.iter().flatten();
    let texts = command.chain(script.environment.values()).chain(&script.metrics_file);
    let templates: Vec<Template> = texts.filter_map(|text| Template::parse(text).ok()).collect();
    let passes = |name: &str| {
        templates
            .iter()
            .any(|template| template.names().any(|other| other == name))
    };
    let mut notes = Vec::new();
    let parameters = study.space.parameters.iter().map(|parameter| parameter.name.as_str());
    let unused: Vec<&str> = parameters.filter(|name| !passes(name)).collect();
    if !unused.is_empty() && !passes(CONFIG) {
        let names = listed(unused.iter().map(|name| format!("`{name}`")), " or ");
        let variables = listed(unused.iter().map(|name| variable(name)), ", ");
        notes.push(format!(
            "note: no placeholder passes {names} to the script: it must read {variables}, or the file that HPO_CONFIG names"
        ));
    }
    if !passes(CHECKPOINT_DIR) && !passes(RESUME_FROM) {
        notes.extend(cost(file));
    }
    notes
}

/// What it costs to train anew at each rung.
fn cost(file: &StudyFile) -> Option<String> {
    let policy = &file.study.policy;
    let stops = policy.stops(file.study.trials);
    let max = stops.last().filter(|_| stops.len() > 1)?;
    let (unit, many) = (policy.unit.one(), policy.unit.many());
    let sum = stops.iter().try_fold(0u64, |sum, stop| sum.checked_add(*stop))?;
    let terms = listed(stops.iter().map(ToString::to_string), " + ");
    Some(format!(
        "note: nothing passes {{{CHECKPOINT_DIR}}} to the script. Unless it keeps what it has trained in HPO_CHECKPOINT_DIR, it is trained anew \
         for each rung: a trial to {unit} {max} then takes {terms} = {sum} {many}"
    ))
}
