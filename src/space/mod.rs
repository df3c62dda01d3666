//! The search space: which parameters there are and how a value of each is drawn.

mod adopt;
mod cells;
mod condition;
mod constraint;
mod curve;
mod distribution;
mod first;
mod learned;
mod prior;
mod shuffle;
mod steps;
mod unit_normal;
mod value;

pub use adopt::Outside;
pub use cells::Cells;
pub use condition::Condition;
pub(crate) use condition::{Required, require};
pub use constraint::{Constraint, ConstraintError};
pub use distribution::{Distribution, Scale};
pub use learned::{Learned, LearnedFirst, LearnedParameter, Lesson};
pub use prior::{Around, Confidence, Prior};
pub use shuffle::shuffled;
pub use unit_normal::UnitNormal;
pub use value::Value;
pub(crate) use value::{Listed, same};

use hpo_protocol::Values;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The parameters of a study.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SearchSpace {
    /// In the order in which the study's file names them. No two have the same name.
    pub parameters: Vec<Parameter>,
    /// The first trials, in this order: values of some or all parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub try_first: Vec<Values>,
    /// What is true of every configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name, as the trainer knows it.
    pub name: String,
    /// How its value is drawn.
    pub distribution: Distribution,
    /// When a configuration has it: if all of these hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<Condition>,
    /// Where its best value is expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<Prior>,
}

/// So many draws that the constraints do not allow mean that hardly any configuration is allowed.
pub(crate) const TRIES: usize = 20_000;

impl SearchSpace {
    /// Whether there are configurations with these values, which are in the form in which they are drawn.
    pub(crate) fn can_have(&self, given: &Values) -> bool {
        let is_own = |(name, value): (&String, &Value)| {
            let parameter = self.parameters.iter().find(|parameter| parameter.name == *name);
            parameter.is_some_and(|parameter| parameter.distribution.share(value).is_some())
        };
        given.iter().all(is_own) && self.complete(given, TRIES, &mut ChaCha8Rng::seed_from_u64(0)).is_some()
    }

    /// The configuration at a point of the unit cube, which has a coordinate (0 to 1) for each parameter, fixed ones too.
    /// Uniform coordinates draw from the space. `None` if the space does not allow it.
    pub fn configuration(&self, point: &[f64]) -> Option<Values> {
        let value =
            |(parameter, &share): (&Parameter, &f64)| (parameter.name.clone(), parameter.distribution.quantile(share));
        let values = self.parameters.iter().zip(point).map(value).collect();
        Some(self.only_active(values)).filter(|configuration| self.allows(configuration))
    }

    /// Whether all constraints are true of a configuration.
    pub fn allows(&self, configuration: &Values) -> bool {
        let allows = |constraint: &Constraint| constraint.allows(configuration).unwrap_or(false);
        self.constraints.iter().all(allows)
    }

    /// The point of the unit cube where a configuration lies: [`configuration`](Self::configuration) gives it back. A
    /// coordinate is `None` if the configuration has no value of the parameter, or one that can't be drawn.
    pub fn point(&self, configuration: &Values) -> Vec<Option<f64>> {
        let share = |parameter: &Parameter| parameter.distribution.share(configuration.get(&parameter.name)?);
        self.parameters.iter().map(share).collect()
    }

    /// The configuration of a trial (from 0) that is to be tried first, if it is one of them. Other values are drawn. If nothing is
    /// compatible with the given values, which is an error in a study's file, it is any configuration.
    pub fn first(&self, trial: u64, rng: &mut impl Rng) -> Option<Values> {
        // Far more than a valid study's file needs.
        const TRIES: usize = 1_000_000;
        let given = self.try_first.get(usize::try_from(trial).ok()?)?;
        let configuration = self.complete(given, TRIES, rng);
        Some(configuration.unwrap_or_else(|| self.sample(rng)))
    }

    /// A configuration that has all of these values, with the others drawn; `None` if this many draws are not allowed.
    pub fn complete(&self, given: &Values, tries: usize, rng: &mut impl Rng) -> Option<Values> {
        let required = self.required_by(given)?;
        let mut value = |parameter: &Parameter| {
            let drawn = parameter.distribution.sample(rng);
            match (given.get(&parameter.name), required.get(parameter.name.as_str())) {
                (Some(given), _) => given.clone(),
                (None, Some(values)) => {
                    let any = values[rng.random_range(0..values.len())];
                    parameter.distribution.own(any).unwrap_or(drawn)
                }
                (None, None) => drawn,
            }
        };
        let mut filled = || {
            let values = self
                .parameters
                .iter()
                .map(|parameter| (parameter.name.clone(), value(parameter)));
            self.only_active(values.collect())
        };
        let fits = |one: &Values| self.allows(one) && given.keys().all(|name| one.contains_key(name));
        (0..tries).map(|_| filled()).find(fits)
    }

    /// How many configurations there are, ignoring constraints; `None` if there is a parameter without steps, or they can't be counted.
    pub fn size(&self) -> Option<u64> {
        Cells::of(self).map(|cells| cells.count())
    }

    /// Draws a configuration. Constraints that hardly any configuration satisfies make it slow; a study's file whose constraints
    /// none satisfies is rejected.
    pub fn sample(&self, rng: &mut impl Rng) -> Values {
        loop {
            let point: Vec<f64> = self.parameters.iter().map(|_| rng.random()).collect();
            if let Some(configuration) = self.configuration(&point) {
                return configuration;
            }
        }
    }
}
