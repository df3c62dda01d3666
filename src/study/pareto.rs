//! Trials with several objectives: which are not dominated, and in which order they are promoted.

use std::cmp::Ordering;

use super::score::Score;
use crate::ids::TrialId;

/// What a trial comes to by all objectives.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// As in [`Score`].
    pub violation: f64,
    /// The cost by each objective, in the order of the study's; lower is better.
    pub costs: Vec<f64>,
}

impl Point {
    /// Whether it is better than another one: if it breaks what is required less, or as much and is no worse by any objective and better
    /// by one (Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", 2002, section VI).
    pub fn dominates(&self, other: &Self) -> bool {
        match self.violation.total_cmp(&other.violation) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => {
                let pairs = || self.costs.iter().zip(&other.costs);
                pairs().all(|(own, than)| own <= than) && pairs().any(|(own, than)| own < than)
            }
        }
    }

    /// An order in which none comes before one that dominates it.
    fn lexicographic(&self, other: &Self) -> Ordering {
        let pairs = self.costs.iter().zip(&other.costs);
        let by_costs = pairs.map(|(own, than)| (own + 0.0).total_cmp(&(than + 0.0)));
        let by_costs = by_costs.fold(Ordering::Equal, Ordering::then);
        self.violation.total_cmp(&other.violation).then(by_costs)
    }

    /// By the first objective alone.
    pub fn score(&self) -> Score {
        Score {
            violation: self.violation,
            cost: self.costs.first().copied().unwrap_or(f64::INFINITY),
        }
    }
}

/// The places of the points in fronts: those that no other dominates, then those that only these dominate, and so on (Zhang et al., "An
/// Efficient Approach to Nondominated Sorting for Evolutionary Multiobjective Optimization", 2015: binary search). Each front is
/// in lexicographic order.
pub fn fronts(points: &[&Point]) -> Vec<Vec<usize>> {
    let mut sorted: Vec<usize> = (0..points.len()).collect();
    sorted.sort_by(|&a, &b| points[a].lexicographic(points[b]).then(a.cmp(&b)));
    let mut fronts: Vec<Vec<usize>> = Vec::new();
    for place in sorted {
        // Those nearest by the first objective most likely dominate it. Whatever a front dominates, those before it do.
        let dominated = |front: &Vec<usize>| front.iter().rev().any(|&other| points[other].dominates(points[place]));
        let first = fronts.partition_point(dominated);
        match fronts.get_mut(first) {
            Some(front) => front.push(place),
            None => fronts.push(vec![place]),
        }
    }
    fronts
}

/// How far apart the neighbours of each point of a front are, summed over the objectives, each as a share of its range; infinite at the
/// ends of each (crowding distance: Deb et al., 2002, section III B).
fn crowding(front: &[&Point]) -> Vec<f64> {
    let mut distances = vec![0.0; front.len()];
    for objective in 0..front.first().map_or(0, |first| first.costs.len()) {
        let cost = |place: usize| front[place].costs[objective];
        let mut sorted: Vec<usize> = (0..front.len()).collect();
        sorted.sort_by(|&a, &b| cost(a).total_cmp(&cost(b)));
        let (Some(&first), Some(&last)) = (sorted.first(), sorted.last()) else {
            return distances;
        };
        let range = cost(last) - cost(first);
        // All that are equal to an end are ends, whatever the order of the points.
        for &place in &sorted {
            if cost(place) == cost(first) || cost(place) == cost(last) {
                distances[place] = f64::INFINITY;
            }
        }
        for three in sorted.windows(3).filter(|_| range.is_finite() && range > 0.0) {
            distances[three[1]] += (cost(three[2]) - cost(three[0])) / range;
        }
    }
    distances
}

