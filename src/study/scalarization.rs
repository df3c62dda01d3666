//! Several objectives as one number, for samplers.
//!
//! For each configuration that is drawn they are weighed in another way, at random, so that together these lead everywhere on the front
//! (ParEGO: Knowles, "ParEGO: A Hybrid Algorithm with On-Line Landscape Approximation for Expensive Multiobjective Optimization
//! Problems", 2006, section III).

use rand::RngExt;

use super::pareto::Point;
use super::sampler::{Purpose, generator};
use super::score::Score;

/// The weight of the sum beside that of the largest: rho of Knowles, equation 2.
const SUM: f64 = 0.05;

/// Weights of so many objectives for the configuration of a number, drawn evenly from all that are positive and sum to 1.
pub(super) fn weights(seed: u64, number: u64, objectives: usize) -> Vec<f64> {
    let mut random = generator(seed, number, Purpose::Weights);
    let draws = (0..objectives).map(|_| -(1.0 - random.random::<f64>()).ln());
    let draws: Vec<f64> = draws.collect();
    let sum: f64 = draws.iter().sum();
    match sum > 0.0 {
        true => draws.iter().map(|draw| draw / sum).collect(),
        false => even(objectives),
    }
}

/// The same weight for each of so many objectives.
pub(super) fn even(objectives: usize) -> Vec<f64> {
    vec![1.0 / objectives.max(1) as f64; objectives]
}

/// The ranges of the costs that have been seen, by objective.
pub(super) struct Ranges(Vec<(f64, f64)>);

impl Ranges {
    /// Those of the finite costs of points with so many objectives.
    pub fn of<'a>(points: impl Iterator<Item = &'a Point>, objectives: usize) -> Self {
        let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); objectives];
        for point in points {
            for ((low, high), cost) in ranges.iter_mut().zip(&point.costs).filter(|(_, cost)| cost.is_finite()) {
                *low = low.min(*cost);
                *high = high.max(*cost);
            }
        }
        Self(ranges)
    }

    /// The augmented Tchebycheff function of the costs, each as a share of its range: the largest weighed one, and a little of their sum,
    /// so that of two points the one that dominates the other is lower.
    pub fn score(&self, point: &Point, weights: &[f64]) -> Score {
        let weighed = point.costs.iter().zip(&self.0).zip(weights);
        let weighed = weighed.map(|((cost, (low, high)), weight)| {
            let range = high - low;
            let share = if range > 0.0 && cost.is_finite() {
                (cost - low) / range
            } else {
                f64::from(cost.is_infinite())
            };
            weight * share
        });
        let (most, sum) = weighed.fold((0.0, 0.0), |(most, sum), share| (f64::max(most, share), sum + share));
        Score {
            violation: point.violation,
            cost: most + SUM * sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn weights_are_a_function_of_the_number_and_sum_to_one(seed: u64, number: u64, objectives in 1..5usize) {
            let drawn = weights(seed, number, objectives);
            prop_assert_eq!(&drawn, &weights(seed, number, objectives));
            prop_assert!((drawn.iter().sum::<f64>() - 1.0).abs() < 1e-9 && drawn.iter().all(|weight| *weight >= 0.0));
        }

        #[test]
        fn whatever_the_weights_one_that_dominates_is_lower(
            costs in prop::collection::vec(prop::collection::vec(0u8..9, 3), 2..9), seed: u64,
        ) {
            let points: Vec<Point> = costs
                .iter()
                .map(|costs| Point { violation: 0.0, costs: costs.iter().map(|cost| f64::from(*cost)).collect() })
                .collect();
            let ranges = Ranges::of(points.iter(), 3);
            let weights = weights(seed, 0, 3);
            let score = |point: &Point| ranges.score(point, &weights).cost;
            for (one, other) in points.iter().flat_map(|one| points.iter().map(move |other| (one, other))) {
                prop_assert!(!one.dominates(other) || score(one) < score(other) + 1e-12);
            }
        }
    }
}
