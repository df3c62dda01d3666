//! `hpo search`.

use std::ffi::OsStr;
use std::path::PathBuf;

use hpo_data::{Kind, Report};

use super::checked::check_files;
use super::from::EarlierStudy;
use super::machines::{Machines, Needs, seen};
use super::run::{self, Private, SlotArguments};
use super::study::Studies;
use super::{CliError, limits, origin, same};
use crate::clock::now;
use crate::devices::SlotSettings;
use crate::shell::{about, path_word};
use crate::store::{self, StoreError, StudyDirectory, StudyReader};
use crate::study::{Fact, Origin, Study, StudySpec, Trainer};
use crate::study_file::{self, StudyFile};
use crate::view::{Verbosity, notify};

/// The arguments of `hpo search`.
#[derive(Debug, clap::Args)]
pub(super) struct Search {
    /// The study's file: what to train, on what, and the space to search
    file: PathBuf,

    /// End after so long, such as 90m or 2h 30m, all runs of the search together [default: `time_limit` of the study's file]
    #[arg(long, value_name = "TIME", value_parser = span)]
    time_limit: Option<u64>,

    /// Begin a new study with the results of this one, where they are comparable: the sampler knows them, and the best
    /// configurations come first. It is given by its name, its directory or its file
    #[arg(long, value_name = "STUDY")]
    from: Option<PathBuf>,

    #[command(flatten)]
    slots: SlotArguments,
}

/// The milliseconds of a span of time.
fn span(text: &str) -> Result<u64, String> {
    study_file::span_ms(text).ok_or_else(|| study_file::SPAN.to_owned())
}

impl Search {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        if StudyDirectory::new(&self.file).has_study() {
            let resume = about(&self.file, ["resume"]);
            let message = format!("{} is the directory of a study, not its file", self.file.display());
            return Err(CliError::usage(message, format!("to go on with it: {resume}")));
        }
        let mut file = study_file::read(&self.file)?;
        if self.time_limit.is_some() {
            file.study.stop.time_ms = self.time_limit;
        }
        let limit = self
            .time_limit
            .map(|ms| format!("--time-limit={}s", ms as f64 / 1000.0));
        let path = path_word(&self.file);
        let words = ["search".as_ref(), path.as_os_str()].into_iter();
        let again = self
            .slots
            .command(words.chain(limit.as_deref().map(OsStr::new)), studies);
        let directory = studies.of(&file.path, &file.study.name);
        let from = self.from.as_deref();
        let from = from
            .map(|named| EarlierStudy::find(studies, named, &directory))
            .transpose()?;
        search(&file, directory, from, &self.slots, &again).map(drop)
    }
}

/// Creates the study of a file in a directory, with the results of another one if there is `from`, or resumes it, and returns the
/// directory once it has finished.
pub(super) fn search(
    file: &StudyFile,
    directory: StudyDirectory,
    from: Option<EarlierStudy>,
    arguments: &SlotArguments,
    again: &str,
) -> Result<StudyDirectory, CliError> {
    let _private = Private::new();
    let settings = arguments.over(&file.slots)?;
    let mut changed = None;
    if directory.root().exists() {
        let reader = StudyReader::open(directory.clone())?;
        let recorded = reader.study().spec();
        let threads = file.slots.threads_per_trial.unwrap_or(recorded.threads);
        let wanted = file.study.spec(threads, recorded.policy.parallel_brackets);
        let is_from = |trainer| from.iter().try_for_each(|from| from.check(&reader)).map(|()| trainer);
        match same::check(&reader, &wanted, file).and_then(is_from) {
            Err(error) if reader.study().has_trained() => return Err(error),
            // To begin it anew would lose what it knows.
            Err(error) if from.is_none() && reader.study().earlier().is_some() => return Err(error),
            Err(error) => changed = Some(error),
            Ok(_) if reader.study().is_over() && wanted.limits() == reader.study().filed_limits() => {
                run::print_finished(&reader)?;
                return Ok(directory);
            }
            Ok(_) if still_halted(reader.study(), &wanted) => {
                run::print_finished(&reader)?;
                return Ok(directory);
            }
            Ok(trainer) => {
                // Its base models are those that were examined.
                tell_data(study_file::check_files(file, |_| Vec::new())?, arguments.verbosity());
                let around = arguments.around(file.notify.as_ref(), again);
                run::go_on(&directory, reader, &trainer, &settings, Some(wanted.limits()), around)?;
                return Ok(directory);
            }
        }
    }
    let (trainer, machines) = create(
        file,
        &directory,
        &settings,
        arguments.verbosity(),
        |spec, origin, kind| {
            let earlier = from.map(|from| from.take(file, spec, origin, kind)).transpose()?;
            if let Some(changed) = changed {
                forget(&directory, changed)?;
            }
            Ok(earlier.unwrap_or_default())
        },
    )?;
    run::run(
        &directory,
        store::open(&directory)?,
        &trainer,
        &machines,
        None,
        arguments.around(file.notify.as_ref(), again),
    )?;
    Ok(directory)
}

