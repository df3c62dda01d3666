//! Samplers: which configuration is tried next.
//!
//! A sampler is a file of its own and a line of [`SamplerSpec`].

mod axis;
mod generator;
mod gp;
mod grid;
mod keys;
mod prior_band;
mod random;
mod reason;
mod request;
mod revision;
mod sobol;
#[cfg(test)]
mod tests;
mod tpe;
mod untried;

use hpo_protocol::Values;
use serde::{Deserialize, Serialize};

use crate::keys::{Settings, kinds};

pub(crate) use self::generator::{Purpose, generator};
pub(super) use self::generator::{confirmation_seed, training_seed};
pub use self::gp::GaussianProcess;
pub(crate) use self::gp::Surrogate;
pub use self::reason::{Drawn, Expected, Likely, Reason, Source};
pub use self::request::{History, Observation, Request};
pub use self::tpe::Tpe;

kinds! {
    /// How configurations are drawn.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub enum SamplerSpec as Sampler, read from Settings {
        /// By a model of the cost over the space and the rungs.
        GaussianProcess(gp::GaussianProcess),
        /// Like good configurations, and unlike bad ones.
        Tpe(tpe::Tpe),
        /// By the user's priors, near the best configuration, and at random.
        PriorBand = prior_band::PriorBand,
        /// Every configuration on its own, from the space.
        Random = random::Random,
        /// Points of a scrambled Sobol sequence.
        Sobol = sobol::Sobol,
        /// All configurations of a finite space, each once.
        Grid = grid::Grid,
    }
}

/// What a sampler does.
trait Sampler {
    /// Whether it looks at what is known of earlier trials.
    fn is_adaptive(&self) -> bool;

    /// Whether it uses what the user expects of parameters.
    fn uses_priors(&self) -> bool;

    /// What can be learned from earlier trials, if that serves more than one request.
    fn learn(&self, _: &History<'_>) -> Learned {
        Learned::default()
    }

    /// The configurations of those of the trials that the user wants tried first, which come before all others.
    fn tried_first(&self, request: &Request<'_>) -> Vec<Values> {
        let first = |trial| {
            let mut random = generator(request.seed, trial, Purpose::Configuration);
            request.history.space.first(trial, &mut random)
        };
        request.trials().map_while(first).collect()
    }

    /// The configurations of the trials, none of which is to be tried first, and why each is drawn.
    fn draw(&self, request: &Request<'_>, learned: &Learned) -> Vec<Drawn>;
}

/// What a sampler has learned from earlier trials; nothing if it does not learn, or knows too little.
#[derive(Debug, Default)]
pub struct Learned(Option<gp::Learned>);

impl Learned {
    /// How many rungs the next bracket can skip because those below say too little, if that is known.
    pub fn first_rung(&self) -> Option<usize> {
        self.0.as_ref()?.first_rung()
    }

    /// How well neighbouring rungs agree by what the model has learned, 0 to 1, if enough trials have come beyond the first.
    pub fn agreement(&self) -> Option<f64> {
        self.0.as_ref()?.agreement()
    }
}

/// That of studies of versions that knew no other.
impl Default for SamplerSpec {
    fn default() -> Self {
        Self::Random
    }
}

impl SamplerSpec {
    /// The `type` of a table that has none.
    pub const USUAL: &'static str = GaussianProcess::ABOUT.name;

    /// The sampler of a file without a table for it.
    pub fn usual() -> Self {
        Self::GaussianProcess(GaussianProcess::default())
    }

    /// Whether it looks at what is known of earlier trials.
    pub fn is_adaptive(&self) -> bool {
        self.own().is_adaptive()
    }

    /// Whether it uses what the user expects of parameters.
    pub fn uses_priors(&self) -> bool {
        self.own().uses_priors()
    }

    /// Whether it tries every configuration in any case.
    pub fn covers_all(&self) -> bool {
        match self {
            Self::Grid => true,
            Self::GaussianProcess(_) | Self::Tpe(_) | Self::PriorBand | Self::Random | Self::Sobol => false,
        }
    }

    /// What can be learned from earlier trials: once for a bracket, to open and to draw it.
    pub fn learn(&self, history: &History<'_>) -> Learned {
        self.own().learn(history)
    }

    /// The configurations of the next trials, as many as are asked for.
    pub fn draw(&self, request: &Request<'_>) -> Vec<Values> {
        self.draw_by(request, &self.learn(&request.history))
    }

    /// The same, by what has been learned from the same observations before.
    pub fn draw_by(&self, request: &Request<'_>, learned: &Learned) -> Vec<Values> {
        let drawn = self.explain_by(request, learned);
        drawn.into_iter().map(|one| one.parameters).collect()
    }

    /// The configurations of the next trials, and why each is drawn.
    pub fn explain(&self, request: &Request<'_>) -> Vec<Drawn> {
        self.explain_by(request, &self.learn(&request.history))
    }

    /// The same, by what has been learned from the same observations before.
    pub fn explain_by(&self, request: &Request<'_>, learned: &Learned) -> Vec<Drawn> {
        let first = self.own().tried_first(request).into_iter();
        let numbered = request.trials().zip(first);
        let mut drawn: Vec<Drawn> = numbered
            .map(|(place, parameters)| Drawn::new(parameters, Reason::First { place }))
            .collect();
        let given = drawn.len() as u64;
        let rest = Request {
            first: request.first + given,
            count: request.count - given,
            ..*request
        };
        drawn.extend(self.own().draw(&rest, learned));
        drawn
    }
}
