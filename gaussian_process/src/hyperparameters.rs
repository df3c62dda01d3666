//! What a process learns of how costs covary: Rasmussen and Williams (2006), chapter 5.4 (marginal likelihood).

use nalgebra::{DMatrix, DVector};

use crate::factor::Factor;
use crate::kernel::Kernel;
use crate::quasi_newton::QuasiNewton;
use crate::vectors::{dot, weighed_squares};

/// At most so many of some points, evenly.
pub fn evenly(points: &[Point], most: usize) -> Vec<Point> {
    let count = points.len().min(most);
    (0..count)
        .map(|number| points[number * points.len() / count].clone())
        .collect()
}

/// A cost at a rung of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Where the configuration lies: a number for each feature, 0 to 1.
    pub features: Vec<f64>,
    /// The number of the rung, from 0.
    pub rung: usize,
    /// The cost, transformed to about mean 0 and deviation 1.
    pub cost: f64,
}

/// Logarithms of what is learned: a length scale for each feature, the signal's and the noise's deviation; and the
/// correlation of neighbouring rungs, before the logistic function.
#[derive(Debug, Clone, PartialEq)]
pub struct Hyperparameters(Vec<f64>);

/// How hyperparameters are searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// By Rprop (Riedmiller and Braun, 1993).
    Rprop,
    /// By a quasi-Newton method, which takes a fifth of the time to come as high: first for some of the points, and from there for all.
    QuasiNewton,
}

/// Steps of Rprop.
const STEPS: usize = 60;
/// The most points for which the quasi-Newton method searches first, and how many evaluations it may take for these.
const FEW: usize = 50;
const EVALUATIONS_OF_FEW: usize = 40;
/// How many it may take for all points, from where it came with few.
const EVALUATIONS: usize = 16;
/// A step that gains less of the logarithm of the density is the last one.
const TOLERANCE: f64 = 0.05;
/// The smallest and largest length scale.
const LENGTHS: (f64, f64) = (0.05, 20.0);
const NOISE: (f64, f64) = (1e-3, 1.0);
const SIGNAL: (f64, f64) = (0.2, 5.0);

impl Hyperparameters {
    /// What is most likely before anything has been seen.
    fn prior(features: usize) -> Vec<f64> {
        // Points are farther apart with more features. With few points, lengths that are too long make it too sure.
        let length = 0.3 * (features as f64).sqrt();
        let mut means = vec![length.ln(); features];
        means.extend([0.0, 0.1f64.ln(), 3.0]);
        means
    }

    /// Deviations of the prior.
    fn deviations(features: usize) -> Vec<f64> {
        let mut deviations = vec![0.5; features];
        deviations.extend([0.5, 1.0, 1.0]);
        deviations
    }

    fn bounds(features: usize) -> Vec<(f64, f64)> {
        let logarithms = |(low, high): (f64, f64)| (low.ln(), high.ln());
        let mut bounds = vec![logarithms(LENGTHS); features];
        bounds.extend([logarithms(SIGNAL), logarithms(NOISE), (-1.0, 6.0)]);
        bounds
    }

    /// The hyperparameters that explain the points best: where the logarithm of the posterior density is highest.
    pub fn fit(points: &[Point], search: Search) -> Self {
        let features = points.first().map_or(0, |point| point.features.len());
        match search {
            Search::Rprop => Self::by_rprop(points, features),
            Search::QuasiNewton => Self::by_quasi_newton(points, features),
        }
    }

    fn by_quasi_newton(points: &[Point], features: usize) -> Self {
        let (deviations, bounds) = (Self::deviations(features), Self::bounds(features));
        let mut search = QuasiNewton::new(Self::prior(features), &deviations, bounds);
        let few = evenly(points, FEW);
        search.maximize(EVALUATIONS_OF_FEW, TOLERANCE, |at| Self(at.to_vec()).density(&few));
        if few.len() < points.len() {
            search.maximize(EVALUATIONS, TOLERANCE, |at| Self(at.to_vec()).density(points));
        }
        Self(search.at)
    }

    fn by_rprop(points: &[Point], features: usize) -> Self {
        let mut now = Self(Self::prior(features));
        let mut best = (f64::NEG_INFINITY, now.clone());
        let bounds = Self::bounds(features);
        let mut steps: Vec<f64> = vec![0.2; now.0.len()];
        let mut last: Vec<f64> = vec![0.0; now.0.len()];
        for _ in 0..STEPS {
            let Some((density, slopes)) = now.density(points) else {
                break;
            };
            if density > best.0 {
                best = (density, now.clone());
            }
            for place in 0..now.0.len() {
                let agreement = slopes[place] * last[place];
                if agreement > 0.0 {
                    steps[place] = (steps[place] * 1.2).min(1.0);
                } else if agreement < 0.0 {
                    steps[place] *= 0.5;
                }
                last[place] = if agreement < 0.0 { 0.0 } else { slopes[place] };
                if slopes[place] != 0.0 && agreement >= 0.0 {
                    let moved = now.0[place] + steps[place] * slopes[place].signum();
                    now.0[place] = moved.clamp(bounds[place].0, bounds[place].1);
                }
            }
            if steps.iter().all(|step| *step < 1e-3) {
                break;
            }
        }
        best.1
    }

    fn features(&self) -> usize {
        self.0.len() - 3
    }

    /// The correlation of neighbouring rungs, 0 to 1.
    pub fn correlation(&self) -> f64 {
        1.0 / (1.0 + (-self.0[self.features() + 2]).exp())
    }

