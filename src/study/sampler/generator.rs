//! Random numbers: each decision has a generator of its own.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::ids::TrialId;

/// What a random number is for. Each purpose has a stream of its own, so that a new one changes no other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Configuration = 1,
    Training = 2,
    Model = 3,
    Importance = 4,
    Confirmation = 5,
    Weights = 6,
}

/// The generator of one decision: a function of the study's seed, the number of what it is about (a configuration of the search,
/// a trial) and the purpose, with no state to store.
pub(crate) fn generator(study_seed: u64, number: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&study_seed.to_le_bytes());
    key[8..16].copy_from_slice(&number.to_le_bytes());
    key[16..24].copy_from_slice(&(purpose as u64).to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// The seed, one of the first `seeds`, that the trial of the search's configuration `number` trains with.
pub(in crate::study) fn training_seed(study_seed: u64, number: u64, seeds: u64) -> u64 {
    (generator(study_seed, number, Purpose::Training).next_u64() >> 11) % seeds
}

/// The seed, one of the first `seeds`, of the `number`-th run (from 0) that confirms a trial; not the trial's own.
pub(in crate::study) fn confirmation_seed(study_seed: u64, trial: TrialId, own: u64, number: u64, seeds: u64) -> u64 {
    let mut random = generator(study_seed, trial.0, Purpose::Confirmation);
    let mut next = || {
        loop {
            let seed = (random.next_u64() >> 11) % seeds;
            if seed != own {
                return seed;
            }
        }
    };
    for _ in 0..number {
        next();
    }
    next()
}
