//! Samplers: which configuration is tried next.

mod axis;
mod gp;
mod grid;
mod prior_band;
mod random;
mod sobol;
#[cfg(test)]
mod tests;
mod tpe;
mod untried;

pub use gp::GaussianProcess;
pub(crate) use gp::Surrogate;
use hpo_protocol::Values;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
pub use tpe::Tpe;

use crate::ids::TrialId;
use crate::space::SearchSpace;

/// How configurations are drawn.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SamplerSpec {
    /// Every configuration on its own, from the space.
    #[default]
    Random,
    /// Points of a scrambled Sobol sequence.
    Sobol,
    /// All configurations of a finite space, each once.
    Grid,
    /// By a model of the loss over the space and the rungs.
    GaussianProcess(GaussianProcess),
    /// Like good configurations, and unlike bad ones.
    Tpe(Tpe),
    /// By the user's priors, near the best configuration, and at random.
    PriorBand,
}

/// What is known of a trial when others are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation<'a> {
    /// The trial.
    pub trial: TrialId,
    /// Its configuration.
    pub parameters: &'a Values,
    /// Its lowest validation loss up to each rung that it has reached, by the rung's resource, ascending. Finite. None yet
    /// for a trial that is still on its way to the first rung.
    pub losses: Vec<(u64, f64)>,
    /// Whether it has diverged, or failed for good: worse than any that has not.
    pub failed: bool,
}

/// What is to be drawn.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The space.
    pub space: &'a SearchSpace,
    /// The study's seed.
    pub seed: u64,
    /// The resources of the rungs, ascending.
    pub rungs: &'a [u64],
    /// The number of the bracket's first rung among them.
    pub start: usize,
    /// How many trials the search has: the number of the first one to be drawn.
    pub first: u64,
    /// How many are drawn at once.
    pub count: u64,
    /// All earlier trials whose results may be used, by number. They depend on no timing (decision D4), so that the same
    /// study draws the same configurations wherever it runs.
    pub observations: &'a [Observation<'a>],
}

/// What a sampler has learned from earlier trials; nothing if it does not learn, or knows too little.
#[derive(Debug, Default)]
pub struct Learned(Option<gp::Learned>);

impl Learned {
    /// How many rungs the next bracket can skip because those below tell too little, if that can be told.
    pub fn first_rung(&self) -> Option<usize> {
        self.0.as_ref()?.first_rung()
    }
}

impl SamplerSpec {
    /// Whether it looks at what is known of earlier trials.
    pub fn is_adaptive(&self) -> bool {
        match self {
            Self::Random | Self::Sobol | Self::Grid => false,
            Self::GaussianProcess(_) | Self::Tpe(_) | Self::PriorBand => true,
        }
    }

    /// Whether it uses what the user expects of parameters.
    pub fn uses_priors(&self) -> bool {
        matches!(self, Self::GaussianProcess(_) | Self::Tpe(_) | Self::PriorBand)
    }

    /// What can be learned from the observations of a request: once for a bracket, to open and to draw it.
    pub fn learn(&self, request: &Request<'_>) -> Learned {
        match self {
            Self::GaussianProcess(settings) => Learned(gp::Learned::new(*settings, request)),
            _ => Learned(None),
        }
    }

    /// The configurations of the next trials, as many as are asked for.
    pub fn draw(&self, request: &Request<'_>) -> Vec<Values> {
        self.draw_by(request, &self.learn(request))
    }

    /// The same, by what has been learned from the same observations before.
    pub fn draw_by(&self, request: &Request<'_>, learned: &Learned) -> Vec<Values> {
        let trials = request.first..request.first + request.count;
        let cells = (*self == Self::Grid).then(|| grid::first(request));
        let given = |trial| {
            if let Some(cells) = &cells {
                return cells.get(usize::try_from(trial).ok()?).cloned();
            }
            let mut rng = generator(request.seed, trial, Purpose::Configuration);
            request.space.first(trial, &mut rng)
        };
        let mut drawn: Vec<Values> = trials.clone().map_while(given).collect();
        let trials = request.first + drawn.len() as u64..trials.end;
        let request = &Request {
            first: trials.start,
            count: trials.end - trials.start,
            ..*request
        };
        drawn.extend(match self {
            Self::Random => trials
                .map(|trial| random::configuration(request.space, request.seed, trial))
                .collect(),
            Self::Sobol => trials
                .map(|trial| sobol::configuration(request.space, request.seed, trial))
                .collect(),
            Self::Grid => grid::draw(request, &cells.unwrap_or_default()),
            Self::GaussianProcess(settings) => gp::draw(*settings, request, learned.0.as_ref()),
            Self::Tpe(settings) => tpe::draw(*settings, request),
            Self::PriorBand => prior_band::draw(request),
        });
        drawn
    }
}

/// What a random number is for. Each purpose has a stream of its own, so that a new one changes no other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Configuration = 1,
    Training = 2,
    Model = 3,
    Importance = 4,
    Confirmation = 5,
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

/// The seed that the trial of the search's configuration `number` trains with, below 2^53 so that any JSON reader keeps it exactly.
pub(super) fn training_seed(study_seed: u64, number: u64) -> u64 {
    generator(study_seed, number, Purpose::Training).next_u64() >> 11
}

/// The seed of the `number`-th run (from 0) that confirms a trial, below 2^53 and not the trial's own.
pub(super) fn confirmation_seed(study_seed: u64, trial: TrialId, own: u64, number: u64) -> u64 {
    let mut random = generator(study_seed, trial.0, Purpose::Confirmation);
    let mut next = || {
        loop {
            let seed = random.next_u64() >> 11;
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
