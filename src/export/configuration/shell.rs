//! Words for a POSIX shell.

use std::path::PathBuf;

use hpo_protocol::Run;
use hpo_script::{Passed, variable};
use serde_json::Value;

use super::{Unwritable, each};
use crate::ids::SegmentId;
use crate::study::{StudySpec, TrialSummary};

/// The variable that `hpo` itself reads.
const OWN: &str = "HPO_STUDIES";

/// `HPO_NAME=value` lines.
///
/// # Errors
/// If two parameters have the same variable.
pub(super) fn variables(_: &StudySpec, trial: &TrialSummary) -> Result<String, Unwritable> {
    distinct(trial, "variable", &variable)?;
    if let Some(name) = trial.parameters.keys().find(|name| variable(name) == OWN) {
        return Err(Unwritable::Reserved {
            name: name.clone(),
            variable: OWN,
        });
    }
    Ok(each(&trial.parameters, |name, value| {
        format!("{}={}\n", variable(name), word(value))
    }))
}

/// Words for a command line: those of a script's command that depend on the trial, as `hpo` has passed them; for other trainers
/// `--name=value` words. A value that begins with `-` would otherwise be taken for another option.
///
/// # Errors
/// If nothing is passed on a script's command line, or parsers would take two parameters for the same one.
pub(super) fn arguments(spec: &StudySpec, trial: &TrialSummary) -> Result<String, Unwritable> {
    if let Some(command) = spec.trainer.command.as_ref().filter(|_| spec.trainer.script) {
        let passed = passed(command, spec, trial);
        return match passed.parameters.is_empty() {
            true => Err(Unwritable::NotPassed),
            false => Ok(line(&passed.parameters)),
        };
    }
    distinct(trial, "option", &|name| format!("--{}", name.replace('_', "-")))?;
    if let Some(name) = trial.parameters.keys().find(|name| *name == "help") {
        return Err(Unwritable::Help { name: name.clone() });
    }
    let words = each(&trial.parameters, |name, value| format!("--{name}={} ", word(value)));
    Ok(words.trim_end().to_owned() + "\n")
}

/// The whole command of a script, as `hpo` would start it to train the trial to its end, but for what is in a directory of `hpo`'s own.
///
/// # Errors
/// If the trainer is no script.
pub(super) fn command(spec: &StudySpec, trial: &TrialSummary) -> Result<String, Unwritable> {
    let command = spec.trainer.command.as_ref().filter(|_| spec.trainer.script);
    let command = command.ok_or(Unwritable::NoScript)?;
    let filled = |texts: &[String]| passed(texts, spec, trial).all;
    let environment = spec.trainer.settings.get("environment").and_then(Value::as_object);
    let variables = environment.into_iter().flatten().filter_map(|(name, text)| {
        let value = filled(&[text.as_str()?.to_owned()]).pop()?;
        Some(format!("{name}={value}"))
    });
    let variables: Vec<String> = variables.collect();
    let program = (!variables.is_empty()).then(|| "env".to_owned());
    let words = program.into_iter().chain(variables).chain(filled(command));
    Ok(line(&words.collect::<Vec<_>>()))
}

/// Words as a line for a shell.
fn line(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|text| word(&Value::from(text.as_str()))).collect();
    words.join(" ") + "\n"
}

/// What a script is passed if the trial is trained to its end at once.
fn passed(command: &[String], spec: &StudySpec, trial: &TrialSummary) -> Passed {
    let run = Run {
        segment: SegmentId {
            trial: trial.trial,
            attempt: 0,
        },
        seed: trial.seed,
        parameters: trial.parameters.clone(),
        unit: spec.policy.unit,
        report_every: spec.policy.report_every,
        from: 0,
        to: spec.policy.max_resource,
        max: spec.policy.max_resource,
        checkpoint: None,
        checkpoints: PathBuf::new(),
    };
    hpo_script::passed(command, &run, &spec.name, spec.threads)
}

/// Checks that what parameters are called is different for all of them.
fn distinct(trial: &TrialSummary, what: &'static str, called: &dyn Fn(&str) -> String) -> Result<(), Unwritable> {
    let names: Vec<&String> = trial.parameters.keys().collect();
    for (place, one) in names.iter().enumerate() {
        if let Some(other) = names[..place].iter().find(|other| called(other) == called(one)) {
            return Err(Unwritable::Collision {
                names: [(*other).clone(), (*one).clone()],
                what,
                called: called(one),
            });
        }
    }
    Ok(())
}

/// A scalar as one word for a POSIX shell, and for readers of `.env` files that know its two kinds of quotes.
fn word(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-./:=@_".contains(c);
    match text.contains('\'') {
        _ if !text.is_empty() && text.chars().all(plain) => text,
        true if !text.contains(['"', '$', '`', '\\', '!', '\n']) => format!("\"{text}\""),
        _ => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
