//! Encoders with a LayerNorm after each residual, whatever their family calls their weights.

use tch::{Kind, Tensor};

use super::{Config, Encoder};
use crate::error::Result;
use crate::model::native::Native;
use crate::model::portable::{Layers, PostNormLayers};
use crate::model::post_norm::{Affine, Layer, Parts, Relative, Settings};
use crate::model::weights::{Weight, Weights};

/// Such an encoder.
#[derive(Debug)]
pub struct PostNorm {
    config: Config,
    settings: Settings,
    parts: Parts<Weight>,
}

/// What a family calls the weights of a layer in its files, without `.weight` and `.bias`.
#[derive(Debug)]
pub struct Names {
    /// What stands before the number of a layer.
    pub layer: &'static str,
    /// Query, key and value.
    pub qkv: [&'static str; 3],
    /// The attention output.
    pub output: &'static str,
    /// The LayerNorm after attention.
    pub attention_norm: &'static str,
    /// Into the feed-forward block.
    pub up: &'static str,
    /// Out of it.
    pub down: &'static str,
    /// The LayerNorm after it.
    pub norm: &'static str,
}

/// The names of BERT: ours for all families.
pub const BERT: Names = Names {
    layer: "encoder.layer",
    qkv: ["attention.self.query", "attention.self.key", "attention.self.value"],
    output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    norm: "output.LayerNorm",
};

/// Where families differ.
#[derive(Debug)]
pub struct Traits {
    /// Added to the variance in LayerNorm.
    pub eps: f64,
    /// Whether dropout reaches the attention output.
    pub drops_output: bool,
    /// Rows of the token type embeddings, if it has them.
    pub types: Option<i64>,
    /// Its embeddings of relative positions, if it has them: their name in the files, and their rows.
    pub relative: Option<Relative<(&'static str, i64)>>,
}

impl PostNorm {
    /// An encoder of that configuration.
    pub fn new(config: Config, names: &Names, traits: &Traits) -> Self {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let below = |name: &str, shape: &[i64]| {
            let name = format!("embeddings.{name}");
            Weight {
                sources: vec![name.clone()],
                name,
                shape: shape.to_vec(),
            }
        };
        let parts = Parts {
            words: below("word_embeddings.weight", &[config.vocab_size, hidden]),
            positions: below("position_embeddings.weight", &[config.max_position_embeddings, hidden]),
            types: traits
                .types
                .map(|rows| below("token_type_embeddings.weight", &[rows, hidden])),
            relative: traits.relative.as_ref().map(|relative| {
                let (source, rows) = relative.table;
                let table = below("relative_attention_bias.weight", &[rows, config.num_attention_heads]);
                Relative {
                    table: Weight {
                        sources: vec![source.to_owned()],
                        ..table
                    },
                    bucket: relative.bucket,
                }
            }),
            norm: Affine {
                weight: below("LayerNorm.weight", &[hidden]),
                bias: below("LayerNorm.bias", &[hidden]),
            },
            layers: (0..config.num_hidden_layers)
                .map(|number| layer(number, names, hidden, inner))
                .collect(),
        };
        // Positive, as has been checked.
        let size = |size: i64| size as usize;
        let settings = Settings {
            hidden: size(hidden),
            inner: size(inner),
            heads: size(config.num_attention_heads),
            layers: config.num_hidden_layers,
            eps: traits.eps,
            drops_output: traits.drops_output,
        };
        Self {
            config,
            settings,
            parts,
        }
    }

    fn tensors(&self, weights: &Weights) -> Result<Parts<Tensor>> {
        self.parts.try_map(|_, weight| weights.get(&weight.name))
    }
}

impl Encoder for PostNorm {
    fn config(&self) -> &Config {
        &self.config
    }

    fn layout(&self) -> Vec<Weight> {
        self.parts.clone().into_vec()
    }

    fn layers(&self, weights: &Weights, kind: Kind) -> Result<Box<dyn Layers>> {
        let parts = self.tensors(weights)?;
        Ok(Box::new(PostNormLayers::new(self.settings, parts, kind)))
    }

    fn native(&self, weights: &Weights) -> Result<Option<Native>> {
        Ok(Some(Native::new(self.settings, self.tensors(weights)?)))
    }
}

fn layer(number: usize, names: &Names, hidden: i64, inner: i64) -> Layer<Weight> {
    let affine = |ours: &str, theirs: &[&str], shape: &[i64]| {
        let weight = |part: &str, shape: &[i64]| Weight {
            name: format!("{}.{number}.{ours}.{part}", BERT.layer),
            shape: shape.to_vec(),
            sources: theirs
                .iter()
                .map(|name| format!("{}.{number}.{name}.{part}", names.layer))
                .collect(),
        };
        Affine {
            weight: weight("weight", shape),
            bias: weight("bias", &shape[..1]),
        }
    };
    Layer {
        qkv: affine("attention.self.qkv", &names.qkv, &[3 * hidden, hidden]),
        output: affine(BERT.output, &[names.output], &[hidden, hidden]),
        attention_norm: affine(BERT.attention_norm, &[names.attention_norm], &[hidden]),
        up: affine(BERT.up, &[names.up], &[inner, hidden]),
        down: affine(BERT.down, &[names.down], &[hidden, inner]),
        norm: affine(BERT.norm, &[names.norm], &[hidden]),
    }
}