/// Creates the study of a file in a directory where there is none, with the facts that `begin` gives for it, and returns its trainer and
/// the machines that it can be trained on.
pub(super) fn create(
    file: &StudyFile,
    directory: &StudyDirectory,
    settings: &SlotSettings,
    verbosity: Verbosity,
    begin: impl FnOnce(&StudySpec, &Origin, Option<Kind>) -> Result<Vec<Fact>, CliError>,
) -> Result<(Trainer, Machines), CliError> {
    // Without the trainer none could be started, and one of another release is reported when it is.
    let data = check_files(file)?.data;
    check_names(file, directory)?;
    let origin = origin::of(file, directory, data.as_ref())?;
    let needs = Needs {
        seen: seen(directory),
        name: &file.study.name,
        trainer: &file.study.trainer,
        origin: Some(&origin),
    };
    let machines = Machines::find(settings, &needs)?;
    let slots = machines.slots(None)?;
    limits::Needs::of_search(slots.len()).check()?;
    let threads = slots.first().map_or(1, |slot| slot.threads);
    let spec = file.study.spec(threads, file.study.brackets_for(slots.len()));
    run::program(&spec, &spec.trainer, directory, machines.has_this())?;
    let facts = begin(&spec, &origin, data.as_ref().map(|report| report.kind))?;
    store::create(directory, &spec, &file.text, Some(origin), facts, now())?;
    tell_data(data, verbosity);
    study_file::script_notes(file).iter().for_each(|note| notify(note));
    Ok((spec.trainer, machines))
}

/// Checks that the paths that workers are told can be written in their protocol, which is JSON.
fn check_names(file: &StudyFile, directory: &StudyDirectory) -> Result<(), CliError> {
    let of_study = std::path::absolute(directory.root()).unwrap_or_else(|_| directory.root().to_owned());
    for (path, help) in [
        (file.absolute_path(), "rename its directories, or put it elsewhere"),
        (of_study, "name another directory for studies with --studies"),
    ] {
        if path.to_str().is_none() {
            let message = format!(
                "the path {} is not UTF-8, so that workers can't be told it",
                path.display()
            );
            return Err(CliError::usage(message, help));
        }
    }
    Ok(())
}

/// Whether a limit has ended the study, and all limits are what they were.
fn still_halted(study: &Study, wanted: &StudySpec) -> bool {
    study.halted().is_some() && study.filed_limits() == wanted.limits()
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
fn tell_data(report: Option<Report>, verbosity: Verbosity) {
    match report {
        Some(report) if verbosity == Verbosity::Quiet => {
            for warning in report.all_warnings() {
                notify(&format!("warning: {warning}"));
            }
        }
        Some(report) => notify(&report.to_string()),
        None => {}
    }
}
