//! What a study was created from and on: its file, and the content of its data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hpo_protocol::embedding::{Kind, Sizes};
use serde::{Deserialize, Serialize};

/// What a study was created from and on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Where its file was; none if that can't be written as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FilePlace>,
    /// The files whose content decides its results.
    pub inputs: Vec<Input>,
    /// What the data of the embedding trainer are; none of another trainer, and of older studies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataFacts>,
    /// The sizes of its base models, by their roles among the inputs; likewise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shapes: BTreeMap<String, Shape>,
}

/// What training data are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFacts {
    /// What rows are.
    pub kind: Kind,
    /// How many of them trials train with.
    pub rows: u64,
}

/// The architecture of a base model: what decides which hyperparameters suit it, beside its weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Its `model_type`.
    pub family: String,
    /// Its layers.
    pub layers: u64,
    /// The width of a token's vector.
    pub hidden: u64,
}

/// Where a study's file was when the study was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePlace {
    /// Its absolute path.
    pub path: PathBuf,
    /// Its path from the study's directory: if both were moved together, it is found by this one.
    pub from_study: PathBuf,
}

impl From<Sizes> for Shape {
    fn from(sizes: Sizes) -> Self {
        Self {
            family: sizes.family.name.to_owned(),
            layers: sizes.layers,
            hidden: sizes.hidden,
        }
    }
}

/// A file that a study is based on, identified by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The key of `[trial]` that names it or the directory that it is in, with the place in the list if that is one, `files[1]`, or the
    /// name in the choice, `model[models/mpnet]`; or the key of an evaluation: `evaluation.docs.data`.
    pub role: String,
    /// Its path below that directory; none if the key names the file itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

/// How the files of a role differ from those that a study was created on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// As in [`Input`].
    pub role: String,
    /// As in [`Input`].
    pub file: Option<String>,
    /// What became of it.
    pub kind: ChangeKind,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It has other content.
    Content,
    /// It is no longer there.
    Gone,
    /// It was not there.
    Added,
}

impl Origin {
    /// Whether the study has files of that role.
    pub fn has(&self, role: &str) -> bool {
        self.inputs.iter().any(|input| input.role == role)
    }

    /// The content of all files of a role.
    pub fn content(&self, role: &str) -> BTreeSet<(Option<&str>, &str)> {
        let of_role = self.inputs.iter().filter(|input| input.role == role);
        of_role
            .map(|input| (input.file.as_deref(), input.sha256.as_str()))
            .collect()
    }

    /// How the files of one role differ from the recorded ones, which are `now`; nothing if the study has no files of that role.
    pub fn changes(&self, role: &str, now: &[Input]) -> Vec<Change> {
        let recorded: Vec<&Input> = self.inputs.iter().filter(|input| input.role == role).collect();
        if recorded.is_empty() {
            return Vec::new();
        }
        let change = |input: &Input, kind| Change {
            role: input.role.clone(),
            file: input.file.clone(),
            kind,
        };
        let kept = recorded.iter().filter_map(|was| {
            let kind = match now.iter().find(|is| is.file == was.file) {
                Some(is) if is.sha256 == was.sha256 => return None,
                Some(_) => ChangeKind::Content,
                None => ChangeKind::Gone,
            };
            Some(change(was, kind))
        });
        let added = now.iter().filter(|is| !recorded.iter().any(|was| was.file == is.file));
        kept.chain(added.map(|is| change(is, ChangeKind::Added))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(role: &str, file: Option<&str>, sha256: &str) -> Input {
        Input {
            role: role.into(),
            file: file.map(Into::into),
            sha256: sha256.into(),
        }
    }

    #[test]
    fn files_are_compared_by_role_and_content() {
        let origin = Origin {
            inputs: vec![
                input("train", None, "1"),
                input("model", Some("config.json"), "2"),
                input("model", Some("modules.json"), "3"),
            ],
            ..Origin::default()
        };
        let kinds = |role: &str, now: &[Input]| -> Vec<(Option<String>, ChangeKind)> {
            let changes = origin.changes(role, now);
            changes.into_iter().map(|change| (change.file, change.kind)).collect()
        };
        assert_eq!(kinds("train", &[input("train", None, "1")]), []);
        assert_eq!(
            kinds("train", &[input("train", None, "9")]),
            [(None, ChangeKind::Content)]
        );
        assert_eq!(kinds("train", &[]), [(None, ChangeKind::Gone)]);
        assert_eq!(kinds("test", &[input("test", None, "9")]), []);
        let now = [
            input("model", Some("config.json"), "2"),
            input("model", Some("tokenizer.json"), "4"),
        ];
        assert_eq!(
            kinds("model", &now),
            [
                (Some("modules.json".into()), ChangeKind::Gone),
                (Some("tokenizer.json".into()), ChangeKind::Added)
            ]
        );
    }
}
