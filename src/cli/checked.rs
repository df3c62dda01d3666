//! Checking the files that a study's file names.

use hpo_data::Report;

use super::CliError;
use crate::executor::{ExamineError, examine};
use crate::study_file::{self, StudyFile};
use crate::view::{Verbosity, notify};

/// Files of which nothing is wrong.
#[derive(Debug)]
pub(super) struct Checked {
    /// What the data of the embedding trainer hold.
    pub data: Option<Report>,
    /// Why the trainer has not examined the base models.
    unexamined: Option<ExamineError>,
}

impl Checked {
    /// Says that the trainer has not examined the base models, if it has not.
    pub fn tell_unexamined(&self) {
        if let Some(why) = &self.unexamined {
            notify(&format!("note: the trainer has not examined the base model: {why}"));
        }
    }
}

/// Checks the files that a study's file names, as far as possible with the trainer itself.
///
/// # Errors
/// All that is wrong.
pub(super) fn check_files(file: &StudyFile) -> Result<Checked, CliError> {
    let mut unexamined = None;
    let data = study_file::check_files(file, |settings| {
        examine(settings).unwrap_or_else(|error| {
            unexamined = Some(error);
            Vec::new()
        })
    })?;
    match unexamined {
        Some(broken @ ExamineError::Broken { .. }) => Err(CliError::Failed(broken.to_string())),
        unexamined => Ok(Checked { data, unexamined }),
    }
}

/// Prints what data the embedding trainer will use.
pub(super) fn tell_data(report: Option<Report>, verbosity: Verbosity) {
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
