//! A study and trials of it, as the user names them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::CliError;
use super::number::trial;
use super::study::{Studies, find};
use crate::ids::TrialId;

/// The study and the trials that these words name, in whatever order: what is no number is the study. If all are numbers, the study is
/// the first of several, or the last if only that is one.
///
/// # Errors
/// If there is more than one word that is no number.
pub(super) fn apart<'w>(
    studies: &Studies,
    words: impl Iterator<Item = &'w OsStr>,
) -> Result<(Option<&'w Path>, Vec<TrialId>), CliError> {
    let words: Vec<(&OsStr, Option<TrialId>)> = words.map(|word| (word, number(word))).collect();
    let is_study = |at: usize| find(studies, Some(Path::new(words[at].0))).is_ok();
    let study = match words.iter().position(|(_, number)| number.is_none()) {
        None if words.len() < 2 => None,
        None if !is_study(0) && is_study(words.len() - 1) => Some(words.len() - 1),
        None => Some(0),
        at => at,
    };
    let others = words.iter().enumerate().filter(|(at, _)| Some(*at) != study);
    let trials = others.map(|(_, (word, number))| number.ok_or_else(|| no_number(word)));
    Ok((
        study.map(|at| Path::new(words[at].0)),
        trials.collect::<Result<_, _>>()?,
    ))
}

fn number(word: &OsStr) -> Option<TrialId> {
    trial(word.to_str()?).ok()
}

fn no_number(word: &OsStr) -> CliError {
    CliError::usage(
        format!("`{}` is not the number of a trial", word.to_string_lossy()),
        "name one study, and trials by their whole numbers from 0",
    )
}

/// A trial, and the study that it is of.
#[derive(Debug, clap::Args)]
pub(super) struct OneTrial {
    /// The study: its name, its directory, or its file [default: the most recently changed one]
    #[arg(allow_negative_numbers = true)]
    study: Option<PathBuf>,

    /// The trial's number
    #[arg(allow_negative_numbers = true)]
    trial: OsString,
}

impl OneTrial {
    /// The study, if it is named, and the trial.
    ///
    /// # Errors
    /// If no trial is named.
    pub fn find(&self, studies: &Studies) -> Result<(Option<&Path>, TrialId), CliError> {
        let words = self.study.iter().map(|study| study.as_os_str());
        let (study, trials) = apart(studies, words.chain([self.trial.as_os_str()]))?;
        let trial = trials.first().copied();
        Ok((study, trial.ok_or_else(|| no_number(&self.trial))?))
    }
}
