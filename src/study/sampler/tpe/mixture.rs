//! Densities of configurations: kernels around those that have been seen.

use rand::{Rng, RngExt};
use statrs::statistics::Statistics;

use super::super::axis::Axis;
use crate::space::{Around, UnitNormal};

/// The narrowest kernel among many points, as a share of the range: Watanabe, section 3.3.4.
const NARROWEST: f64 = 0.03;
/// The probability with which a choice changes: Watanabe, section 3.3.3.
const CHANGED: f64 = 0.2;

/// A mixture of kernels around points, and of a wide one, which the user's priors replace.
#[derive(Debug)]
pub(super) struct Mixture {
    axes: Vec<Axis>,
    priors: Vec<Option<Around>>,
    points: Vec<Vec<Option<f64>>>,
    weights: Vec<f64>,
    /// The kernels' width on each axis.
    widths: Vec<f64>,
    /// The kernels on each axis.
    kernels: Vec<Kernels>,
    /// The weights of all, the wide one included.
    total: f64,
}

impl Mixture {
    /// Of points with their weights.
    pub fn new(axes: Vec<Axis>, priors: Vec<Option<Around>>, points: Vec<(f64, Vec<Option<f64>>)>) -> Self {
        let searched = axes.iter().filter(|axis| **axis != Axis::Constant).count() as f64;
        // Scott's rule (1992) for as many parameters.
        let scott = (points.len().max(1) as f64).powf(-1.0 / (searched + 4.0));
        // Few points do not say how wide they lie (magic clipping: Watanabe, section 3.3.4).
        let narrowest = NARROWEST.max(1.0 / (1.0 + points.len() as f64));
        let width = |place: usize| {
            let own = points
                .iter()
                .filter_map(|(_, point)| Some(line(&axes[place], point[place]?)));
            // Not much narrower than a step, so that neighbours are seen.
            let steps = match &axes[place] {
                Axis::Line { steps: Some(steps) } => *steps as f64,
                Axis::Ranks(ranks) => ranks.len() as f64,
                Axis::Line { steps: None } | Axis::Constant | Axis::Categories(_) => f64::INFINITY,
            };
            (deviation(own) * scott).max(narrowest).max(0.5 / steps)
        };
        let mut mixture = Self {
            widths: (0..axes.len()).map(width).collect(),
            kernels: axes.iter().map(Kernels::none).collect(),
            axes,
            priors,
            points: Vec::new(),
            weights: Vec::new(),
            total: 1.0,
        };
        for (weight, point) in points {
            mixture.add(point, weight);
        }
        mixture
    }

    /// One more point.
    pub fn add(&mut self, point: Vec<Option<f64>>, weight: f64) {
        for (place, kernels) in self.kernels.iter_mut().enumerate() {
            kernels.add(&self.axes[place], point[place], self.widths[place]);
        }
        self.points.push(point);
        self.weights.push(weight);
        self.total += weight;
    }

    /// How many points there are.
    pub fn count(&self) -> u64 {
        self.points.len() as u64
    }

    /// A point of the unit cube.
    pub fn sample(&self, random: &mut impl Rng) -> Vec<f64> {
        let mut left = random.random::<f64>() * self.total;
        let around = self.weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        (0..self.axes.len())
            .map(|place| match around.and_then(|around| self.points[around][place]) {
                Some(own) => self.near(place, own, random),
                None => match self.priors[place] {
                    Some(prior) => prior.sample(random),
                    None => random.random(),
                },
            })
            .collect()
    }

    /// A coordinate near another one.
    fn near(&self, axis: usize, own: f64, random: &mut impl Rng) -> f64 {
        match &self.axes[axis] {
            Axis::Constant => own,
            Axis::Line { .. } => UnitNormal::new(own, self.widths[axis]).at(random.random()),
            Axis::Ranks(ranks) => {
                let moved = UnitNormal::new(line(&self.axes[axis], own), self.widths[axis]).at(random.random());
                let rank = ((moved * ranks.len() as f64) as usize).min(ranks.len() - 1);
                let place = ranks.iter().position(|other| *other == rank).unwrap_or(0);
                (place as f64 + 0.5) / ranks.len() as f64
            }
            Axis::Categories(_) if random.random::<f64>() < CHANGED => random.random(),
            Axis::Categories(_) => own,
        }
    }

    /// The density, where that of even draws is 1. Parameters that either side does not have say nothing.
    pub fn density(&self, point: &[Option<f64>]) -> f64 {
        let wide: f64 = (0..point.len())
            .filter_map(|place| Some(self.priors[place]?.density(point[place]?)))
            .product();
        let mut densities = self.weights.clone();
        let mut squares = vec![0.0; densities.len()];
        for ((kernels, axis), coordinate) in self.kernels.iter().zip(&self.axes).zip(point) {
            if let Some(coordinate) = coordinate {
                kernels.multiply(axis, *coordinate, &mut densities, &mut squares);
            }
        }
        let near = densities.iter().zip(&squares);
        let near: f64 = near.map(|(density, square)| density * (-0.5 * square).exp()).sum();
        ((wide + near) / self.total).max(f64::MIN_POSITIVE)
    }
}

