//! A Gaussian process over configurations and rungs: Rasmussen and Williams (2006), chapter 2 (regression).

use nalgebra::{DMatrix, DVector};

use crate::factor::Factor;
use crate::hyperparameters::{Hyperparameters, Point};
use crate::kernel::{Kernel, Places};
use crate::vectors::dot;

/// A Gaussian process that has seen points.
#[derive(Debug, Clone)]
pub struct Process {
    pub(crate) kernel: Kernel,
    pub(crate) places: Places,
    pub(crate) factor: Factor,
    pub(crate) weights: DVector<f64>,
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
            let below = j * count + j..(j + 1) * count;
            kernel.covariances(&places, j, &places, j, &mut covariance.as_mut_slice()[below]);
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
        let mut covariances = vec![0.0; self.places.count()];
        let mean = |j: usize| {
            self.kernel.covariances(&self.places, 0, &places, j, &mut covariances);
            dot(self.weights.as_slice(), &covariances)
        };
        (0..places.count()).map(mean).collect()
    }

    pub(crate) fn places_at(&self, places: &[Vec<f64>], rung: usize) -> Places {
        self.kernel.places(places.iter().map(|features| (&features[..], rung)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hyperparameters::Search;
    use crate::prediction::Prediction;
    use crate::tests::points;

    #[test]
    fn what_is_left_out_is_missed_by_as_much_as_without_it() {
        let points = points();
        let hyperparameters = Hyperparameters::fit(&points, Search::QuasiNewton);
        let errors = Process::new(&hyperparameters, &points, 2).unwrap().left_out();
        for (place, error) in errors.into_iter().enumerate() {
            let mut others = points.clone();
            let one = others.remove(place);
            let process = Process::new(&hyperparameters, &others, 2).unwrap();
            let expected = process.means(std::slice::from_ref(&one.features), one.rung)[0];
            assert!((one.cost - expected - error).abs() < 1e-6, "{place}");
            let predicted = Prediction::new(process, &[one.features], one.rung).mean(0);
            assert!((expected - predicted).abs() < 1e-9);
        }
    }

    #[test]
    fn the_same_point_many_times_is_no_harm() {
        let mut points = vec![points()[0].clone(); 40];
        points[3].cost = 1e3;
        let process = Process::new(&Hyperparameters::fit(&points, Search::QuasiNewton), &points, 2).unwrap();
        let mut prediction = Prediction::new(process, &[vec![0.0, 0.0], vec![1.0, 1.0]], 0);
        for place in 0..2 {
            assert!(prediction.mean(place).is_finite() && prediction.variance(place).is_finite());
        }
        assert!(Process::new(&Hyperparameters::fit(&[], Search::QuasiNewton), &[], 0).is_none());
    }
}
