//! What a study was created from and on: recording it, and finding it again.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hpo_data::Report;

use super::CliError;
use crate::diagnostic::{Diagnostic, Diagnostics, visible};
use crate::executor::Inspection;
use crate::store::{self, StudyDirectory, StudyReader};
use crate::study::{Change, ChangeKind, DataFacts, FilePlace, Input, Origin, StudySpec, Trainer};
use crate::study_file::{self, NamedInput, StudyFile, StudySettings, clean, named_inputs, relative};
use crate::view::notify;
use crate::words::listed;

const HELP: &str = "put back what it was, or give the study another `name` under `[study]` to begin a new one";

/// What a study in `directory` is created from and on, whose data, if they are the embedding trainer's, are as `data` says.
///
/// # Errors
/// If a file of the data can't be read.
pub(super) fn of(file: &StudyFile, directory: &StudyDirectory, data: Option<&Report>) -> Result<Origin, CliError> {
    let trainer = &file.study.trainer;
    let mut inputs: Vec<Input> = Vec::new();
    let mut shapes = BTreeMap::new();
    for named in named_inputs(trainer) {
        let shape = named.shape().filter(|_| trainer.command.is_none());
        shapes.extend(shape.map(|shape| (named.role.clone(), shape)));
        match named.read() {
            Ok(read) => inputs.extend(read),
            // A text among the settings of another trainer that is no name of a file.
            Err(_) if trainer.command.is_some() => {}
            Err(error) => return Err(unreadable(file, &named, &error).into()),
        }
    }
    let path = file.absolute_path();
    let root = absolute(directory.root());
    let from_study = relative(&path, &root);
    let file = path.to_str().is_some() && from_study.to_str().is_some();
    Ok(Origin {
        file: file.then_some(FilePlace { path, from_study }),
        inputs,
        data: data.map(|data| DataFacts {
            kind: data.kind,
            rows: data.train.rows as u64,
        }),
        shapes,
    })
}

