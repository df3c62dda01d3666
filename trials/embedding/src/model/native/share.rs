//! One thread's share of a batch: some of its texts, all the way through the encoder and back.
//!
//! Threads have only the weights in common, so that they need not wait for each other within a pass.

use std::ops::Range;

use super::super::dropout::{Dropout, Site};
use super::super::packed::Packed;
use super::attention::{self, Shape};
use super::product::{Matrix, multiply, multiply_add};
use super::{EMBEDDINGS, LAYER, Sizes, rows};
use crate::error::{Error, Result};

/// A text of a share.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// Its place in the packed order.
    pub place: usize,
    /// Its first row in the packed batch.
    pub row: usize,
    /// Its first row in the share.
    pub first: usize,
    /// Its tokens.
    pub length: usize,
}

impl Text {
    /// Its numbers in a matrix of the share of that width.
    pub fn of(&self, width: usize) -> Range<usize> {
        self.first * width..(self.first + self.length) * width
    }

    /// Its numbers in a matrix of the whole batch.
    pub fn of_batch(&self, width: usize) -> Range<usize> {
        self.row * width..(self.row + self.length) * width
    }
}

/// The layers of a forward pass.
#[derive(Debug)]
pub struct Span<'a> {
    /// What it begins with: the token vectors of each text by its place; if there are none, with the embeddings.
    pub below: &'a [&'a [f32]],
    /// The layers' numbers.
    pub layers: Range<usize>,
}

/// Texts, and all memory that their passes need, kept from batch to batch. Matrices have a row per token of the share.
#[derive(Debug, Default)]
pub struct Share {
    texts: Vec<Text>,
    tokens: usize,
    norm: Norm,
    /// The input of each layer, and the output of the last. Without a gradient, one for all.
    states: Vec<Vec<f32>>,
    /// Without a gradient, one for all.
    layers: Vec<Layer>,
    wide: Vec<f32>,
    narrow: Vec<f32>,
    other: Vec<f32>,
    /// The gradient on its way down; in the end that of the sums of embeddings.
    gradient: Vec<f32>,
    scratch: Vec<f32>,
}

/// What the gradient of a layer needs.
#[derive(Debug, Default)]
struct Layer {
    qkv: Vec<f32>,
    /// The logarithms of the softmax's denominators, text by text.
    logs: Vec<f32>,
    attended: Vec<f32>,
    output_norm: Norm,
    /// The input of the feed-forward block.
    between: Vec<f32>,
    /// The feed-forward block before GELU; the backward pass makes it that after GELU.
    inner: Vec<f32>,
    norm: Norm,
}

/// What the gradient of a LayerNorm needs.
#[derive(Debug, Default)]
struct Norm {
    rows: Vec<f32>,
    scales: Vec<f32>,
}

impl Norm {
    fn fit(&mut self, tokens: usize, width: usize) -> Result<(&mut [f32], &mut [f32])> {
        Ok((fit(&mut self.rows, tokens * width)?, fit(&mut self.scales, tokens)?))
    }
}

/// The first numbers of a buffer, which grows if it must. They may hold anything.
fn fit(buffer: &mut Vec<f32>, count: usize) -> Result<&mut [f32]> {
    if buffer.len() < count {
        // A new one: growing would copy what nobody needs.
        *buffer = Vec::new();
        buffer.try_reserve_exact(count).map_err(|_| Error::Memory {
            bytes: count * size_of::<f32>(),
        })?;
        buffer.resize(count, 0.0);
    }
    Ok(&mut buffer[..count])
}

impl Share {
    /// Gives it its texts of a batch.
    pub fn set(&mut self, texts: Vec<Text>) {
        self.tokens = texts.iter().map(|text| text.length).sum();
        self.texts = texts;
    }

    /// Its texts.
    pub fn texts(&self) -> &[Text] {
        &self.texts
    }

    /// Its token vectors after a forward pass, `[tokens, hidden]`.
    pub fn output(&self, sizes: &Sizes, keep: bool) -> &[f32] {
        &self.states[if keep { sizes.layers } else { 0 }][..self.tokens * sizes.hidden]
    }

    /// The gradient of its sums of embeddings after a backward pass, `[tokens, hidden]`.
    pub fn gradient(&self, sizes: &Sizes) -> &[f32] {
        &self.gradient[..self.tokens * sizes.hidden]
    }