    pub(crate) fn kernel(&self, last: usize) -> Kernel {
        let (lengths, others) = self.0.split_at(self.features());
        Kernel::new(lengths, others[0], others[1], self.correlation(), last)
    }

    /// The logarithm of the posterior density, up to a constant, and its slopes.
    fn density(&self, points: &[Point]) -> Option<(f64, Vec<f64>)> {
        let (count, features) = (points.len(), self.features());
        let kernel = self.kernel(points.iter().map(|point| point.rung).max().unwrap_or(0));
        let places = kernel.places(points.iter().map(|point| (&point.features[..], point.rung)));
        let (mut covariance, mut steep) = (DMatrix::zeros(count, count), DMatrix::zeros(count, count));
        for j in 0..count {
            let below = j * count + j..(j + 1) * count;
            let (values, slopes) = (covariance.as_mut_slice(), steep.as_mut_slice());
            kernel.covariances_and_slopes(&places, j, &mut values[below.clone()], &mut slopes[below]);
        }
        let mut noisy = covariance.clone();
        (0..count).for_each(|i| noisy[(i, i)] += kernel.noise);
        let factor = Factor::new(noisy)?;
        let costs = DVector::from_iterator(count, points.iter().map(|point| point.cost));
        let weights = factor.solve(&costs);
        let mut density = -0.5 * costs.dot(&weights) - factor.ln_determinant();
        let inverse = factor.inverse();
        let mut slopes = vec![0.0; self.0.len()];
        // The derivative of c^n by the logistic function's argument is n c^n (1 - c).
        let rest = 1.0 - self.correlation();
        let mut pulls = vec![0.0; count];
        for j in 0..count {
            let below = j * count + j..(j + 1) * count;
            let own = weights[j];
            let pairs = weights.as_slice()[j..].iter().zip(&inverse.as_slice()[below.clone()]);
            let pulls = &mut pulls[j..];
            for (pull, (weight, inverse)) in pulls.iter_mut().zip(pairs) {
                *pull = weight * own - inverse;
            }
            // The others stand for both halves of a symmetric matrix.
            pulls[0] *= 0.5;
            slopes[features + 1] += pulls[0] * 2.0 * kernel.noise;
            let values = &covariance.as_slice()[below.clone()];
            slopes[features] += 2.0 * dot(pulls, values);
            let rungs = places.rungs[j..].iter().zip(values).zip(&*pulls);
            let apart = |rung: usize| rung.abs_diff(places.rungs[j]) as f64;
            slopes[features + 2] += rest
                * rungs
                    .map(|((&rung, value), pull)| pull * value * apart(rung))
                    .sum::<f64>();
            for (pull, steep) in pulls.iter_mut().zip(&steep.as_slice()[below]) {
                *pull *= steep;
            }
            for (sum, feature) in slopes.iter_mut().zip(places.features()) {
                *sum += weighed_squares(pulls, &feature[j..], feature[j]);
            }
        }
        let prior = Self::prior(features).into_iter().zip(Self::deviations(features));
        for ((value, (mean, deviation)), slope) in self.0.iter().zip(prior).zip(&mut slopes) {
            let away = (value - mean) / deviation;
            density -= 0.5 * away * away;
            *slope -= away / deviation;
        }
        (density.is_finite() && slopes.iter().all(|slope| slope.is_finite())).then_some((density, slopes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::points;

    #[test]
    fn slopes_are_those_of_the_density() {
        let points = points();
        let at = Hyperparameters(vec![-0.7, 0.3, 0.2, -1.5, 1.2]);
        let (_, slopes) = at.density(&points).unwrap();
        for (place, slope) in slopes.into_iter().enumerate() {
            let moved = |by: f64| {
                let mut other = at.clone();
                other.0[place] += by;
                other.density(&points).unwrap().0
            };
            let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!(
                (slope - numeric).abs() < 1e-4 * (1.0 + numeric.abs()),
                "{place}: {} {numeric}",
                slope
            );
        }
    }

    #[test]
    fn it_finds_which_feature_matters() {
        let density = |hyperparameters: &Hyperparameters| hyperparameters.density(&points()).unwrap().0;
        let before = density(&Hyperparameters(Hyperparameters::prior(2)));
        for search in [Search::Rprop, Search::QuasiNewton] {
            let fitted = Hyperparameters::fit(&points(), search);
            assert!(fitted.0[0] < fitted.0[1], "{fitted:?}");
            assert!(density(&fitted) > before);
        }
    }

    #[test]
    fn both_searches_come_to_the_same() {
        // A bowl of which one feature matters little, with noise, and lower costs at higher rungs.
        let waves = |number: usize, by: f64| ((number as f64 * by).sin() + 1.0) / 2.0;
        let point = |number| {
            let features: Vec<f64> = [1.7, 2.9, 4.3].map(|by| waves(number, by)).to_vec();
            let bowl = (features[0] - 0.4).powi(2) * 4.0 + (features[1] - 0.6).powi(2) + 0.1 * features[2];
            let cost = bowl + 0.05 * waves(number, 9.1) - 0.2 * (number % 3) as f64;
            Point {
                features,
                rung: number % 3,
                cost,
            }
        };
        let points: Vec<Point> = (0..120).map(point).collect();
        let [one, other] = [Search::Rprop, Search::QuasiNewton].map(|search| {
            let fitted = Hyperparameters::fit(&points, search);
            fitted.density(&points).unwrap().0
        });
        assert!(other > one - 0.5, "{one} {other}");
    }
}
