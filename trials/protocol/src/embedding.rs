//! What the embedding trainer can be told: its settings and its parameters.
//!
//! They stand here, and not in the trainer, so that `hpo` can check a study without libtorch.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The settings of the embedding trainer: the keys of the study's `[trial]` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A Hugging Face model directory: `config.json`, `model.safetensors`, `tokenizer.json`.
    pub model: PathBuf,
    /// Training triplets: JSONL with the string keys `anchor`, `positive`, `negative`.
    pub train: PathBuf,
    /// Validation triplets, in the same form.
    pub validation: PathBuf,
    /// The margin of the validation loss, the same for all trials whatever margin they train with; above 0.
    #[serde(default = "validation_margin")]
    pub validation_margin: f64,
    /// Tokens per text, special tokens included; longer texts are cut. At least 3.
    #[serde(default = "max_length")]
    pub max_length: usize,
}

fn validation_margin() -> f64 {
    0.5
}

fn max_length() -> usize {
    128
}

/// One configuration of the embedding trainer. Every field can be fixed or searched under `[space]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// Learning rate of AdamW.
    pub learning_rate: f64,
    /// Triplets per optimizer step.
    pub batch_size: u64,
    /// Dropout probability everywhere the encoder has one: embeddings, attention, feed-forward.
    pub dropout: f64,
    /// Decoupled weight decay of AdamW; biases and LayerNorm have none.
    pub weight_decay: f64,
    /// Margin of the triplet loss, on squared Euclidean distances of normalised embeddings.
    pub margin: f64,
    /// Weight of a second triplet loss whose negative is the hardest in the batch; 0 is without it.
    pub batch_negatives: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            learning_rate: 2e-5,
            batch_size: 32,
            dropout: 0.1,
            weight_decay: 1e-2,
            margin: 0.5,
            batch_negatives: 0.0,
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
}

/// A parameter as `hpo` checks it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Its name: a field of [`Parameters`].
    pub name: &'static str,
    /// The values it takes.
    pub domain: Domain,
}

const fn positive(name: &'static str) -> Parameter {
    Parameter {
        name,
        domain: Domain::Float {
            low: 0.0,
            low_included: false,
            high: f64::MAX,
        },
    }
}

const fn between(name: &'static str, low: f64, high: f64) -> Parameter {
    Parameter {
        name,
        domain: Domain::Float {
            low,
            low_included: true,
            high,
        },
    }
}

/// All parameters, in the order of [`Parameters`].
pub const PARAMETERS: &[Parameter] = &[
    positive("learning_rate"),
    Parameter {
        name: "batch_size",
        domain: Domain::Integer { low: 1 },
    },
    between("dropout", 0.0, 0.9),
    between("weight_decay", 0.0, f64::MAX),
    between("margin", 0.0, 4.0),
    between("batch_negatives", 0.0, f64::MAX),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_domain() {
        let fields = serde_json::to_value(Parameters::default()).unwrap();
        let names: Vec<_> = PARAMETERS.iter().map(|p| p.name).collect();
        assert_eq!(names, fields.as_object().unwrap().keys().collect::<Vec<_>>());
    }
}