    /// The forward pass through some layers, over all weights in the order of the layout. Only if `keep`,
    /// [`Share::backward`] can follow.
    pub fn forward(
        &mut self,
        sizes: &Sizes,
        weights: &[&[f32]],
        batch: &Packed,
        dropout: &Dropout,
        keep: bool,
        span: &Span<'_>,
    ) -> Result<()> {
        if self.tokens == 0 {
            return Ok(());
        }
        let states = if keep { sizes.layers + 1 } else { 1 };
        if self.states.len() < states {
            self.layers.resize_with(states.max(2) - 1, Layer::default);
            self.states.resize_with(states, Vec::new);
        }
        if span.below.is_empty() {
            self.embed(sizes, weights, batch, dropout)?;
        } else {
            let first = if keep { span.layers.start } else { 0 };
            let state = fit(&mut self.states[first], self.tokens * sizes.hidden)?;
            for text in &self.texts {
                state[text.of(sizes.hidden)].copy_from_slice(span.below[text.place]);
            }
        }
        for number in span.layers.clone() {
            let from = if keep { number } else { 0 };
            let weights = &weights[EMBEDDINGS + number * LAYER..][..LAYER];
            self.attend(sizes, weights, dropout, number, from)?;
            self.feed(sizes, weights, dropout, number, from, if keep { from + 1 } else { 0 })?;
        }
        Ok(())
    }

    fn embed(&mut self, sizes: &Sizes, weights: &[&[f32]], batch: &Packed, dropout: &Dropout) -> Result<()> {
        let width = sizes.hidden;
        let (sums, scales) = self.norm.fit(self.tokens, width)?;
        let out = fit(&mut self.states[0], self.tokens * width)?;
        let row = |table: usize, row: i64| &weights[table][row as usize * width..][..width];
        for text in &self.texts {
            let tokens = batch.ids[text.of_batch(1)]
                .iter()
                .zip(&batch.positions[text.of_batch(1)]);
            for ((&word, &position), sum) in tokens.zip(sums[text.of(width)].chunks_exact_mut(width)) {
                let (word, position) = (row(0, batch.words[word as usize]), row(1, position));
                for (((sum, word), position), kind) in sum.iter_mut().zip(word).zip(position).zip(row(2, 0)) {
                    *sum = word + position + kind;
                }
            }
        }
        rows::norm(sums, weights[3], weights[4], sizes.eps, out, scales);
        for text in &self.texts {
            rows::drop_rows(&dropout.mask(Site::Embeddings, text.place), &mut out[text.of(width)]);
        }
        Ok(())
    }

    fn attend(
        &mut self,
        sizes: &Sizes,
        weights: &[&[f32]],
        dropout: &Dropout,
        number: usize,
        from: usize,
    ) -> Result<()> {
        let &[qkv_weight, qkv_bias, weight, bias, norm_weight, norm_bias, ..] = weights else {
            unreachable!("a layer has {LAYER} weights")
        };
        let (tokens, width) = (self.tokens, sizes.hidden);
        let state = &self.states[from][..tokens * width];
        let layer = &mut self.layers[from];
        let qkv = fit(&mut layer.qkv, tokens * 3 * width)?;
        multiply(qkv, Matrix::new(state, width), Matrix::new(qkv_weight, width).t())?;
        rows::add_bias(qkv, qkv_bias);
        let attended = fit(&mut layer.attended, tokens * width)?;
        let logs = fit(&mut layer.logs, tokens * sizes.heads)?;
        for text in &self.texts {
            let shape = sizes.attention(text.length);
            attention::attend(
                shape,
                &dropout.mask(Site::Attention(number), text.place),
                &qkv[text.of(3 * width)],
                &mut attended[text.of(width)],
                &mut logs[text.of(sizes.heads)],
                fit(&mut self.scratch, shape.scratch())?,
            );
        }
        let (out, scales) = layer.output_norm.fit(tokens, width)?;
        multiply(out, Matrix::new(attended, width), Matrix::new(weight, width).t())?;
        let between = fit(&mut layer.between, tokens * width)?;
        for text in &self.texts {
            let part = text.of(width);
            rows::residual_norm(
                &dropout.mask(Site::Output(number), text.place),
                &mut out[part.clone()],
                bias,
                &state[part.clone()],
                norm_weight,
                norm_bias,
                sizes.eps,
                &mut between[part],
                &mut scales[text.of(1)],
            );
        }
        Ok(())
    }

