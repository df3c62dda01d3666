//! The encoder and its gradient on the CPU, by hand.
//!
//! It computes what [`super::portable::Portable`] computes, but each thread takes its share of the texts through the whole network:
//! matrix products are nearly all of the work and run on one thread each, at full speed; everything between them is done
//! in one pass over memory that is still in the cache; and no memory is allocated from step to step.

mod attention;
mod product;
mod relative;
mod rows;
mod share;
mod threads;
pub(crate) mod vector;

use std::sync::Mutex;

use tch::{Device, Kind, Tensor};

use self::relative::Bias;
use self::share::{Common, Depth, Share, Span};
use self::threads::{add_up, deal, each, scatter};
pub use self::vector::instructions;
use super::dropout::Dropout;
use super::gradients::Gradients;
use super::packed::{Below, Packed};
use super::post_norm::{Layer, Parts, Place, Settings};
use crate::error::Result;
use crate::tensors::{numbers, numbers_mut};

/// An encoder on the CPU, with a LayerNorm after each residual. It shares the storage of the weights it was built from.
#[derive(Debug)]
pub struct Native {
    settings: Settings,
    weights: Parts<Tensor>,
    /// Memory of passes that are over.
    idle: Mutex<Vec<Vec<Share>>>,
    /// Memory for the gradients of all weights, once for each thread.
    spent: Mutex<Vec<Parts<Tensor>>>,
    /// The same of the latest gradients, which the caller has.
    lent: Mutex<Option<Parts<Tensor>>>,
}

/// A forward pass whose gradient can be taken.
#[derive(Debug)]
pub struct Pass {
    shares: Vec<Share>,
    batch: Packed,
    dropout: Dropout,
    bias: Option<Bias>,
}

impl Pass {
    /// The batch.
    pub fn batch(&self) -> &Packed {
        &self.batch
    }
}

impl Native {
    /// An encoder over these weights.
    pub fn new(settings: Settings, weights: Parts<Tensor>) -> Self {
        Self {
            settings,
            weights,
            idle: Mutex::default(),
            spent: Mutex::default(),
            lent: Mutex::default(),
        }
    }

    /// Token vectors `[tokens, hidden]` of a packed batch. Layers whose output is given are not computed.
    pub fn embed(&self, batch: &Packed, dropout: &Dropout, below: Option<&Below>) -> Result<Tensor> {
        let bias = self.bias(batch.longest())?;
        let (tokens, shares) = self.forward(batch, dropout, bias.as_ref(), false, below, self.settings.layers)?;
        recycle(&self.idle, shares);
        Ok(tokens)
    }

    /// Token vectors `[tokens, hidden]` of a packed batch after the lowest layers, without dropout.
    pub fn lower(&self, batch: &Packed, layers: usize) -> Result<Tensor> {
        let bias = self.bias(batch.longest())?;
        let (tokens, shares) = self.forward(batch, &Dropout::NONE, bias.as_ref(), false, None, layers)?;
        recycle(&self.idle, shares);
        Ok(tokens)
    }

