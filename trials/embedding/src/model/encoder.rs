//! The transformer encoder by tensor operations, on packed batches: for devices other than the CPU, and the yardstick of
//! the one for the CPU.

use tch::{Device, Kind, Tensor};

use super::config::Config;
use super::dropout::{Dropout, Mask, Site};
use super::frozen::Below;
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
    kind: Kind,
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
    /// An encoder over weights of that configuration. Its matrix products are computed in `kind`, the rest in f32
    /// (mixed precision; Micikevicius et al., 2018).
    pub fn new(config: &Config, weights: &Weights, kind: Kind) -> Result<Self> {
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
                kind,
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
    /// gradient of the whole table would be nearly all zeros. Without one if the table is not trained.
    pub fn words(&self, batch: &Packed) -> Result<Tensor> {
        let words = Tensor::f_from_slice(&batch.words)?.f_to_device(self.words.device())?;
        let rows = tch::no_grad(|| self.words.f_index_select(0, &words))?;
        Ok(rows.f_set_requires_grad(self.words.requires_grad())?)
    }

    /// Token vectors `[tokens, hidden]` of a packed batch over its [`Encoder::words`].
    ///
    /// Layers whose output is given are not computed. On the CPU the dropout is that of the masks, to the bit. Elsewhere they would have to come from the host: it is
    /// libtorch's, whose generator the caller has seeded.
    pub fn forward(&self, batch: &Packed, words: &Tensor, dropout: &Dropout, below: Option<&Below>) -> Result<Tensor> {
        let drops = self.drops(batch, dropout);
        let (mut tokens, done) = match below {
            Some(below) => (Tensor::f_cat(&below.states, 0)?, below.layers),
            None => (self.embed(batch, words, &drops)?, 0),
        };
        for (number, layer) in self.layers.iter().enumerate().skip(done) {
            tokens = layer.forward(&tokens, number, &drops)?;
        }
        Ok(tokens)
    }

    /// Token vectors `[tokens, hidden]` after the lowest layers, without dropout.
    pub fn lower(&self, batch: &Packed, layers: usize) -> Result<Tensor> {
        let drops = self.drops(batch, &Dropout::NONE);
        let mut tokens = self.embed(batch, &self.words(batch)?, &drops)?;
        for (number, layer) in self.layers.iter().enumerate().take(layers) {
            tokens = layer.forward(&tokens, number, &drops)?;
        }
        Ok(tokens)
    }

    fn drops<'a>(&self, batch: &'a Packed, dropout: &'a Dropout) -> Drops<'a> {
        Drops {
            dropout,
            groups: &batch.groups,
            masks: self.words.device() == Device::Cpu,
        }
    }

    fn embed(&self, batch: &Packed, words: &Tensor, drops: &Drops<'_>) -> Result<Tensor> {
        let device = self.words.device();
        let index = |rows: &[i64]| Tensor::f_from_slice(rows)?.f_to_device(device);
        let words = Tensor::f_embedding(words, &index(&batch.ids)?, -1, false, false)?;
        let positions = Tensor::f_embedding(&self.positions, &index(&batch.positions)?, -1, false, false)?;
        let sum = words.f_add(&positions)?.f_add(&self.types.f_select(0, 0)?)?;
        drops.hidden(self.norm.forward(&sum)?, Site::Embeddings)
    }
}

impl Layer {
    fn forward(&self, tokens: &Tensor, number: usize, drops: &Drops<'_>) -> Result<Tensor> {
        let attended = self.attention(tokens, number, drops)?;
        let attended = drops.hidden(self.output.forward(&attended, self.kind)?, Site::Output(number))?;
        let tokens = self.attention_norm.forward(&attended.f_add(tokens)?)?;
        let inner = self.up.forward(&tokens, self.kind)?.f_gelu("none")?;
        let outer = drops.hidden(self.down.forward(&inner, self.kind)?, Site::Feed(number))?;
        self.norm.forward(&outer.f_add(&tokens)?)
    }

