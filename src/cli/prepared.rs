//! What there is before a search, and what it needs.

use hpo_data::Report;

use super::checked::check_files;
use super::from::EarlierStudy;
use super::machines::{Machines, Needs, seen};
use super::{CliError, limits, origin, run, same};
use crate::devices::SlotSettings;
use crate::executor::{Program, Slot};
use crate::store::{StudyDirectory, StudyReader};
use crate::study::{Origin, StudySpec, Trainer};
use crate::study_file::StudyFile;

/// What there is before a search, where its study is to be.
pub(super) enum Before {
    Nothing,
    /// A study of other settings, which are in the error, that has not trained anything yet and may be forgotten.
    Untrained(CliError),
    /// The study.
    Same {
        reader: Box<StudyReader>,
        /// As its file has it now.
        wanted: Box<StudySpec>,
        /// As its files are now.
        trainer: Box<Trainer>,
    },
}

impl Before {
    /// Looks at a directory.
    ///
    /// # Errors
    /// If there is something with which the search of the file can't go on.
    pub fn find(file: &StudyFile, directory: &StudyDirectory, from: Option<&EarlierStudy>) -> Result<Self, CliError> {
        if !directory.root().exists() {
            return Ok(Self::Nothing);
        }
        let reader = StudyReader::open(directory.clone())?;
        let recorded = reader.study().spec();
        let threads = file.slots.threads_per_trial.unwrap_or(recorded.threads);
        let wanted = file.study.spec(threads, recorded.policy.parallel_brackets);
        let is_from = |trainer| from.iter().try_for_each(|from| from.check(&reader)).map(|()| trainer);
        match same::check(&reader, &wanted, file).and_then(is_from) {
            Err(error) if reader.study().has_trained() => Err(error),
            // To begin it anew would lose what it knows.
            Err(error) if from.is_none() && reader.study().earlier().is_some() => Err(error),
            Err(error) => Ok(Self::Untrained(error)),
            Ok(trainer) => Ok(Self::Same {
                reader: Box::new(reader),
                wanted: Box::new(wanted),
                trainer: Box::new(trainer),
            }),
        }
    }
}

/// All that is known of a search before its study is created.
pub(super) struct Prepared {
    pub data: Option<Report>,
    pub origin: Origin,
    pub machines: Machines,
    pub slots: Vec<Slot>,
    pub spec: StudySpec,
    pub program: Program,
}

impl Prepared {
    /// Finds it out.
    ///
    /// # Errors
    /// All that stands in the way of the search.
    pub fn of(file: &StudyFile, directory: &StudyDirectory, settings: &SlotSettings) -> Result<Self, CliError> {
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
        let program = run::program(&spec, &spec.trainer, directory, machines.has_this())?;
        Ok(Self {
            data,
            origin,
            machines,
            slots,
            spec,
            program,
        })
    }
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