    /// The same for each batch, all of one text, on its own.
    pub fn lower_each(&self, batches: &[Packed], layers: usize) -> Result<Vec<Tensor>> {
        let settings = &self.settings;
        let bias = self.bias(batches.iter().map(Packed::longest).max().unwrap_or(0))?;
        let common = Common {
            settings,
            weights: &self.slices()?,
            dropout: &Dropout::NONE,
            bias: bias.as_ref(),
        };
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
                share.set(deal(batch, settings, 1).remove(0));
                share.forward(&common, batch, false, &span)?;
                output.extend_from_slice(share.output(settings, false));
            }
            Ok(())
        })?;
        drop(jobs);
        recycle(&self.idle, shares);
        let tensor = |output: &Vec<f32>| Ok(Tensor::f_from_slice(output)?.f_view([-1, settings.hidden as i64])?);
        outputs.iter().map(tensor).collect()
    }

    /// Token vectors `[tokens, hidden]` of a packed batch, and what their gradient needs.
    pub fn train(&self, batch: Packed, dropout: Dropout, below: Option<&Below>) -> Result<(Tensor, Pass)> {
        let bias = self.bias(batch.longest())?;
        let (tokens, shares) = self.forward(&batch, &dropout, bias.as_ref(), true, below, self.settings.layers)?;
        let pass = Pass {
            shares,
            batch,
            dropout,
            bias,
        };
        Ok((tokens, pass))
    }

    /// What is added to the scores of attention in texts of so many tokens at most.
    fn bias(&self, longest: usize) -> Result<Option<Bias>> {
        let weights = self.slices()?;
        let relative = weights.relative.as_ref().filter(|_| longest > 0);
        Ok(relative.map(|relative| Bias::new(relative, self.settings.heads, longest)))
    }

    /// The forward pass up to so many layers.
    fn forward(
        &self,
        batch: &Packed,
        dropout: &Dropout,
        bias: Option<&Bias>,
        keep: bool,
        below: Option<&Below>,
        layers: usize,
    ) -> Result<(Tensor, Vec<Share>)> {
        let settings = &self.settings;
        let common = Common {
            settings,
            weights: &self.slices()?,
            dropout,
            bias,
        };
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
        for (share, texts) in shares.iter_mut().zip(deal(batch, settings, threads)) {
            share.set(texts);
        }
        each(&mut shares, |share| share.forward(&common, batch, keep, &span))?;
        let width = settings.hidden;
        let shape = [batch.ids.len() as i64, width as i64];
        let tokens = Tensor::f_empty(shape, (Kind::Float, Device::Cpu))?;
        // SAFETY: nobody else has the new tensor.
        let all = unsafe { numbers_mut(&tokens) }?;
        for share in &shares {
            for text in share.texts() {
                all[text.of_batch(width)].copy_from_slice(&share.output(settings, keep)[text.of(width)]);
            }
        }
        Ok((tokens, shares))
    }

    fn slices(&self) -> Result<Parts<&[f32]>> {
        self.weights.try_map(|_, weight| {
            // SAFETY: weights are written by the optimizer only, which has them borrowed mutably and does not run
            // during a pass: both are called by the thread of the trial.
            unsafe { numbers(weight) }
        })
    }

    /// The gradients of all weights that require one, from that of the token vectors of a pass.
    pub fn gradients(&self, pass: Pass, from: &Tensor) -> Result<Gradients> {
        let depth = self.depth();
        let mut sets = Vec::new();
        for share in &pass.shares {
            let set = self.gradient_set(depth)?;
            if share.texts().is_empty() {
                // It has no backward pass.
                for gradient in set.iter() {
                    let _ = gradient.shallow_clone().f_zero_()?;
                }
            }
            sets.push(set);
        }
        let rows = self.backward(pass, &sets, depth, from)?;
        let sums = sets.swap_remove(0);
        sets.into_iter().for_each(|set| recycle(&self.spent, set));
        let words = rows.filter(|_| self.weights.words.requires_grad());
        // The first of all are the words.
        let all = sums.iter().zip(self.weights.iter()).skip(1);
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

    /// The backward pass. The first of `sets`, one for each share, becomes the gradients of all weights down to there, but
    /// for the words: their rows, and the gradient of these, are returned.
    fn backward(
        &self,
        pass: Pass,
        sets: &[Parts<Tensor>],
        depth: Depth,
        from: &Tensor,
    ) -> Result<Option<(Vec<i64>, Tensor)>> {
        let Pass {
            mut shares,
            batch,
            dropout,
            bias,
        } = pass;
        let common = Common {
            settings: &self.settings,
            weights: &self.slices()?,
            dropout: &dropout,
            bias: bias.as_ref(),
        };
        let from = from.f_contiguous()?;
        let mut slices = Vec::new();
        for set in sets {
            // SAFETY: nobody else has these tensors: they are new or have been given back.
            slices.push(set.try_map(|_, gradient| unsafe { numbers_mut(gradient) })?);
        }
        // SAFETY: libtorch does not write to it while it is borrowed here.
        let from = unsafe { numbers(&from) }?;
        let mut jobs: Vec<_> = shares.iter_mut().zip(&mut slices).collect();
        each(&mut jobs, |(share, gradients)| {
            share.backward(&common, gradients, from, depth)
        })?;
        let mut words = None;
        if depth.embeddings {
            let width = self.settings.hidden;
            let rows = Tensor::f_zeros([batch.words.len() as i64, width as i64], (Kind::Float, Device::Cpu))?;
            // SAFETY: nobody else has the new tensor.
            let numbers = unsafe { numbers_mut(&rows) }?;
            scatter(&shares, &batch, width, numbers, &mut slices[0]);
            words = Some((batch.words, rows));
        }
        add_up(slices);
        recycle(&self.idle, shares);
        Ok(words)
    }

    /// How far down the weights are that require a gradient.
    fn depth(&self) -> Depth {
        let Parts {
            words,
            positions,
            types,
            relative,
            norm,
            layers,
        } = &self.weights;
        let tables = [words, positions, &norm.weight, &norm.bias].into_iter().chain(types);
        let mut tables = tables.chain(relative.as_ref().map(|relative| &relative.table));
        let embeddings = tables.any(Tensor::requires_grad);
        let trained = |layer: &Layer<Tensor>| layer.iter().any(Tensor::requires_grad);
        let lowest = layers.iter().position(|layer| embeddings || trained(layer));
        Depth {
            embeddings,
            lowest: lowest.unwrap_or(layers.len()),
        }
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

    /// Tensors for the gradients of the weights down to there, empty ones for others and for words.
    fn gradient_set(&self, depth: Depth) -> Result<Parts<Tensor>> {
        if let Some(set) = take(&self.spent) {
            return Ok(set);
        }
        self.weights.try_map(|place, weight| {
            let needed = match place {
                Place::Words => false,
                Place::Embeddings => depth.embeddings,
                Place::Layer(number) => number >= depth.lowest,
            };
            let shape = if needed { weight.size() } else { vec![0] };
            Ok(Tensor::f_empty(shape, (Kind::Float, Device::Cpu))?)
        })
    }
}

fn take<T>(pool: &Mutex<Vec<T>>) -> Option<T> {
    pool.lock().ok()?.pop()
}

fn recycle<T>(pool: &Mutex<Vec<T>>, used: T) {
    if let Ok(mut pool) = pool.lock() {
        pool.push(used);
    }
}
