//! Every configuration of a space with a finite number of them, each once, in an order that depends on the seed: so that a study
//! that is stopped early has looked everywhere.

use std::collections::{HashMap, HashSet};

use hpo_protocol::Values;

use super::{Drawn, Learned, Purpose, Reason, Request, Sampler, generator};
use crate::keys::About;
use crate::space::{Cells, shuffled};

/// The sampler, which has no settings.
pub struct Grid;

impl Grid {
    pub(super) const ABOUT: About = About {
        name: "grid",
        in_short: "every configuration once, in an order that depends on the seed; those of `[[try_first]]` come \
                   first, and are not repeated",
        choose: "with a small finite space that you want to cover completely; more than 2^64 configurations are \
                 refused",
        keys: &[],
        keys_if_learning: &[],
    };
}

impl Sampler for Grid {
    fn is_adaptive(&self) -> bool {
        false
    }

    fn uses_priors(&self) -> bool {
        false
    }

    fn tried_first(&self, request: &Request<'_>) -> Vec<Values> {
        let first = first(request).into_iter();
        let skipped = usize::try_from(request.first).unwrap_or(usize::MAX);
        let count = usize::try_from(request.count).unwrap_or(usize::MAX);
        first.skip(skipped).take(count).collect()
    }

    /// After the last configuration all come again. There are none if nobody can count them: a study's file with such a grid is not
    /// accepted.
    fn draw(&self, request: &Request<'_>, _: &Learned) -> Vec<Drawn> {
        let Some(cells) = Cells::of(request.history.space) else {
            return Vec::new();
        };
        let first = first(request);
        let from = request.first.saturating_sub(first.len() as u64);
        let next = match request.history.space.constraints.is_empty() {
            true => numbered(request.seed, &cells, &first, from, request.count),
            false => allowed(request, &cells, &first, from),
        };
        next.into_iter().map(|one| Drawn::new(one, Reason::Grid)).collect()
    }
}

/// What is tried first.
fn first(request: &Request<'_>) -> Vec<Values> {
    let space = request.history.space;
    let cells = (0..).zip(space.first_cells(request.seed));
    // A study's file in which one is missing is not accepted.
    let any = |trial| space.first(trial, &mut generator(request.seed, trial, Purpose::Configuration));
    cells.filter_map(|(trial, cell)| cell.or_else(|| any(trial))).collect()
}

/// Configurations after the first ones where all are allowed: none needs to be drawn to know a later one.
fn numbered(seed: u64, cells: &Cells<'_>, first: &[Values], from: u64, count: u64) -> Vec<Values> {
    let mut tried: HashMap<&Values, u64> = HashMap::new();
    for one in first {
        let number = tried.len() as u64;
        tried.entry(one).or_insert(number);
    }
    let at = |place| cells.configuration(shuffled(place, cells.count(), seed));
    let left = cells.count().saturating_sub(tried.len() as u64);
    let configuration = |place: u64| {
        if place >= left {
            return at((place - left) % cells.count());
        }
        // Each that was tried stands for one of the last places, none of which is drawn otherwise.
        let mut configuration = at(place);
        while let Some(number) = tried.get(&configuration) {
            configuration = at(left + number);
        }
        configuration
    };
    (from..from + count).map(configuration).collect()
}

