//! Random search: every configuration is drawn on its own. Bergstra and Bengio, "Random Search for Hyper-Parameter
//! Optimization" (2012).

use super::{Drawn, Learned, Purpose, Reason, Request, Sampler, generator};
use crate::keys::About;

/// The sampler, which has no settings.
pub struct Random;

impl Random {
    pub(super) const ABOUT: About = About {
        name: "random",
        in_short: "every configuration independently (Bergstra and Bengio, 2012)",
        choose: "for an unbiased picture of the whole space",
        keys: &[],
        keys_if_learning: &[],
    };
}

impl Sampler for Random {
    fn is_adaptive(&self) -> bool {
        false
    }

    fn uses_priors(&self) -> bool {
        false
    }

    fn draw(&self, request: &Request<'_>, _: &Learned) -> Vec<Drawn> {
        let draw = |trial| {
            let mut random = generator(request.seed, trial, Purpose::Configuration);
            Drawn::new(request.history.space.sample(&mut random), Reason::Random)
        };
        request.trials().map(draw).collect()
    }
}
