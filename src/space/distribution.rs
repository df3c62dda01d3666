//! The distributions a parameter can have.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::curve::Curve;
use super::steps::{self, Steps};
use super::value::{Value, same};

/// How the value of one parameter is drawn.
///
/// Where there is a `step`, values are `low`, or 0 without one, and whole steps from there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Distribution {
    /// Always the same value.
    Fixed {
        /// The value.
        value: Value,
    },
    /// Any number between the bounds with the same density.
    Uniform {
        /// Lower bound, below `high`.
        low: f64,
        /// Upper bound.
        high: f64,
        /// The distance of neighbouring values, above 0 and at most that of the bounds; none: any number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<f64>,
    },
    /// Any number between the bounds, with the same density on the logarithmic scale.
    LogUniform {
        /// Lower bound, above 0 and below `high`.
        low: f64,
        /// Upper bound.
        high: f64,
        /// As above.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<f64>,
    },
    /// Whole numbers between the bounds, both included, with the same probability.
    Integer {
        /// Lower bound, below `high`.
        low: i64,
        /// Upper bound.
        high: i64,
        /// The distance of neighbouring values, at least 1.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        step: u64,
    },
    /// Whole numbers between the bounds, with the same density on the logarithmic scale.
    LogInteger {
        /// Lower bound, above 0 and below `high`.
        low: i64,
        /// Upper bound.
        high: i64,
        /// As above.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        step: u64,
    },
    /// Normally distributed numbers, cut off at the bounds.
    Normal {
        /// Mean before the cut.
        mean: f64,
        /// Standard deviation before the cut, above 0.
        std: f64,
        /// Lower bound.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        low: Option<f64>,
        /// Upper bound.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        high: Option<f64>,
        /// As above.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<f64>,
    },
    /// Numbers whose natural logarithm is normally distributed, cut off at the bounds.
    LogNormal {
        /// Mean of the logarithm before the cut.
        mean: f64,
        /// Standard deviation of the logarithm before the cut, above 0.
        std: f64,
        /// Lower bound, above 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        low: Option<f64>,
        /// Upper bound.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        high: Option<f64>,
        /// As above.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<f64>,
    },
    /// One of the values with the same probability.
    Choice {
        /// At least one value, all different.
        values: Vec<Value>,
    },
}

/// What kind of values a distribution has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// A single one.
    Constant,
    /// Numbers without gaps.
    Continuous,
    /// So many numbers in order, or too many to count.
    Steps(Option<u64>),
    /// This many values without an order.
    Categories(usize),
}

impl Scale {
    /// How many values there are, if that can be counted.
    pub fn count(self) -> Option<u64> {
        match self {
            Self::Constant => Some(1),
            Self::Continuous => None,
            Self::Steps(count) => count,
            Self::Categories(count) => Some(count as u64),
        }
    }
}

fn one() -> u64 {
    1
}

fn is_one(step: &u64) -> bool {
    *step == 1
}

impl Distribution {
    /// Draws one value with a single number of the generator.
    pub fn sample(&self, rng: &mut impl Rng) -> Value {
        self.quantile(rng.random())
    }

