//! AdamW with a state that can be saved.

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::model::{Weights, decays};

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPS: f32 = 1e-8;

/// The greatest length of the whole gradient; longer ones are scaled down to it.
pub const MAX_NORM: f64 = 1.0;

/// Numbers that one thread updates at a time: few enough for the cache, many enough to be worth a turn.
const CHUNK: usize = 1 << 16;

/// The gradient of all weights.
#[derive(Debug)]
pub struct Gradients {
    /// The rows of the word embeddings that the batch has used, each once, ascending.
    pub words: Vec<i64>,
    /// The gradient of those rows, `[words, hidden]`, and then of all other weights in the order of the layout.
    pub tensors: Vec<Tensor>,
}

/// AdamW (Loshchilov & Hutter, 2019) at a constant learning rate. Weight decay spares biases and LayerNorm.
#[derive(Debug)]
pub struct AdamW {
    learning_rate: f64,
    weight_decay: f64,
    exp_avg: Weights,
    exp_avg_sq: Weights,
    steps: u64,
    /// Rows of the word embeddings with moments. For another row a step is only its decay, to the bit: most words of a
    /// vocabulary never occur, and their rows are half of a small model.
    active: Vec<bool>,
}

/// What one step does to each number.
#[derive(Debug, Clone, Copy)]
struct Update {
    /// Scale of gradients, for clipping.
    clip: f32,
    /// Learning rate over the bias correction of the means.
    rate: f32,
    /// One over the root of the bias correction of the squares.
    spread: f32,
    /// What decay leaves of a weight.
    keep: f32,
}

/// Equally long parts of a weight, its moments and its gradient; without a gradient it is 0.
struct Job<'a> {
    weight: &'a mut [f32],
    mean: &'a mut [f32],
    square: &'a mut [f32],
    gradient: Option<&'a [f32]>,
    update: Update,
}

impl AdamW {
    /// An optimizer of these weights that has done no step. `weight_decay` is decoupled: each step scales weights by
    /// `1 - learning_rate * weight_decay`.
    pub fn new(weights: &Weights, learning_rate: f64, weight_decay: f64) -> Result<Self> {
        Self::resume(
            weights.zeros_like()?,
            weights.zeros_like()?,
            0,
            learning_rate,
            weight_decay,
        )
    }

    /// An optimizer with the moments of that many steps: the running means of gradients and of their squares.
    pub fn resume(
        exp_avg: Weights,
        exp_avg_sq: Weights,
        steps: u64,
        learning_rate: f64,
        weight_decay: f64,
    ) -> Result<Self> {
        let any = |moments: &Weights| -> Result<Vec<bool>> {
            let any = moments.words().f_ne(0.0)?.f_any_dim(1, false)?;
            Ok(Vec::try_from(any)?)
        };
        let active = any(&exp_avg)?
            .into_iter()
            .zip(any(&exp_avg_sq)?)
            .map(|(mean, square)| mean || square)
            .collect();
        Ok(Self {
            learning_rate,
            weight_decay,
            exp_avg,
            exp_avg_sq,
            steps,
            active,
        })
    }

    /// Running means of gradients.
    pub fn exp_avg(&self) -> &Weights {
        &self.exp_avg
    }

