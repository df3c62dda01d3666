//! The files that a study's file names.

use std::path::Path;

use hpo_data::{DataError, Kind, Report, Sets};
use hpo_protocol::Values;
use hpo_protocol::embedding::{Flaw, Flawed, METRICS, Settings, Sizes, ValidationLoss};
use toml::de::DeTable;

use super::super::reader::{Item, Problem, Span, Table};
use super::super::{StudyFile, diagnostic};
use super::effect::{self, can_replace, fixed_for_nothing, without_effect};
use super::evaluation;
use super::inputs::NamedInput;
use super::keys::{MODEL, PROMPT_SETS, PROMPTS, VALIDATION_LOSS};
use super::limits::{Base, exceeded};
use super::places::{at_path, at_span, in_data, place, place_in, place_text};
use super::{model, models};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::program::{is_program, on_path};

/// Checks that the files that the trainer will read are there, that the model is one that it can use with the values of the file,
/// and that the data can be trained with: reports what they hold. Of a trainer of the user's own it checks that its program is
/// there, and where it runs. Base models of which nothing is wrong that shows here are examined by `examine`, which is given the settings
/// of the trainer.
///
/// # Errors
/// All that is wrong.
pub fn check_files(
    file: &StudyFile,
    examine: impl FnOnce(&Values) -> Vec<Flaw>,
) -> Result<Option<Report>, Diagnostics> {
    let trainer = &file.study.trainer;
    if let Some(notify) = &file.notify {
        check_program(file, "notify", &notify.command)?;
    }
    if let Some(command) = &trainer.command {
        check_directory(file, &trainer.directory)?;
        check_program(file, "trial", command)?;
        return Ok(None);
    }
    let settings: Settings = serde_json::from_value(serde_json::json!(trainer.settings))
        .map_err(|error| Diagnostic::whole_file(&file.path, error.to_string(), "check the keys of `[trial]`"))?;
    let models = check_models(file, &settings);
    let data = check_data(file, &settings).map(|sets| sets.report);
    let kind = data.as_ref().ok().map(|report| report.kind);
    let mut wrong = Vec::new();
    let mut report = match data {
        Ok(report) => Some(report),
        Err(Diagnostics(mistakes)) => {
            wrong.extend(mistakes);
            None
        }
    };
    match (evaluation::check(file, &settings), &mut report) {
        (Ok(evaluations), Some(report)) => report.evaluations = evaluations,
        (Ok(_), None) => {}
        (Err(problems), _) => wrong.extend(problems),
    }
    match models {
        Ok(bases) => {
            let problems = exceeded(&file.text, &settings, &bases, &file.study.space, kind);
            let flaws = match problems.is_empty() {
                true => examine(&trainer.settings),
                false => Vec::new(),
            };
            let flaws = flaws.into_iter().map(|flaw| about_flaw(file, flaw));
            let problems = problems.into_iter();
            let problems = problems.map(|problem| diagnostic(problem, &file.text, &file.path));
            wrong.extend(problems.chain(flaws));
        }
        Err(flaws) => wrong.splice(0..0, flaws).for_each(drop),
    }
    match wrong.is_empty() {
        true => Ok(report),
        false => Err(Diagnostics(wrong)),
    }
}

/// Reads the data and checks that they can be trained with.
pub(super) fn check_data(file: &StudyFile, settings: &Settings) -> Result<Sets, Diagnostics> {
    let about = |error: DataError| match error.place {
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
    };
    let mut sets =
        hpo_data::load(settings).map_err(|error| Diagnostics(error.all().into_iter().map(about).collect()))?;
    if let Some(synonyms) = &settings.synonyms
        && !can_replace(&file.study.space)
    {
        let message = "`synonyms` has no effect: `synonym_replacement` is 0".to_owned();
        let help = "remove it, or search `synonym_replacement` under `[space]`";
        return Err(at_key(file, "synonyms", &synonyms.to_string_lossy(), message, help).into());
    }
    if !settings.prompt_sets.is_empty() && !file.study.space.parameters.iter().any(|own| own.name == PROMPTS) {
        let message = format!("`{PROMPT_SETS}` has no effect: no trial names one of them");
        let help = format!("remove it, or search `{PROMPTS}` under `[space]`");
        return Err(at_key(file, PROMPT_SETS, "", message, &help).into());
    }
    if let Some(loss) = settings.validation_loss
        && !loss.is_for(sets.report.kind)
    {
        return Err(no_validation_loss(file, loss, sets.report.kind).into());
    }
    if let Some(problem) = not_measured(file, sets.report.kind) {
        return Err(problem.into());
    }
    let decides = effect::Data::of(&sets);
    match without_effect(&file.study.space, decides) {
        Some(idle) => Err(diagnostic(
            Problem::new(
                parameter_key(&file.text, &idle.parameter).unwrap_or_default(),
                idle.message,
                idle.label,
                idle.help,
            ),
            &file.text,
            &file.path,
        )
        .into()),
        None => {
            let idle = fixed_for_nothing(&file.study.space, decides).into_iter();
            let warnings = idle.map(|idle| format!("{}: {}", idle.message, idle.help));
            sets.report.warnings.extend(warnings);
            Ok(sets)
        }
    }
}

