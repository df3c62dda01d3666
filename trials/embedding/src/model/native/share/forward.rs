//! The parts of the forward pass.

use super::{Common, Share, fit};
use crate::error::Result;
use crate::model::dropout::Site;
use crate::model::native::product::{Matrix, multiply};
use crate::model::native::{attention, rows};
use crate::model::packed::Packed;
use crate::model::post_norm::Affine;

impl Share {
    pub(super) fn embed(&mut self, common: &Common<'_>, batch: &Packed) -> Result<()> {
        let (weights, width) = (common.weights, common.settings.hidden);
        let (sums, scales) = self.norm.fit(self.tokens, width)?;
        let out = fit(&mut self.states[0], self.tokens * width)?;
        let types = weights.types.map(|types| &types[..width]);
        for text in &self.texts {
            let tokens = batch.ids[text.of_batch(1)]
                .iter()
                .zip(&batch.positions[text.of_batch(1)]);
            for ((&word, &position), sum) in tokens.zip(sums[text.of(width)].chunks_exact_mut(width)) {
                let word = &weights.words[batch.words[word as usize] as usize * width..][..width];
                let position = &weights.positions[position as usize * width..][..width];
                let columns = sum.iter_mut().zip(word).zip(position);
                match types {
                    Some(types) => {
                        for (((sum, word), position), kind) in columns.zip(types) {
                            *sum = word + position + kind;
                        }
                    }
                    None => {
                        for ((sum, word), position) in columns {
                            *sum = word + position;
                        }
                    }
                }
            }
        }
        let Affine { weight, bias } = weights.norm;
        rows::norm(sums, weight, bias, common.settings.eps as f32, out, scales);
        for text in &self.texts {
            rows::drop_rows(&common.mask(Site::Embeddings, text.place), &mut out[text.of(width)]);
        }
        Ok(())
    }

    pub(super) fn attend(&mut self, common: &Common<'_>, number: usize, from: usize) -> Result<()> {
        let (settings, weights) = (common.settings, &common.weights.layers[number]);
        let (tokens, width) = (self.tokens, settings.hidden);
        let state = &self.states[from][..tokens * width];
        let layer = &mut self.layers[from];
        let qkv = fit(&mut layer.qkv, tokens * 3 * width)?;
        multiply(
            qkv,
            Matrix::new(state, width),
            Matrix::new(weights.qkv.weight, width).t(),
        )?;
        rows::add_bias(qkv, weights.qkv.bias);
        let attended = fit(&mut layer.attended, tokens * width)?;
        let logs = fit(&mut layer.logs, tokens * settings.heads)?;
        for text in &self.texts {
            let shape = common.attention(text.length);
            attention::attend(
                shape,
                &common.mask(Site::Attention(number), text.place),
                common.bias,
                &qkv[text.of(3 * width)],
                &mut attended[text.of(width)],
                &mut logs[text.of(settings.heads)],
                fit(&mut self.scratch, shape.scratch())?,
            );
        }
        let (out, scales) = layer.output_norm.fit(tokens, width)?;
        multiply(
            out,
            Matrix::new(attended, width),
            Matrix::new(weights.output.weight, width).t(),
        )?;
        let between = fit(&mut layer.between, tokens * width)?;
        for text in &self.texts {
            let part = text.of(width);
            rows::residual_norm(
                &common.mask(Site::Output(number), text.place),
                &mut out[part.clone()],
                weights.output.bias,
                &state[part.clone()],
                weights.attention_norm.weight,
                weights.attention_norm.bias,
                settings.eps as f32,
                &mut between[part],
                &mut scales[text.of(1)],
            );
        }
        Ok(())
    }

    pub(super) fn feed(&mut self, common: &Common<'_>, number: usize, from: usize, to: usize) -> Result<()> {
        let (settings, weights) = (common.settings, &common.weights.layers[number]);
        let (tokens, width, wide) = (self.tokens, settings.hidden, settings.inner);
        let layer = &mut self.layers[from];
        let between = &layer.between[..tokens * width];
        let inner = fit(&mut layer.inner, tokens * wide)?;
        multiply(
            inner,
            Matrix::new(between, width),
            Matrix::new(weights.up.weight, width).t(),
        )?;
        let active = fit(&mut self.wide, tokens * wide.max(3 * width))?;
        let active = &mut active[..tokens * wide];
        rows::gelu(inner, weights.up.bias, active);
        let (out, scales) = layer.norm.fit(tokens, width)?;
        multiply(
            out,
            Matrix::new(active, wide),
            Matrix::new(weights.down.weight, wide).t(),
        )?;
        let state = fit(&mut self.states[to], tokens * width)?;
        for text in &self.texts {
            let part = text.of(width);
            rows::residual_norm(
                &common.mask(Site::Feed(number), text.place),
                &mut out[part.clone()],
                weights.down.bias,
                &between[part.clone()],
                weights.norm.weight,
                weights.norm.bias,
                settings.eps as f32,
                &mut state[part],
                &mut scales[text.of(1)],
            );
        }
        Ok(())
    }
}
