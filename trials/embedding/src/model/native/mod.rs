//! The encoder and its gradient on the CPU, by hand.
//!
//! It computes what [`super::Encoder`] computes, but each thread takes its share of the texts through the whole network:
//! matrix products are nearly all of the work and run on one thread each, at full speed; everything between them is done
//! in one pass over memory that is still in the cache; and no memory is allocated from step to step.

mod attention;
mod product;
mod rows;
mod share;
pub(crate) mod vector;

use std::cell::Cell;
use std::sync::Mutex;

use rayon::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};
use tch::{Device, Kind, Tensor};

use self::share::{Share, Span, Text};
use super::config::Config;
use super::dropout::Dropout;
use super::frozen::Below;
use super::packed::Packed;
use super::weights::Weights;
use crate::error::Result;
use crate::optimizer::Gradients;
use crate::tensors::{numbers, numbers_mut};

/// Weights of the embeddings, which come first in the layout: words, positions, types, LayerNorm's two.
const EMBEDDINGS: usize = 5;
/// Weights of a layer.
const LAYER: usize = 12;
/// Numbers that one thread adds up at a time.
const CHUNK: usize = 1 << 14;

/// The sizes of an encoder.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    hidden: usize,
    inner: usize,
    heads: usize,
    layers: usize,
    eps: f32,
}

/// An encoder on the CPU. It shares the storage of the weights it was built from.
#[derive(Debug)]
pub struct Native {
    sizes: Sizes,
    /// In the order of the layout.
    weights: Vec<Tensor>,
    /// Memory of passes that are over.
    idle: Mutex<Vec<Vec<Share>>>,
    /// Memory for the gradients of all weights, once for each thread.
    spent: Mutex<Vec<Vec<Tensor>>>,
    /// The same of the latest gradients, which the caller has.
    lent: Mutex<Option<Vec<Tensor>>>,
}

/// A forward pass whose gradient can be taken.
#[derive(Debug)]
pub struct Pass {
    shares: Vec<Share>,
    batch: Packed,
    dropout: Dropout,
}

impl Pass {
    /// The batch.
    pub fn batch(&self) -> &Packed {
        &self.batch
    }
}

impl Native {
    /// An encoder over weights of that configuration.
    pub fn new(config: &Config, weights: &Weights) -> Self {
        // Positive, as `Config` has checked.
        let size = |size: i64| size as usize;
        Self {
            sizes: Sizes {
                hidden: size(config.hidden_size),
                inner: size(config.intermediate_size),
                heads: size(config.num_attention_heads),
                layers: config.num_hidden_layers,
                eps: config.layer_norm_eps as f32,
            },
            weights: weights
                .iter()
                .take(EMBEDDINGS + config.num_hidden_layers * LAYER)
                .map(|(_, weight)| weight.shallow_clone())
                .collect(),
            idle: Mutex::default(),
            spent: Mutex::default(),
            lent: Mutex::default(),
        }
    }

    /// How many weights it has, from the first of the layout on.
    pub fn weights(&self) -> usize {
        self.weights.len()
    }

    /// Token vectors `[tokens, hidden]` of a packed batch. Layers whose output is given are not computed.
    pub fn embed(&self, batch: &Packed, dropout: &Dropout, below: Option<&Below>) -> Result<Tensor> {
        let (tokens, shares) = self.forward(batch, dropout, false, below, self.sizes.layers)?;
        recycle(&self.idle, shares);
        Ok(tokens)
    }

    /// Token vectors `[tokens, hidden]` of a packed batch after the lowest layers, without dropout.
    pub fn lower(&self, batch: &Packed, layers: usize) -> Result<Tensor> {
        let (tokens, shares) = self.forward(batch, &Dropout::NONE, false, None, layers)?;
        recycle(&self.idle, shares);
        Ok(tokens)
    }

