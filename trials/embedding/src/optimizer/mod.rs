//! Optimizers with a state that can be saved.

mod update;

use hpo_protocol::embedding::{OptimizerKind, Parameters};
use tch::{Device, Kind, Tensor};

use self::update::{Rule, Update, chunk_jobs, run, word_jobs};
use crate::error::Result;
use crate::model::{Gradients, Weights, decays};
use crate::tensors::{numbers, numbers_mut};

/// An optimizer and its moments. Weight decay spares biases and LayerNorm; the learning rate may differ by layer.
#[derive(Debug)]
pub struct Optimizer {
    rule: Rule,
    decoupled: bool,
    weight_decay: f64,
    max_norm: f64,
    moments: Vec<Weights>,
    /// Each weight's learning rate as a share of the whole, by the places of all weights; 0 if it is not trained.
    shares: Vec<f64>,
    steps: u64,
    /// Rows of the word embeddings with moments. For another row a step is only its decay, to the bit: most words of a
    /// vocabulary never occur, and their rows are half of a small model.
    active: Vec<bool>,
}

/// A trained weight and what belongs to it.
struct Entry<'a> {
    /// Its place among all weights.
    place: usize,
    name: &'a str,
    weight: &'a Tensor,
    gradient: &'a Tensor,
    moments: Vec<&'a Tensor>,
}

/// The names of an optimizer's moments, as PyTorch calls them.
pub fn moments(parameters: &Parameters) -> &'static [&'static str] {
    match parameters.optimizer {
        OptimizerKind::Adamw | OptimizerKind::Adam => &["exp_avg", "exp_avg_sq"],
        OptimizerKind::Sgd if parameters.momentum > 0.0 => &["momentum_buffer"],
        OptimizerKind::Sgd => &[],
    }
}

impl Optimizer {
    /// An optimizer that has done no step.
    ///
    /// `weights` are all weights, those that require no gradient are not trained; `shares` are their learning rates as
    /// shares of the whole, in the same order.
    pub fn new(weights: &Weights, parameters: &Parameters, shares: Vec<f64>) -> Result<Self> {
        let trained = weights.trained();
        let zeros = moments(parameters).iter().map(|_| trained.zeros_like());
        let moments = zeros.collect::<Result<_>>()?;
        Self::resume(weights, parameters, shares, moments, 0)
    }

    /// An optimizer with the moments of that many steps: one for each name of [`moments`], with an entry for each
    /// trained weight.
    pub fn resume(
        weights: &Weights,
        parameters: &Parameters,
        shares: Vec<f64>,
        moments: Vec<Weights>,
        steps: u64,
    ) -> Result<Self> {
        let decoupled = parameters.optimizer == OptimizerKind::Adamw;
        let rows = usize::try_from(weights.words().size2()?.0).unwrap_or(0);
        // Coupled decay is a gradient of every row.
        let mut active = vec![!decoupled && parameters.weight_decay > 0.0; rows];
        if weights.words().requires_grad() {
            for moments in &moments {
                let any: Vec<bool> = Vec::try_from(moments.words().f_ne(0.0)?.f_any_dim(1, false)?)?;
                active.iter_mut().zip(any).for_each(|(active, any)| *active |= any);
            }
        }
        let rule = match parameters.optimizer {
            OptimizerKind::Adamw | OptimizerKind::Adam => Rule::Adam {
                beta1: parameters.beta1 as f32,
                beta2: parameters.beta2 as f32,
                epsilon: parameters.epsilon as f32,
            },
            OptimizerKind::Sgd => Rule::Sgd {
                momentum: parameters.momentum as f32,
            },
        };
        Ok(Self {
            rule,
            decoupled,
            weight_decay: parameters.weight_decay,
            max_norm: parameters.max_grad_norm,
            moments,
            shares,
            steps,
            active,
        })
    }

