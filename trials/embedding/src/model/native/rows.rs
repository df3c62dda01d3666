//! What happens to token vectors between matrix products, each chain in one pass over memory.
//!
//! Matrices are row-major, a row per token; the width is that of the bias or of the weights of LayerNorm.

use super::super::dropout::Mask;
use super::vector::{erf, exp, fma, kernel, sum};

kernel! {
    /// Adds `bias` to each row.
    pub fn add_bias[FMA](rows: &mut [f32], bias: &[f32]) {
        for row in rows.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
        }
    }
}

kernel! {
    /// Adds all rows to `sums`.
    pub fn column_sums[FMA](rows: &[f32], sums: &mut [f32]) {
        for row in rows.chunks_exact(sums.len()) {
            row.iter().zip(&mut *sums).for_each(|(x, sum)| *sum += x);
        }
    }
}

kernel! {
    /// Drops numbers of the rows of one text.
    pub fn drop_rows[FMA](mask: &Mask, rows: &mut [f32]) {
        if mask.drops() {
            rows.iter_mut().zip(0..).for_each(|(x, place)| *x *= mask.factor(place));
        }
    }
}

kernel! {
    /// LayerNorm: `rows` become the normalised ones, `out` their multiple by `weight` plus `bias`, and `scales` what each
    /// row was multiplied with.
    pub fn norm[FMA](
        rows: &mut [f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32], scales: &mut [f32],
    ) {
        let width = weight.len();
        for ((row, out), scale) in rows.chunks_exact_mut(width).zip(out.chunks_exact_mut(width)).zip(scales) {
            *scale = normalise::<FMA>(row, weight, bias, eps, out);
        }
    }
}

kernel! {
    /// The gradient of [`norm`]: `gradient` is that of `out` and becomes that of its input; those of the weights are
    /// added to.
    pub fn norm_backward[FMA](
        gradient: &mut [f32], normalised: &[f32], scales: &[f32], weight: &[f32], to_weight: &mut [f32],
        to_bias: &mut [f32],
    ) {
        let width = weight.len();
        for ((gradient, normalised), &scale) in
            gradient.chunks_exact_mut(width).zip(normalised.chunks_exact(width)).zip(scales)
        {
            normalise_backward::<FMA>(gradient, normalised, scale, weight, to_weight, to_bias);
        }
    }
}

kernel! {
    /// `out = LayerNorm(dropout(rows + branch_bias) + residual)` of one text. `rows` become the normalised ones, and
    /// `scales` what each of them was multiplied with.
    pub fn residual_norm[FMA](
        mask: &Mask, rows: &mut [f32], branch_bias: &[f32], residual: &[f32], weight: &[f32], bias: &[f32], eps: f32,
        out: &mut [f32], scales: &mut [f32],
    ) {
        let width = weight.len();
        let all = rows.chunks_exact_mut(width).zip(residual.chunks_exact(width)).zip(out.chunks_exact_mut(width));
        for ((((row, residual), out), scale), number) in all.zip(scales).zip(0u32..) {
            let sums = row.iter_mut().zip(branch_bias).zip(residual);
            if mask.drops() {
                let first = number * width as u32;
                for (((x, bias), residual), place) in sums.zip(first..) {
                    *x = fma::<FMA>(*x + bias, mask.factor(place), *residual);
                }
            } else {
                sums.for_each(|((x, bias), residual)| *x += bias + residual);
            }
            *scale = normalise::<FMA>(row, weight, bias, eps, out);
        }
    }
}

