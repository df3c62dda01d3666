//! What the embedding trainer can be told: its settings and its parameters.
//!
//! They stand here, and not in the trainer, so that `hpo` can check a study without libtorch.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The settings of the embedding trainer: the keys of the study's `[trial]` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A Hugging Face model directory of the BERT or RoBERTa families: `config.json`, `model.safetensors` or its shards,
    /// `tokenizer.json`.
    pub model: PathBuf,
    /// Training data: JSONL, CSV, TSV or Parquet, by its ending.
    pub train: PathBuf,
    /// Validation data of the same kind; if there is none, a share of the training data is split off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<PathBuf>,
    /// Data of the same kind that no decision of the search looks at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
    /// What the columns of the files are for; if not given, their names tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Columns>,
    /// Whether rows that would spoil training or validation are dropped.
    #[serde(default = "clean")]
    pub clean: bool,
    /// The lowest and the highest score there can be, mapped to 0 and 1; if not given, scores lie in -1 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_range: Option<[f64; 2]>,
    /// Share of the training rows that become validation rows if there is no file of them; above 0, below 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_share: Option<f64>,
    /// Share of the training rows that become test rows; 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_share: Option<f64>,
    /// The seed of the split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_seed: Option<u64>,
    /// Words that mean the same, a group a line, separated by tabs: what the parameter `synonym_replacement` draws from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synonyms: Option<PathBuf>,
    /// The margin of the validation loss, the same for all trials whatever margin they train with; above 0.
    #[serde(default = "validation_margin")]
    pub validation_margin: f64,
    /// Tokens per text, special tokens included; longer texts are cut. At least 3. The parameter of this name may cut
    /// them shorter still.
    #[serde(default = "max_length")]
    pub max_length: usize,
}

impl Settings {
    /// [`validation_share`](Self::validation_share) if a study says none.
    pub const VALIDATION_SHARE: f64 = 0.1;
}

/// The columns of a file that are read, by what they are for. Anchor and positive make pairs; with a score they make
/// scored pairs, with negatives triplets. Text and label make labelled texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Columns {
    /// The text compared with the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
    /// The text that belongs to the anchor, or that is scored with it. May hold lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// Texts that do not belong to the anchor. May hold lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub negative: Vec<String>,
    /// How near anchor and positive are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<String>,
    /// A text that has a label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The label of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Rows with equal values here are never split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

fn clean() -> bool {
    true
}

fn validation_margin() -> f64 {
    0.5
}

fn max_length() -> usize {
    128
}

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// The positive must be nearer than the negative, by a margin. For triplets and pairs.
    Triplet,
    /// The positive must be found among all texts of the batch. For triplets and pairs.
    MultipleNegatives,
    /// The cosine must be the score. For scored pairs.
    CosineSimilarity,
    /// The label must be found. For labelled texts.
    Classification,
}

impl fmt::Display for LossKind {
    /// The name under which it stands in a study's file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Triplet => "triplet",
            Self::MultipleNegatives => "multiple_negatives",
            Self::CosineSimilarity => "cosine_similarity",
            Self::Classification => "classification",
        })
    }
}

/// How far embeddings are from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DistanceKind {
    /// The sum of squared differences: from 0 to 4 for embeddings of length 1.
    SquaredEuclidean,
    /// Its root.
    Euclidean,
    /// 1 less the cosine.
    Cosine,
}

/// Which of the wrong answers in a batch becomes the negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mining {
    /// The nearest (batch hard; Hermans et al., 2017, section 2).
    Hardest,
    /// The nearest that is farther than the positive, or the farthest if there is none (Schroff et al., 2015,
    /// section 3.2).
    SemiHard,
}

/// What changes the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// Adam with decoupled weight decay.
    Adamw,
    /// Adam; weight decay is added to the gradient.
    Adam,
    /// Stochastic gradient descent with momentum; weight decay is added to the gradient.
    Sgd,
}

/// The numbers of matrix products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrecisionKind {
    /// bfloat16 where the device has it and is faster with it, otherwise f32.
    Auto,
    /// f32.
    Fp32,
    /// bfloat16.
    Bf16,
    /// IEEE half precision, with a scale of the loss that adapts.
    Fp16,
}

/// How the learning rate goes after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// It stays.
    Constant,
    /// It falls in a straight line.
    Linear,
    /// It falls along half a cosine.
    Cosine,
    /// It falls along half a cosine several times.
    CosineRestarts,
    /// It falls whenever the validation loss has not fallen for some time.
    Plateau,
}

/// How the token vectors of a text become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolingKind {
    /// The mean over all tokens, special ones included.
    Mean,
    /// The vector of the first token.
    Cls,
    /// The greatest number of all tokens, one for each place of the vector.
    Max,
}

