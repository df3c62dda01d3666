//! The settings of the embedding trainer: the keys of the study's `[trial]` table, and what its data are.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::columns::{Columns, Kind};
use super::declare::{Choice, Key, choices, keys};
use super::evaluation::Evaluation;
use super::prompts::PromptSet;

keys! {
    /// The settings of the embedding trainer: the keys of the study's `[trial]` table.
    #[serde(deny_unknown_fields)]
    Settings {
        /// The base model: a Hugging Face model directory of the BERT or RoBERTa families with `config.json`,
        /// `model.safetensors` or its shards, and `tokenizer.json`.
        model: Models,
        /// Training data: JSONL, CSV, TSV or Parquet, by its ending.
        train: PathBuf,
        /// Validation data of the same kind; if there is none, a share of the training data is split off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        validation: Option<PathBuf>,
        /// Data of the same kind that no decision of the search looks at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        test: Option<PathBuf>,
        /// What the columns of the files are for; if not given, their names decide.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        columns: Option<Columns>,
        /// Whether rows that would spoil training or validation are dropped.
        #[serde(default = "clean")]
        clean: bool,
        /// The lowest and the highest score there can be, mapped to 0 and 1; if not given, scores lie in -1 to 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        score_range: Option<[f64; 2]>,
        /// Share of the training rows that become validation rows if there is no file of them, or more if these had few
        /// different questions or answers; above 0, below 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        validation_share: Option<f64>,
        /// Share of the training rows that become test rows; 0 to 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        test_share: Option<f64>,
        /// The seed of the split.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        split_seed: Option<u64>,
        /// Words that mean the same, a group a line, separated by tabs: what the parameter `synonym_replacement` draws
        /// from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        synonyms: Option<PathBuf>,
        /// What a validation loss is, the same for all trials whatever loss they train with.
        // Without it a study is one of before there was a choice: triplets have the triplet loss.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        validation_loss: Option<ValidationLoss>,
        /// The margin of `validation_loss = "triplet"`, the same for all trials whatever margin they train with; above 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        validation_margin: Option<f64>,
        /// Tokens per text, special tokens included; longer texts are cut. At least 3. The parameter of this name may
        /// cut them shorter still.
        #[serde(default = "max_length")]
        max_length: usize,
        /// What becomes of a record that has several negatives.
        // Without it a study is one of before there was a choice: each negative made a row of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        negatives: Option<Negatives>,
        /// What stands before each text, in training, validation, test and evaluations: a table by what the text is for, or `"model"` for
        /// what the model's directory says. `{}` is nothing.
        // Without it a study is one of before there were prompts: nothing stands before any text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prompts: Option<PromptSet>,
        /// Sets of prompts by names of your own, of which the parameter `prompts` names that of a trial.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        prompt_sets: BTreeMap<String, PromptSet>,
        /// What else models are measured on, by its name: the tables `[evaluation.NAME]`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        evaluations: BTreeMap<String, Evaluation>,
    }
}

impl Settings {
    /// [`validation_share`](Self::validation_share) if a study sets none.
    pub const VALIDATION_SHARE: f64 = 0.1;

    /// [`validation_margin`](Self::validation_margin) if a study sets none.
    pub const VALIDATION_MARGIN: f64 = 0.5;
}

/// The base model of all trials, or those among which they choose by their parameter `model`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Models {
    /// The directory of the only one.
    One(PathBuf),
    /// The directories by the values of the parameter.
    Choice(BTreeMap<String, PathBuf>),
}

impl Models {
    /// The directory of the base model of a trial with that parameter; none if there is no such choice.
    pub fn directory(&self, chosen: Option<&str>) -> Option<&Path> {
        match (self, chosen) {
            (Self::One(directory), None) => Some(directory),
            (Self::Choice(models), Some(name)) => models.get(name).map(PathBuf::as_path),
            (Self::One(_), Some(_)) | (Self::Choice(_), None) => None,
        }
    }

    /// All of them, with the values of the parameter that choose them, if there is a choice.
    pub fn each(&self) -> Vec<(Option<&str>, &Path)> {
        match self {
            Self::One(directory) => vec![(None, directory)],
            Self::Choice(models) => {
                let named = models.iter();
                named
                    .map(|(name, directory)| (Some(name.as_str()), directory.as_path()))
                    .collect()
            }
        }
    }
}

choices! {
    /// What a validation loss is.
    ValidationLoss {
        /// Of triplets `"log_rank"`, of pairs and labelled texts `"cross_entropy"`, of scored pairs the mean squared error of
        /// the cosine.
        // Studies are frozen with this name: what it stands for can't change, and a better loss needs another name.
        Auto = "auto",
        /// Of triplets and pairs, the mean logarithm of the positive's rank among all texts that are wrong.
        LogRank = "log_rank",
        /// Of triplets and pairs, the cross-entropy of finding the positive among all texts that are wrong, by cosines over
        /// 0.05; of labelled texts, that of finding the label.
        CrossEntropy = "cross_entropy",
        /// Of triplets, how much nearer the positive is than the negative of its own row, by `validation_margin`.
        Triplet = "triplet",
    }
}

choices! {
    /// What becomes of a record that has several negatives.
    Negatives {
        /// They stay together: the record is one row, and one term of the loss.
        Together = "together",
        /// Each makes a row of its own.
        Apart = "apart",
    }
}

impl ValidationLoss {
    /// Whether it can be computed for rows of a kind.
    pub fn is_for(self, kind: Kind) -> bool {
        match self {
            Self::Auto => true,
            Self::LogRank => matches!(kind, Kind::Triplets | Kind::Pairs),
            Self::CrossEntropy => kind != Kind::Scored,
            Self::Triplet => kind == Kind::Triplets,
        }
    }
}

fn clean() -> bool {
    true
}

fn max_length() -> usize {
    128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_is_one_line_a_key() {
        let model = Settings::KEYS[0];
        assert_eq!(model.name, "model");
        assert!(model.about.starts_with("The base model: a") && model.about.contains("or its shards"));
    }
}
