//! Words for a POSIX shell.

use hpo_script::variable;
use serde_json::Value;

use super::{Unwritable, each};
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
        let passed = hpo_script::passed(command, |name| of_script(spec, trial, name));
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
    let filled = |texts: &[String]| hpo_script::passed(texts, |name| of_script(spec, trial, name)).all;
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

/// What a placeholder stands for when the trial is trained to its end at once; none for what is in a directory of `hpo`'s own.
fn of_script(spec: &StudySpec, trial: &TrialSummary, name: &str) -> Option<Value> {
    let max = spec.policy.max_resource;
    let own = || {
        hpo_script::whole_training(
            name,
            [max, trial.seed, spec.threads as u64, trial.trial.0],
            spec.policy.unit,
            &spec.name,
        )
    };
    trial.parameters.get(name).cloned().or_else(own)
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
