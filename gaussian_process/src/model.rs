//! A Gaussian process over configurations and rungs: Rasmussen and Williams, "Gaussian Processes for Machine Learning"
//! (2006), chapters 2 (regression), 4.2 (Matern) and 5.4 (marginal likelihood).

use nalgebra::{DMatrix, DVector};

use crate::factor::Factor;
use crate::kernel::{Kernel, Places, distance, matern};

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

/// Steps of the search for hyperparameters.
const STEPS: usize = 60;
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

    /// The hyperparameters that explain the points best, by Rprop (Riedmiller and Braun, 1993) on the logarithm of the
    /// posterior density.
    pub fn fit(points: &[Point]) -> Self {
        let features = points.first().map_or(0, |point| point.features.len());
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

    fn kernel(&self, last: usize) -> Kernel {
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
            for i in j..count {
                let scale = kernel.scale(places.rungs[i], places.rungs[j]);
                let (value, slope) = matern(distance(places.at(i), places.at(j)));
                covariance[(i, j)] = scale * value;
                steep[(i, j)] = scale * slope;
            }
        }
        let mut noisy = covariance.clone();
        (0..count).for_each(|i| noisy[(i, i)] += kernel.noise);
        let factor = Factor::new(noisy)?;
        let costs = DVector::from_iterator(count, points.iter().map(|point| point.cost));
        let weights = factor.solve(&costs);
        let mut density = -0.5 * costs.dot(&weights) - factor.ln_determinant();
        let inverse = factor.inverse();
        let mut slopes = vec![0.0; self.0.len()];
        let correlation = self.correlation();
        for j in 0..count {
            for i in j..count {
                // Both halves of a symmetric matrix.
                let twice = if i == j { 0.5 } else { 1.0 };
                let pull = twice * (weights[i] * weights[j] - inverse[(i, j)]);
                let value = covariance[(i, j)];
                slopes[features] += pull * 2.0 * value;
                if i == j {
                    slopes[features + 1] += pull * 2.0 * kernel.noise;
                    continue;
                }
                // The derivative of c^n by the logistic function's argument is n c^n (1 - c).
                let apart = places.rungs[i].abs_diff(places.rungs[j]) as f64;
                slopes[features + 2] += pull * value * apart * (1.0 - correlation);
                let slope = pull * steep[(i, j)];
                for ((sum, a), b) in slopes.iter_mut().zip(places.at(i)).zip(places.at(j)) {
                    *sum += slope * (a - b) * (a - b);
                }
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

/// A Gaussian process that has seen points.
#[derive(Debug, Clone)]
pub struct Process {
    kernel: Kernel,
    places: Places,
    factor: Factor,
    weights: DVector<f64>,
}

impl Process {
    /// The process after these points, at rungs up to the number `last`; none if there are none, or numbers fail.
    pub fn new(hyperparameters: &Hyperparameters, points: &[Point], last: usize) -> Option<Self> {
        let count = points.len();
        let highest = points.iter().map(|point| point.rung).max()?;
        let kernel = hyperparameters.kernel(last.max(highest));
        let places = kernel.places(points.iter().map(|point| (&point.features[..], point.rung)));
        let mut covariance = DMatrix::zeros(count, count);
        for j in 0..count {
            (j..count).for_each(|i| covariance[(i, j)] = kernel.covariance(&places, i, &places, j));
            covariance[(j, j)] += kernel.noise;
        }
        let factor = Factor::new(covariance)?;
        let costs = DVector::from_iterator(count, points.iter().map(|point| point.cost));
        let weights = factor.solve(&costs);
        Some(Self {
            kernel,
            places,
            factor,
            weights,
        })
    }

    /// How far each of the points is from what all others say of it (Rasmussen and Williams, equation 5.12).
    pub fn left_out(&self) -> Vec<f64> {
        let inverse = self.factor.inverse();
        let diagonal = inverse.diagonal();
        self.weights
            .iter()
            .zip(diagonal.iter())
            .map(|(weight, own)| weight / own)
            .collect()
    }

    /// The mean of the cost at some places of a rung.
    pub fn means(&self, places: &[Vec<f64>], rung: usize) -> Vec<f64> {
        let places = self.places_at(places, rung);
        let covariance = |i: usize, j: usize| self.kernel.covariance(&self.places, i, &places, j);
        let mean = |j: usize| {
            self.weights
                .iter()
                .enumerate()
                .map(|(i, weight)| weight * covariance(i, j))
                .sum()
        };
        (0..places.count()).map(mean).collect()
    }

    /// Mean and variance of the cost without noise at some places of a rung; more places can be imagined afterwards.
    pub fn predict(&self, places: &[Vec<f64>], rung: usize) -> Prediction {
        let places = self.places_at(places, rung);
        let cross = DMatrix::from_fn(self.places.count(), places.count(), |i, j| {
            self.kernel.covariance(&self.places, i, &places, j)
        });
        let means = cross.tr_mul(&self.weights);
        let mut solved = cross;
        self.factor.divide(&mut solved);
        let signal = self.kernel.signal();
        let variances = solved
            .column_iter()
            .map(|column| (signal - column.norm_squared()).max(0.0));
        Prediction {
            variances: variances.collect(),
            means: means.iter().copied().collect(),
            kernel: self.kernel.clone(),
            places,
            solved,
            imagined: Vec::new(),
        }
    }

    fn places_at(&self, places: &[Vec<f64>], rung: usize) -> Places {
        self.kernel.places(places.iter().map(|features| (&features[..], rung)))
    }
}

/// What a process expects at some places of a rung.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// The mean at each place.
    pub means: Vec<f64>,
    /// The variance at each place.
    pub variances: Vec<f64>,
    kernel: Kernel,
    places: Places,
    solved: DMatrix<f64>,
    /// For each imagined observation, how it covaries with every place, divided by its deviation.
    imagined: Vec<DVector<f64>>,
}

impl Prediction {
    /// Takes one of the places as observed, at its mean: the others become more certain, and no mean moves (kriging
    /// believer; Ginsbourger et al., 2010, section 4.2).
    pub fn imagine(&mut self, place: usize) {
        let deviation = (self.variances[place] + self.kernel.noise).sqrt();
        let prior = |other: usize| self.kernel.covariance(&self.places, place, &self.places, other);
        let mut covariances = DVector::from_fn(self.places.count(), |other, _| prior(other));
        covariances.gemv_tr(-1.0, &self.solved, &self.solved.column(place), 1.0);
        for row in &self.imagined {
            covariances.axpy(-row[place], row, 1.0);
        }
        covariances /= deviation;
        for (variance, covariance) in self.variances.iter_mut().zip(&covariances) {
            *variance = (*variance - covariance * covariance).max(0.0);
        }
        self.imagined.push(covariances);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> Vec<Point> {
        (0..12)
            .map(|number| {
                let x = f64::from(number) / 11.0;
                let rung = (number % 3) as usize;
                Point {
                    features: vec![x, (7.0 * x).fract()],
                    rung,
                    cost: (6.0 * x).sin() + 0.1 * rung as f64,
                }
            })
            .collect()
    }

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
        let fitted = Hyperparameters::fit(&points());
        assert!(fitted.0[0] < fitted.0[1], "{fitted:?}");
        let before = Hyperparameters(Hyperparameters::prior(2)).density(&points()).unwrap().0;
        assert!(fitted.density(&points()).unwrap().0 > before);
    }

    #[test]
    fn it_is_sure_where_it_has_seen_and_not_elsewhere() {
        let points = points();
        let process = Process::new(&Hyperparameters::fit(&points), &points, 2).unwrap();
        let seen = points[3].features.clone();
        let prediction = process.predict(&[seen, vec![0.5, 5.0]], points[3].rung);
        assert!((prediction.means[0] - points[3].cost).abs() < 0.2);
        assert!(prediction.variances[0] < 0.1 * prediction.variances[1]);
    }

    #[test]
    fn what_is_left_out_is_missed_by_as_much_as_without_it() {
        let points = points();
        let hyperparameters = Hyperparameters::fit(&points);
        let errors = Process::new(&hyperparameters, &points, 2).unwrap().left_out();
        for (place, error) in errors.into_iter().enumerate() {
            let mut others = points.clone();
            let one = others.remove(place);
            let process = Process::new(&hyperparameters, &others, 2).unwrap();
            let expected = process.means(std::slice::from_ref(&one.features), one.rung)[0];
            assert!((one.cost - expected - error).abs() < 1e-6, "{place}");
            let predicted = process.predict(&[one.features], one.rung).means[0];
            assert!((expected - predicted).abs() < 1e-9);
        }
    }

    #[test]
    fn what_is_imagined_at_its_mean_makes_surer_as_if_it_had_been_seen() {
        let points = points();
        let hyperparameters = Hyperparameters::fit(&points);
        let process = Process::new(&hyperparameters, &points, 2).unwrap();
        let places = vec![vec![0.33, 0.8], vec![0.36, 0.7], vec![0.9, 0.1]];
        let mut prediction = process.predict(&places, 2);
        let mut all = points.clone();
        for place in [0, 2] {
            let (features, cost) = (places[place].clone(), prediction.means[place]);
            all.push(Point {
                features,
                rung: 2,
                cost,
            });
            prediction.imagine(place);
        }
        let expected = Process::new(&hyperparameters, &all, 2).unwrap();
        let expected = expected.predict(&places, 2);
        for place in 0..3 {
            assert!((prediction.variances[place] - expected.variances[place]).abs() < 1e-6);
            assert!((prediction.means[place] - expected.means[place]).abs() < 1e-6);
        }
    }

    #[test]
    fn the_same_point_many_times_is_no_harm() {
        let mut points = vec![points()[0].clone(); 40];
        points[3].cost = 1e3;
        let process = Process::new(&Hyperparameters::fit(&points), &points, 2).unwrap();
        let prediction = process.predict(&[vec![0.0, 0.0], vec![1.0, 1.0]], 0);
        assert!(
            prediction
                .means
                .iter()
                .chain(&prediction.variances)
                .all(|x| x.is_finite())
        );
        assert!(Process::new(&Hyperparameters::fit(&[]), &[], 0).is_none());
    }
}
