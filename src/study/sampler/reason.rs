//! Why a configuration was drawn: what the sampler knew and expected, by the same steps as those that draw it.

use hpo_protocol::Values;
use serde::Serialize;

use crate::study::Objective;

/// A configuration, and why it is this one.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// The configuration.
    pub parameters: Values,
    /// Why.
    pub reason: Reason,
}

impl Drawn {
    /// A configuration that was drawn for a reason.
    pub(super) fn new(parameters: Values, reason: Reason) -> Self {
        Self { parameters, reason }
    }
}

/// Why a configuration was drawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reason {
    /// It is one of those to be tried first.
    First {
        /// Its place among them, from 0.
        place: u64,
    },
    /// The user has enqueued it while the search was under way; values that were left open were drawn at random.
    Enqueued,
    /// The sampler draws all at random.
    Random,
    /// It is a point of the sampler's Sobol sequence.
    Sobol,
    /// It is the next of a grid.
    Grid,
    /// Too few trials were known for a model.
    Unknowing {
        /// How it was drawn instead.
        source: Source,
        /// How many trials had a result.
        known: u64,
        /// How many the sampler wants.
        startup: u64,
    },
    /// By chance: so many are drawn at random, whatever is known.
    Chance {
        /// The share of these, 0 to 1.
        share: f64,
    },
    /// The model has proposed nothing that had not been tried.
    Exhausted,
    /// By the user's priors.
    Prior {
        /// The share of configurations that were drawn so then, 0 to 1.
        share: f64,
    },
    /// Near the best one known.
    Incumbent {
        /// That configuration.
        parameters: Values,
        /// What it has come to at the last rung: a cost, or by [`Reason::in_values`] the objective's value.
        value: f64,
        /// The share of configurations that were drawn so then, 0 to 1.
        share: f64,
    },
    /// A Gaussian process expected most of it.
    Expected(Expected),
    /// It is more like the good ones than like the bad ones, as no other that was looked at.
    Likely(Likely),
}

/// How a configuration is drawn by a sampler that knows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// At random.
    Random,
    /// As a point of a Sobol sequence.
    Sobol,
    /// By the user's priors.
    Prior,
}

/// What a Gaussian process expected of a configuration at the last rung. Values are costs, or by [`Reason::in_values`] the
/// objective's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Expected {
    /// How many trials it knew.
    pub known: u64,
    /// Of how many under way it took for granted what it expected of them.
    pub under_way: u64,
    /// From how many configurations it chose.
    pub candidates: u64,
    /// What it expected.
    pub value: f64,
    /// A standard deviation better.
    pub better: f64,
    /// A standard deviation worse.
    pub worse: f64,
    /// The best that it expected of a configuration that it knew.
    pub best: f64,
    /// What the user's priors added to the logarithm of the expected improvement; 0 without priors.
    pub prior: f64,
}

/// How a tree-structured Parzen estimator saw a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Likely {
    /// The resource of the rung that was modelled.
    pub rung: u64,
    /// How many trials there counted as good.
    pub good: u64,
    /// How many counted as bad, those under way included.
    pub bad: u64,
    /// From how many configurations it chose.
    pub candidates: u64,
    /// How many times as dense the good ones were around it as the bad ones.
    pub ratio: f64,
}

impl Reason {
    /// The same with values of an objective in the place of costs.
    #[must_use]
    pub fn in_values(self, objective: &Objective) -> Self {
        let signed = |cost| objective.signed(cost);
        match self {
            Self::Incumbent {
                parameters,
                value,
                share,
            } => Self::Incumbent {
                parameters,
                value: signed(value),
                share,
            },
            Self::Expected(expected) => Self::Expected(Expected {
                value: signed(expected.value),
                better: signed(expected.better),
                worse: signed(expected.worse),
                best: signed(expected.best),
                ..expected
            }),
            Self::First { .. }
            | Self::Random
            | Self::Sobol
            | Self::Grid
            | Self::Unknowing { .. }
            | Self::Chance { .. }
            | Self::Exhausted
            | Self::Enqueued
            | Self::Prior { .. }
            | Self::Likely(_) => self,
        }
    }
}
