//! AdamW with a state that can be saved.

use tch::Tensor;

use crate::error::Result;
use crate::model::{Weights, decays};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPS: f64 = 1e-8;

/// The greatest length of the whole gradient; longer ones are scaled down to it.
pub const MAX_NORM: f64 = 1.0;

/// AdamW (Loshchilov & Hutter, 2019) at a constant learning rate. Weight decay spares biases and LayerNorm.
#[derive(Debug)]
pub struct AdamW {
    /// Learning rate.
    pub learning_rate: f64,
    /// Weight decay, decoupled: each step scales weights by `1 - learning_rate * weight_decay`.
    pub weight_decay: f64,
    /// Running means of gradients.
    pub exp_avg: Weights,
    /// Running means of squared gradients.
    pub exp_avg_sq: Weights,
    /// Steps done.
    pub step: u64,
}

impl AdamW {
    /// An optimizer of these weights that has done no step.
    pub fn new(weights: &Weights, learning_rate: f64, weight_decay: f64) -> Result<Self> {
        Ok(Self {
            learning_rate,
            weight_decay,
            exp_avg: weights.zeros_like()?,
            exp_avg_sq: weights.zeros_like()?,
            step: 0,
        })
    }

    /// One step along `gradients`, which stand in the order of the weights and are clipped to [`MAX_NORM`] together.
    pub fn step(&mut self, weights: &Weights, gradients: &[Tensor]) -> Result<()> {
        let _no_grad = tch::no_grad_guard();
        self.step += 1;
        let scale = clip(norm(gradients)?);
        let correction1 = 1.0 - BETA1.powi(self.step as i32);
        let correction2 = 1.0 - BETA2.powi(self.step as i32);
        let moments = self.exp_avg.iter().zip(self.exp_avg_sq.iter());
        for (((name, weight), gradient), ((_, mean), (_, square))) in weights.iter().zip(gradients).zip(moments) {
            let gradient = gradient.f_mul_scalar(scale)?;
            let (mut weight, mut mean, mut square) =
                (weight.shallow_clone(), mean.shallow_clone(), square.shallow_clone());
            if decays(name) {
                let _ = weight.f_mul_scalar_(1.0 - self.learning_rate * self.weight_decay)?;
            }
            let _ = mean
                .f_mul_scalar_(BETA1)?
                .f_add_(&gradient.f_mul_scalar(1.0 - BETA1)?)?;
            let _ = square
                .f_mul_scalar_(BETA2)?
                .f_add_(&gradient.f_square()?.f_mul_scalar(1.0 - BETA2)?)?;
            let denominator = square.f_sqrt()?.f_div_scalar(correction2.sqrt())?.f_add_scalar(EPS)?;
            let update = mean
                .f_div(&denominator)?
                .f_mul_scalar(self.learning_rate / correction1)?;
            let _ = weight.f_sub_(&update)?;
        }
        Ok(())
    }
}

/// The length of all gradients together.
fn norm(gradients: &[Tensor]) -> Result<f64> {
    let mut sum = 0.0;
    for gradient in gradients {
        sum += gradient.f_norm()?.f_double_value(&[])?.powi(2);
    }
    Ok(sum.sqrt())
}

fn clip(norm: f64) -> f64 {
    if norm > MAX_NORM { MAX_NORM / norm } else { 1.0 }
}
