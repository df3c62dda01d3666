//! What a step does to the numbers of a weight.

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use tch::Tensor;

use crate::error::Result;

/// Numbers that one thread updates at a time: few enough for the cache, many enough to be worth a turn.
const CHUNK: usize = 1 << 16;

/// What a step does with a gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Adam (Kingma & Ba, 2015, algorithm 1); with decoupled weight decay it is AdamW (Loshchilov & Hutter, 2019,
    /// algorithm 2).
    Adam { beta1: f32, beta2: f32, epsilon: f32 },
    /// Gradient descent with the momentum of PyTorch: `b = momentum * b + g; w = w - rate * b`.
    Sgd { momentum: f32 },
}

/// What one step does to each number of a weight.
#[derive(Debug, Clone, Copy)]
pub struct Update {
    pub rule: Rule,
    /// Scale of gradients, for clipping.
    pub clip: f32,
    /// Learning rate; over the bias correction of the means, if there is one.
    pub rate: f32,
    /// One over the root of the bias correction of the squares.
    pub spread: f32,
    /// What decoupled decay leaves of a weight.
    pub keep: f32,
    /// What coupled decay adds to the gradient, per unit of weight.
    pub pull: f32,
}

impl Update {
    /// The update of a whole weight by tensor operations, for other devices than the CPU.
    pub fn by_tensors(&self, weight: &mut Tensor, moments: &mut [Tensor], mut gradient: Tensor) -> Result<()> {
        if self.pull > 0.0 {
            gradient = gradient.f_add(&weight.f_mul_scalar(f64::from(self.pull))?)?;
        }
        if self.keep < 1.0 {
            let _ = weight.f_mul_scalar_(f64::from(self.keep))?;
        }
        let direction = match (self.rule, moments) {
            (Rule::Adam { beta1, beta2, epsilon }, [mean, square]) => {
                let (one, two) = (f64::from(beta1), f64::from(beta2));
                let _ = mean.f_mul_scalar_(one)?.f_add_(&gradient.f_mul_scalar(1.0 - one)?)?;
                let _ = square
                    .f_mul_scalar_(two)?
                    .f_add_(&gradient.f_square()?.f_mul_scalar(1.0 - two)?)?;
                let denominator = square
                    .f_sqrt()?
                    .f_mul_scalar(f64::from(self.spread))?
                    .f_add_scalar(f64::from(epsilon))?;
                mean.f_div(&denominator)?
            }
            (Rule::Sgd { momentum }, [buffer]) => {
                let _ = buffer.f_mul_scalar_(f64::from(momentum))?.f_add_(&gradient)?;
                buffer.shallow_clone()
            }
            _ => gradient,
        };
        let _ = weight.f_sub_(&direction.f_mul_scalar(f64::from(self.rate))?)?;
        Ok(())
    }
}

/// Equally long parts of a weight, its moments and its gradient; a moment that the rule has not is empty, and without
/// a gradient it is 0.
pub struct Job<'a> {
    weight: &'a mut [f32],
    moments: [&'a mut [f32]; 2],
    gradient: Option<&'a [f32]>,
    update: Update,
}

/// One job per row of the word embeddings that has moments; the others decay in runs.
pub fn word_jobs<'a>(
    jobs: &mut Vec<Job<'a>>,
    weight: &'a mut [f32],
    moments: [&'a mut [f32]; 2],
    gradient: &'a [f32],
    words: &[i64],
    active: &[bool],
    update: Update,
) {
    let width = weight.len() / active.len().max(1);
    let mut gradients = words.iter().zip(gradient.chunks(width)).peekable();
    let mut moments = moments.map(|moment| moment.chunks_mut(width));
    for (row, (weight, &active)) in weight.chunks_mut(width).zip(active).enumerate() {
        let gradient = gradients
            .next_if(|(word, _)| **word == row as i64)
            .map(|(_, gradient)| gradient);
        let moments = moments.each_mut().map(|rows| rows.next().unwrap_or_default());
        if active {
            jobs.push(Job {
                weight,
                moments,
                gradient,
                update,
            });
        } else if update.keep != 1.0 {
            weight.iter_mut().for_each(|weight| *weight *= update.keep);
        }
    }
}

/// Jobs for a weight whose every number has a gradient.
pub fn chunk_jobs<'a>(
    jobs: &mut Vec<Job<'a>>,
    weight: &'a mut [f32],
    moments: [&'a mut [f32]; 2],
    gradient: &'a [f32],
    update: Update,
) {
    let mut moments = moments.map(|moment| moment.chunks_mut(CHUNK));
    for (weight, gradient) in weight.chunks_mut(CHUNK).zip(gradient.chunks(CHUNK)) {
        jobs.push(Job {
            weight,
            moments: moments.each_mut().map(|parts| parts.next().unwrap_or_default()),
            gradient: Some(gradient),
            update,
        });
    }
}

/// Does the jobs on all threads of the pool; how they are shared out changes no bit.
pub fn run(jobs: Vec<Job<'_>>) {
    jobs.into_par_iter().for_each(Job::run);
}

impl Job<'_> {
    fn run(self) {
        let Update {
            rule,
            clip,
            rate,
            spread,
            keep,
            pull,
        } = self.update;
        let [first, second] = self.moments;
        match rule {
            Rule::Adam { beta1, beta2, epsilon } => {
                let moved = self.weight.iter_mut().zip(first).zip(second);
                let one = |((weight, mean), square): ((&mut f32, &mut f32), &mut f32), gradient: f32| {
                    let gradient = gradient * clip + pull * *weight;
                    *mean = beta1 * *mean + (1.0 - beta1) * gradient;
                    *square = beta2 * *square + (1.0 - beta2) * gradient * gradient;
                    *weight = *weight * keep - rate * *mean / (square.sqrt() * spread + epsilon);
                };
                each(moved, self.gradient, one);
            }
            Rule::Sgd { .. } if first.is_empty() => {
                let one = |weight: &mut f32, gradient: f32| {
                    *weight -= rate * (gradient * clip + pull * *weight);
                };
                each(self.weight.iter_mut(), self.gradient, one);
            }
            Rule::Sgd { momentum } => {
                let one = |(weight, buffer): (&mut f32, &mut f32), gradient: f32| {
                    *buffer = momentum * *buffer + gradient * clip + pull * *weight;
                    *weight -= rate * *buffer;
                };
                each(self.weight.iter_mut().zip(first), self.gradient, one);
            }
        }
    }
}

fn each<T>(moved: impl Iterator<Item = T>, gradient: Option<&[f32]>, one: impl Fn(T, f32)) {
    match gradient {
        Some(gradient) => moved
            .zip(gradient)
            .for_each(|(number, &gradient)| one(number, gradient)),
        None => moved.for_each(|number| one(number, 0.0)),
    }
}