    /// Running means of squared gradients.
    pub fn exp_avg_sq(&self) -> &Weights {
        &self.exp_avg_sq
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step against the gradients, which are clipped to [`MAX_NORM`] together.
    pub fn step(&mut self, weights: &mut Weights, gradients: &Gradients) -> Result<()> {
        let _no_grad = tch::no_grad_guard();
        let update = self.begin(gradients)?;
        if weights.words().device() == Device::Cpu {
            self.step_slices(weights, gradients, update)
        } else {
            self.step_tensors(weights, gradients, update)
        }
    }

    /// Counts a step and the words it touches.
    fn begin(&mut self, gradients: &Gradients) -> Result<Update> {
        let norm = norm(&gradients.tensors)?;
        self.steps += 1;
        for &word in &gradients.words {
            self.active[word as usize] = true;
        }
        let step = i32::try_from(self.steps).unwrap_or(i32::MAX);
        Ok(Update {
            clip: if norm > MAX_NORM { MAX_NORM / norm } else { 1.0 } as f32,
            rate: (self.learning_rate / (1.0 - f64::from(BETA1).powi(step))) as f32,
            spread: (1.0 / (1.0 - f64::from(BETA2).powi(step)).sqrt()) as f32,
            keep: (1.0 - self.learning_rate * self.weight_decay) as f32,
        })
    }

    /// The step in one pass over memory, which is what it costs: tensor operations need ten.
    fn step_slices(&mut self, weights: &mut Weights, gradients: &Gradients, update: Update) -> Result<()> {
        let tensors: Vec<Tensor> = gradients
            .tensors
            .iter()
            .map(Tensor::f_contiguous)
            .collect::<std::result::Result<_, _>>()?;
        let mut jobs = Vec::new();
        let moments = self.exp_avg.iter().zip(self.exp_avg_sq.iter());
        for (place, (((name, weight), gradient), ((_, mean), (_, square)))) in
            weights.iter().zip(&tensors).zip(moments).enumerate()
        {
            let update = if decays(name) {
                update
            } else {
                Update { keep: 1.0, ..update }
            };
            // SAFETY: `slice` checks kind, device and layout. The tensors outlive `jobs`. Nobody else has a slice of
            // them, and libtorch does not compute with them now: `weights` and `self` are borrowed mutably, each
            // tensor owns its storage (`Weights` makes them by copies) and is visited once.
            let (weight, mean, square) = unsafe { (slice(weight)?, slice(mean)?, slice(square)?) };
            // SAFETY: as above; a gradient is never written.
            let gradient: &[f32] = unsafe { slice(gradient)? };
            if place == 0 {
                word_jobs(
                    &mut jobs,
                    [weight, mean, square],
                    gradient,
                    &gradients.words,
                    &self.active,
                    update,
                );
            } else {
                let parts = weight
                    .chunks_mut(CHUNK)
                    .zip(mean.chunks_mut(CHUNK))
                    .zip(square.chunks_mut(CHUNK));
                jobs.extend(
                    parts
                        .zip(gradient.chunks(CHUNK))
                        .map(|(((weight, mean), square), gradient)| Job {
                            weight,
                            mean,
                            square,
                            gradient: Some(gradient),
                            update,
                        }),
                );
            }
        }
        run(jobs);
        Ok(())
    }

    /// The same step by tensor operations, for other devices.
    fn step_tensors(&mut self, weights: &mut Weights, gradients: &Gradients, update: Update) -> Result<()> {
        let moments = self.exp_avg.iter().zip(self.exp_avg_sq.iter());
        let all = weights.iter().zip(&gradients.tensors).zip(moments);
        for (place, (((name, weight), gradient), ((_, mean), (_, square)))) in all.enumerate() {
            let (mut weight, mut mean, mut square) =
                (weight.shallow_clone(), mean.shallow_clone(), square.shallow_clone());
            let mut gradient = gradient.f_mul_scalar(f64::from(update.clip))?;
            if place == 0 {
                let words = Tensor::f_from_slice(&gradients.words)?.f_to_device(weight.device())?;
                gradient = weight.f_zeros_like()?.f_index_add(0, &words, &gradient)?;
            }
            if decays(name) {
                let _ = weight.f_mul_scalar_(f64::from(update.keep))?;
            }
            let (one, two) = (f64::from(BETA1), f64::from(BETA2));
            let _ = mean.f_mul_scalar_(one)?.f_add_(&gradient.f_mul_scalar(1.0 - one)?)?;
            let _ = square
                .f_mul_scalar_(two)?
                .f_add_(&gradient.f_square()?.f_mul_scalar(1.0 - two)?)?;
            let denominator = square
                .f_sqrt()?
                .f_mul_scalar(f64::from(update.spread))?
                .f_add_scalar(f64::from(EPS))?;
            let _ = weight.f_sub_(&mean.f_div(&denominator)?.f_mul_scalar(f64::from(update.rate))?)?;
        }
        Ok(())
    }
}

/// One job per row of the word embeddings that has moments; the others decay in runs.
fn word_jobs<'a>(
    jobs: &mut Vec<Job<'a>>,
    [weight, mean, square]: [&'a mut [f32]; 3],
    gradient: &'a [f32],
    words: &[i64],
    active: &[bool],
    update: Update,
) {
    let width = weight.len() / active.len().max(1);
    let mut gradients = words.iter().zip(gradient.chunks(width)).peekable();
    let rows = weight
        .chunks_mut(width)
        .zip(mean.chunks_mut(width))
        .zip(square.chunks_mut(width));
    for (row, (((weight, mean), square), &active)) in rows.zip(active).enumerate() {
        let gradient = gradients
            .next_if(|(word, _)| **word == row as i64)
            .map(|(_, gradient)| gradient);
        if active {
            jobs.push(Job {
                weight,
                mean,
                square,
                gradient,
                update,
            });
        } else if update.keep != 1.0 {
            weight.iter_mut().for_each(|weight| *weight *= update.keep);
        }
    }
}

/// Does the jobs on as many threads as libtorch uses; how they are shared out changes no bit.
fn run(mut jobs: Vec<Job<'_>>) {
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
    let total: usize = jobs.iter().map(|job| job.weight.len()).sum();
    std::thread::scope(|scope| {
        for _ in 1..threads {
            let mut size = 0;
            let mut count = jobs.len();
            while count > 0 && size < total / threads {
                count -= 1;
                size += jobs[count].weight.len();
            }
            let share = jobs.split_off(count);
            scope.spawn(move || share.into_iter().for_each(Job::run));
        }
        jobs.into_iter().for_each(Job::run);
    });
}

impl Job<'_> {
    fn run(self) {
        let Update {
            clip,
            rate,
            spread,
            keep,
        } = self.update;
        let moved = self.weight.iter_mut().zip(self.mean).zip(self.square);
        let one = |((weight, mean), square): ((&mut f32, &mut f32), &mut f32), gradient: f32| {
            let gradient = gradient * clip;
            *mean = BETA1 * *mean + (1.0 - BETA1) * gradient;
            *square = BETA2 * *square + (1.0 - BETA2) * gradient * gradient;
            *weight = *weight * keep - rate * *mean / (square.sqrt() * spread + EPS);
        };
        match self.gradient {
            Some(gradient) => moved
                .zip(gradient)
                .for_each(|(number, &gradient)| one(number, gradient)),
            None => moved.for_each(|number| one(number, 0.0)),
        }
    }
}