    /// The same for each batch, all of one text, on its own.
    pub fn lower_each(&self, batches: &[Packed], layers: usize) -> Result<Vec<Tensor>> {
        let sizes = &self.sizes;
        let weights = self.slices()?;
        let threads = rayon::current_num_threads();
        let mut shares = take(&self.idle).unwrap_or_default();
        shares.resize_with(threads, Share::default);
        let span = Span {
            below: &[],
            layers: 0..layers,
        };
        let mut outputs: Vec<Vec<f32>> = vec![Vec::new(); batches.len()];
        let mut jobs: Vec<_> = shares.iter_mut().map(|share| (share, Vec::new())).collect();
        for (number, job) in batches.iter().zip(&mut outputs).enumerate() {
            jobs[number % threads].1.push(job);
        }
        each(&mut jobs, |(share, jobs)| {
            for (batch, output) in jobs {
                share.set(deal(batch, sizes, 1).remove(0));
                share.forward(sizes, &weights, batch, &Dropout::NONE, false, &span)?;
                output.extend_from_slice(share.output(sizes, false));
            }
            Ok(())
        })?;
        drop(jobs);
        recycle(&self.idle, shares);
        let tensor = |output: &Vec<f32>| Ok(Tensor::f_from_slice(output)?.f_view([-1, sizes.hidden as i64])?);
        outputs.iter().map(tensor).collect()
    }

    /// Token vectors `[tokens, hidden]` of a packed batch, and what their gradient needs.
    pub fn train(&self, batch: Packed, dropout: Dropout, below: Option<&Below>) -> Result<(Tensor, Pass)> {
        let (tokens, shares) = self.forward(&batch, &dropout, true, below, self.sizes.layers)?;
        Ok((tokens, Pass { shares, batch, dropout }))
    }

    /// The forward pass up to so many layers.
    fn forward(
        &self,
        batch: &Packed,
        dropout: &Dropout,
        keep: bool,
        below: Option<&Below>,
        layers: usize,
    ) -> Result<(Tensor, Vec<Share>)> {
        let sizes = &self.sizes;
        let weights = self.slices()?;
        let states = below.map_or(&[][..], |below| &below.states);
        // SAFETY: nobody writes to what has once been computed.
        let states = states.iter().map(|state| unsafe { numbers(state) });
        let states = states.collect::<Result<Vec<&[f32]>>>()?;
        let span = Span {
            below: &states,
            layers: below.map_or(0, |below| below.layers)..layers,
        };
        let threads = rayon::current_num_threads();
        let mut shares = take(&self.idle).unwrap_or_default();
        shares.resize_with(threads, Share::default);
        for (share, texts) in shares.iter_mut().zip(deal(batch, sizes, threads)) {
            share.set(texts);
        }
        each(&mut shares, |share| {
            share.forward(sizes, &weights, batch, dropout, keep, &span)
        })?;
        let shape = [batch.ids.len() as i64, sizes.hidden as i64];
        let mut tokens = Tensor::f_empty(shape, (Kind::Float, Device::Cpu))?;
        // SAFETY: nobody else has the new tensor.
        let all = unsafe { numbers_mut(&mut tokens) }?;
        for share in &shares {
            let output = share.texts().iter().map(|text| (text, text.of(sizes.hidden)));
            for (text, part) in output {
                all[text.of_batch(sizes.hidden)].copy_from_slice(&share.output(sizes, keep)[part]);
            }
        }
        Ok((tokens, shares))
    }

    fn slices(&self) -> Result<Vec<&[f32]>> {
        let slice = |weight| {
            // SAFETY: weights are written by the optimizer only, which has them borrowed mutably and does not run
            // during a pass: both are called by the thread of the trial.
            unsafe { numbers(weight) }
        };
        self.weights.iter().map(slice).collect()
    }