/// About an objective, or a metric that is required, that is not measured on such data.
fn not_measured(file: &StudyFile, kind: Kind) -> Option<Diagnostic> {
    let study = &file.study;
    let required = (0..).zip(study.require.iter().map(|one| ("require", &one.metric)));
    let objectives = [&study.objective].into_iter().chain(&study.further);
    let named = (0..).zip(objectives.map(|objective| ("objective", &objective.metric)));
    let named = named.chain(required);
    let unmeasured = |metric: &String| {
        METRICS
            .iter()
            .any(|(name, kinds)| name == metric && !kinds.contains(&kind))
    };
    let (element, (key, metric)) = named.into_iter().find(|(_, (_, metric))| unmeasured(metric))?;
    let measured = METRICS.iter().filter(|(_, kinds)| kinds.contains(&kind));
    let names: Vec<String> = measured.map(|(name, _)| format!("`{name}`")).collect();
    let span = place_in(&file.text, &["study"], key, element).unwrap_or_default();
    let problem = Problem::new(
        span,
        format!("`{metric}` is not measured on {kind}"),
        "not of these data",
        format!(
            "use one of {} or `loss`, or a metric of an evaluation",
            names.join(", ")
        ),
    );
    Some(diagnostic(problem, &file.text, &file.path))
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

fn check_directory(file: &StudyFile, directory: &Path) -> Result<(), Diagnostic> {
    let shown = directory.to_string_lossy();
    if directory.is_dir() {
        return Ok(());
    }
    let message = format!("there is no directory `{shown}`");
    Err(at_key(file, "directory", &shown, message, "make it, or check the path"))
}

/// Checks that the program of the `command` of a table is there.
fn check_program(file: &StudyFile, table: &str, command: &[String]) -> Result<(), Diagnostic> {
    let Some(name) = command.first() else { return Ok(()) };
    if !name.contains('/') {
        if on_path(name).is_some() {
            return Ok(());
        }
        let message = format!("there is no program `{name}` on the PATH");
        return Err(at_command(file, table, name, message, "install it, or write its path"));
    }
    let (message, help) = match Path::new(name) {
        program if is_program(program) => return Ok(()),
        program if program.is_file() => ("can't be executed", "make it executable with chmod +x"),
        program if program.exists() => ("is no file", "check the path"),
        _ => ("is not there", "check the path"),
    };
    let message = format!("the program `{name}` {message}");
    Err(at_command(file, table, name, message, help))
}

/// About the program of the `command` of a table.
fn at_command(file: &StudyFile, table: &str, program: &str, message: String, help: &str) -> Diagnostic {
    let span = place_in(&file.text, &[table], "command", 0);
    at_path(file, span, program, message, help)
}

/// Where the name of a parameter stands under `[space]`.
fn parameter_key(text: &str, name: &str) -> Option<Span> {
    let document = DeTable::parse(text).ok()?;
    let item: Item = Table::root(&document).get("space")?.table().ok()?.get(name)?;
    Some(item.key_span)
}

/// Checks all base models.
pub(super) fn check_models<'a>(file: &StudyFile, settings: &'a Settings) -> Result<Vec<Base<'a>>, Vec<Diagnostic>> {
    let (mut bases, mut flaws) = (Vec::new(), Vec::new());
    for (name, directory) in settings.model.each() {
        match check_model(file, name, directory) {
            Ok(sizes) => bases.push(Base { name, sizes }),
            Err(found) => flaws.extend(found),
        }
    }
    if flaws.is_empty() { Ok(bases) } else { Err(flaws) }
}

/// Where the base model stands that trials choose by that name, or the only one.
fn model_place(text: &str, name: Option<&str>) -> Option<Span> {
    match name {
        Some(name) => models::place(text, name),
        None => place(text, MODEL.name),
    }
}

/// About what the trainer has found.
fn about_flaw(file: &StudyFile, flaw: Flaw) -> Diagnostic {
    let prompts = match &flaw.of {
        Flawed::Model => None,
        Flawed::Prompts(Some(set)) => place_in(&file.text, &["trial", PROMPT_SETS], set, 0),
        // Those that the file does not name are the model's.
        Flawed::Prompts(None) => place(&file.text, PROMPTS),
    };
    let span = prompts.or_else(|| model_place(&file.text, flaw.model.as_deref()));
    at_span(file, span, flaw.message, &flaw.help)
}

fn check_model(file: &StudyFile, name: Option<&str>, directory: &Path) -> Result<Sizes, Vec<Diagnostic>> {
    let shown = directory.to_string_lossy();
    let span = model_place(&file.text, name);
    let at_model = |message: String, help: &str| at_path(file, span.clone(), &shown, message, help);
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
            (name.map(str::to_owned))
                .or_else(|| place_text(&file.text, MODEL.name))
                .and_then(|name| model::download(&name, directory))
                .unwrap_or_else(|| model::FORM.to_owned()),
        ),
    };
    Err(vec![at_model(message, &help)])
}

/// What is wrong with a file that the settings of the trainer name.
pub fn about_input(file: &StudyFile, named: &NamedInput, message: String, help: &str) -> Diagnostic {
    let span = named.span(&file.text);
    at_span(file, span, message, help)
}

/// About a path that stands under `[trial]`.
fn at_key(file: &StudyFile, key: &str, path: &str, message: String, help: &str) -> Diagnostic {
    at_path(file, place(&file.text, key), path, message, help)
}