/// The kernels of all points on one axis, so that what is the same for all candidates is computed once.
#[derive(Debug)]
enum Kernels {
    /// A constant says nothing.
    Constant,
    /// Truncated normal distributions.
    Normal {
        centres: Vec<f64>,
        /// One by the width; 0 for a point that does not have the parameter.
        sharpness: Vec<f64>,
        /// The density at the centre; 1 for a point that does not have the parameter.
        heights: Vec<f64>,
    },
    /// Aitchison and Aitken (1976), for so many values, around the number of one; none for a point that does not have the parameter.
    Category { count: usize, places: Vec<Option<usize>> },
}

impl Kernels {
    fn none(axis: &Axis) -> Self {
        match axis {
            Axis::Constant => Self::Constant,
            Axis::Line { .. } | Axis::Ranks(_) => Self::Normal {
                centres: Vec::new(),
                sharpness: Vec::new(),
                heights: Vec::new(),
            },
            Axis::Categories(count) => Self::Category {
                count: *count,
                places: Vec::new(),
            },
        }
    }

    fn add(&mut self, axis: &Axis, own: Option<f64>, width: f64) {
        match self {
            Self::Constant => {}
            Self::Normal {
                centres,
                sharpness,
                heights,
            } => {
                let centre = own.map(|own| line(axis, own));
                centres.push(centre.unwrap_or(0.0));
                sharpness.push(centre.map_or(0.0, |_| 1.0 / width));
                heights.push(centre.map_or(1.0, |centre| UnitNormal::new(centre, width).density(centre)));
            }
            Self::Category { places, .. } => places.push(own.and_then(|own| axis.place(own))),
        }
    }

    /// Multiplies densities by those of a coordinate, and adds to the squares of the distances, in widths, of which they fall off.
    fn multiply(&self, axis: &Axis, coordinate: f64, densities: &mut [f64], squares: &mut [f64]) {
        match self {
            Self::Constant => {}
            Self::Normal {
                centres,
                sharpness,
                heights,
            } => {
                let x = line(axis, coordinate);
                for (square, (centre, sharpness)) in squares.iter_mut().zip(centres.iter().zip(sharpness)) {
                    let away = (x - centre) * sharpness;
                    *square += away * away;
                }
                for (density, height) in densities.iter_mut().zip(heights) {
                    *density *= height;
                }
            }
            Self::Category { count, places } => {
                let own = axis.place(coordinate);
                let same = CHANGED + (1.0 - CHANGED) * *count as f64;
                for (density, place) in densities.iter_mut().zip(places) {
                    *density *= match place {
                        None => 1.0,
                        Some(_) if *place == own => same,
                        Some(_) => CHANGED,
                    };
                }
            }
        }
    }
}

/// Where a coordinate lies among numbers in order.
fn line(axis: &Axis, coordinate: f64) -> f64 {
    match (axis, axis.place(coordinate)) {
        (Axis::Ranks(ranks), Some(place)) => (ranks[place] as f64 + 0.5) / ranks.len() as f64,
        _ => coordinate,
    }
}

/// The standard deviation of coordinates; that of even draws for less than two.
fn deviation(coordinates: impl Iterator<Item = f64>) -> f64 {
    let coordinates: Vec<f64> = coordinates.collect();
    let deviation = coordinates.iter().std_dev();
    if deviation.is_finite() {
        deviation
    } else {
        1.0 / 12f64.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn axes() -> Vec<Axis> {
        vec![
            Axis::Line { steps: None },
            Axis::Categories(3),
            Axis::Ranks(vec![1, 0, 2, 3]),
            Axis::Constant,
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn densities_are_those_of_the_draws(
            points in prop::collection::vec((0.1..3.0f64, prop::collection::vec(prop::option::of(0.0..1.0f64), 4)), 1..6), seed: u64,
        ) {
            let mixture = Mixture::new(axes(), vec![None; 4], points);
            // The mean over even draws of a density is 1, and half of the draws lie where half of the density is.
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut even = || (0..4).map(|_| Some(random.random::<f64>())).collect::<Vec<_>>();
            let mut masses = [0.0, 0.0];
            for _ in 0..8000 {
                let point = even();
                masses[usize::from(point[0].unwrap() < 0.5 && point[2].unwrap() < 0.5)] += mixture.density(&point) / 8000.0;
            }
            prop_assert!((masses[0] + masses[1] - 1.0).abs() < 0.15, "{:?}", masses);
            let mut random = ChaCha8Rng::seed_from_u64(seed ^ 1);
            let inside = (0..4000).filter(|_| {
                let point = mixture.sample(&mut random);
                point[0] < 0.5 && point[2] < 0.5
            });
            let inside = inside.count() as f64 / 4000.0;
            prop_assert!((inside - masses[1]).abs() < 0.1, "{} {:?}", inside, masses);
        }
    }
}