/// One configuration of the embedding trainer. Every field can be fixed or searched under `[space]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// The optimizer.
    pub optimizer: OptimizerKind,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Examples per optimizer step.
    pub batch_size: u64,
    /// How many of them are embedded at a time; none is all. Fewer need less memory for the same result.
    pub micro_batch_size: Option<u64>,
    /// Dropout probability everywhere the encoder has one: embeddings, attention, feed-forward.
    pub dropout: f64,
    /// Weight decay; biases and LayerNorm have none.
    pub weight_decay: f64,
    /// Adam's decay of the running mean of gradients.
    pub beta1: f64,
    /// Adam's decay of the running mean of squared gradients.
    pub beta2: f64,
    /// What Adam adds to the root of the squares.
    pub epsilon: f64,
    /// Momentum of SGD.
    pub momentum: f64,
    /// The greatest length of the whole gradient; longer ones are scaled down to it. 0 is without a limit.
    pub max_grad_norm: f64,
    /// The learning rate of a layer as a share of that of the layer above it; the embeddings come after the lowest layer.
    pub layer_decay: f64,
    /// The numbers of matrix products in training; weights, sums and validation are in f32.
    pub precision: PrecisionKind,
    /// The lowest layers that are not trained, and the embeddings with them if there is any.
    pub frozen_layers: u64,
    /// Whether the embeddings are not trained.
    pub freeze_embeddings: bool,
    /// How the learning rate goes over the steps of the maximum resource.
    pub schedule: ScheduleKind,
    /// Steps over which the learning rate rises to its highest; takes precedence over `warmup_ratio`.
    pub warmup_steps: Option<u64>,
    /// The same as a share of all steps.
    pub warmup_ratio: f64,
    /// The lowest learning rate of a schedule as a share of the highest.
    pub min_learning_rate_ratio: f64,
    /// How often the schedule `cosine_restarts` begins anew.
    pub restarts: u64,
    /// What the schedule `plateau` multiplies the learning rate with.
    pub plateau_factor: f64,
    /// Validations in a row without a lower loss after which it does so.
    pub plateau_patience: u64,
    /// Validations in a row without a lower loss after which the trial ends; 0 is never.
    pub patience: u64,
    /// The loss; none is that of the data's kind.
    pub loss: Option<LossKind>,
    /// Margin of the triplet loss.
    pub margin: f64,
    /// Distance of the triplet loss.
    pub distance: DistanceKind,
    /// Weight of a second triplet loss whose negative is chosen within the batch; 0 is without it. For pairs, which have
    /// no other, it does not count.
    pub batch_negatives: f64,
    /// Which one is chosen.
    pub mining: Mining,
    /// What the multiple-negatives ranking loss divides cosines by.
    pub temperature: f64,
    /// Whether that loss also asks each positive for its anchor.
    pub symmetric: bool,
    /// Dropout probability of embeddings before classification.
    pub head_dropout: f64,
    /// The probability of each word that has synonyms to be replaced by one in training.
    pub synonym_replacement: f64,
    /// The largest share of a text's tokens that is cut off its ends in training.
    pub crop: f64,
    /// The probability of each token to be left out in training.
    pub token_deletion: f64,
    /// The probability of each token to change places with the next one in training.
    pub token_swap: f64,
    /// How token vectors become an embedding; none is the model's own way.
    pub pooling: Option<PoolingKind>,
    /// Whether the model scales embeddings to length 1; none is the model's own way.
    pub normalize: Option<bool>,
    /// Tokens per text, special tokens included, in training, in validation and once exported; at most
    /// [`Settings::max_length`], which it is if there is none.
    // Checkpoints hold the parameters, and trials that have none of this are those of before there was any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            optimizer: OptimizerKind::Adamw,
            learning_rate: 2e-5,
            batch_size: 32,
            micro_batch_size: None,
            dropout: 0.1,
            weight_decay: 1e-2,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            momentum: 0.9,
            max_grad_norm: 1.0,
            layer_decay: 1.0,
            precision: PrecisionKind::Auto,
            frozen_layers: 0,
            freeze_embeddings: false,
            schedule: ScheduleKind::Constant,
            warmup_steps: None,
            warmup_ratio: 0.0,
            min_learning_rate_ratio: 0.0,
            restarts: 1,
            plateau_factor: 0.5,
            plateau_patience: 1,
            patience: 0,
            loss: None,
            margin: 0.5,
            distance: DistanceKind::SquaredEuclidean,
            batch_negatives: 0.0,
            mining: Mining::Hardest,
            temperature: 0.05,
            symmetric: false,
            head_dropout: 0.0,
            synonym_replacement: 0.0,
            crop: 0.0,
            token_deletion: 0.0,
            token_swap: 0.0,
            pooling: None,
            normalize: None,
            max_length: None,
        }
    }
}

/// What values a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Domain {
    /// Numbers from `low` to `high`; `low` itself only if `low_included`.
    Float {
        /// Lower bound.
        low: f64,
        /// Whether the lower bound is allowed.
        low_included: bool,
        /// Upper bound, allowed.
        high: f64,
    },
    /// Whole numbers of at least `low`.
    Integer {
        /// Lower bound, allowed.
        low: i64,
    },
    /// True or false.
    Bool,
    /// One of these texts.
    Choice(&'static [&'static str]),
}

