//! The files that a study is based on: those whose content decides its results.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use hpo_protocol::embedding::{Evaluation, Sizes};
use serde_json::Value;

use super::super::reader::Span;
use super::evaluation;
use super::keys::{COMMAND, KEYS, MODEL};
use super::places::place_in;
use super::script::ENVIRONMENT;
use super::{model, models};
use crate::disk::sha256_of;
use crate::keys::Takes;
use crate::study::{Input, Shape, Trainer};

/// A file, or the directory of a model, that the settings of a trainer name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedInput {
    /// As in [`Input`].
    pub role: String,
    /// The evaluation whose table has the key; none if that is `[trial]`, or `[space]` if trials choose among several.
    pub(super) evaluation: Option<String>,
    /// The key.
    pub(super) key: String,
    /// What of the key's value it is.
    pub(super) element: Element,
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is the program, or the script that an interpreter runs: the study goes on with a corrected one.
    pub is_program: bool,
}

/// A part of the value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element {
    /// All of it.
    Whole,
    /// Of a list, the one at that place.
    Listed(usize),
    /// Of a choice, the one of that name.
    Named(String),
}

/// All of them, whether they exist or not. Of the embedding trainer these are the models, the data and those of evaluations. What the
/// settings of another trainer mean is unknown: any text may be the name of a file, relative to where the command runs.
pub fn named_inputs(trainer: &Trainer) -> Vec<NamedInput> {
    if trainer.script {
        return named_by_script(trainer);
    }
    let is_path = |name: &str| {
        KEYS.iter()
            .any(|key| key.name == name && matches!(key.takes, Takes::Path))
    };
    let mut all = Vec::new();
    for (key, value) in &trainer.settings {
        if trainer.command.is_none() && !is_path(key) {
            continue;
        }
        let mut add = |value: &Value, element: Element| {
            if let Some(text) = value.as_str() {
                all.push(NamedInput {
                    role: match &element {
                        Element::Whole => key.clone(),
                        Element::Listed(place) => format!("{key}[{place}]"),
                        Element::Named(name) => format!("{key}[{name}]"),
                    },
                    evaluation: None,
                    key: key.clone(),
                    element,
                    path: trainer.directory.join(text),
                    is_program: false,
                });
            }
        };
        match value {
            Value::Array(list) => {
                let list = list.iter().enumerate();
                list.for_each(|(place, value)| add(value, Element::Listed(place)));
            }
            Value::Object(named) => {
                let named = named.iter();
                named.for_each(|(name, value)| add(value, Element::Named(name.clone())));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => add(value, Element::Whole),
        }
    }
    for (name, evaluation) in trainer.evaluations() {
        let paths = evaluation.paths();
        all.extend(paths.map(|(key, path)| NamedInput::of_evaluation(&name, key, path)));
    }
    all
}

/// The files that the command of a script names, and those that its environment does. A word without placeholders may be the name of a
/// file, or have one behind the first `=`.
fn named_by_script(trainer: &Trainer) -> Vec<NamedInput> {
    let mut all = Vec::new();
    let mut add = |key: &str, role: String, element: Element, text: &str| {
        let path = trainer.directory.join(text);
        let named = NamedInput {
            role,
            evaluation: None,
            key: key.to_owned(),
            element,
            path,
            is_program: false,
        };
        all.push(named);
    };
    for (place, argument) in trainer.command.iter().flatten().enumerate() {
        let behind = argument.split_once('=').map(|(_, behind)| behind);
        let text = behind.filter(|_| argument.starts_with('-')).unwrap_or(argument);
        // One without a directory is found on the PATH.
        if (place > 0 || text.contains('/')) && !text.contains('{') {
            let key = COMMAND.name;
            add(key, format!("{key}[{place}]"), Element::Listed(place), text);
        }
    }
    let environment = trainer.settings.get(ENVIRONMENT).and_then(Value::as_object);
    for (name, value) in environment.into_iter().flatten() {
        if let Some(text) = value.as_str().filter(|text| !text.contains('{')) {
            add(
                ENVIRONMENT,
                format!("{ENVIRONMENT}[{name}]"),
                Element::Named(name.clone()),
                text,
            );
        }
    }
    let mut named = all.iter_mut().filter(|named| named.key == COMMAND.name);
    if let Some(program) = named.find(|named| named.path.is_file()) {
        program.is_program = true;
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
            element: Element::Whole,
            path: path.to_owned(),
            is_program: false,
        }
    }

    /// Whether it is a base model among which trials choose.
    pub fn is_choice(&self) -> bool {
        self.key == MODEL.name && matches!(self.element, Element::Named(_))
    }

    /// Whether the results of all trials depend on it whose objective a metric of that evaluation is, or of none: one base model of several
    /// or the data of other evaluations decide nothing for the others.
    pub fn decides_for_all(&self, evaluation: Option<&str>) -> bool {
        !self.is_choice() && self.evaluation.as_deref().is_none_or(|own| Some(own) == evaluation)
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
        let files = self.files().into_iter();
        files.map(|(file, path)| input(file, &path)).collect()
    }

    /// The architecture of the base model that it is; none if it is none, or its configuration can't be read.
    pub fn shape(&self) -> Option<Shape> {
        let config = fs::read_to_string(self.path.join("config.json"));
        let sizes = Sizes::read(&config.ok().filter(|_| self.key == MODEL.name)?).ok()?;
        Some(Shape::from(sizes))
    }

    /// The file that it is, or those in its directory that the trainer reads, each with its path in that directory.
    pub fn files(&self) -> Vec<(Option<String>, PathBuf)> {
        let names: Vec<String> = match &self.evaluation {
            None if self.key == MODEL.name && self.path.is_dir() => model::files(&self.path),
            Some(_) if self.path.is_dir() => {
                let files = Evaluation::BEIR.into_iter();
                let there = files.filter(|name| self.path.join(name).is_file());
                there.map(str::to_owned).collect()
            }
            None | Some(_) => return vec![(None, self.path.clone())],
        };
        let names = names.into_iter();
        names.map(|name| (Some(name.clone()), self.path.join(name))).collect()
    }

    /// Where its path stands in the text of the study's file.
    pub(super) fn span(&self, text: &str) -> Option<Span> {
        let tables = match &self.evaluation {
            Some(name) => vec![evaluation::TABLE, name.as_str()],
            None => vec!["trial"],
        };
        let element = match &self.element {
            Element::Named(name) if self.key == ENVIRONMENT => return place_in(text, &["trial", ENVIRONMENT], name, 0),
            Element::Named(name) => return models::place(text, name),
            Element::Listed(place) => *place,
            Element::Whole => 0,
        };
        place_in(text, &tables, &self.key, element)
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
        match &self.element {
            Element::Whole => Some(setting),
            Element::Listed(place) => setting.get_mut(*place),
            Element::Named(name) => setting.get_mut(name),
        }
    }

    /// Gives the setting that names it in one trainer the value that it has in another.
    pub fn copy_setting(&self, from: &Trainer, to: &mut Trainer) {
        if let (Element::Listed(place), true) = (&self.element, from.script && self.key == COMMAND.name) {
            let from = from.command.as_ref().and_then(|command| command.get(*place));
            let to = to.command.as_mut().and_then(|command| command.get_mut(*place));
            if let (Some(from), Some(to)) = (from, to) {
                to.clone_from(from);
            }
            return;
        }
        let mut from = from.clone();
        if let (Some(from), Some(to)) = (self.setting(&mut from), self.setting(to)) {
            to.clone_from(from);
        }
    }
}
