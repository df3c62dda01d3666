//! The settings of the embedding trainer: the keys of the study's `[trial]` table, and what its data are.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::declare::{Choice, choices, keys};
use super::prompts::PromptSet;

/// A key of a table of the study's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
}

keys! {
    /// The settings of the embedding trainer: the keys of the study's `[trial]` table.
    #[serde(deny_unknown_fields)]
    Settings {
        /// A Hugging Face model directory of the BERT or RoBERTa families: `config.json`, `model.safetensors` or its
        /// shards, `tokenizer.json`.
        model: PathBuf,
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
        /// different answers; above 0, below 1.
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
        /// What stands before each text, in training, validation and test: a table by what the text is for, or `"model"` for what the
        /// model's directory says. `{}` is nothing.
        // Without it a study is one of before there were prompts: nothing stands before any text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prompts: Option<PromptSet>,
        /// Sets of prompts by names of your own, of which the parameter `prompts` names that of a trial.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        prompt_sets: BTreeMap<String, PromptSet>,
    }
}

impl Settings {
    /// [`validation_share`](Self::validation_share) if a study sets none.
    pub const VALIDATION_SHARE: f64 = 0.1;

    /// [`validation_margin`](Self::validation_margin) if a study sets none.
    pub const VALIDATION_MARGIN: f64 = 0.5;
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

keys! {
    /// The columns of a file that are read, by what they are for. Anchor and positive make pairs; with a score they make
    /// scored pairs, with negatives triplets. Text and label make labelled texts.
    #[derive(Default, Eq)]
    #[serde(deny_unknown_fields, default)]
    Columns {
        /// The text compared with the others.
        #[serde(skip_serializing_if = "Option::is_none")]
        anchor: Option<String>,
        /// The text that belongs to the anchor, or that is scored with it. May hold lists.
        #[serde(skip_serializing_if = "Option::is_none")]
        positive: Option<String>,
        /// Texts that do not belong to the anchor. May hold lists.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        negative: Vec<String>,
        /// How near anchor and positive are.
        #[serde(skip_serializing_if = "Option::is_none")]
        score: Option<String>,
        /// A text that has a label.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// The label of the text.
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        /// Rows with equal values here are never split.
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<String>,
    }
}

impl Columns {
    /// What the rows of these columns are; none if they do not go together.
    pub fn kind(&self) -> Option<Kind> {
        let pair = (self.anchor.is_some(), self.positive.is_some());
        let negative = !self.negative.is_empty();
        let labelled = (self.text.is_some(), self.label.is_some());
        match (pair, negative, self.score.is_some(), labelled) {
            ((true, true), true, false, (false, false)) => Some(Kind::Triplets),
            ((true, true), false, false, (false, false)) => Some(Kind::Pairs),
            ((true, true), false, true, (false, false)) => Some(Kind::Scored),
            ((false, false), false, false, (true, true)) => Some(Kind::Labelled),
            _ => None,
        }
    }
}

fn clean() -> bool {
    true
}

fn max_length() -> usize {
    128
}

/// What the rows of a study's data are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An anchor, a text near to it in meaning, and one that is not.
    Triplets,
    /// An anchor and a text near to it.
    Pairs,
    /// Two texts and how near they are.
    Scored,
    /// A text and the label that it shares with others.
    Labelled,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Triplets => "triplets",
            Self::Pairs => "pairs",
            Self::Scored => "scored pairs",
            Self::Labelled => "labelled texts",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_make_rows_of_a_kind_or_do_not_go_together() {
        let kind = |columns: serde_json::Value| serde_json::from_value::<Columns>(columns).unwrap().kind();
        let cases = [
            (
                json!({"anchor": "a", "positive": "b", "negative": ["c"], "group": "g"}),
                Some(Kind::Triplets),
            ),
            (json!({"anchor": "a", "positive": "b"}), Some(Kind::Pairs)),
            (
                json!({"anchor": "a", "positive": "b", "score": "s"}),
                Some(Kind::Scored),
            ),
            (json!({"text": "a", "label": "b"}), Some(Kind::Labelled)),
            (
                json!({"anchor": "a", "positive": "b", "negative": ["c"], "score": "s"}),
                None,
            ),
            (json!({"anchor": "a", "positive": "b", "text": "t"}), None),
            (json!({"anchor": "a"}), None),
            (json!({"text": "a", "score": "b"}), None),
            (json!({}), None),
        ];
        for (columns, expected) in cases {
            assert_eq!(kind(columns.clone()), expected, "{columns}");
        }
    }

    #[test]
    fn documentation_is_one_line_a_key() {
        let model = Settings::KEYS[0];
        assert_eq!(model.name, "model");
        assert!(model.about.starts_with("A Hugging Face model directory") && model.about.contains("or its shards"));
    }
}
