//! The minimum of a smooth convex function.

use std::collections::VecDeque;

use crate::error::Result;

/// Steps that the curvature is estimated from.
const MEMORY: usize = 10;
/// The greatest component of a gradient that is as good as none.
const TOLERANCE: f64 = 1e-6;
/// Steps after which the search ends at the latest.
pub const STEPS: usize = 1000;
/// The share of the decrease foretold by the gradient that a step must bring.
const SUFFICIENT: f64 = 1e-4;
/// A step that is shorter than this share of a whole one is none.
const SHORTEST: f64 = 1e-12;

/// A point near the minimum of a strictly convex function, from `start` on; `at` gives its value and its gradient. By the method of
/// Nocedal (1980), with a line search that halves the step until it is sufficient. The same input gives the same point.
pub fn minimise(start: Vec<f64>, mut at: impl FnMut(&[f64]) -> Result<(f64, Vec<f64>)>) -> Result<Vec<f64>> {
    let mut point = start;
    let (mut value, mut gradient) = at(&point)?;
    let mut past: VecDeque<Past> = VecDeque::new();
    for _ in 0..STEPS {
        if gradient.iter().all(|component| component.abs() <= TOLERANCE) {
            break;
        }
        let direction = direction(&gradient, &past);
        let slope = dot(&direction, &gradient);
        let mut share = if past.is_empty() {
            1.0 / dot(&gradient, &gradient).sqrt().max(1.0)
        } else {
            1.0
        };
        let (next, (next_value, next_gradient)) = loop {
            let next: Vec<f64> = point.iter().zip(&direction).map(|(x, d)| x + share * d).collect();
            let found = at(&next)?;
            if found.0 <= value + SUFFICIENT * share * slope {
                break (next, found);
            }
            share /= 2.0;
            // Rounding hides what is left to gain.
            if share < SHORTEST {
                return Ok(point);
            }
        };
        let step = difference(&next, &point);
        let change = difference(&next_gradient, &gradient);
        let curvature = dot(&step, &change);
        if curvature > 0.0 {
            past.push_back(Past {
                step,
                change,
                curvature,
            });
            if past.len() > MEMORY {
                past.pop_front();
            }
        }
        (point, value, gradient) = (next, next_value, next_gradient);
    }
    Ok(point)
}

/// A step that was taken, and how the gradient changed by it.
struct Past {
    step: Vec<f64>,
    change: Vec<f64>,
    /// Their product, above 0.
    curvature: f64,
}

/// Where to go: against the gradient, through the inverse of the curvature seen so far.
fn direction(gradient: &[f64], past: &VecDeque<Past>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|component| -component).collect();
    let mut shares = Vec::with_capacity(past.len());
    for past in past.iter().rev() {
        let share = dot(&past.step, &direction) / past.curvature;
        add(&mut direction, -share, &past.change);
        shares.push(share);
    }
    if let Some(last) = past.back() {
        let scale = last.curvature / dot(&last.change, &last.change);
        direction.iter_mut().for_each(|component| *component *= scale);
    }
    for (past, share) in past.iter().zip(shares.into_iter().rev()) {
        let other = dot(&past.change, &direction) / past.curvature;
        add(&mut direction, share - other, &past.step);
    }
    direction
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(x, y)| x * y).sum()
}

fn difference(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(x, y)| x - y).collect()
}

fn add(to: &mut [f64], share: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += share * what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_of_a_narrow_bowl_is_found() {
        let scales = [1.0, 30.0, 1000.0, 0.01];
        let bowl = |point: &[f64]| {
            let away: Vec<f64> = point.iter().enumerate().map(|(place, x)| x - place as f64).collect();
            let value = away
                .iter()
                .zip(scales)
                .map(|(x, scale)| scale * x * x / 2.0 + x.powi(4))
                .sum();
            let gradient = away.iter().zip(scales).map(|(x, scale)| scale * x + 4.0 * x.powi(3));
            Ok((value, gradient.collect()))
        };
        let found = minimise(vec![9.0; 4], bowl).unwrap_or_default();
        for (place, x) in found.iter().enumerate() {
            assert!((x - place as f64).abs() < 1e-4, "{found:?}");
        }
        assert_eq!(found.len(), 4);
    }
}