    /// The moments, in the order of [`moments`].
    pub fn moments(&self) -> &[Weights] {
        &self.moments
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step against the gradients, which are first clipped together, at a learning rate. No step is taken, and the
    /// answer is false, if the gradients are seen not to be finite. On other devices than the CPU that would mean to wait
    /// for the device, so it is only looked at where it is to be expected: where gradients are scaled.
    pub fn step(&mut self, weights: &mut Weights, gradients: &Gradients, learning_rate: f64) -> Result<bool> {
        let _no_grad = tch::no_grad_guard();
        let rows = gradients.words.iter().map(|(_, rows)| rows);
        let norm = norm(rows.chain(&gradients.tensors))?;
        let on_cpu = weights.words().device() == Device::Cpu;
        let known = (on_cpu || gradients.scale != 1.0).then(|| norm.f_double_value(&[]));
        let known = known.transpose()?;
        if known.is_some_and(|norm| !norm.is_finite()) {
            return Ok(false);
        }
        self.count(gradients);
        match known.filter(|_| on_cpu) {
            Some(norm) => {
                let longest = self.max_norm * gradients.scale;
                let clip = if longest > 0.0 && norm > longest {
                    longest / norm
                } else {
                    1.0
                };
                self.step_slices(weights, gradients, learning_rate, (clip / gradients.scale) as f32)?;
            }
            None => self.step_tensors(weights, gradients, learning_rate, &norm)?,
        }
        Ok(true)
    }

    /// Counts a step and the words it touches.
    fn count(&mut self, gradients: &Gradients) {
        for &word in gradients.words.iter().flat_map(|(words, _)| words) {
            self.active[word as usize] = true;
        }
        self.steps += 1;
    }

    fn update(&self, name: &str, place: usize, learning_rate: f64, clip: f32) -> Update {
        let rate = learning_rate * self.shares[place];
        let decay = if decays(name) { self.weight_decay } else { 0.0 };
        let step = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let (rate_of_means, spread) = match self.rule {
            Rule::Adam { beta1, beta2, .. } => (
                rate / (1.0 - f64::from(beta1).powi(step)),
                1.0 / (1.0 - f64::from(beta2).powi(step)).sqrt(),
            ),
            Rule::Sgd { .. } => (rate, 1.0),
        };
        Update {
            rule: self.rule,
            clip,
            rate: rate_of_means as f32,
            spread: spread as f32,
            keep: if self.decoupled { 1.0 - rate * decay } else { 1.0 } as f32,
            pull: if self.decoupled { 0.0 } else { decay } as f32,
        }
    }

    /// The trained weights. The first has the rows of [`Gradients::words`], if word embeddings are trained.
    fn trained<'a>(&'a self, weights: &'a Weights, gradients: &'a Gradients) -> impl Iterator<Item = Entry<'a>> {
        let rows = gradients.words.iter().map(|(_, rows)| rows);
        weights
            .iter()
            .enumerate()
            .filter(|(_, (_, weight))| weight.requires_grad())
            .zip(rows.chain(&gradients.tensors))
            .enumerate()
            .map(|(entry, ((place, (name, weight)), gradient))| Entry {
                place,
                name,
                weight,
                gradient,
                moments: self.moments.iter().map(|moments| moments.tensor(entry)).collect(),
            })
    }

    /// The step in one pass over memory, which is what it costs: tensor operations need ten.
    fn step_slices(
        &mut self,
        weights: &mut Weights,
        gradients: &Gradients,
        learning_rate: f64,
        clip: f32,
    ) -> Result<()> {
        // Some gradients are views; their copies must live as long as the jobs.
        let mut contiguous = Vec::new();
        for entry in self.trained(weights, gradients) {
            contiguous.push(entry.gradient.f_contiguous()?);
        }
        let mut jobs = Vec::new();
        for (entry, gradient) in self.trained(weights, gradients).zip(&contiguous) {
            let update = self.update(entry.name, entry.place, learning_rate, clip);
            // SAFETY: nobody else has a slice of the weight, and libtorch does not compute with it now: `weights` is
            // borrowed mutably, each tensor owns its storage (`Weights` makes them by copies) and is visited once.
            let weight = unsafe { numbers_mut(entry.weight)? };
            // SAFETY: nobody writes to a gradient.
            let gradient = unsafe { numbers(gradient)? };
            let mut moments: [&mut [f32]; 2] = [&mut [], &mut []];
            for (part, moment) in moments.iter_mut().zip(entry.moments) {
                // SAFETY: as for the weight, of `self`.
                *part = unsafe { numbers_mut(moment)? };
            }
            match &gradients.words {
                Some((words, _)) if entry.place == 0 => {
                    word_jobs(&mut jobs, weight, moments, gradient, words, &self.active, update);
                }
                Some(_) | None => chunk_jobs(&mut jobs, weight, moments, gradient, update),
            }
        }
        run(jobs);
        Ok(())
    }

    /// The same step by tensor operations, for other devices; `norm` is the length of all gradients together.
    fn step_tensors(
        &mut self,
        weights: &mut Weights,
        gradients: &Gradients,
        learning_rate: f64,
        norm: &Tensor,
    ) -> Result<()> {
        let longest = self.max_norm * gradients.scale;
        let clip = if longest > 0.0 {
            norm.f_reciprocal()?.f_mul_scalar(longest)?.f_clamp_max(1.0)?
        } else {
            norm.f_ones_like()?
        };
        let clip = clip.f_div_scalar(gradients.scale)?.f_to_kind(Kind::Float)?;
        for entry in self.trained(weights, gradients) {
            let update = self.update(entry.name, entry.place, learning_rate, 1.0);
            let mut weight = entry.weight.shallow_clone();
            let mut moments: Vec<Tensor> = entry.moments.into_iter().map(Tensor::shallow_clone).collect();
            let mut gradient = entry.gradient.f_mul(&clip)?;
            if let Some((words, _)) = gradients.words.as_ref().filter(|_| entry.place == 0) {
                let words = Tensor::f_from_slice(words)?.f_to_device(weight.device())?;
                gradient = weight.f_zeros_like()?.f_index_add(0, &words, &gradient)?;
            }
            update.by_tensors(&mut weight, &mut moments, gradient)?;
        }
        Ok(())
    }
}

