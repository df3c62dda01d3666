//! Random search: every configuration is drawn on its own. Bergstra and Bengio, "Random Search for Hyper-Parameter
//! Optimization" (2012).

use hpo_protocol::Values;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::trial::TrialId;
use crate::space::SearchSpace;

/// What a random number is for. Each purpose has a stream of its own, so that a new one changes no other.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Configuration = 1,
    Training = 2,
}

/// The generator of one decision: a function of the study's seed, the trial and the purpose, with no state to store.
fn generator(study_seed: u64, trial: TrialId, purpose: Purpose) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&study_seed.to_le_bytes());
    key[8..16].copy_from_slice(&trial.to_le_bytes());
    key[16..24].copy_from_slice(&(purpose as u64).to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// The configuration of a trial.
pub fn configuration(space: &SearchSpace, study_seed: u64, trial: TrialId) -> Values {
    let mut rng = generator(study_seed, trial, Purpose::Configuration);
    space
        .parameters
        .iter()
        .map(|parameter| (parameter.name.clone(), parameter.distribution.sample(&mut rng)))
        .collect()
}

/// The seed a trial trains with, below 2^53 so that any JSON reader keeps it exactly.
pub fn training_seed(study_seed: u64, trial: TrialId) -> u64 {
    generator(study_seed, trial, Purpose::Training).next_u64() >> 11
}