fn absolute(path: &Path) -> PathBuf {
    clean(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
}

fn unreadable(file: &StudyFile, named: &NamedInput, error: &std::io::Error) -> Diagnostic {
    let message = format!("cannot read `{}`: {error}", named.path.display());
    study_file::about_input(file, named, message, "check the path and its permissions")
}

/// Where the file of a study in a directory may be now: as far from the directory as when it was created, or where it was.
fn places(origin: &Origin, directory: &StudyDirectory) -> Vec<PathBuf> {
    let Some(file) = &origin.file else { return Vec::new() };
    let mut places = vec![
        clean(&absolute(directory.root()).join(&file.from_study)),
        file.path.clone(),
    ];
    places.dedup();
    places
}

/// The file that a study was created from, as it is now; none if there is no such file any more, or it is of another study.
///
/// # Errors
/// If it can't be read, or is no longer a study's file.
pub(super) fn file(reader: &StudyReader) -> Result<Option<StudyFile>, Diagnostics> {
    let places = reader.origin().map(|origin| places(origin, reader.directory()));
    for place in places.into_iter().flatten().filter(|place| place.is_file()) {
        // Shown as the user would write it.
        let here = std::env::current_dir().map(|here| relative(&place, &here));
        let shown = here.ok().filter(|near| !near.starts_with("..")).unwrap_or(place);
        let file = study_file::read(&shown)?;
        if file.study.name == reader.study().spec().name {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// The trainer of a study as recorded, with the paths that another one has to the same program, and to the files of `origin`.
pub(super) fn with_paths(origin: Option<&Origin>, recorded: &Trainer, there: &Trainer) -> Trainer {
    let mut trainer = recorded.clone();
    trainer.directory.clone_from(&there.directory);
    if let (Some(to), Some(from)) = (&mut trainer.command, &there.command)
        && let (Some(to), Some(from)) = (to.first_mut(), from.first())
        && Path::new(to.as_str()).file_name() == Path::new(from).file_name()
    {
        to.clone_from(from);
    }
    for named in named_inputs(there) {
        if origin.is_some_and(|origin| origin.has(&named.role)) {
            named.copy_setting(there, &mut trainer);
        }
    }
    trainer
}

/// The trainer of a study with the paths at which its files may be now, the most likely first.
fn candidates(origin: Option<&Origin>, directory: &StudyDirectory, spec: &StudySpec) -> Vec<Trainer> {
    let kept = std::fs::read_to_string(directory.study_file()).unwrap_or_default();
    let places = origin.map_or(Vec::new(), |origin| places(origin, directory));
    let files = places.iter().flat_map(|place| {
        // Files with the right content are the right ones, whatever became of the file that names them.
        let is_there = place.is_file() || spec.trainer.command.is_none();
        let kept = is_there.then(|| study_file::parse(&kept, place).ok()).flatten();
        // The file as it is now may be that of a renamed one of the data.
        [kept, study_file::read(place).ok()]
    });
    let files = files.flatten().filter(|file| file.study.name == spec.name);
    let found = files.map(|file| with_paths(origin, &spec.trainer, &file.study.trainer));
    found.chain([spec.trainer.clone()]).collect()
}

/// The trainer of a study with the paths at which its files are now, whose content is that on which the study was created.
///
/// # Errors
/// If it is not, or a file is not there any more.
pub(super) fn trainer(reader: &StudyReader) -> Result<Trainer, CliError> {
    let spec = reader.study().spec();
    let Some(origin) = reader.origin() else {
        return Ok(spec.trainer.clone());
    };
    // Of the places that are wrong the one is meant where most of the files are.
    let mut nearest = (0, Vec::new());
    for trainer in candidates(Some(origin), reader.directory(), spec) {
        let wrong = wrong(origin, &trainer, &spec.name);
        if wrong.is_empty() {
            return Ok(trainer);
        }
        let there = named_inputs(&trainer)
            .iter()
            .filter(|named| named.path.exists())
            .count();
        if there > nearest.0 || nearest.1.is_empty() {
            nearest = (there, wrong);
        }
    }
    let why: Vec<String> = nearest.1.into_iter().map(|(_, message)| message).collect();
    let help = format!(
        "{HELP}; if only the study's directory or only its file was moved, `hpo search FILE --studies DIR` goes on with it"
    );
    Err(CliError::usage(why.join("\n"), help))
}

/// The recorded specification with the paths at which the files of the study seem to be now. Their content is not looked at.
pub(super) fn moved(spec: &StudySpec, directory: &StudyDirectory) -> StudySpec {
    let origin = store::origin(directory).ok().flatten();
    let all_there = |trainer: &Trainer| {
        let named = named_inputs(trainer);
        trainer.directory.is_dir() && (trainer.command.is_some() || named.iter().all(|named| named.path.exists()))
    };
    let trainers = candidates(origin.as_ref(), directory, spec);
    StudySpec {
        trainer: trainers
            .into_iter()
            .find(all_there)
            .unwrap_or_else(|| spec.trainer.clone()),
        ..spec.clone()
    }
}

/// Whether the files of the embedding trainer are still those on which the study in a directory was created. They are read only if
/// something about them has changed since now. What another trainer's settings name it may write to.
pub(super) fn inspection(directory: &StudyDirectory, trainer: &Trainer, study: &str) -> Inspection {
    let origin = store::origin(directory).ok().flatten();
    let Some(origin) = origin.filter(|_| trainer.command.is_none()) else {
        return Inspection::default();
    };
    let named = named_inputs(trainer).into_iter().filter(|named| !named.is_program);
    // A base model among others is read when a trial needs it.
    let choice: Vec<NamedInput> = named.clone().filter(NamedInput::is_choice).collect();
    let inspection = Inspection::new(unchanged(origin.clone(), named.collect(), study));
    match choice.is_empty() {
        true => inspection,
        false => inspection.and_later(unchanged(origin, choice, study)),
    }
}

/// What finds out whether the content of these files is still that of `origin`.
fn unchanged(origin: Origin, named: Vec<NamedInput>, study: &str) -> impl Fn() -> Result<(), String> + use<> {
    let study = study.to_owned();
    let known = Mutex::new(stamps(&named));
    move || {
        let now = stamps(&named);
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != now {
            let why: Vec<String> = named
                .iter()
                .filter_map(|named| changed(&origin, named, &study))
                .collect();
            if !why.is_empty() {
                return Err(format!("{}; {HELP}", why.join("\n")));
            }
            *known = now;
        }
        Ok(())
    }
}

/// By what files are told from others without being read: their length, their inode, and when they were last written.
type Stamp = Option<(u64, u64, i64, i64)>;

fn stamps(named: &[NamedInput]) -> Vec<(PathBuf, Stamp)> {
    let files = named.iter().flat_map(NamedInput::files);
    let stamp = |path: &Path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.len(), about.ino(), about.mtime(), about.mtime_nsec()))
    };
    files.map(|(_, path)| (path.clone(), stamp(&path))).collect()
}

/// Says that the program has changed since the study was created, if it has.
pub(super) fn tell_changed_program(reader: &StudyReader, trainer: &Trainer) {
    let Some(origin) = reader.origin() else { return };
    for named in named_inputs(trainer).iter().filter(|named| named.is_program) {
        let now = named.read().unwrap_or_default();
        if let Some(what) = different(origin, named, &now, &reader.study().spec().name) {
            notify(&format!(
                "note: {what}. Its results so far are those of the earlier one; if they can't be compared with what comes now, begin a study \
                 with another `name`"
            ));
        }
    }
}

/// What is wrong with the files that a trainer names, but for its program, compared with those that the study was created on.
fn wrong(origin: &Origin, trainer: &Trainer, study: &str) -> Vec<(NamedInput, String)> {
    let named = named_inputs(trainer).into_iter().filter(|named| !named.is_program);
    named
        .filter_map(|named| {
            let message = changed(origin, &named, study)?;
            Some((named, message))
        })
        .collect()
}

/// How a file is not what the study was created on, if it is not.
fn changed(origin: &Origin, named: &NamedInput, study: &str) -> Option<String> {
    match named.read() {
        Ok(now) => different(origin, named, &now, study),
        Err(error) if origin.has(&named.role) => Some(format!(
            "`{}`: cannot read `{}`: {error}",
            named.role,
            named.path.display()
        )),
        Err(_) => None,
    }
}

/// What is wrong with the files of another machine that a trainer names, which were found to be these there by their roles.
pub(super) fn wrong_there(
    origin: &Origin,
    trainer: &Trainer,
    study: &str,
    there: &[(String, Result<Vec<Input>, String>)],
) -> Vec<String> {
    let check = |named: NamedInput| match there.iter().find(|(role, _)| *role == named.role) {
        // The study goes on with a corrected one, but not with another one on each machine.
        Some((role, Ok(there))) if named.is_program => named.read().is_ok_and(|here| here != *there).then(|| {
            let path = named.path.display();
            format!("`{role}` is not the same as here: `{path}` has other content")
        }),
        Some((_, Ok(now))) => different(origin, &named, now, study),
        Some((role, Err(why))) => Some(format!(
            "`{role}`: cannot read `{}`: {}",
            named.path.display(),
            visible(why)
        )),
        None => None,
    };
    named_inputs(trainer).into_iter().filter_map(check).collect()
}

/// How the files of a role, which are `now`, differ from those that the study was created on; none if they don't.
fn different(origin: &Origin, named: &NamedInput, now: &[Input], study: &str) -> Option<String> {
    let changes = origin.changes(&named.role, now);
    if changes.is_empty() {
        return None;
    }
    let what = |kind| match kind {
        ChangeKind::Content => "has other content",
        ChangeKind::Gone => "is gone",
        ChangeKind::Added => "is new",
    };
    let (role, path) = (&named.role, named.path.display());
    let changed = match changes.as_slice() {
        [Change { file: None, kind, .. }] => format!("`{path}` {}", what(*kind)),
        files => {
            let name = |change: &Change| change.file.clone().unwrap_or_default();
            let files = files
                .iter()
                .map(|change| format!("`{}` {}", name(change), what(change.kind)));
            format!("in `{path}`, {}", listed(files, ", "))
        }
    };
    Some(format!(
        "`{role}` is not what the study {study} was created on: {changed}"
    ))
}

/// How the files that a file names and that decide for all trials, whose content is that of `now`, differ from those that another study
/// was created on, one line each.
pub(super) fn differences(was: &Origin, now: &Origin, file: &StudyFile, study: &str) -> Vec<String> {
    let StudySettings { trainer, objective, .. } = &file.study;
    let evaluation = trainer.evaluation_of(&objective.metric);
    let named = named_inputs(trainer).into_iter();
    let named = named.filter(|named| named.decides_for_all(evaluation.as_deref()));
    let different = named.filter_map(|named| {
        let own = now.inputs.iter().filter(|input| input.role == named.role);
        different(was, &named, &own.cloned().collect::<Vec<_>>(), study)
    });
    different.map(|what| format!("  {what}")).collect()
}

/// What is wrong with the files that a study's file names, at their places.
pub(super) fn diagnostics(origin: &Origin, file: &StudyFile, study: &str) -> Vec<Diagnostic> {
    let external = file.study.trainer.command.is_some();
    let wrong = wrong(origin, &file.study.trainer, study).into_iter();
    // Whatever is missing of the embedding trainer's files is reported when they are needed.
    let wrong = wrong.filter(|(named, _)| external || named.path.exists());
    wrong
        .map(|(named, message)| study_file::about_input(file, &named, message, HELP))
        .collect()
}