    /// Multi-head self-attention within each text, `[tokens, hidden]` to `[tokens, hidden]`.
    fn attention(&self, tokens: &Tensor, number: usize, drops: &Drops<'_>) -> Result<Tensor> {
        let width = tokens.size2()?.1;
        let size = width / self.heads;
        let sizes: Vec<i64> = drops.groups.iter().map(Group::tokens).collect();
        // One split, since the gradient of each narrow would be as large as the batch.
        let parts = self.qkv.forward(tokens, self.kind)?.f_split_with_sizes(&sizes, 0)?;
        let mut attended = Vec::with_capacity(sizes.len());
        let mut first = 0;
        for (part, group) in parts.iter().zip(drops.groups) {
            let qkv = part
                .f_view([group.texts, group.length, 3, self.heads, size])?
                .f_permute([2, 0, 3, 1, 4])?
                .f_unbind(0)?;
            let [query, key, value] = [&qkv[0], &qkv[1], &qkv[2]];
            let mixed = if drops.masks && drops.dropout.attention > 0.0 {
                let query = query.f_mul_scalar(1.0 / (size as f64).sqrt())?;
                let shares = query.f_matmul(&key.f_transpose(-2, -1)?)?.f_softmax(-1, Kind::Float)?;
                let factors = drops.attention(number, first, group, self.heads)?;
                shares.f_mul(&factors)?.f_to_kind(self.kind)?.f_matmul(value)?
            } else {
                let probability = drops.dropout.attention;
                Tensor::f_scaled_dot_product_attention(
                    query,
                    key,
                    value,
                    None::<&Tensor>,
                    probability,
                    false,
                    None,
                    false,
                )?
            };
            attended.push(mixed.f_transpose(1, 2)?.f_reshape([group.tokens(), width])?);
            first += group.texts as usize;
        }
        Ok(Tensor::f_cat(&attended, 0)?)
    }
}

/// Dropout on a packed batch.
struct Drops<'a> {
    dropout: &'a Dropout,
    groups: &'a [Group],
    masks: bool,
}

impl Drops<'_> {
    fn hidden(&self, tokens: Tensor, site: Site) -> Result<Tensor> {
        if self.dropout.hidden == 0.0 {
            return Ok(tokens);
        }
        if !self.masks {
            return Ok(tokens.f_dropout(self.dropout.hidden, true)?);
        }
        let (rows, width) = tokens.size2()?;
        let lengths = self
            .groups
            .iter()
            .flat_map(|group| (0..group.texts).map(|_| group.length));
        let mut factors = Vec::with_capacity((rows * width) as usize);
        for (text, length) in lengths.enumerate() {
            factors.extend(places(&self.dropout.mask(site, text), length * width));
        }
        Ok(tokens.f_mul(&Tensor::f_from_slice(&factors)?.f_view([rows, width])?)?)
    }

    /// The factors of the attention weights of a group, `[texts, heads, length, length]`.
    fn attention(&self, layer: usize, first: usize, group: &Group, heads: i64) -> Result<Tensor> {
        let shape = [group.texts, heads, group.length, group.length];
        let mut factors = Vec::with_capacity(shape.iter().product::<i64>() as usize);
        for text in first..first + group.texts as usize {
            let mask = self.dropout.mask(Site::Attention(layer), text);
            factors.extend(places(&mask, heads * group.length * group.length));
        }
        Ok(Tensor::f_from_slice(&factors)?.f_view(shape)?)
    }
}

fn places(mask: &Mask, count: i64) -> impl Iterator<Item = f32> {
    (0..count as u32).map(|place| mask.factor(place))
}

impl Linear {
    fn forward(&self, input: &Tensor, kind: Kind) -> Result<Tensor> {
        if kind == Kind::Float {
            return Ok(input.f_linear(&self.weight, Some(&self.bias))?);
        }
        let (weight, bias) = (self.weight.f_to_kind(kind)?, self.bias.f_to_kind(kind)?);
        Ok(input.f_to_kind(kind)?.f_linear(&weight, Some(&bias))?)
    }
}

impl Norm {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let shape = self.weight.size();
        Ok(input.f_layer_norm(&shape, Some(&self.weight), Some(&self.bias), self.eps, true)?)
    }
}
