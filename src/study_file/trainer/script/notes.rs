//! What the user of a script should know though nothing is wrong.

use hpo_script::{CHECKPOINT_DIR, CONFIG, RESUME_FROM, Script, Template, variable};

use super::super::super::{StudyFile, StudySettings};
use super::settings_of;
use crate::words::listed;

/// What the user should know of the script that a file names, a sentence each.
pub fn script_notes(file: &StudyFile) -> Vec<String> {
    let study = &file.study;
    let Some(script) = settings_of(&study.trainer) else {
        return Vec::new();
    };
    let templates = templates(study, &script);
    let passes = |name: &str| {
        templates
            .iter()
            .any(|template| template.names().any(|other| other == name))
    };
    let mut notes = Vec::new();
    let parameters = study.space.parameters.iter().map(|parameter| parameter.name.as_str());
    let unused: Vec<&str> = parameters.filter(|name| !passes(name)).collect();
    // One that is passed nothing and prints reports was written to ask.
    let asks = script.metrics.is_empty()
        && script.metrics_file.is_none()
        && templates.iter().all(|template| template.names().next().is_none());
    if !unused.is_empty() && !passes(CONFIG) && !asks {
        let names = listed(unused.iter().map(|name| format!("`{name}`")), " or ");
        let variables = listed(unused.iter().map(|name| variable(name)), ", ");
        notes.push(format!(
            "note: no placeholder passes {names} to the script: it must read {variables}, or the file that HPO_CONFIG names"
        ));
    }
    let why = if !script.resume {
        Some("with `resume = false` the script".to_owned())
    } else if !passes(CHECKPOINT_DIR) && !passes(RESUME_FROM) {
        Some(format!(
            "nothing passes {{{CHECKPOINT_DIR}}} to the script. Unless it keeps what it has trained in HPO_CHECKPOINT_DIR, it"
        ))
    } else {
        None
    };
    notes.extend(why.and_then(|why| cost(file, &why)));
    notes
}

/// Whether the trainer is a script that no placeholder gives a directory for what it keeps.
pub fn keeps_nothing(file: &StudyFile) -> bool {
    let script = settings_of(&file.study.trainer);
    script.is_some_and(|script| {
        let templates = templates(&file.study, &script);
        let mut names = templates.iter().flat_map(Template::names);
        !names.any(|name| name == CHECKPOINT_DIR || name == CONFIG)
    })
}

/// All texts that have placeholders.
fn templates(study: &StudySettings, script: &Script) -> Vec<Template> {
    let command = study.trainer.command.iter().flatten();
    let texts = command.chain(script.environment.values()).chain(&script.metrics_file);
    texts.filter_map(|text| Template::parse(text).ok()).collect()
}

/// What it costs to train anew at each rung, after the beginning of a sentence that says `why`.
fn cost(file: &StudyFile, why: &str) -> Option<String> {
    let policy = &file.study.policy;
    let stops = policy.stops(file.study.trials);
    let max = stops.last().filter(|_| stops.len() > 1)?;
    let (unit, many) = (policy.unit.one(), policy.unit.many());
    let sum = stops.iter().try_fold(0u64, |sum, stop| sum.checked_add(*stop))?;
    let terms = listed(stops.iter().map(ToString::to_string), " + ");
    Some(format!(
        "note: {why} is trained anew for each rung: a trial to {unit} {max} then takes {terms} = {sum} {many}"
    ))
}