    /// The gradients of all weights that require one, from that of the token vectors of a pass.
    pub fn gradients(&self, pass: Pass, from: &Tensor) -> Result<Gradients> {
        let Pass {
            mut shares,
            batch,
            dropout,
        } = pass;
        let sizes = &self.sizes;
        let trained = |places: std::ops::Range<usize>| self.weights[places].iter().any(Tensor::requires_grad);
        let embeddings = trained(0..EMBEDDINGS);
        let place = |layer: usize| EMBEDDINGS + layer * LAYER;
        let lowest = (0..sizes.layers).find(|&layer| embeddings || trained(place(layer)..place(layer + 1)));
        let lowest = lowest.unwrap_or(sizes.layers);
        let needed = |place: usize| {
            place > 0
                && if place < EMBEDDINGS {
                    embeddings
                } else {
                    place >= EMBEDDINGS + lowest * LAYER
                }
        };

        let mut sets = Vec::new();
        for _ in &shares {
            sets.push(self.gradient_set(needed)?);
        }
        let weights = self.slices()?;
        let from = from.f_contiguous()?;
        {
            let mut slices = Vec::new();
            for set in &mut sets {
                // SAFETY: nobody else has these tensors: they are new or have been given back.
                let set: Result<Vec<_>> = set
                    .iter_mut()
                    .map(|gradient| unsafe { numbers_mut(gradient) })
                    .collect();
                slices.push(set?);
            }
            // SAFETY: libtorch does not write to it while it is borrowed here.
            let from = unsafe { numbers(&from) }?;
            let mut jobs: Vec<_> = shares.iter_mut().zip(&mut slices).collect();
            each(&mut jobs, |(share, gradients)| {
                share.backward(sizes, &weights, gradients, from, &dropout, (lowest, embeddings))
            })?;
            add_up(slices);
        }
        let mut sums = sets.swap_remove(0);
        sets.into_iter().for_each(|set| recycle(&self.spent, set));
        let mut words = None;
        if embeddings {
            let shape = [batch.words.len() as i64, sizes.hidden as i64];
            let mut rows = Tensor::f_zeros(shape, (Kind::Float, Device::Cpu))?;
            if let [_, positions, types, ..] = sums.as_mut_slice() {
                scatter(&shares, sizes, &batch, [&mut rows, positions, types])?;
            }
            words = self.weights[0].requires_grad().then_some((batch.words, rows));
        }
        recycle(&self.idle, shares);
        let all = sums.iter().zip(&self.weights).skip(1);
        let tensors = all.filter(|(_, weight)| weight.requires_grad());
        let tensors = tensors.map(|(gradient, _)| gradient.shallow_clone()).collect();
        if let Ok(mut lent) = self.lent.lock() {
            *lent = Some(sums);
        }
        Ok(Gradients {
            words,
            tensors,
            scale: 1.0,
        })
    }

    /// Takes gradients back: their memory is used again. Those that are merely dropped are freed.
    pub fn give_back(&self, gradients: Gradients) {
        let Some(first) = gradients.tensors.first().map(Tensor::data_ptr) else {
            return;
        };
        drop(gradients);
        let lent = self.lent.lock().ok().and_then(|mut lent| lent.take());
        // Those of another pass may still be in use.
        if let Some(set) = lent.filter(|set| set.iter().any(|tensor| tensor.data_ptr() == first)) {
            recycle(&self.spent, set);
        }
    }

    /// Tensors for the gradients of the weights at the places that are needed, empty ones at others.
    fn gradient_set(&self, needed: impl Fn(usize) -> bool) -> Result<Vec<Tensor>> {
        if let Some(set) = take(&self.spent) {
            return Ok(set);
        }
        let new = |(place, weight): (usize, &Tensor)| {
            let shape = if needed(place) { weight.size() } else { vec![0] };
            Ok(Tensor::f_empty(shape, (Kind::Float, Device::Cpu))?)
        };
        self.weights.iter().enumerate().map(new).collect()
    }
}

