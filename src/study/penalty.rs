//! Scores as costs, for samplers, which compare numbers.

use std::collections::BTreeSet;

use hpo_protocol::Values;

use super::pareto::Point;
use super::sampler::Observation;
use super::scalarization::Ranges;
use super::score::Score;

/// What is known of a trial when others are drawn.
pub(super) struct Seen<'a> {
    /// Its configuration.
    pub parameters: &'a Values,
    /// What it comes to up to each rung that it has reached, by the rung's resource, ascending.
    pub points: Vec<(u64, Point)>,
    /// Whether it has diverged, or failed for good.
    pub failed: bool,
}

/// What a sampler is shown: an infeasible trial is worse than every feasible one, and the more so the more it breaks what is required
/// (Deb, 2000, equation 4). Its own cost says nothing then, so that the sampler first looks for what is feasible. The penalty is at most
/// twice the range of the costs of the feasible, so that these still differ in a model of all.
///
/// Several objectives are weighed first.
///
/// At rungs at which nobody's metrics are known nothing is compared by them, and costs stay as they are.
pub(super) fn penalized<'a>(seen: Vec<Seen<'a>>, weights: &[f64]) -> Vec<Observation<'a>> {
    let points = || seen.iter().flat_map(|one| one.points.iter());
    let ranges = Ranges::of(points().map(|(_, point)| point), weights.len());
    let scored = |point: &Point| match weights.len() {
        0 | 1 => point.score(),
        _ => ranges.score(point, weights),
    };
    let scores = || points().map(|(rung, point)| (*rung, scored(point)));
    let known: BTreeSet<u64> = scores()
        .filter(|(_, score)| score.violation.is_finite())
        .map(|(rung, _)| rung)
        .collect();
    let feasible = scores()
        .filter(|(_, score)| score.is_feasible())
        .map(|(_, score)| score.cost);
    let range = feasible.fold(None, |range: Option<(f64, f64)>, cost| {
        let (low, high) = range.unwrap_or((cost, cost));
        Some((low.min(cost), high.max(cost)))
    });
    let cost = |(rung, point): &(u64, Point)| {
        let (rung, score): (u64, Score) = (*rung, scored(point));
        if score.is_feasible() || !known.contains(&rung) {
            return (rung, score.cost);
        }
        let violation = score.violation;
        let share = if violation.is_finite() {
            violation / (1.0 + violation)
        } else {
            1.0
        };
        let cost = match range {
            Some((low, high)) if high > low => high + (high - low) * (1.0 + share),
            Some((_, high)) => high + high.abs().max(1.0) * (1.0 + share),
            None => share,
        };
        (rung, cost)
    };
    let observation = |one: &Seen<'a>| Observation {
        parameters: one.parameters,
        costs: one.points.iter().map(cost).collect(),
        failed: one.failed,
    };
    seen.iter().map(observation).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn costs(scores: &[(u64, f64, f64)]) -> Vec<f64> {
        let parameters = Values::new();
        let seen = scores.iter().map(|&(rung, violation, cost)| Seen {
            parameters: &parameters,
            points: vec![(
                rung,
                Point {
                    violation,
                    costs: vec![cost],
                },
            )],
            failed: false,
        });
        let all = penalized(seen.collect(), &[]);
        all.iter().map(|one| one.costs[0].1).collect()
    }

    proptest! {
        #[test]
        fn they_are_in_the_order_of_the_scores(
            scores in prop::collection::vec((prop_oneof![Just(0.0), Just(f64::INFINITY), 1e-3..1e3f64], -5.0..5.0f64), 1..12),
        ) {
            let rows: Vec<(u64, f64, f64)> = scores.iter().map(|&(violation, cost)| (1, violation, cost)).collect();
            let costs = costs(&rows);
            let known = scores.iter().any(|(violation, _)| violation.is_finite());
            for (a, &(violation, cost)) in scores.iter().enumerate() {
                for (b, &(other, than)) in scores.iter().enumerate() {
                    let before = match violation == other {
                        true => (violation == 0.0 || !known) && cost < than,
                        false => violation < other,
                    };
                    prop_assert!(!before || costs[a] < costs[b], "{:?} {:?}", rows, costs);
                }
            }
        }
    }

    #[test]
    fn a_rung_at_which_nothing_is_known_stays_as_it_is() {
        let rows = [
            (1, f64::INFINITY, 0.5),
            (1, f64::INFINITY, 0.25),
            (3, 0.0, 0.25),
            (3, 1.0, 0.125),
            (3, f64::INFINITY, 0.0),
        ];
        assert_eq!(costs(&rows), [0.5, 0.25, 0.25, 0.25 + 1.5, 0.25 + 2.0]);
    }
}