    /// The value below which a share (0 to 1) of the draws lie, so that an even share draws from the distribution. Choices
    /// count in their order.
    pub fn quantile(&self, share: f64) -> Value {
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.5 };
        match self {
            Self::Fixed { value } => value.clone(),
            Self::Choice { values } => {
                let place = (share * values.len() as f64) as usize;
                values[place.min(values.len() - 1)].clone()
            }
            Self::Integer { low, high, step } | Self::LogInteger { low, high, step } => {
                let last = low.abs_diff(*high) / step;
                // Beyond 2^53 not every whole number can be drawn, which does not matter in practice.
                let steps = ((self.curve().at(share) - *low as f64) / *step as f64).round();
                let steps = (steps.max(0.0) as u64).min(last);
                Value::from(low.wrapping_add_unsigned(steps.wrapping_mul(*step)))
            }
            Self::Uniform { .. } | Self::LogUniform { .. } | Self::Normal { .. } | Self::LogNormal { .. } => {
                let (low, high, _) = self.range();
                let x = self.curve().at(share).clamp(low, high);
                Value::from(match self.steps() {
                    Some(steps) => steps.at(steps.nearest(x)),
                    // JSON has no infinite numbers.
                    None => x.clamp(f64::MIN, f64::MAX),
                })
            }
        }
    }

    /// The share at which [`quantile`](Self::quantile) has a value, in the middle of all such shares; `None` if it never has.
    pub fn share(&self, value: &Value) -> Option<f64> {
        match self {
            Self::Fixed { value: own } => (value == own).then_some(0.5),
            Self::Choice { values } => {
                let place = values.iter().position(|other| other == value)?;
                Some((place as f64 + 0.5) / values.len() as f64)
            }
            Self::Integer { .. } | Self::LogInteger { .. } => {
                self.place(value)?;
                Some(self.curve().share(value.as_f64()?))
            }
            Self::Uniform { .. } | Self::LogUniform { .. } | Self::Normal { .. } | Self::LogNormal { .. } => {
                let x = value.as_f64()?;
                let (low, high, _) = self.range();
                let tolerance = 1e-9 * x.abs();
                let there = match self.steps() {
                    None => (low - tolerance..=high + tolerance).contains(&x),
                    Some(steps) => steps.of(x).is_some(),
                };
                there.then(|| self.curve().share(x))
            }
        }
    }

    /// A value in the form in which it is drawn; `None` if it never is.
    pub fn own(&self, value: &Value) -> Option<Value> {
        match self {
            Self::Fixed { value: own } => Some(own).filter(|own| same(own, value)).cloned(),
            Self::Choice { values } => values.iter().find(|own| same(own, value)).cloned(),
            Self::Integer { .. }
            | Self::LogInteger { .. }
            | Self::Uniform { .. }
            | Self::LogUniform { .. }
            | Self::Normal { .. }
            | Self::LogNormal { .. } => match (self.place(value), self.steps()) {
                (Some(place), _) => Some(self.at(place)),
                (None, Some(steps)) => Some(Value::from(steps.at(steps.of(value.as_f64()?)?))),
                (None, None) => self.share(value).map(|share| self.quantile(share)),
            },
        }
    }

    /// The value at a place, from 0, in the order of the values: fewer than [`Scale::count`].
    pub fn at(&self, place: u64) -> Value {
        match self {
            Self::Choice { values } => {
                let place = usize::try_from(place).unwrap_or(usize::MAX);
                values[place.min(values.len() - 1)].clone()
            }
            Self::Integer { low, step, .. } | Self::LogInteger { low, step, .. } => {
                Value::from(low.wrapping_add_unsigned(place.wrapping_mul(*step)))
            }
            Self::Fixed { value } => value.clone(),
            Self::Uniform { .. } | Self::LogUniform { .. } | Self::Normal { .. } | Self::LogNormal { .. } => {
                match self.steps() {
                    Some(steps) => Value::from(steps.at(place as f64)),
                    None => self.quantile(0.5),
                }
            }
        }
    }

    /// The place of a value, of which [`at`](Self::at) gives the value; `None` if it has none, or if there are no places.
    pub fn place(&self, value: &Value) -> Option<u64> {
        match self {
            Self::Choice { values } => Some(values.iter().position(|own| same(own, value))? as u64),
            Self::Fixed { value: own } => same(own, value).then_some(0),
            Self::Integer { low, high, step } | Self::LogInteger { low, high, step } => {
                let float = || value.as_f64().filter(|x| x.fract() == 0.0 && x.abs() < 2f64.powi(63));
                let number = value.as_i64().or_else(|| Some(float()? as i64))?;
                let within = (low..=high).contains(&&number);
                let distance = number.abs_diff(*low);
                (within && distance % step == 0).then(|| distance / step)
            }
            Self::Uniform { .. } | Self::LogUniform { .. } | Self::Normal { .. } | Self::LogNormal { .. } => {
                self.scale().count()?;
                Some(self.steps()?.of(value.as_f64()?)? as u64)
            }
        }
    }

    /// The numbers that a step leaves of those between the bounds.
    fn steps(&self) -> Option<Steps> {
        let (low, high, step) = self.range();
        Some(Steps::new(low, high, step?))
    }

    /// The smallest step with which neighbouring values can be distinguished, and the largest number on which that depends.
    pub fn least_step(&self) -> (f64, f64) {
        let (low, high, _) = self.range();
        let ends = [low, high].into_iter().filter(|bound| bound.is_finite());
        let drawn = [0.0, 1.0].map(|share| self.curve().at(share).clamp(low, high));
        let largest = ends.chain(drawn).map(f64::abs).fold(0.0, f64::max);
        (steps::least(largest), largest)
    }

    /// Whether the bounds leave anything to draw: not if they cut off all of a bell's tail that has any precision.
    pub fn has_draws(&self) -> bool {
        !matches!(self.curve(), Curve::Point(_))
    }

    /// What kind of values it has.
    pub fn scale(&self) -> Scale {
        match self {
            Self::Fixed { .. } => Scale::Constant,
            Self::Choice { values } if values.len() == 1 => Scale::Constant,
            Self::Choice { values } => Scale::Categories(values.len()),
            Self::Integer { low, high, step } | Self::LogInteger { low, high, step } => {
                Scale::Steps((low.abs_diff(*high) / step).checked_add(1))
            }
            Self::Uniform { .. } | Self::LogUniform { .. } | Self::Normal { .. } | Self::LogNormal { .. } => {
                match self.steps() {
                    None => Scale::Continuous,
                    Some(steps) => {
                        let last = steps.last();
                        let counted = self.range().0.is_finite() && last < 2f64.powi(63);
                        Scale::Steps(counted.then(|| last as u64 + 1))
                    }
                }
            }
        }
    }

    /// All values, if they are listed one by one.
    pub fn listed(&self) -> Option<&[Value]> {
        match self {
            Self::Fixed { value } => Some(std::slice::from_ref(value)),
            Self::Choice { values } => Some(values),
            Self::Integer { .. }
            | Self::LogInteger { .. }
            | Self::Uniform { .. }
            | Self::LogUniform { .. }
            | Self::Normal { .. }
            | Self::LogNormal { .. } => None,
        }
    }

    /// The lowest and the highest number, where there is one.
    pub(super) fn bounds(&self) -> [Option<f64>; 2] {
        let (low, high, _) = self.range();
        [low, high].map(|bound| Some(bound).filter(|bound| bound.is_finite()))
    }

    /// Whether all values are whole numbers of a range.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Integer { .. } | Self::LogInteger { .. })
    }

    /// Whether every draw gives the same value.
    pub fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed { .. })
    }

    /// Lower and upper bound and step of numbers, infinite where there is none.
    pub fn range(&self) -> (f64, f64, Option<f64>) {
        match *self {
            Self::Fixed { .. } | Self::Choice { .. } => (0.0, 0.0, None),
            Self::Uniform { low, high, step } | Self::LogUniform { low, high, step } => (low, high, step),
            Self::Integer { low, high, step } | Self::LogInteger { low, high, step } => {
                (low as f64, high as f64, Some(step as f64))
            }
            Self::Normal { low, high, step, .. } => {
                let (low, high) = (low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY));
                (low, high, step)
            }
            Self::LogNormal { low, high, step, .. } => (low.unwrap_or(0.0), high.unwrap_or(f64::INFINITY), step),
        }
    }

    /// Numbers before they are rounded to steps: half a step more on each side, so that the outer values are as likely as
    /// their neighbours.
    fn curve(&self) -> Curve {
        let (low, high, step) = self.range();
        let (low, high) = match step {
            None => (low, high),
            Some(step) if low.is_finite() => {
                let last = low + Steps::new(low, high, step).last() * step;
                let half = step / 2.0;
                match self.is_logarithmic() {
                    // A half step may reach 0, where there is no logarithm.
                    true => ((low - half).max(low / 2.0), last + half),
                    false => (low - half, last + half),
                }
            }
            Some(_) => (low, high),
        };
        match *self {
            Self::LogUniform { .. } | Self::LogInteger { .. } => Curve::Logarithmic {
                low: low.ln(),
                high: high.ln(),
            },
            Self::Normal { mean, std, .. } => Curve::normal(mean, std, low, high),
            Self::LogNormal { mean, std, .. } => Curve::log_normal(mean, std, low, high),
            Self::Fixed { .. } | Self::Choice { .. } | Self::Uniform { .. } | Self::Integer { .. } => {
                Curve::Linear { low, high }
            }
        }
    }

    /// Whether numbers are drawn on the logarithmic scale.
    pub fn is_logarithmic(&self) -> bool {
        matches!(
            self,
            Self::LogUniform { .. } | Self::LogInteger { .. } | Self::LogNormal { .. }
        )
    }
}

#[cfg(test)]
mod tests;