kernel! {
    /// The gradient of [`residual_norm`]: `gradient` is that of `out` and becomes that of the residual; `branch` becomes
    /// that of `rows`; those of the weights and of `branch_bias` are added to.
    pub fn residual_norm_backward[FMA](
        mask: &Mask, gradient: &mut [f32], normalised: &[f32], scales: &[f32], weight: &[f32], branch: &mut [f32],
        to_branch_bias: &mut [f32], to_weight: &mut [f32], to_bias: &mut [f32],
    ) {
        let width = weight.len();
        let all = gradient.chunks_exact_mut(width).zip(normalised.chunks_exact(width)).zip(scales);
        for ((((gradient, normalised), &scale), branch), number) in
            all.zip(branch.chunks_exact_mut(width)).zip(0u32..)
        {
            normalise_backward::<FMA>(gradient, normalised, scale, weight, to_weight, to_bias);
            let parts = branch.iter_mut().zip(&*gradient).zip(&mut *to_branch_bias);
            if mask.drops() {
                let first = number * width as u32;
                for (((branch, gradient), sum), place) in parts.zip(first..) {
                    *branch = gradient * mask.factor(place);
                    *sum += *branch;
                }
            } else {
                for ((branch, gradient), sum) in parts {
                    *branch = *gradient;
                    *sum += *branch;
                }
            }
        }
    }
}

kernel! {
    /// Adds `bias` to each of `rows`; `out` becomes their GELU (Hendrycks & Gimpel, 2016; the exact one).
    pub fn gelu[FMA](rows: &mut [f32], bias: &[f32], out: &mut [f32]) {
        let width = bias.len();
        for (row, out) in rows.chunks_exact_mut(width).zip(out.chunks_exact_mut(width)) {
            for ((x, bias), out) in row.iter_mut().zip(bias).zip(out) {
                *x += bias;
                *out = *x * share::<FMA>(*x);
            }
        }
    }
}

kernel! {
    /// The gradient of [`gelu`]: `rows`, with their bias, become their GELU again; `gradient` is that of the GELU and
    /// becomes that of `rows`; that of the bias is added to.
    pub fn gelu_backward[FMA](rows: &mut [f32], gradient: &mut [f32], to_bias: &mut [f32]) {
        /// 1 / sqrt(2 pi).
        const DENSITY: f32 = 0.398_942_3;
        let width = to_bias.len();
        for (row, gradient) in rows.chunks_exact_mut(width).zip(gradient.chunks_exact_mut(width)) {
            for ((x, gradient), sum) in row.iter_mut().zip(gradient).zip(&mut *to_bias) {
                let share = share::<FMA>(*x);
                let slope = fma::<FMA>(*x * DENSITY, exp::<FMA>(-0.5 * *x * *x), share);
                *x *= share;
                *gradient *= slope;
                *sum += *gradient;
            }
        }
    }
}

/// The standard normal distribution function.
#[inline(always)]
fn share<const FMA: bool>(x: f32) -> f32 {
    fma::<FMA>(0.5, erf::<FMA>(x * std::f32::consts::FRAC_1_SQRT_2), 0.5)
}

#[inline(always)]
fn normalise<const FMA: bool>(row: &mut [f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]) -> f32 {
    let width = row.len() as f32;
    let mean = sum(row, row, |x, _| x) / width;
    let variance = sum(row, row, |x, _| (x - mean) * (x - mean)) / width;
    let scale = 1.0 / (variance + eps).sqrt();
    for (((x, weight), bias), out) in row.iter_mut().zip(weight).zip(bias).zip(out) {
        *x = (*x - mean) * scale;
        *out = fma::<FMA>(*x, *weight, *bias);
    }
    scale
}

#[inline(always)]
fn normalise_backward<const FMA: bool>(
    gradient: &mut [f32],
    normalised: &[f32],
    scale: f32,
    weight: &[f32],
    to_weight: &mut [f32],
    to_bias: &mut [f32],
) {
    let width = gradient.len() as f32;
    // The gradient before `weight`, while its sums for the weights are taken.
    let columns = to_weight.iter_mut().zip(to_bias);
    for (((gradient, x), weight), (to_weight, to_bias)) in gradient.iter_mut().zip(normalised).zip(weight).zip(columns)
    {
        *to_weight = fma::<FMA>(*gradient, *x, *to_weight);
        *to_bias += *gradient;
        *gradient *= weight;
    }
    let mean = sum(gradient, gradient, |gradient, _| gradient) / width;
    let along = sum(gradient, normalised, |gradient, x| gradient * x) / width;
    for (gradient, x) in gradient.iter_mut().zip(normalised) {
        *gradient = scale * (*gradient - mean - x * along);
    }
}
