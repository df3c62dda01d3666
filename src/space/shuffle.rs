//! Numbers in an order that depends on a seed.

use hpo_data::finalise;

/// The number at a place of the numbers below `size` in the order of a seed: a Feistel network over the next power of
/// four (Luby and Rackoff, 1988), again until the number is below `size`.
pub fn shuffled(place: u64, size: u64, seed: u64) -> u64 {
    let half = (64 - (size - 1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1u64 << half) - 1;
    let mut number = place;
    loop {
        let (mut left, mut right) = (number >> half, number & mask);
        for round in 0..4u64 {
            let hash = finalise(seed ^ finalise(round << 32 ^ right));
            (left, right) = (right, left ^ (hash & mask));
        }
        number = left << half | right;
        if number < size {
            return number;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

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
}