impl Domain {
    /// Whether a value lies in the domain.
    pub fn contains(self, value: &Value) -> bool {
        match self {
            Self::Float {
                low,
                low_included,
                high,
            } => value
                .as_f64()
                .is_some_and(|x| (x > low || low_included && x == low) && x <= high),
            Self::Integer { low } => value.as_i64().is_some_and(|n| n >= low),
            Self::Bool => value.is_boolean(),
            Self::Choice(names) => value.as_str().is_some_and(|name| names.contains(&name)),
        }
    }
}

impl fmt::Display for Domain {
    /// The domain after "must be".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Float {
                low,
                low_included,
                high,
            } => match (low_included, high == f64::MAX) {
                (true, true) => write!(f, "a number of at least {low}"),
                (true, false) => write!(f, "a number from {low} to {high}"),
                (false, true) => write!(f, "a number above {low}"),
                (false, false) => write!(f, "a number above {low} and at most {high}"),
            },
            Self::Integer { low } => write!(f, "a whole number of at least {low}"),
            Self::Bool => write!(f, "true or false"),
            Self::Choice(names) => {
                for (place, name) in names.iter().enumerate() {
                    let before = match place {
                        0 => "",
                        _ if place + 1 == names.len() => " or ",
                        _ => ", ",
                    };
                    write!(f, "{before}`{name}`")?;
                }
                Ok(())
            }
        }
    }
}

/// A parameter as `hpo` checks it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Its name: a field of [`Parameters`].
    pub name: &'static str,
    /// The values it takes.
    pub domain: Domain,
}

const fn parameter(name: &'static str, domain: Domain) -> Parameter {
    Parameter { name, domain }
}

/// Numbers above 0 and up to `high`.
const fn above_zero(high: f64) -> Domain {
    Domain::Float {
        low: 0.0,
        low_included: false,
        high,
    }
}

/// Numbers from 0 to `high`.
const fn from_zero(high: f64) -> Domain {
    Domain::Float {
        low: 0.0,
        low_included: true,
        high,
    }
}

const fn at_least(low: i64) -> Domain {
    Domain::Integer { low }
}

/// Decay rates of running means: 1 would never forget.
const MEANS: Domain = from_zero(0.999_999);

/// All parameters, in the order of [`Parameters`].
pub const PARAMETERS: &[Parameter] = &[
    parameter("optimizer", Domain::Choice(&["adamw", "adam", "sgd"])),
    parameter("learning_rate", above_zero(f64::MAX)),
    parameter("batch_size", at_least(1)),
    parameter("micro_batch_size", at_least(1)),
    parameter("dropout", from_zero(0.9)),
    parameter("weight_decay", from_zero(f64::MAX)),
    parameter("beta1", MEANS),
    parameter("beta2", MEANS),
    parameter("epsilon", above_zero(1.0)),
    parameter("momentum", MEANS),
    parameter("max_grad_norm", from_zero(f64::MAX)),
    parameter("layer_decay", above_zero(1.0)),
    parameter("precision", Domain::Choice(&["auto", "fp32", "bf16", "fp16"])),
    parameter("frozen_layers", at_least(0)),
    parameter("freeze_embeddings", Domain::Bool),
    parameter(
        "schedule",
        Domain::Choice(&["constant", "linear", "cosine", "cosine_restarts", "plateau"]),
    ),
    parameter("warmup_steps", at_least(0)),
    parameter("warmup_ratio", from_zero(1.0)),
    parameter("min_learning_rate_ratio", from_zero(1.0)),
    parameter("restarts", at_least(0)),
    parameter("plateau_factor", above_zero(1.0)),
    parameter("plateau_patience", at_least(1)),
    parameter("patience", at_least(0)),
    parameter(
        "loss",
        Domain::Choice(&["triplet", "multiple_negatives", "cosine_similarity", "classification"]),
    ),
    parameter("margin", from_zero(4.0)),
    parameter(
        "distance",
        Domain::Choice(&["squared_euclidean", "euclidean", "cosine"]),
    ),
    parameter("batch_negatives", from_zero(f64::MAX)),
    parameter("mining", Domain::Choice(&["hardest", "semi_hard"])),
    parameter("temperature", above_zero(f64::MAX)),
    parameter("symmetric", Domain::Bool),
    parameter("head_dropout", from_zero(0.9)),
    parameter("synonym_replacement", from_zero(1.0)),
    parameter("crop", from_zero(0.9)),
    parameter("token_deletion", from_zero(0.9)),
    parameter("token_swap", from_zero(1.0)),
    parameter("pooling", Domain::Choice(&["mean", "cls", "max"])),
    parameter("normalize", Domain::Bool),
    parameter("max_length", at_least(3)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_domain() {
        let all = Parameters {
            max_length: Some(8),
            ..Parameters::default()
        };
        let fields = serde_json::to_value(all).unwrap();
        let names: Vec<_> = PARAMETERS.iter().map(|p| p.name).collect();
        assert_eq!(names, fields.as_object().unwrap().keys().collect::<Vec<_>>());
    }

    /// Checkpoints are compared by this text: those written before there was the parameter must go on.
    #[test]
    fn a_length_that_is_not_given_is_not_written() {
        let written = serde_json::to_string(&Parameters::default()).unwrap();
        assert!(written.ends_with(r#""pooling":null,"normalize":null}"#), "{written}");
    }
}
