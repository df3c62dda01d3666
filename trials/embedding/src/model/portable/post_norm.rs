//! The layers of an encoder with a LayerNorm after each residual.

use tch::{Kind, Tensor};

use super::{Drops, Layers};
use crate::error::Result;
use crate::model::dropout::Site;
use crate::model::packed::{Group, Packed};
use crate::model::post_norm::{Affine, Layer, Parts, Settings};

/// The layers of such an encoder (Devlin et al., 2019).
#[derive(Debug)]
pub struct PostNormLayers {
    settings: Settings,
    parts: Parts<Tensor>,
    kind: Kind,
}

impl PostNormLayers {
    /// Layers over these weights, with matrix products in `kind`.
    pub fn new(settings: Settings, parts: Parts<Tensor>, kind: Kind) -> Self {
        Self { settings, parts, kind }
    }

    fn norm(&self, input: &Tensor, norm: &Affine<Tensor>) -> Result<Tensor> {
        let shape = norm.weight.size();
        Ok(input.f_layer_norm(&shape, Some(&norm.weight), Some(&norm.bias), self.settings.eps, true)?)
    }

    fn linear(&self, input: &Tensor, map: &Affine<Tensor>) -> Result<Tensor> {
        if self.kind == Kind::Float {
            return Ok(input.f_linear(&map.weight, Some(&map.bias))?);
        }
        let (weight, bias) = (map.weight.f_to_kind(self.kind)?, map.bias.f_to_kind(self.kind)?);
        Ok(input.f_to_kind(self.kind)?.f_linear(&weight, Some(&bias))?)
    }

    /// Multi-head self-attention within each text, `[tokens, hidden]` to `[tokens, hidden]`.
    fn attention(&self, number: usize, layer: &Layer<Tensor>, tokens: &Tensor, drops: &Drops<'_>) -> Result<Tensor> {
        let heads = self.settings.heads as i64;
        let width = tokens.size2()?.1;
        let sizes: Vec<i64> = drops.groups.iter().map(Group::tokens).collect();
        let bias = self.bias(drops.groups)?;
        // One split, since the gradient of each narrow would be as large as the batch.
        let parts = self.linear(tokens, &layer.qkv)?.f_split_with_sizes(&sizes, 0)?;
        let mut attended = Vec::with_capacity(sizes.len());
        let mut first = 0;
        for (part, group) in parts.iter().zip(drops.groups) {
            let Group { texts, length } = *group;
            let qkv = part
                .f_view([texts, length, 3, heads, width / heads])?
                .f_permute([2, 0, 3, 1, 4])?
                .f_unbind(0)?;
            // What stands at a distance does not depend on where the text ends.
            let bias = bias.as_ref();
            let bias = bias
                .map(|bias| bias.f_narrow(1, 0, length)?.f_narrow(2, 0, length))
                .transpose()?;
            let factors = if drops.masks && drops.dropout.attention > 0.0 {
                Some(drops.attention(number, first, group, heads)?)
            } else {
                None
            };
            let mixed = attend(
                [&qkv[0], &qkv[1], &qkv[2]],
                bias.as_ref(),
                factors.as_ref(),
                drops.dropout.attention,
            )?;
            attended.push(mixed.f_transpose(1, 2)?.f_reshape([group.tokens(), width])?);
            first += texts as usize;
        }
        Ok(Tensor::f_cat(&attended, 0)?)
    }

    /// What is added to the scores of texts as long as the longest of a batch, `[heads, queries, keys]`.
    fn bias(&self, groups: &[Group]) -> Result<Option<Tensor>> {
        let Some(relative) = &self.parts.relative else {
            return Ok(None);
        };
        let longest = groups.last().map_or(0, |group| group.length);
        let rows: Vec<i64> = relative.rows(longest as usize).map(|row| row as i64).collect();
        let rows = Tensor::f_from_slice(&rows)?.f_to_device(relative.table.device())?;
        let by_distance = relative.table.f_index_select(0, &rows)?.f_transpose(0, 1)?;
        // A window for each query, from the last to the first.
        let bias = by_distance.f_unfold(1, longest, 1)?.f_flip([1])?;
        Ok(Some(bias.f_to_kind(self.kind)?))
    }
}

/// Attention of texts of one length, `[texts, heads, length, size]` each: with these factors of its weights, or else with
/// libtorch's own dropout of that probability.
fn attend(
    [query, key, value]: [&Tensor; 3],
    bias: Option<&Tensor>,
    factors: Option<&Tensor>,
    probability: f64,
) -> Result<Tensor> {
    let Some(factors) = factors else {
        return Ok(Tensor::f_scaled_dot_product_attention(
            query,
            key,
            value,
            bias,
            probability,
            false,
            None,
            false,
        )?);
    };
    let size = query.size().last().copied().unwrap_or(1);
    let query = query.f_mul_scalar(1.0 / (size as f64).sqrt())?;
    let mut scores = query.f_matmul(&key.f_transpose(-2, -1)?)?;
    if let Some(bias) = bias {
        scores = scores.f_add(bias)?;
    }
    let shares = scores.f_softmax(-1, Kind::Float)?;
    Ok(shares.f_mul(factors)?.f_to_kind(query.f_kind()?)?.f_matmul(value)?)
}

impl Layers for PostNormLayers {
    fn count(&self) -> usize {
        self.parts.layers.len()
    }

    fn embed(&self, batch: &Packed, words: &Tensor, drops: &Drops<'_>) -> Result<Tensor> {
        let parts = &self.parts;
        let device = parts.words.device();
        let index = |rows: &[i64]| Tensor::f_from_slice(rows)?.f_to_device(device);
        let words = Tensor::f_embedding(words, &index(&batch.ids)?, -1, false, false)?;
        let positions = Tensor::f_embedding(&parts.positions, &index(&batch.positions)?, -1, false, false)?;
        let mut sum = words.f_add(&positions)?;
        if let Some(types) = &parts.types {
            sum = sum.f_add(&types.f_select(0, 0)?)?;
        }
        drops.hidden(self.norm(&sum, &parts.norm)?, Site::Embeddings)
    }

    fn forward(&self, number: usize, tokens: &Tensor, drops: &Drops<'_>) -> Result<Tensor> {
        let layer = &self.parts.layers[number];
        let attended = self.attention(number, layer, tokens, drops)?;
        let mut attended = self.linear(&attended, &layer.output)?;
        if self.settings.drops_output {
            attended = drops.hidden(attended, Site::Output(number))?;
        }
        let tokens = self.norm(&attended.f_add(tokens)?, &layer.attention_norm)?;
        let inner = self.linear(&tokens, &layer.up)?.f_gelu("none")?;
        let outer = drops.hidden(self.linear(&inner, &layer.down)?, Site::Feed(number))?;
        self.norm(&outer.f_add(&tokens)?, &layer.norm)
    }
}