/// Deals the texts of a batch out to threads, so that all have about the same work: the longest first, each to the one
/// with the least.
fn deal(batch: &Packed, sizes: &Sizes, threads: usize) -> Vec<Vec<Text>> {
    let mut all = Vec::new();
    let mut row = 0;
    for group in &batch.groups {
        for _ in 0..group.texts {
            let length = group.length as usize;
            all.push(Text {
                place: all.len(),
                row,
                first: 0,
                length,
            });
            row += length;
        }
    }
    let mut dealt = vec![(0, Vec::new()); threads];
    for text in all.into_iter().rev() {
        // Per token and layer: the linear ones, and attention to each other token at less than half their speed.
        let work = text.length * (2 * sizes.hidden + sizes.inner + 3 * text.length);
        // There is at least one.
        if let Some((total, texts)) = dealt.iter_mut().min_by_key(|(total, _)| *total) {
            *total += work;
            texts.push(text);
        }
    }
    let mut shares: Vec<Vec<Text>> = dealt.into_iter().map(|(_, texts)| texts).collect();
    for texts in &mut shares {
        let mut next = 0;
        for text in texts {
            text.first = next;
            next += text.length;
        }
    }
    shares
}

/// Does `work` on all items at once, each on one thread; the first error.
fn each<T: Send>(items: &mut [T], work: impl Fn(&mut T) -> Result<()> + Sync) -> Result<()> {
    if let [item] = items {
        return work(item);
    }
    thread_local! {
        static ALONE: Cell<bool> = const { Cell::new(false) };
    }
    items
        .par_iter_mut()
        .with_max_len(1)
        .map(|item| {
            // libtorch counts threads for each thread that calls it.
            if !ALONE.replace(true) {
                tch::set_num_threads(1);
            }
            work(item)
        })
        .collect()
}

/// Adds the gradients of all threads up in those of the first. The tables of embeddings are not among them.
fn add_up(sets: Vec<Vec<&mut [f32]>>) {
    let mut sets = sets.into_iter();
    let first = sets.next().unwrap_or_default();
    let rest: Vec<_> = sets.collect();
    if rest.is_empty() {
        return;
    }
    let chunks = first.into_iter().enumerate().skip(3).flat_map(|(place, sum)| {
        let chunks = sum.chunks_mut(CHUNK).enumerate();
        chunks.map(move |(chunk, sum)| (place, chunk * CHUNK, sum))
    });
    let mut chunks: Vec<_> = chunks.collect();
    chunks.par_iter_mut().for_each(|(place, start, sum)| {
        for other in &rest {
            let other = &other[*place][*start..][..sum.len()];
            sum.iter_mut().zip(other).for_each(|(sum, x)| *sum += x);
        }
    });
}

/// Adds the gradients of the sums of embeddings up by word, position and type.
fn scatter(shares: &[Share], sizes: &Sizes, batch: &Packed, tables: [&mut Tensor; 3]) -> Result<()> {
    let width = sizes.hidden;
    let [words, positions, types] = tables;
    // SAFETY: nobody else has these tensors now, and they are three different ones.
    let [words, positions, types] = unsafe { [numbers_mut(words)?, numbers_mut(positions)?, numbers_mut(types)?] };
    positions.fill(0.0);
    types.fill(0.0);
    let add = |table: &mut [f32], row: usize, gradient: &[f32]| {
        let row = &mut table[row * width..][..width];
        row.iter_mut().zip(gradient).for_each(|(sum, x)| *sum += x);
    };
    for share in shares {
        let gradient = share.gradient(sizes);
        for text in share.texts() {
            let tokens = batch.ids[text.of_batch(1)]
                .iter()
                .zip(&batch.positions[text.of_batch(1)]);
            for ((&word, &position), gradient) in tokens.zip(gradient[text.of(width)].chunks_exact(width)) {
                add(words, word as usize, gradient);
                add(positions, position as usize, gradient);
                add(types, 0, gradient);
            }
        }
    }
    Ok(())
}

fn take<T>(pool: &Mutex<Vec<T>>) -> Option<T> {
    pool.lock().ok()?.pop()
}

fn recycle<T>(pool: &Mutex<Vec<T>>, used: T) {
    if let Ok(mut pool) = pool.lock() {
        pool.push(used);
    }
}