    fn feed(
        &mut self,
        sizes: &Sizes,
        weights: &[&[f32]],
        dropout: &Dropout,
        number: usize,
        from: usize,
        to: usize,
    ) -> Result<()> {
        let &[.., up, up_bias, down, down_bias, norm_weight, norm_bias] = weights else {
            unreachable!("a layer has {LAYER} weights")
        };
        let (tokens, width) = (self.tokens, sizes.hidden);
        let layer = &mut self.layers[from];
        let between = &layer.between[..tokens * width];
        let inner = fit(&mut layer.inner, tokens * sizes.inner)?;
        multiply(inner, Matrix::new(between, width), Matrix::new(up, width).t())?;
        let active = fit(&mut self.wide, tokens * sizes.inner.max(3 * width))?;
        let active = &mut active[..tokens * sizes.inner];
        rows::gelu(inner, up_bias, active);
        let (out, scales) = layer.norm.fit(tokens, width)?;
        multiply(
            out,
            Matrix::new(active, sizes.inner),
            Matrix::new(down, sizes.inner).t(),
        )?;
        let state = fit(&mut self.states[to], tokens * width)?;
        for text in &self.texts {
            let part = text.of(width);
            rows::residual_norm(
                &dropout.mask(Site::Feed(number), text.place),
                &mut out[part.clone()],
                down_bias,
                &between[part.clone()],
                norm_weight,
                norm_bias,
                sizes.eps,
                &mut state[part],
                &mut scales[text.of(1)],
            );
        }
        Ok(())
    }

    /// The backward pass from the gradient of all token vectors of the batch, down to the layer `lowest`, and to the
    /// embeddings if `embeddings`. `gradients` become those of the weights from there on, in the order of the layout;
    /// but of the embeddings only LayerNorm's, see [`Share::gradient`].
    pub fn backward(
        &mut self,
        sizes: &Sizes,
        weights: &[&[f32]],
        gradients: &mut [&mut [f32]],
        from: &[f32],
        dropout: &Dropout,
        (lowest, embeddings): (usize, bool),
    ) -> Result<()> {
        if self.tokens == 0 {
            gradients.iter_mut().for_each(|gradient| gradient.fill(0.0));
            return Ok(());
        }
        let width = sizes.hidden;
        let gradient = fit(&mut self.gradient, self.tokens * width)?;
        for text in &self.texts {
            gradient[text.of(width)].copy_from_slice(&from[text.of_batch(width)]);
        }
        for number in (lowest..sizes.layers).rev() {
            let place = EMBEDDINGS + number * LAYER;
            let (weights, gradients) = (&weights[place..][..LAYER], &mut gradients[place..][..LAYER]);
            self.feed_backward(sizes, weights, gradients, dropout, number)?;
            self.attend_backward(
                sizes,
                weights,
                gradients,
                dropout,
                number,
                number > lowest || embeddings,
            )?;
        }
        if embeddings {
            let gradient = fit(&mut self.gradient, self.tokens * width)?;
            for text in &self.texts {
                rows::drop_rows(
                    &dropout.mask(Site::Embeddings, text.place),
                    &mut gradient[text.of(width)],
                );
            }
            let (normalised, scales) = self.norm.fit(self.tokens, width)?;
            let [.., to_weight, to_bias] = &mut gradients[..EMBEDDINGS] else {
                unreachable!("there are {EMBEDDINGS} weights of embeddings")
            };
            to_weight.fill(0.0);
            to_bias.fill(0.0);
            rows::norm_backward(gradient, normalised, scales, weights[3], to_weight, to_bias);
        }
        Ok(())
    }

