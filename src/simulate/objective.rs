//! Learning curves to simulate with.

use std::sync::Arc;

use hpo_protocol::Values;

use super::evaluator::{EvaluatedCurve, Evaluator, EvaluatorError};
use super::foreseen::{Costs, CostsCurve, Winners};
use super::formula::{Formula, FormulaCurve, Missing};
use super::table::{MeasuredCurve, Table};

/// A learning curve for every configuration.
#[derive(Debug, Clone)]
pub enum Objective {
    /// Given by a formula.
    Formula(Formula),
    /// As measured.
    Table(Arc<Table>),
    /// Flat, at what is not known: only what trials cost is.
    Costs(Arc<Costs>, Winners),
    /// As a program answers.
    Evaluator(Arc<Evaluator>),
}

/// A configuration has no curve.
#[derive(Debug, thiserror::Error)]
pub enum NoCurve {
    /// The formula lacks a parameter.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The program gives none.
    #[error(transparent)]
    Evaluator(#[from] EvaluatorError),
}

/// A configuration's curve, ready to be read.
#[derive(Debug, Clone)]
pub(super) enum Curve {
    Formula(FormulaCurve),
    Measured(MeasuredCurve),
    Evaluated(EvaluatedCurve),
    Costs(CostsCurve),
}

/// Seconds that an epoch takes if it was not measured.
const SECONDS: f64 = 60.0;

impl Objective {
    /// The curve of a configuration. `seed` decides the noise where the configuration does not, or which run is followed if a
    /// table has several of it.
    ///
    /// # Errors
    /// If a formula needs a parameter that is missing or not a number, or a program gives no curve.
    pub(super) fn curve(&self, configuration: &Values, seed: u64) -> Result<Curve, NoCurve> {
        Ok(match self {
            Self::Formula(formula) => Curve::Formula(formula.curve(configuration, seed)?),
            Self::Table(table) => Curve::Measured(Table::curve(table, configuration, seed)),
            Self::Evaluator(evaluator) => Curve::Evaluated(evaluator.curve(configuration, seed)?),
            Self::Costs(costs, winners) => Curve::Costs(Costs::curve(costs, *winners, configuration, seed)),
        })
    }
}

impl Curve {
    /// The curve of the same configuration with the noise of another run. Of measured curves and a program's the seed has already
    /// selected one.
    pub fn with_noise_of(self, seed: u64) -> Self {
        match self {
            Self::Formula(curve) => Self::Formula(curve.with_noise_of(seed)),
            Self::Measured(_) | Self::Evaluated(_) | Self::Costs(_) => self,
        }
    }

    /// The cost at a resource, which is the `t`-th epoch; `t` is above 0 and whole if the curve is no formula's. Not finite if the run
    /// has diverged. A formula's losses are costs.
    pub fn cost(&self, resource: u64, t: f64) -> f64 {
        match self {
            Self::Formula(curve) => curve.loss(resource, t),
            Self::Measured(curve) => curve.cost(resource),
            Self::Evaluated(curve) => curve.cost(resource),
            Self::Costs(curve) => curve.cost,
        }
    }

    /// How much worse the configuration is than the best one at the end: a formula's without noise, a table's on average over
    /// its runs, a program's as it says.
    pub fn regret(&self) -> f64 {
        match self {
            Self::Formula(curve) => curve.regret(),
            Self::Measured(curve) => curve.regret(),
            Self::Evaluated(curve) => curve.regret(),
            Self::Costs(_) => 0.0,
        }
    }

    /// How long an epoch takes, in seconds.
    pub fn seconds(&self) -> f64 {
        match self {
            Self::Formula(_) | Self::Costs(_) => SECONDS,
            Self::Measured(curve) => curve.seconds().unwrap_or(SECONDS),
            Self::Evaluated(curve) => curve.seconds().unwrap_or(SECONDS),
        }
    }
}
