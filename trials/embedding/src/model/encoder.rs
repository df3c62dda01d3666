//! The transformer encoder, on packed batches.

use tch::{Kind, Tensor};

use super::config::Config;
use super::packed::{Group, Packed};
use super::weights::Weights;
use crate::error::Result;

/// A BERT encoder (Devlin et al., 2019). It shares the storage of the weights it was built from.
#[derive(Debug)]
pub struct Encoder {
    words: Tensor,
    positions: Tensor,
    types: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    qkv: Linear,
    output: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    norm: Norm,
    heads: i64,
}

#[derive(Debug)]
struct Linear {
    weight: Tensor,
    bias: Tensor,
}

#[derive(Debug)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl Encoder {
    /// An encoder over weights of that configuration.
    pub fn new(config: &Config, weights: &Weights) -> Result<Self> {
        let linear = |name: String| -> Result<Linear> {
            Ok(Linear {
                weight: weights.get(&format!("{name}.weight"))?,
                bias: weights.get(&format!("{name}.bias"))?,
            })
        };
        let norm = |name: String| -> Result<Norm> {
            Ok(Norm {
                weight: weights.get(&format!("{name}.weight"))?,
                bias: weights.get(&format!("{name}.bias"))?,
                eps: config.layer_norm_eps,
            })
        };
        let layer = |layer: usize| -> Result<Layer> {
            let name = |part: &str| format!("encoder.layer.{layer}.{part}");
            Ok(Layer {
                qkv: linear(name("attention.self.qkv"))?,
                output: linear(name("attention.output.dense"))?,
                attention_norm: norm(name("attention.output.LayerNorm"))?,
                up: linear(name("intermediate.dense"))?,
                down: linear(name("output.dense"))?,
                norm: norm(name("output.LayerNorm"))?,
                heads: config.num_attention_heads,
            })
        };
        Ok(Self {
            words: weights.get("embeddings.word_embeddings.weight")?,
            positions: weights.get("embeddings.position_embeddings.weight")?,
            types: weights.get("embeddings.token_type_embeddings.weight")?,
            norm: norm("embeddings.LayerNorm".to_owned())?,
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_>>()?,
        })
    }

    /// The rows of the word embeddings that a batch uses, `[words, hidden]`: a copy, and a leaf of gradients, since the
    /// gradient of the whole table would be nearly all zeros.
    pub fn words(&self, batch: &Packed) -> Result<Tensor> {
        let words = Tensor::f_from_slice(&batch.words)?.f_to_device(self.words.device())?;
        let rows = tch::no_grad(|| self.words.f_index_select(0, &words))?;
        Ok(rows.f_set_requires_grad(true)?)
    }

    /// Token vectors `[tokens, hidden]` of a packed batch over its [`Encoder::words`], with the given dropout
    /// probability wherever BERT has dropout; 0 for evaluation.
    pub fn forward(&self, batch: &Packed, words: &Tensor, dropout: f64) -> Result<Tensor> {
        let words = Tensor::f_embedding(words, &batch.ids, -1, false, false)?;
        let positions = Tensor::f_embedding(&self.positions, &batch.positions, -1, false, false)?;
        let sum = words.f_add(&positions)?.f_add(&self.types.f_select(0, 0)?)?;
        let mut tokens = drop(self.norm.forward(&sum)?, dropout)?;
        for layer in &self.layers {
            tokens = layer.forward(&tokens, &batch.groups, dropout)?;
        }
        Ok(tokens)
    }
}

impl Layer {
    fn forward(&self, tokens: &Tensor, groups: &[Group], dropout: f64) -> Result<Tensor> {
        let attended = self.attention(tokens, groups, dropout)?;
        let attended = drop(self.output.forward(&attended)?, dropout)?;
        let tokens = self.attention_norm.forward(&attended.f_add(tokens)?)?;
        let inner = self.up.forward(&tokens)?.f_gelu("none")?;
        let outer = drop(self.down.forward(&inner)?, dropout)?;
        self.norm.forward(&outer.f_add(&tokens)?)
    }

    /// Multi-head self-attention within each text, `[tokens, hidden]` to `[tokens, hidden]`.
    fn attention(&self, tokens: &Tensor, groups: &[Group], dropout: f64) -> Result<Tensor> {
        let width = tokens.size2()?.1;
        let size = width / self.heads;
        let sizes: Vec<i64> = groups.iter().map(Group::tokens).collect();
        // One split, since the gradient of each narrow would be as large as the batch.
        let parts = self.qkv.forward(tokens)?.f_split_with_sizes(&sizes, 0)?;
        let mut attended = Vec::with_capacity(groups.len());
        for (part, group) in parts.iter().zip(groups) {
            let qkv = part
                .f_view([group.texts, group.length, 3, self.heads, size])?
                .f_permute([2, 0, 3, 1, 4])?
                .f_unbind(0)?;
            let query = qkv[0].f_mul_scalar(1.0 / (size as f64).sqrt())?;
            let scores = query.f_matmul(&qkv[1].f_transpose(-2, -1)?)?;
            let shares = drop(scores.f_softmax(-1, Kind::Float)?, dropout)?;
            let mixed = shares.f_matmul(&qkv[2])?.f_transpose(1, 2)?;
            attended.push(mixed.f_reshape([group.tokens(), width])?);
        }
        Ok(Tensor::f_cat(&attended, 0)?)
    }
}

impl Linear {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        Ok(input.f_linear(&self.weight, Some(&self.bias))?)
    }
}

impl Norm {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let shape = self.weight.size();
        Ok(input.f_layer_norm(&shape, Some(&self.weight), Some(&self.bias), self.eps, true)?)
    }
}

fn drop(input: Tensor, probability: f64) -> Result<Tensor> {
    if probability > 0.0 {
        Ok(input.f_dropout(probability, true)?)
    } else {
        Ok(input)
    }
}
