//! Random search: every configuration is drawn on its own. Bergstra and Bengio, "Random Search for Hyper-Parameter
//! Optimization" (2012).

use hpo_protocol::Values;

use super::{Purpose, generator};
use crate::space::SearchSpace;

/// The configuration of a trial.
pub(super) fn configuration(space: &SearchSpace, study_seed: u64, number: u64) -> Values {
    space.sample(&mut generator(study_seed, number, Purpose::Configuration))
}
