//! Whether the data of evaluations are there and tell models apart.

use std::collections::BTreeMap;
use std::path::Path;

use hpo_data::DataError;
use hpo_data::evaluation::{self, EvaluationReport};
use hpo_protocol::embedding::{Evaluation, Settings};

use super::super::super::StudyFile;
use super::super::inputs::NamedInput;
use super::super::places::{at_path, in_data, place_in};
use super::TABLE;
use super::keys::{COLUMNS_KEY, DATA};
use crate::diagnostic::Diagnostic;

/// What each holds.
///
/// # Errors
/// All that is wrong.
pub(in super::super) fn check(
    file: &StudyFile,
    settings: &Settings,
) -> Result<BTreeMap<String, EvaluationReport>, Vec<Diagnostic>> {
    let (mut reports, mut wrong) = (BTreeMap::new(), Vec::new());
    let mut all: Vec<_> = settings.evaluations.iter().collect();
    all.sort_by_key(|(name, _)| place_in(&file.text, &[TABLE, name], "type", 0).map(|span| span.start));
    for (name, evaluation) in all {
        match load(file, name, evaluation) {
            Ok(report) => drop(reports.insert(name.clone(), report)),
            Err(problems) => wrong.extend(problems),
        }
    }
    match wrong.is_empty() {
        true => Ok(reports),
        false => Err(wrong),
    }
}

fn load(file: &StudyFile, name: &str, evaluation: &Evaluation) -> Result<EvaluationReport, Vec<Diagnostic>> {
    let at = |key: &str, path: &Path, message: String, help: &str| {
        let named = NamedInput::of_evaluation(name, key, path);
        at_path(file, named.span(&file.text), &path.to_string_lossy(), message, help)
    };
    if let Some(data) = evaluation.data.as_ref().filter(|data| data.is_dir())
        && evaluation.columns.is_some()
    {
        let message = format!(
            "`{}` has no effect: `{}` is a directory in BEIR's layout",
            COLUMNS_KEY.name, DATA.name
        );
        return Err(vec![at(COLUMNS_KEY.name, data, message, "remove it")]);
    }
    let about = |error: DataError| match error.place {
        Some(_) => in_data(error),
        None => {
            let named = evaluation.paths().find(|(_, path)| error.file.starts_with(path));
            let (key, path) = named.unwrap_or((DATA.name, &error.file));
            at(key, path, error.message, &error.help)
        }
    };
    match evaluation::load(name, evaluation) {
        Ok(loaded) => Ok(loaded.report),
        Err(error) => Err(error.all().into_iter().map(about).collect()),
    }
}
