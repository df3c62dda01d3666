//! Every configuration of a space with a finite number of them, each once, in an order that depends on the seed: so that a study
//! that is stopped early has looked everywhere.

use hpo_protocol::Values;

use super::Request;
use crate::space::Cells;

/// The configurations of the trials of a request. After the last one they come again. None if nobody can count them: a study's file
/// with such a grid is not accepted.
pub(super) fn draw(request: &Request<'_>) -> Vec<Values> {
    let space = request.space;
    let Some(cells) = Cells::of(space) else {
        return Vec::new();
    };
    let configuration = |number| cells.configuration(shuffled(number, cells.count(), request.seed));
    let from = request.first.saturating_sub(space.try_first.len() as u64);
    if space.constraints.is_empty() {
        let wanted = from..from + request.count;
        return wanted.map(|number| configuration(number % cells.count())).collect();
    }
    let allowed = || (0..cells.count()).map(configuration).filter(|one| space.allows(one));
    let skip = usize::try_from(from).unwrap_or(usize::MAX);
    let count = usize::try_from(request.count).unwrap_or(usize::MAX);
    let mut drawn: Vec<Values> = allowed().skip(skip).take(count).collect();
    while drawn.len() < count {
        let missing = count - drawn.len();
        let before = drawn.len();
        drawn.extend(allowed().take(missing));
        if drawn.len() == before {
            break;
        }
    }
    drawn
}

/// The number that stands at a place of the numbers below `size` in the order of a seed: a Feistel network over the next power of
/// four (Luby and Rackoff, 1988), again until the number is below `size`.
fn shuffled(place: u64, size: u64, seed: u64) -> u64 {
    let half = (64 - (size - 1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1u64 << half) - 1;
    let mut number = place;
    loop {
        let (mut left, mut right) = (number >> half, number & mask);
        for round in 0..4u64 {
            let hash = mix(seed ^ mix(round << 32 ^ right));
            (left, right) = (right, left ^ (hash & mask));
        }
        number = left << half | right;
        if number < size {
            return number;
        }
    }
}

/// The finalizer of SplitMix64 (Steele et al., 2014).
fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::super::SamplerSpec;
    use super::*;
    use crate::space::SearchSpace;

    fn draw(space: &SearchSpace, seed: u64, first: u64, count: u64) -> Vec<Values> {
        SamplerSpec::Grid.draw(&Request {
            space,
            seed,
            rungs: &[1, 3],
            start: 0,
            first,
            count,
            observations: &[],
        })
    }

    proptest! {
        #[test]
        fn a_shuffle_has_every_number_once(size in 1..2000u64, seed: u64) {
            let numbers: BTreeSet<u64> = (0..size).map(|place| shuffled(place, size, seed)).collect();
            prop_assert!(numbers.len() as u64 == size && numbers.iter().all(|number| *number < size));
        }
    }

    #[test]
    fn the_largest_grids_can_be_shuffled() {
        assert!(shuffled(u64::MAX - 1, u64::MAX, 3) < u64::MAX);
        assert_ne!(shuffled(0, 1 << 60, 1), shuffled(0, 1 << 60, 2));
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