    fn feed_backward(
        &mut self,
        sizes: &Sizes,
        weights: &[&[f32]],
        gradients: &mut [&mut [f32]],
        dropout: &Dropout,
        number: usize,
    ) -> Result<()> {
        let &[.., up, _, down, _, norm_weight, _] = weights else {
            unreachable!("a layer has {LAYER} weights")
        };
        let [
            ..,
            to_up,
            to_up_bias,
            to_down,
            to_down_bias,
            to_norm_weight,
            to_norm_bias,
        ] = gradients
        else {
            unreachable!("a layer has {LAYER} weights")
        };
        for sum in [&mut *to_up_bias, to_down_bias, to_norm_weight, to_norm_bias] {
            sum.fill(0.0);
        }
        let (tokens, width) = (self.tokens, sizes.hidden);
        let layer = &mut self.layers[number];
        let gradient = fit(&mut self.gradient, tokens * width)?;
        let branch = fit(&mut self.narrow, tokens * width)?;
        let (normalised, scales) = layer.norm.fit(tokens, width)?;
        for text in &self.texts {
            let part = text.of(width);
            rows::residual_norm_backward(
                &dropout.mask(Site::Feed(number), text.place),
                &mut gradient[part.clone()],
                &normalised[part.clone()],
                &scales[text.of(1)],
                norm_weight,
                &mut branch[part],
                to_down_bias,
                to_norm_weight,
                to_norm_bias,
            );
        }
        let slopes = &mut fit(&mut self.wide, tokens * sizes.inner.max(3 * width))?[..tokens * sizes.inner];
        multiply(slopes, Matrix::new(branch, width), Matrix::new(down, sizes.inner))?;
        let inner = fit(&mut layer.inner, tokens * sizes.inner)?;
        rows::gelu_backward(inner, slopes, to_up_bias);
        multiply(to_down, Matrix::new(branch, width).t(), Matrix::new(inner, sizes.inner))?;
        let between = &layer.between[..tokens * width];
        multiply(to_up, Matrix::new(slopes, sizes.inner).t(), Matrix::new(between, width))?;
        multiply_add(gradient, Matrix::new(slopes, sizes.inner), Matrix::new(up, width))
    }

    fn attend_backward(
        &mut self,
        sizes: &Sizes,
        weights: &[&[f32]],
        gradients: &mut [&mut [f32]],
        dropout: &Dropout,
        number: usize,
        deeper: bool,
    ) -> Result<()> {
        let &[qkv_weight, _, weight, _, norm_weight, ..] = weights else {
            unreachable!("a layer has {LAYER} weights")
        };
        let [
            to_qkv_weight,
            to_qkv_bias,
            to_weight,
            to_bias,
            to_norm_weight,
            to_norm_bias,
            ..,
        ] = gradients
        else {
            unreachable!("a layer has {LAYER} weights")
        };
        for sum in [&mut *to_qkv_bias, to_bias, to_norm_weight, to_norm_bias] {
            sum.fill(0.0);
        }
        let (tokens, width) = (self.tokens, sizes.hidden);
        let layer = &mut self.layers[number];
        let gradient = fit(&mut self.gradient, tokens * width)?;
        let branch = fit(&mut self.narrow, tokens * width)?;
        let (normalised, scales) = layer.output_norm.fit(tokens, width)?;
        for text in &self.texts {
            let part = text.of(width);
            rows::residual_norm_backward(
                &dropout.mask(Site::Output(number), text.place),
                &mut gradient[part.clone()],
                &normalised[part.clone()],
                &scales[text.of(1)],
                norm_weight,
                &mut branch[part],
                to_bias,
                to_norm_weight,
                to_norm_bias,
            );
        }
        let to_attended = fit(&mut self.other, tokens * width)?;
        multiply(to_attended, Matrix::new(branch, width), Matrix::new(weight, width))?;
        let attended = &layer.attended[..tokens * width];
        multiply(to_weight, Matrix::new(branch, width).t(), Matrix::new(attended, width))?;
        let qkv = &layer.qkv[..tokens * 3 * width];
        let to_qkv = &mut self.wide[..tokens * 3 * width];
        for text in &self.texts {
            let shape = sizes.attention(text.length);
            attention::attend_backward(
                shape,
                &dropout.mask(Site::Attention(number), text.place),
                &qkv[text.of(3 * width)],
                &layer.logs[text.of(sizes.heads)],
                &to_attended[text.of(width)],
                &mut to_qkv[text.of(3 * width)],
                fit(&mut self.scratch, shape.scratch())?,
            );
        }
        rows::column_sums(to_qkv, to_qkv_bias);
        let state = &self.states[number][..tokens * width];
        multiply(
            to_qkv_weight,
            Matrix::new(to_qkv, 3 * width).t(),
            Matrix::new(state, width),
        )?;
        if deeper {
            multiply_add(gradient, Matrix::new(to_qkv, 3 * width), Matrix::new(qkv_weight, width))?;
        }
        Ok(())
    }
}

impl Sizes {
    fn attention(&self, length: usize) -> Shape {
        Shape {
            heads: self.heads,
            size: self.hidden / self.heads,
            length,
        }
    }
}
