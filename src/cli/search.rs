//! `hpo search`.

use std::ffi::OsStr;
use std::path::PathBuf;

use hpo_data::Kind;

use super::CliError;
use super::checked::tell_data;
use super::dry_run::dry_run;
use super::from::EarlierStudy;
use super::machines::Machines;
use super::prepared::{Before, Prepared};
use super::run::{self, Private, SlotArguments};
use super::study::Studies;
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

    /// Create no study, but time a few steps, and print what the search would take: trials, time, memory and disk
    #[arg(long, conflicts_with = "dashboard")]
    dry_run: bool,

    /// Print what a dry run finds as JSON
    #[arg(long, requires = "dry_run")]
    json: bool,

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
        match self.dry_run {
            true => dry_run(&file, &directory, from, &self.slots, self.json),
            false => search(&file, directory, from, &self.slots, &again).map(drop),
        }
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
    let changed = match Before::find(file, &directory, from.as_ref())? {
        Before::Nothing => None,
        Before::Untrained(changed) => Some(changed),
        Before::Same { reader, wanted, .. }
            if reader.study().is_over() && wanted.limits() == reader.study().filed_limits()
                || still_halted(reader.study(), &wanted) =>
        {
            run::print_finished(&reader)?;
            return Ok(directory);
        }
        Before::Same {
            reader,
            wanted,
            trainer,
        } => {
            // Its base models are those that were examined.
            tell_data(study_file::check_files(file, |_| Vec::new())?, arguments.verbosity());
            let around = arguments.around(file.notify.as_ref(), again);
            run::go_on(&directory, *reader, &trainer, &settings, Some(wanted.limits()), around)?;
            return Ok(directory);
        }
    };
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
    let Prepared {
        data,
        origin,
        machines,
        spec,
        ..
    } = Prepared::of(file, directory, settings)?;
    let facts = begin(&spec, &origin, data.as_ref().map(|report| report.kind))?;
    store::create(directory, &spec, &file.text, Some(origin), facts, now())?;
    tell_data(data, verbosity);
    study_file::script_notes(file).iter().for_each(|note| notify(note));
    Ok((spec.trainer, machines))
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
