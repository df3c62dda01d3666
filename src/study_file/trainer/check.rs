//! The files that a study's file names.

use std::path::Path;

use hpo_data::{DataError, Kind, Report};
use hpo_protocol::embedding::{Settings, ValidationLoss};
use toml::de::DeTable;

use super::super::reader::{Item, Problem, Span, Table};
use super::super::{StudyFile, diagnostic};
use super::effect::{can_replace, without_effect};
use super::keys::VALIDATION_LOSS;
use crate::diagnostic::{Diagnostic, Source};
use crate::program::{is_program, on_path};

/// Checks that the files that the trainer will read are there, and that the data in them can be trained with: reports what
/// they hold. Of a trainer of the user's own it checks that its program is there, and where it runs.
pub fn check_files(file: &StudyFile) -> Result<Option<Report>, Diagnostic> {
    let trainer = &file.study.trainer;
    if let Some(command) = &trainer.command {
        return check_program(file, command, &trainer.directory).map(|()| None);
    }
    let settings: Settings = serde_json::from_value(serde_json::json!(trainer.settings))
        .map_err(|error| Diagnostic::whole_file(&file.path, error.to_string(), "check the keys of `[trial]`"))?;
    check_model(file, &settings.model.to_string_lossy())?;
    let sets = hpo_data::load(&settings).map_err(|error| match error.place {
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
        None => Ok(Some(sets.report)),
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
    let span = place(&file.text, VALIDATION_LOSS.name).unwrap_or_default();
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

fn check_model(file: &StudyFile, model: &str) -> Result<(), Diagnostic> {
    const FORM: &str =
        "it must be a Hugging Face model directory with `config.json`, `tokenizer.json` and `model.safetensors`";
    let directory = Path::new(model);
    if !directory.is_dir() {
        let message = match directory.exists() {
            true => format!("`{model}` is not a directory"),
            false => format!("there is no model directory `{model}`"),
        };
        return Err(at_key(file, "model", model, message, FORM));
    }
    let wanted: [&[&str]; 3] = [
        &["config.json"],
        &["tokenizer.json"],
        &["model.safetensors", "model.safetensors.index.json"],
    ];
    for names in wanted {
        if !names.iter().any(|name| directory.join(name).is_file()) {
            let message = format!("the model directory `{model}` has no `{}`", names[0]);
            return Err(at_key(file, "model", model, message, FORM));
        }
    }
    Ok(())
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
    let problem = match place(&file.text, key) {
        Some(span) => Problem::new(span, message, "named here", help),
        None => Problem::missing(None, message, help),
    };
    diagnostic(problem, &file.text, &file.path)
}

/// Where the value of a key of `[trial]` stands; of an array, its first element.
pub(super) fn place(text: &str, key: &str) -> Option<Span> {
    let document = DeTable::parse(text).ok()?;
    let item: Item = Table::root(&document).get("trial")?.table().ok()?.get(key)?;
    match item.array("") {
        Ok(elements) => elements.first().map(|element| element.span.clone()),
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
