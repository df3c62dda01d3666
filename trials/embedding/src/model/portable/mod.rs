//! An encoder by tensor operations, on packed batches: for devices other than the CPU, and the yardstick of the one for the
//! CPU.

mod post_norm;

use std::fmt::Debug;

use tch::{Device, Tensor};

pub use self::post_norm::PostNormLayers;
use super::dropout::{Dropout, Mask, Site};
use super::packed::{Below, Group, Packed};
use crate::error::Result;

/// The steps of the forward pass of an encoder.
pub trait Layers: Debug {
    /// How many layers it has.
    fn count(&self) -> usize;

    /// What the first layer takes, `[tokens, hidden]`. `words` are the rows of the word embeddings that the batch uses.
    ///
    /// # Errors
    /// If libtorch refuses an operation; so the others.
    fn embed(&self, batch: &Packed, words: &Tensor, drops: &Drops<'_>) -> Result<Tensor>;

    /// What a layer makes of token vectors `[tokens, hidden]`. The last one's output is that of the encoder.
    fn forward(&self, number: usize, tokens: &Tensor, drops: &Drops<'_>) -> Result<Tensor>;
}

/// An encoder. It shares the storage of the weights it was built from.
#[derive(Debug)]
pub struct Portable {
    words: Tensor,
    layers: Box<dyn Layers>,
}

impl Portable {
    /// An encoder of these word embeddings `[vocabulary, hidden]` and these layers.
    pub fn new(words: &Tensor, layers: Box<dyn Layers>) -> Self {
        let words = words.shallow_clone();
        Self { words, layers }
    }

    /// The rows of the word embeddings that a batch uses, `[words, hidden]`: a copy, and a leaf of gradients, since the
    /// gradient of the whole table would be nearly all zeros. Without one if the table is not trained.
    pub fn words(&self, batch: &Packed) -> Result<Tensor> {
        let words = Tensor::f_from_slice(&batch.words)?.f_to_device(self.words.device())?;
        let rows = tch::no_grad(|| self.words.f_index_select(0, &words))?;
        Ok(rows.f_set_requires_grad(self.words.requires_grad())?)
    }

    /// Token vectors `[tokens, hidden]` of a packed batch over its [`Portable::words`].
    ///
    /// Layers whose output is given are not computed. On the CPU the dropout is that of the masks, to the bit. Elsewhere
    /// they would have to come from the host: it is libtorch's, whose generator the caller has seeded.
    pub fn forward(&self, batch: &Packed, words: &Tensor, dropout: &Dropout, below: Option<&Below>) -> Result<Tensor> {
        let drops = self.drops(batch, dropout);
        let (mut tokens, done) = match below {
            Some(below) => (Tensor::f_cat(&below.states, 0)?, below.layers),
            None => (self.layers.embed(batch, words, &drops)?, 0),
        };
        for number in done..self.layers.count() {
            tokens = self.layers.forward(number, &tokens, &drops)?;
        }
        Ok(tokens)
    }

    /// Token vectors `[tokens, hidden]` after the lowest layers, without dropout.
    pub fn lower(&self, batch: &Packed, layers: usize) -> Result<Tensor> {
        let drops = self.drops(batch, &Dropout::NONE);
        let mut tokens = self.layers.embed(batch, &self.words(batch)?, &drops)?;
        for number in 0..layers {
            tokens = self.layers.forward(number, &tokens, &drops)?;
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
}

/// Dropout on a packed batch.
#[derive(Debug)]
pub struct Drops<'a> {
    dropout: &'a Dropout,
    groups: &'a [Group],
    masks: bool,
}

impl Drops<'_> {
    /// Drops numbers of token vectors `[tokens, hidden]`.
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

    /// The factors of the attention weights of a group whose first text is that of the batch,
    /// `[texts, heads, length, length]`.
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