/// Configurations after the first ones that the constraints allow.
fn allowed(request: &Request<'_>, cells: &Cells<'_>, first: &[Values], from: u64) -> Vec<Values> {
    let all = || {
        (0..cells.count())
            .map(|place| cells.configuration(shuffled(place, cells.count(), request.seed)))
            .filter(|one| request.history.space.allows(one))
    };
    if request.count == 0 || all().next().is_none() {
        return Vec::new();
    }
    let tried: HashSet<&Values> = first.iter().collect();
    let left = all().filter(|one| !tried.contains(one));
    let endless = left.chain(std::iter::repeat_with(all).flatten());
    let skipped = usize::try_from(from).unwrap_or(usize::MAX);
    let count = usize::try_from(request.count).unwrap_or(usize::MAX);
    endless.skip(skipped).take(count).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::super::{History, SamplerSpec};
    use super::*;
    use crate::space::SearchSpace;

    fn draw(space: &SearchSpace, seed: u64, first: u64, count: u64) -> Vec<Values> {
        SamplerSpec::Grid.draw(&Request {
            history: History {
                space,
                rungs: &[1, 3],
                observations: &[],
            },
            seed,
            start: 0,
            first,
            count,
        })
    }

    /// Parameters with few values that depend on each other, and a constraint.
    fn small(with_constraint: bool, try_first: serde_json::Value) -> SearchSpace {
        let constraints: &[&str] = if with_constraint {
            &["k != 2 or kind == 'a'"]
        } else {
            &[]
        };
        serde_json::from_value(json!({
            "parameters": [
                {"name": "half", "distribution": {"type": "uniform", "low": 0, "high": 0.35, "step": 0.1},
                 "when": [{"parameter": "kind", "values": ["b", "c"]}]},
                {"name": "k", "distribution": {"type": "integer", "low": 1, "high": 3}},
                {"name": "kind", "distribution": {"type": "choice", "values": ["a", "b", "c"]}},
                {"name": "more", "distribution": {"type": "choice", "values": [true, false]},
                 "when": [{"parameter": "half", "values": [0.1, 0.3]}]},
            ],
            "constraints": constraints,
            "try_first": try_first,
        }))
        .unwrap()
    }

    /// Some values of a configuration, as a person would write them.
    fn part() -> impl Strategy<Value = serde_json::Value> {
        let values = |values: &[serde_json::Value]| prop::option::of(prop::sample::select(values.to_vec()));
        (
            values(&[json!(0.0), json!(0.1), json!(0.3), json!(0.300_000_000_01)]),
            values(&[json!(1), json!(2), json!(3)]),
            values(&[json!("a"), json!("b"), json!("c")]),
            values(&[json!(true), json!(false)]),
        )
            .prop_map(|(half, k, kind, more)| {
                let values = [("half", half), ("k", k), ("kind", kind), ("more", more)];
                values
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value?)))
                    .collect()
            })
    }

    proptest! {
        #[test]
        fn whatever_is_tried_first_every_configuration_comes_once(
            parts in prop::collection::vec(part(), 0..8), with_constraint: bool, seed: u64, piece in 1..40u64,
        ) {
            let mut space = small(with_constraint, json!(parts));
            // What a study's file refuses: more of the same than there are.
            let found = space.first_cells(seed);
            let mut found = found.iter().map(Option::is_some);
            space.try_first.retain(|_| found.next().unwrap());
            let all: BTreeSet<String> = {
                let cells = Cells::of(&space).unwrap();
                let all = (0..cells.count()).map(|number| cells.configuration(number));
                all.filter(|one| space.allows(one)).map(|one| json!(one).to_string()).collect()
            };
            let mut drawn = Vec::new();
            while drawn.len() < all.len() {
                let count = piece.min((all.len() - drawn.len()) as u64);
                drawn.extend(draw(&space, seed, drawn.len() as u64, count));
            }
            for (given, one) in space.try_first.iter().zip(&drawn) {
                for (name, value) in given {
                    let near = value.as_f64().zip(one[name].as_f64()).is_some_and(|(a, b)| (a - b).abs() < 1e-6);
                    prop_assert!(near || one[name] == *value, "{given:?} {one:?}");
                }
            }
            let drawn: BTreeSet<String> = drawn.iter().map(|one| json!(one).to_string()).collect();
            prop_assert_eq!(drawn, all);
        }
    }

    #[test]
    fn a_part_that_fits_several_leaves_the_others_theirs() {
        let whole = |more: bool| json!({"k": 1, "kind": "b", "half": 0.1, "more": more});
        let part = json!({"k": 1, "half": 0.1, "kind": "b"});
        for first in [
            json!([part, whole(true)]),
            json!([part, whole(false)]),
            json!([whole(true), part]),
        ] {
            let first = small(true, first).first_cells(7);
            let different: BTreeSet<String> = first.iter().flatten().map(|one| json!(one).to_string()).collect();
            assert_eq!(different.len(), 2);
        }
        let three = small(true, json!([part, part, part])).first_cells(7);
        let found: Vec<bool> = three.iter().map(Option::is_some).collect();
        assert_eq!(found, [true, true, false], "there are two of them");
    }

    #[test]
    fn what_was_tried_first_does_not_come_again() {
        let space: SearchSpace = serde_json::from_value(json!({
            "parameters": [{"name": "k", "distribution": {"type": "choice", "values": [1, 2, 3]}}],
            "try_first": [{"k": 3}],
        }))
        .unwrap();
        let mut drawn: Vec<i64> = draw(&space, 0, 0, 3)
            .iter()
            .map(|one| one["k"].as_i64().unwrap())
            .collect();
        assert_eq!(drawn[0], 3);
        drawn.sort_unstable();
        assert_eq!(drawn, [1, 2, 3]);
    }

    #[test]
    fn every_configuration_comes_once_in_pieces_of_any_size() {
        let space: SearchSpace = serde_json::from_value(json!({
            "parameters": [
                {"name": "rate", "distribution": {"type": "log_uniform", "low": 1e-5, "high": 1e-4, "step": 1e-5}},
                {"name": "layers", "distribution": {"type": "integer", "low": 0, "high": 6, "step": 2}},
                {"name": "fixed", "distribution": {"type": "fixed", "value": 7}},
                {"name": "kind", "distribution": {"type": "choice", "values": ["sgd", "adamw"]}},
                {"name": "momentum", "distribution": {"type": "choice", "values": [0.8, 0.9]},
                 "when": [{"parameter": "kind", "values": ["sgd"]}]},
            ],
            "constraints": ["layers > 0 or rate < 5e-5"],
        }))
        .unwrap();
        // Layers 2, 4, 6 with any rate, 0 with four of ten; three of kind and momentum.
        let expected = (3 * 10 + 4) * 3;
        let mut all = draw(&space, 5, 0, 40);
        all.extend(draw(&space, 5, 40, expected - 40));
        let different: BTreeSet<String> = all.iter().map(|values| json!(values).to_string()).collect();
        assert_eq!(different.len() as u64, expected);
        assert_eq!(draw(&space, 5, expected, 2), all[..2], "then again");
        assert_ne!(draw(&space, 6, 0, 40), all[..40]);
    }
}