/// The trials in the order in which they are promoted: front by front, and within a front those with the most room around them first,
/// so that the first ones are spread over it; equals by number.
pub fn ranked<'a>(points: impl IntoIterator<Item = (TrialId, &'a Point)>) -> Vec<TrialId> {
    let mut all: Vec<(TrialId, &Point)> = points.into_iter().collect();
    all.sort_unstable_by_key(|(trial, _)| *trial);
    let points: Vec<&Point> = all.iter().map(|(_, point)| *point).collect();
    let mut order = Vec::with_capacity(all.len());
    for front in fronts(&points) {
        let members: Vec<&Point> = front.iter().map(|&place| points[place]).collect();
        let mut spread: Vec<(f64, TrialId)> = front
            .iter()
            .zip(crowding(&members))
            .map(|(&place, distance)| (distance, all[place].0))
            .collect();
        spread.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        order.extend(spread.into_iter().map(|(_, trial)| trial));
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(objectives: usize) -> impl Strategy<Value = Vec<Point>> {
        let point = (
            prop_oneof![4 => Just(0.0), 1 => Just(0.5), 1 => Just(f64::INFINITY)],
            prop::collection::vec(0u8..6, objectives),
        );
        let point = point.prop_map(|(violation, costs)| Point {
            violation,
            costs: costs.into_iter().map(f64::from).collect(),
        });
        prop::collection::vec(point, 0..40)
    }

    /// Deb et al., 2002, section III A: those that no other dominates are taken away until nothing is left.
    fn by_definition(points: &[Point]) -> Vec<Vec<usize>> {
        let mut left: Vec<usize> = (0..points.len()).collect();
        let mut fronts = Vec::new();
        while !left.is_empty() {
            let dominated = |place: &usize| left.iter().any(|&other| points[other].dominates(&points[*place]));
            let front: Vec<usize> = left.iter().copied().filter(|place| !dominated(place)).collect();
            left.retain(|place| !front.contains(place));
            fronts.push(front);
        }
        fronts
    }

    proptest! {
        #[test]
        fn fronts_are_those_of_the_definition(points in (1..4usize).prop_flat_map(points)) {
            let all: Vec<&Point> = points.iter().collect();
            let mut found = fronts(&all);
            found.iter_mut().for_each(|front| front.sort_unstable());
            prop_assert_eq!(found, by_definition(&points));
        }

        #[test]
        fn the_order_is_a_function_of_the_set(points in points(2), shuffle in any::<u64>()) {
            let numbered: Vec<(TrialId, &Point)> = (0..).map(TrialId).zip(&points).collect();
            let mut shuffled = numbered.clone();
            shuffled.sort_by_key(|(trial, _)| (trial.0 + 1).wrapping_mul(shuffle | 1));
            let order = ranked(numbered.iter().copied());
            prop_assert_eq!(&order, &ranked(shuffled));
            prop_assert_eq!(order.len(), points.len());
            // None comes before one that dominates it.
            for (place, trial) in order.iter().enumerate() {
                for before in &order[..place] {
                    prop_assert!(!points[trial.0 as usize].dominates(&points[before.0 as usize]));
                }
            }
        }

        #[test]
        fn with_one_objective_it_is_the_order_of_scores(points in points(1)) {
            let numbered: Vec<(TrialId, &Point)> = (0..).map(TrialId).zip(&points).collect();
            let mut expected = numbered.clone();
            expected.sort_by_key(|(trial, point)| (point.score(), *trial));
            let expected: Vec<TrialId> = expected.into_iter().map(|(trial, _)| trial).collect();
            prop_assert_eq!(ranked(numbered), expected);
        }
    }

    #[test]
    fn the_first_of_a_front_are_its_ends_and_then_those_with_room() {
        let costs = [
            [0.0, 10.0],
            [1.0, 9.0],
            [2.0, 8.0],
            [6.0, 3.0],
            [10.0, 0.0],
            [10.0, 10.0],
        ];
        let points = costs.map(|costs| Point {
            violation: 0.0,
            costs: costs.to_vec(),
        });
        let order = ranked((0..).map(TrialId).zip(&points));
        assert_eq!(
            order.iter().map(|trial| trial.0).collect::<Vec<_>>(),
            [0, 4, 3, 2, 1, 5]
        );
    }
}
