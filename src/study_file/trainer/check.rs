//! The files that a study's file names.

use std::path::Path;

use hpo_data::{DataError, Kind, Report};
use hpo_protocol::embedding::{Settings, Sizes, ValidationLoss};
use toml::de::DeTable;

use super::super::reader::{Item, Problem, Span, Table};
use super::super::{StudyFile, diagnostic};
use super::effect::{can_replace, without_effect};
use super::inputs::NamedInput;
use super::keys::{MODEL, PROMPT_SETS, PROMPTS, VALIDATION_LOSS};
use super::limits::exceeded;
use super::model;
use crate::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::program::{is_program, on_path};

/// Checks that the files that the trainer will read are there, that the model is one that it can use with the values of the file,
/// and that the data can be trained with: reports what they hold. Of a trainer of the user's own it checks that its program is
/// there, and where it runs.
///
/// # Errors
/// All that is wrong.
pub fn check_files(file: &StudyFile) -> Result<Option<Report>, Diagnostics> {
    let trainer = &file.study.trainer;
    if let Some(command) = &trainer.command {
        check_program(file, command, &trainer.directory)?;
        return Ok(None);
    }
    let settings: Settings = serde_json::from_value(serde_json::json!(trainer.settings))
        .map_err(|error| Diagnostic::whole_file(&file.path, error.to_string(), "check the keys of `[trial]`"))?;
    let model = check_model(file, &settings.model);
    let data = check_data(file, &settings);
    let kind = data.as_ref().ok().map(|report| report.kind);
    let mut wrong = Vec::new();
    let report = match data {
        Ok(report) => Some(report),
        Err(diagnostic) => {
            wrong.push(diagnostic);
            None
        }
    };
    match model {
        Ok(sizes) => {
            let problems = exceeded(&file.text, &settings, sizes, kind);
            wrong.extend(
                problems
                    .into_iter()
                    .map(|problem| diagnostic(problem, &file.text, &file.path)),
            );
        }
        Err(flaws) => wrong.splice(0..0, flaws).for_each(drop),
    }
    match wrong.is_empty() {
        true => Ok(report),
        false => Err(Diagnostics(wrong)),
    }
}

fn check_data(file: &StudyFile, settings: &Settings) -> Result<Report, Diagnostic> {
    let sets = hpo_data::load(settings).map_err(|error| match error.place {
        Some(_) => in_data(error),
        None => {
            let keys = [
                ("synonyms", &settings.synonyms),
                ("test", &settings.test),
                ("validation", &settings.validation),
            ];
            let named = keys.iter().find(|(_, path)| path.as_ref() == Some(&error.file));
            let key = named.map_or("train", |(key, _)| key);
            let path = error.file.to_string_lossy();
            at_key(file, key, &path, error.message, &error.help)
        }
    })?;
    if let Some(synonyms) = &settings.synonyms
        && !can_replace(&file.study.space)
    {
        let message = "`synonyms` has no effect: `synonym_replacement` is 0".to_owned();
        let help = "remove it, or search `synonym_replacement` under `[space]`";
        return Err(at_key(file, "synonyms", &synonyms.to_string_lossy(), message, help));
    }
    if !settings.prompt_sets.is_empty() && !file.study.space.parameters.iter().any(|own| own.name == PROMPTS) {
        let message = format!("`{PROMPT_SETS}` has no effect: no trial names one of them");
        let help = format!("remove it, or search `{PROMPTS}` under `[space]`");
        return Err(at_key(file, PROMPT_SETS, "", message, &help));
    }
    if let Some(loss) = settings.validation_loss
        && !loss.is_for(sets.report.kind)
    {
        return Err(no_validation_loss(file, loss, sets.report.kind));
    }
    match without_effect(&file.study.space, sets.report.kind, sets.synonyms.is_some()) {
        Some(idle) => Err(diagnostic(
            Problem::new(
                parameter_key(&file.text, &idle.parameter).unwrap_or_default(),
                idle.message,
                idle.label,
                idle.help,
            ),
            &file.text,
            &file.path,
        )),
        None => Ok(sets.report),
    }
}

/// About a validation loss that the data are not made for.
fn no_validation_loss(file: &StudyFile, loss: ValidationLoss, kind: Kind) -> Diagnostic {
    let message = format!("the validation loss `{loss}` can't be computed for {kind}");
    let others: Vec<String> = ValidationLoss::ALL
        .iter()
        .filter(|other| other.is_for(kind))
        .map(|other| format!("`\"{other}\"`"))
        .collect();
    let help = format!("write {}, or remove it", others.join(" or "));
    let span = place(&file.text, VALIDATION_LOSS.name, 0).unwrap_or_default();
    diagnostic(
        Problem::new(span, message, "not for these data", help),
        &file.text,
        &file.path,
    )
}

