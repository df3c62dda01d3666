//! The files that a study is based on: those whose content decides its results.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use hpo_protocol::embedding::Evaluation;
use serde_json::Value;

use super::super::reader::Span;
use super::evaluation;
use super::keys::{KEYS, MODEL};
use super::model;
use super::places::place_in;
use crate::disk::sha256_of;
use crate::keys::Takes;
use crate::study::{Input, Trainer};

/// A file, or the directory of a model, that the settings of a trainer name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedInput {
    /// As in [`Input`].
    pub role: String,
    /// The evaluation whose table has the key; none if that is `[trial]`.
    pub(super) evaluation: Option<String>,
    /// The key.
    pub(super) key: String,
    /// The place in the list that the key has, if it is one.
    pub(super) place: Option<usize>,
    /// Where it is.
    pub path: PathBuf,
}

/// All of them, whether they exist or not. Of the embedding trainer these are the model, the data and those of evaluations. What the
/// settings of another trainer mean is unknown: any text may be the name of a file, relative to where the command runs.
pub fn named_inputs(trainer: &Trainer) -> Vec<NamedInput> {
    let is_path = |name: &str| {
        KEYS.iter()
            .any(|key| key.name == name && matches!(key.takes, Takes::Path))
    };
    let mut all = Vec::new();
    for (key, value) in &trainer.settings {
        if trainer.command.is_none() && !is_path(key) {
            continue;
        }
        let mut add = |value: &Value, place: Option<usize>| {
            if let Some(text) = value.as_str() {
                all.push(NamedInput {
                    role: place.map_or(key.clone(), |place| format!("{key}[{place}]")),
                    evaluation: None,
                    key: key.clone(),
                    place,
                    path: trainer.directory.join(text),
                });
            }
        };
        match value.as_array() {
            Some(list) => list
                .iter()
                .enumerate()
                .for_each(|(place, value)| add(value, Some(place))),
            None => add(value, None),
        }
    }
    for (name, evaluation) in trainer.evaluations() {
        let paths = evaluation.paths();
        all.extend(paths.map(|(key, path)| NamedInput::of_evaluation(&name, key, path)));
    }
    all
}

impl NamedInput {
    /// A path that the table of an evaluation has.
    pub(super) fn of_evaluation(name: &str, key: &str, path: &Path) -> Self {
        Self {
            role: format!("{}.{name}.{key}", evaluation::TABLE),
            evaluation: Some(name.to_owned()),
            key: key.to_owned(),
            place: None,
            path: path.to_owned(),
        }
    }

    /// Its content: one file, or those in a directory that the trainer reads. They are read in pieces, however large they are.
    ///
    /// # Errors
    /// If it is not there or can't be read.
    pub fn read(&self) -> io::Result<Vec<Input>> {
        let input = |file: Option<String>, path: &Path| {
            // Opening a pipe may block forever.
            if !fs::metadata(path)?.is_file() {
                return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a file"));
            }
            let (_, sha256) = sha256_of(File::open(path)?)?;
            let role = self.role.clone();
            Ok(Input { role, file, sha256 })
        };
        let files = match &self.evaluation {
            None if self.role == MODEL.name && self.path.is_dir() => model::files(&self.path),
            Some(_) if self.path.is_dir() => {
                let files = Evaluation::BEIR.into_iter();
                let there = files.filter(|name| self.path.join(name).is_file());
                there.map(str::to_owned).collect()
            }
            None | Some(_) => return Ok(vec![input(None, &self.path)?]),
        };
        let files = files.into_iter();
        files
            .map(|name| input(Some(name.clone()), &self.path.join(name)))
            .collect()
    }

    /// Where its path stands in the text of the study's file.
    pub(super) fn span(&self, text: &str) -> Option<Span> {
        let tables = match &self.evaluation {
            Some(name) => vec![evaluation::TABLE, name.as_str()],
            None => vec!["trial"],
        };
        place_in(text, &tables, &self.key, self.place.unwrap_or(0))
    }

    /// The setting that names it.
    fn setting<'a>(&self, trainer: &'a mut Trainer) -> Option<&'a mut Value> {
        let setting = match &self.evaluation {
            Some(name) => trainer
                .settings
                .get_mut(Trainer::EVALUATIONS)?
                .get_mut(name)?
                .get_mut(&self.key)?,
            None => trainer.settings.get_mut(&self.key)?,
        };
        match self.place {
            Some(place) => setting.get_mut(place),
            None => Some(setting),
        }
    }

    /// Gives the setting that names it in one trainer the value that it has in another.
    pub fn copy_setting(&self, from: &Trainer, to: &mut Trainer) {
        let mut from = from.clone();
        if let (Some(from), Some(to)) = (self.setting(&mut from), self.setting(to)) {
            to.clone_from(from);
        }
    }
}