/// The length of all gradients together, a scalar in f64.
fn norm<'a>(gradients: impl Iterator<Item = &'a Tensor>) -> Result<Tensor> {
    let norms: Vec<Tensor> = gradients.map(Tensor::f_norm).collect::<std::result::Result<_, _>>()?;
    Ok(Tensor::f_stack(&norms, 0)?.f_to_kind(Kind::Double)?.f_norm()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::model::{Weight, parse_encoder};

    /// The way of other devices, which has no test on a machine without one, is the way of the CPU.
    #[test]
    fn tensor_operations_do_what_the_slices_do() {
        let config = serde_json::json!({
            "model_type": "bert", "vocab_size": 40, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 1, "intermediate_size": 8, "max_position_embeddings": 4
        });
        let layout = parse_encoder(&config.to_string()).unwrap().layout();
        let random = |weight: &Weight| Ok(Tensor::f_randn(&weight.shape, (Kind::Float, Device::Cpu))?);
        for (optimizer, momentum) in [
            (OptimizerKind::Adamw, 0.9),
            (OptimizerKind::Adam, 0.9),
            (OptimizerKind::Sgd, 0.9),
            (OptimizerKind::Sgd, 0.0),
        ] {
            let parameters = Parameters {
                optimizer,
                momentum,
                weight_decay: 0.1,
                ..Parameters::default()
            };
            let mut slices = Weights::from_fn(layout.clone(), random).unwrap();
            // The positions are frozen.
            slices.require_grad(|name| !name.contains("position")).unwrap();
            let mut tensors = slices.copy().unwrap();
            tensors.require_grad(|name| !name.contains("position")).unwrap();
            let before = slices.copy().unwrap();
            let shares: Vec<f64> = (0..slices.iter().len())
                .map(|place| 0.9f64.powi(place as i32))
                .collect();
            let mut by_slices = Optimizer::new(&slices, &parameters, shares.clone()).unwrap();
            let mut by_tensors = Optimizer::new(&tensors, &parameters, shares).unwrap();
            for words in [vec![3, 17], vec![0, 17, 39], vec![5]] {
                let rows = Tensor::randn([words.len() as i64, 8], (Kind::Float, Device::Cpu));
                let trained = slices.trained();
                let gradients = Gradients {
                    words: Some((words, rows)),
                    tensors: trained
                        .iter()
                        .skip(1)
                        .map(|(_, weight)| weight.detach().randn_like())
                        .collect(),
                    scale: 1.0,
                };
                by_slices.step(&mut slices, &gradients, 1e-2).unwrap();
                let _no_grad = tch::no_grad_guard();
                by_tensors.count(&gradients);
                let rows = gradients.words.iter().map(|(_, rows)| rows);
                let norm = norm(rows.chain(&gradients.tensors)).unwrap();
                by_tensors.step_tensors(&mut tensors, &gradients, 1e-2, &norm).unwrap();
            }
            for (((name, slices), (_, tensors)), (_, before)) in slices.iter().zip(tensors.iter()).zip(before.iter()) {
                let difference = (slices - tensors).abs().max().double_value(&[]);
                assert!(difference < 1e-6, "{optimizer:?}: {name} differs by {difference}");
                let moved = (slices - before).abs().max().double_value(&[]);
                assert_eq!(
                    moved > 1e-5,
                    !name.contains("position"),
                    "{optimizer:?}: {name} has moved by {moved}"
                );
            }
        }
    }
}