fn check_program(file: &StudyFile, command: &[String], directory: &Path) -> Result<(), Diagnostic> {
    let shown = directory.to_string_lossy();
    if !directory.is_dir() {
        let message = format!("there is no directory `{shown}`");
        return Err(at_key(file, "directory", &shown, message, "make it, or check the path"));
    }
    let Some(name) = command.first() else { return Ok(()) };
    if !name.contains('/') {
        if on_path(name).is_some() {
            return Ok(());
        }
        let message = format!("there is no program `{name}` on the PATH");
        return Err(at_key(file, "command", name, message, "install it, or write its path"));
    }
    let (message, help) = match Path::new(name) {
        program if is_program(program) => return Ok(()),
        program if program.is_file() => ("can't be executed", "make it executable with chmod +x"),
        program if program.exists() => ("is no file", "check the path"),
        _ => ("is not there", "check the path"),
    };
    Err(at_key(
        file,
        "command",
        name,
        format!("the program `{name}` {message}"),
        help,
    ))
}

/// Where the name of a parameter stands under `[space]`.
fn parameter_key(text: &str, name: &str) -> Option<Span> {
    let document = DeTable::parse(text).ok()?;
    let item: Item = Table::root(&document).get("space")?.table().ok()?.get(name)?;
    Some(item.key_span)
}

fn check_model(file: &StudyFile, directory: &Path) -> Result<Sizes, Vec<Diagnostic>> {
    let shown = directory.to_string_lossy();
    let at_model = |message: String, help: &str| at_key(file, MODEL.name, &shown, message, help);
    if directory.is_dir() {
        let flaws = model::check(directory);
        return flaws.map_err(|flaws| {
            let flaws = flaws.into_iter();
            flaws.map(|flaw| at_model(flaw.message, &flaw.help)).collect()
        });
    }
    let (message, help) = match directory.exists() {
        true => (format!("`{shown}` is not a directory"), model::FORM.to_owned()),
        false => (
            format!("there is no model directory `{shown}`"),
            place_text(&file.text, MODEL.name)
                .and_then(|name| model::download(&name, directory))
                .unwrap_or_else(|| model::FORM.to_owned()),
        ),
    };
    Err(vec![at_model(message, &help)])
}

/// What is wrong with a file that the settings of the trainer name.
pub fn about_input(file: &StudyFile, named: &NamedInput, message: String, help: &str) -> Diagnostic {
    at_element(file, &named.key, named.place, message, help)
}

/// About the value of a key of `[trial]`, or an element of it.
fn at_element(file: &StudyFile, key: &str, element: Option<usize>, message: String, help: &str) -> Diagnostic {
    let problem = match place(&file.text, key, element.unwrap_or(0)) {
        Some(span) => Problem::new(span, message, "named here", help),
        None => Problem::missing(None, message, help),
    };
    diagnostic(problem, &file.text, &file.path)
}

/// About a path that stands under `[trial]`.
fn at_key(file: &StudyFile, key: &str, path: &str, message: String, help: &str) -> Diagnostic {
    let help = if path.contains("/.cache/") && !Path::new(path).exists() {
        "run `make setup` to fetch it"
    } else if path.contains("/~/") {
        "`~` is not replaced here: write the whole path"
    } else {
        help
    };
    at_element(file, key, None, message, help)
}

/// The text that a key of `[trial]` has.
pub(super) fn place_text(text: &str, key: &str) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    let item: Item = Table::root(&document).get("trial")?.table().ok()?.get(key)?;
    item.string().ok().map(str::to_owned)
}

/// Whether `[trial]` has a key.
pub(super) fn has_key(text: &str, key: &str) -> bool {
    place(text, key, 0).is_some()
}

/// Where the value of a key of `[trial]` stands; of an array, one of its elements.
fn place(text: &str, key: &str, element: usize) -> Option<Span> {
    let document = DeTable::parse(text).ok()?;
    let item: Item = Table::root(&document).get("trial")?.table().ok()?.get(key)?;
    match item.array("") {
        Ok(elements) => elements.get(element).map(|element| element.span.clone()),
        Err(_) => Some(item.span),
    }
}

pub(in crate::study_file) fn in_data(error: DataError) -> Diagnostic {
    let source = error.place.map(|place| {
        Box::new(Source {
            text: place.text,
            line_start: place.line,
            span: place.span,
        })
    });
    Diagnostic {
        message: error.message,
        file: error.file,
        source,
        label: String::new(),
        help: Some(error.help),
    }
}
