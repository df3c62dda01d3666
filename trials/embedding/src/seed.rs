//! Seeds, and the order in which an epoch takes its examples.

use hpo_data::mix;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A seed of its own for each `(seed, purpose, count)`: two rounds of SplitMix64 (Steele et al., 2014).
pub fn derive(seed: u64, purpose: u64, count: u64) -> u64 {
    mix(mix(mix(seed) ^ purpose) ^ count)
}

/// The purpose of [`derive`] for the order of an epoch.
const ORDER: u64 = 1;

/// The order in which an epoch (from 0) takes `rows` examples: a permutation of `0..rows`.
pub fn order(seed: u64, epoch: u64, rows: usize) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(derive(seed, ORDER, epoch));
    let mut order: Vec<usize> = (0..rows).collect();
    // A shuffle of our own: that of a library may change with its version, and with it the bits of a resumed trial.
    for last in (1..rows).rev() {
        let drawn = (u128::from(random.next_u64()) * (last as u128 + 1)) >> 64;
        order.swap(last, drawn as usize);
    }
    order
}
