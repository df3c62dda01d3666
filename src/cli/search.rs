//! `hpo search`.

use std::path::{Path, PathBuf};

use hpo_data::Report;

use super::CliError;
use super::run::{self, Private, SlotArguments};
use super::study::find;
use crate::clock::now;
use crate::executor::Machine;
use crate::store::{self, StoreError, StudyDirectory, StudyReader};
use crate::study::{Study, StudySpec};
use crate::study_file::{self, StudyFile};
use crate::view::notify;

/// The arguments of `hpo search`.
#[derive(Debug, clap::Args)]
pub(super) struct Search {
    /// The study's file: what to train, on what, and the space to search
    file: PathBuf,

    /// End after so long, such as 90m or 2h 30m, all runs of the search together [default: `time_limit` of the study's file]
    #[arg(long, value_name = "TIME", value_parser = span)]
    time_limit: Option<u64>,

    #[command(flatten)]
    slots: SlotArguments,
}

/// The milliseconds of a span of time.
fn span(text: &str) -> Result<u64, String> {
    study_file::span_ms(text).ok_or_else(|| study_file::SPAN.to_owned())
}

impl Search {
    pub(super) fn run(&self, studies: &Path) -> Result<(), CliError> {
        let mut file = study_file::read(&self.file)?;
        if self.time_limit.is_some() {
            file.study.stop.time_ms = self.time_limit;
        }
        let again = format!("hpo search {}", self.file.display());
        search(&file, studies, &self.slots, &again).map(drop)
    }
}

/// Creates the study of a file, or resumes it, and returns its directory once it has finished.
pub(super) fn search(
    file: &StudyFile,
    studies: &Path,
    arguments: &SlotArguments,
    again: &str,
) -> Result<StudyDirectory, CliError> {
    let _private = Private::new();
    let settings = arguments.over(&file.slots);
    let directory = StudyDirectory::new(studies.join(&file.study.name));
    let mut changed = None;
    if directory.root().exists() {
        let reader = StudyReader::open(directory.clone())?;
        let recorded = reader.study().spec();
        let threads = file.slots.threads_per_trial.unwrap_or(recorded.threads);
        let wanted = file.study.spec(threads, recorded.policy.parallel_brackets);
        match check_same(recorded, &wanted, file) {
            Err(error) if reader.study().has_trained() => return Err(error),
            Err(error) => changed = Some(error),
            Ok(()) if reader.study().is_over() && wanted.limits() == recorded.limits() => {
                run::print_finished(&reader)?;
                return Ok(directory);
            }
            Ok(()) if still_halted(reader.study(), &wanted) => {
                run::print_finished(&reader)?;
                return Ok(directory);
            }
            Ok(()) => {
                tell_data(study_file::check_files(file)?);
                let store = reader.take_over(directory.lock()?)?;
                run::run(&directory, store, &settings, Some(wanted.limits()), again)?;
                return Ok(directory);
            }
        }
    }
    let data = study_file::check_files(file)?;
    let machine = Machine::this();
    let slots = run::slots(&machine, &settings, None)?;
    let threads = slots.first().map_or(1, |slot| slot.threads);
    let spec = file.study.spec(threads, file.study.brackets_for(slots.len()));
    run::program(&spec, &directory)?;
    if let Some(changed) = changed {
        forget(&directory, changed)?;
    }
    store::create(&directory, &spec, &file.text, now())?;
    tell_data(data);
    run::run(&directory, store::open(&directory)?, &settings, None, again)?;
    Ok(directory)
}

/// Whether a limit has ended the study that is none the higher now.
fn still_halted(study: &Study, wanted: &StudySpec) -> bool {
    let (recorded, wanted) = (study.spec().limits(), wanted.limits());
    let others = (wanted.trials, wanted.confirmation) == (recorded.trials, recorded.confirmation);
    study.halted().is_some() && others && study.reached(&wanted.stop, now()).is_some()
}

