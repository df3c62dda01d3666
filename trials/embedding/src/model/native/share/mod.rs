//! One thread's share of a batch: some of its texts, all the way through the encoder and back.
//!
//! Threads have only the weights in common, so that they need not wait for each other within a pass.

mod backward;
mod forward;

use std::ops::Range;

use super::attention::Shape;
use super::relative::Bias;
use crate::error::{Error, Result};
use crate::model::dropout::{Dropout, Mask, Site};
use crate::model::packed::Packed;
use crate::model::post_norm::{Parts, Settings};

/// What all shares of a pass have in common.
#[derive(Debug, Clone, Copy)]
pub struct Common<'a> {
    /// What is computed beside the weights.
    pub settings: &'a Settings,
    /// The weights.
    pub weights: &'a Parts<&'a [f32]>,
    /// The dropout.
    pub dropout: &'a Dropout,
    /// What is added to the scores of attention, for texts as long as the longest.
    pub bias: Option<&'a Bias>,
}

impl Common<'_> {
    /// The mask of a site for the text at that place of the batch.
    fn mask(&self, site: Site, text: usize) -> Mask {
        let dropout = match site {
            Site::Output(_) if !self.settings.drops_output => &Dropout::NONE,
            Site::Embeddings | Site::Attention(_) | Site::Output(_) | Site::Feed(_) => self.dropout,
        };
        dropout.mask(site, text)
    }

    fn attention(&self, length: usize) -> Shape {
        Shape {
            heads: self.settings.heads,
            size: self.settings.hidden / self.settings.heads,
            length,
        }
    }
}

/// How far down a backward pass goes.
#[derive(Debug, Clone, Copy)]
pub struct Depth {
    /// The lowest layer.
    pub lowest: usize,
    /// Whether it goes on to the embeddings.
    pub embeddings: bool,
}

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
    /// The gradient of what is added to the scores of attention.
    bias: Vec<f32>,
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
    pub fn output(&self, settings: &Settings, keep: bool) -> &[f32] {
        &self.states[if keep { settings.layers } else { 0 }][..self.tokens * settings.hidden]
    }

    /// The gradient of its sums of embeddings after a backward pass, `[tokens, hidden]`.
    pub fn gradient(&self, hidden: usize) -> &[f32] {
        &self.gradient[..self.tokens * hidden]
    }

    /// The forward pass through some layers. Only if `keep`, [`Share::backward`] can follow.
    pub fn forward(&mut self, common: &Common<'_>, batch: &Packed, keep: bool, span: &Span<'_>) -> Result<()> {
        if self.tokens == 0 {
            return Ok(());
        }
        let Settings { hidden, layers, .. } = *common.settings;
        let states = if keep { layers + 1 } else { 1 };
        if self.states.len() < states {
            self.layers.resize_with(states.max(2) - 1, Layer::default);
            self.states.resize_with(states, Vec::new);
        }
        if span.below.is_empty() {
            self.embed(common, batch)?;
        } else {
            let first = if keep { span.layers.start } else { 0 };
            let state = fit(&mut self.states[first], self.tokens * hidden)?;
            for text in &self.texts {
                state[text.of(hidden)].copy_from_slice(span.below[text.place]);
            }
        }
        for number in span.layers.clone() {
            let from = if keep { number } else { 0 };
            self.attend(common, number, from)?;
            self.feed(common, number, from, if keep { from + 1 } else { 0 })?;
        }
        Ok(())
    }

    /// The backward pass from the gradient of all token vectors of the batch. `gradients` become those of the weights down
    /// to `depth`; but not of the tables that a token has one row of, see [`Share::gradient`].
    pub fn backward(
        &mut self,
        common: &Common<'_>,
        gradients: &mut Parts<&mut [f32]>,
        from: &[f32],
        depth: Depth,
    ) -> Result<()> {
        if self.tokens == 0 {
            return Ok(());
        }
        let Settings {
            hidden, heads, layers, ..
        } = *common.settings;
        let gradient = fit(&mut self.gradient, self.tokens * hidden)?;
        for text in &self.texts {
            gradient[text.of(hidden)].copy_from_slice(&from[text.of_batch(hidden)]);
        }
        if let Some(bias) = common.bias {
            fit(&mut self.bias, bias.len())?.fill(0.0);
        }
        for number in (depth.lowest..layers).rev() {
            let gradients = &mut gradients.layers[number];
            self.feed_backward(common, gradients, number)?;
            self.attend_backward(common, gradients, number, number > depth.lowest || depth.embeddings)?;
        }
        if depth.embeddings {
            self.embed_backward(common, gradients)?;
            if let (Some(bias), Some(to)) = (common.bias, &mut gradients.relative) {
                // The slopes of attention have that of the scores before, which the bias does not pass.
                let scale = ((hidden / heads) as f32).sqrt();
                bias.gather(heads, fit(&mut self.bias, bias.len())?, scale, to);
            }
        }
        Ok(())
    }
}