/// The numbers of a contiguous f32 tensor on the CPU; any other is an error.
///
/// # Safety
///
/// The tensor must live as long as the slice, and nothing else may use its storage while the slice is written to.
unsafe fn slice<'a>(tensor: &Tensor) -> Result<&'a mut [f32]> {
    let fits = tensor.f_kind()? == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous();
    if !fits {
        return Err(Error::Invalid(format!(
            "a weight is not contiguous f32 on the CPU: {tensor:?}"
        )));
    }
    // SAFETY: contiguous and f32, so `numel` numbers stand there; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}

/// The length of all gradients together.
fn norm(gradients: &[Tensor]) -> Result<f64> {
    let mut sum = 0.0;
    for gradient in gradients {
        sum += gradient.f_norm()?.f_double_value(&[])?.powi(2);
    }
    Ok(sum.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Config;

    /// The way of other devices, which has no test on a machine without one, is the way of the CPU.
    #[test]
    fn tensor_operations_do_what_the_slices_do() {
        let config: Config = serde_json::from_value(serde_json::json!({
            "model_type": "bert", "vocab_size": 40, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 1, "intermediate_size": 8, "max_position_embeddings": 4
        }))
        .unwrap();
        let random = |_: &str, shape: &[i64]| Ok(Tensor::f_randn(shape, (Kind::Float, Device::Cpu))?);
        let mut slices = Weights::from_fn(&config, random).unwrap();
        let mut tensors = slices.copy().unwrap();
        let before = slices.copy().unwrap();
        let mut by_slices = AdamW::new(&slices, 1e-2, 0.1).unwrap();
        let mut by_tensors = AdamW::new(&tensors, 1e-2, 0.1).unwrap();
        for words in [vec![3, 17], vec![0, 17, 39], vec![5]] {
            let rows = Tensor::randn([words.len() as i64, 8], (Kind::Float, Device::Cpu));
            let rest = slices.iter().skip(1).map(|(_, weight)| weight.randn_like());
            let tensors_of = std::iter::once(rows).chain(rest).collect();
            let gradients = Gradients {
                words,
                tensors: tensors_of,
            };
            by_slices.step(&mut slices, &gradients).unwrap();
            let update = by_tensors.begin(&gradients).unwrap();
            by_tensors.step_tensors(&mut tensors, &gradients, update).unwrap();
        }
        for (((name, slices), (_, tensors)), (_, before)) in slices.iter().zip(tensors.iter()).zip(before.iter()) {
            let difference = (slices - tensors).abs().max().double_value(&[]);
            assert!(difference < 1e-6, "{name} differs by {difference}");
            assert!(
                (slices - before).abs().max().double_value(&[]) > 1e-3,
                "{name} has not moved"
            );
        }
    }
}