/// Removes a study that has not trained anything; for any other the error is `changed`.
fn forget(directory: &StudyDirectory, changed: CliError) -> Result<(), CliError> {
    let lock = match directory.lock() {
        // Another process has just removed it.
        Err(StoreError::Missing { .. }) => return Ok(()),
        lock => lock?,
    };
    // Another process may have trained it, or replaced it with another, before the lock was taken.
    let reader = StudyReader::open(directory.clone())?;
    if reader.study().has_trained() || directory.root().is_symlink() {
        return Err(changed);
    }
    directory.remove(lock).map_err(|source| StoreError::Io {
        path: directory.root().to_owned(),
        source,
    })?;
    notify(&format!(
        "note: the study {} had not trained anything yet, and starts over with what has changed",
        directory.name()
    ));
    Ok(())
}

/// Prints what data the embedding trainer will use.
fn tell_data(report: Option<Report>) {
    if let Some(report) = report {
        notify(&report.to_string());
    }
}

/// A study is one search: what it was created with must not change, except for its limits, which may grow.
fn check_same(recorded: &StudySpec, wanted: &StudySpec, file: &StudyFile) -> Result<(), CliError> {
    let mut comparable = wanted.clone();
    if wanted.trials > recorded.trials {
        comparable.trials = recorded.trials;
    }
    if let Some(confirmation) = wanted.confirmation
        && recorded.confirmation.is_none_or(|has| confirmation.covers(has))
    {
        comparable.confirmation = recorded.confirmation;
    }
    comparable.stop = recorded.stop;
    if wanted.trainer.command.is_none() {
        // The embedding trainer's files are absolute: it does not matter where it starts.
        comparable.trainer.directory.clone_from(&recorded.trainer.directory);
        comparable.trainer.settings = study_file::settings_of_then(file, &recorded.trainer.settings);
    }
    let (Ok(old), Ok(new)) = (serde_json::to_value(recorded), serde_json::to_value(&comparable)) else {
        return Ok(());
    };
    let mut differences = Vec::new();
    differ("", &old, &new, &mut differences);
    if differences.is_empty() {
        return Ok(());
    }
    Err(CliError::usage(
        format!(
            "{} has changed since the study {} was created from it:\n{}",
            file.path.display(),
            recorded.name,
            differences.join("\n")
        ),
        "undo the change, or give the changed study another name; only `trials` and `[confirmation]` may grow",
    ))
}

/// Lists where two values differ, one line each.
fn differ(place: &str, old: &serde_json::Value, new: &serde_json::Value, differences: &mut Vec<String>) {
    use serde_json::Value::{Array, Null, Object};
    let below = |key: &str| {
        if place.is_empty() {
            key.to_owned()
        } else {
            format!("{place}.{key}")
        }
    };
    match (old, new) {
        (Object(a), Object(b)) => {
            let added = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(added) {
                differ(
                    &below(key),
                    a.get(key).unwrap_or(&Null),
                    b.get(key).unwrap_or(&Null),
                    differences,
                );
            }
        }
        (Array(a), Array(b)) if place == "space.parameters" => {
            let named = |list: &[serde_json::Value]| -> serde_json::Map<String, serde_json::Value> {
                let pair =
                    |p: &serde_json::Value| (p["name"].as_str().unwrap_or_default().into(), p["distribution"].clone());
                list.iter().map(pair).collect()
            };
            let (old, new) = (named(a), named(b));
            if old == new && a != b {
                differences.push("  space: the parameters are in another order".into());
            }
            differ("space", &Object(old), &Object(new), differences);
        }
        (a, b) if a != b => differences.push(format!("  {place}: was {a}, is {b}")),
        _ => {}
    }
}

/// Resumes by the study's name what `search` started from its file.
pub(super) fn resume(studies: &Path, named: &Path, arguments: &SlotArguments) -> Result<(), CliError> {
    let _private = Private::new();
    let directory = find(studies, Some(named))?;
    let reader = StudyReader::open(directory.clone())?;
    if reader.study().is_over() {
        return run::print_finished(&reader);
    }
    // The study's file sets the slots; if it can no longer be read, the defaults will do.
    let path = directory.study_file();
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let kept = study_file::parse(&text, &path).ok();
    if kept.is_none() || reader.is_made_from(&text) == Some(false) {
        notify(&format!(
            "note: {} no longer is what the study was created from: only the slots are taken from it, as far as it can be read",
            path.display()
        ));
    }
    let settings = arguments.over(&kept.map(|file| file.slots).unwrap_or_default());
    let again = format!("hpo resume {}", directory.root().display());
    let store = reader.take_over(directory.lock()?)?;
    run::run(&directory, store, &settings, None, &again).map(drop)
}
