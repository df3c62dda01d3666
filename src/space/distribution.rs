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
    /// This many numbers in order, or too many to count.
    Steps(Option<u64>),
    /// This many values without an order.
    Categories(usize),
}

impl Scale {
    /// How many values there are, if known.
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

    /// The share at which [`quantile`](Self::quantile) has a value, in the middle of all such shares; none if it never has.
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
            _ => {
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

    /// A value in the form in which it is drawn; none if it never is.
    pub fn own(&self, value: &Value) -> Option<Value> {
        match self {
            Self::Fixed { value: own } => Some(own).filter(|own| same(own, value)).cloned(),
            Self::Choice { values } => values.iter().find(|own| same(own, value)).cloned(),
            _ => match (self.place(value), self.steps()) {
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
            _ => match self.steps() {
                Some(steps) => Value::from(steps.at(place as f64)),
                None => self.quantile(0.5),
            },
        }
    }

    /// The place of a value, of which [`at`](Self::at) gives the value; none if it has none, or if there are no places.
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
            _ => {
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

    /// Whether the bounds leave anything to draw: not if the tail between them is too small for floating point.
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
            _ => match self.steps() {
                None => Scale::Continuous,
                Some(steps) => {
                    let last = steps.last();
                    let counted = self.range().0.is_finite() && last < 2f64.powi(63);
                    Scale::Steps(counted.then(|| last as u64 + 1))
                }
            },
        }
    }

    /// Whether every draw gives the same value.
    pub fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed { .. })
    }

    /// Lower and upper bound and step of numbers, infinite where there is none.
    fn range(&self) -> (f64, f64, Option<f64>) {
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
            _ => Curve::Linear { low, high },
        }
    }

    fn is_logarithmic(&self) -> bool {
        matches!(
            self,
            Self::LogUniform { .. } | Self::LogInteger { .. } | Self::LogNormal { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn any() -> impl Strategy<Value = Distribution> {
        let step = || prop::option::of(0.01..1.0f64);
        prop_oneof![
            (-1e9..1e9f64, 1e-3..1e9f64, step()).prop_map(|(low, width, step)| Distribution::Uniform {
                low,
                high: low + width,
                step: step.map(|share| share * width),
            }),
            (1e-9..1e3f64, 1.01..1e6f64, step()).prop_map(|(low, factor, step)| Distribution::LogUniform {
                low,
                high: low * factor,
                step: step.map(|share| share * low * (factor - 1.0)),
            }),
            (-1000..1000i64, 1..1000i64, 1..5u64).prop_map(|(low, width, step)| Distribution::Integer {
                low,
                high: low + width,
                step: step.min(width as u64),
            }),
            (1..1000i64, 1..100_000i64, 1..5u64).prop_map(|(low, width, step)| Distribution::LogInteger {
                low,
                high: low + width,
                step: step.min(width as u64),
            }),
            (-10.0..10.0f64, 0.01..10.0f64, prop::option::of(0.0..3.0f64), step()).prop_map(
                |(mean, std, cut, step)| {
                    Distribution::Normal {
                        mean,
                        std,
                        low: cut.map(|cut| mean - cut * std),
                        high: cut.map(|cut| mean + (cut + 0.1) * std),
                        step: step.map(|share| share * 0.1 * std),
                    }
                }
            ),
            (-10.0..1.0f64, 0.01..3.0f64, prop::option::of(0.0..3.0f64)).prop_map(|(mean, std, cut)| {
                Distribution::LogNormal {
                    mean,
                    std,
                    low: cut.map(|cut| (mean - cut * std).exp()),
                    high: cut.map(|cut| (mean + (cut + 0.1) * std).exp()),
                    step: None,
                }
            }),
            prop::collection::hash_set(-20..20i64, 1..8).prop_map(|values| Distribution::Choice {
                values: values.into_iter().map(Value::from).collect()
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_value_has_a_share_at_which_it_comes_again(distribution in any(), share in 0.0..=1.0f64) {
            let value = distribution.quantile(share);
            let again = distribution.share(&value).map(|share| distribution.quantile(share));
            let near = |a: &Value, b: &Value| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() <= 1e-6 * a.as_f64().unwrap().abs() + 1e-12;
            prop_assert!(again.as_ref().is_some_and(|again| near(&value, again)), "{distribution:?}: {value} {again:?}");
        }

        #[test]
        fn draws_lie_within_the_bounds_and_on_steps(distribution in any(), share in 0.0..=1.0f64) {
            let value = distribution.quantile(share);
            let (low, high, step) = distribution.range();
            if let (Some(x), false) = (value.as_f64(), matches!(distribution, Distribution::Choice { .. })) {
                prop_assert!(low <= x && x <= high, "{distribution:?} gave {x}");
                if let Some(step) = step {
                    let steps = (x - if low.is_finite() { low } else { 0.0 }) / step;
                    prop_assert!((steps - steps.round()).abs() < 1e-4, "{distribution:?} gave {x}");
                }
            }
            prop_assert!(matches!(value, Value::Number(_)));
        }

        #[test]
        fn a_place_has_a_value_that_has_this_place(distribution in any(), share in 0.0..1.0f64) {
            if let Some(count) = distribution.scale().count() {
                let place = (share * count as f64) as u64;
                let value = distribution.at(place);
                prop_assert_eq!(distribution.place(&value), Some(place), "{:?} {}", distribution, value);
                prop_assert_eq!(distribution.own(&value), Some(value));
            }
        }

        #[test]
        fn a_larger_share_has_no_smaller_number(distribution in any(), a in 0.0..=1.0f64, b in 0.0..=1.0f64) {
            if !matches!(distribution, Distribution::Choice { .. }) {
                let at = |share| distribution.quantile(share).as_f64().unwrap();
                prop_assert!(at(a.min(b)) <= at(a.max(b)));
            }
        }
    }

    /// How often each value is drawn, in thousandths.
    fn counts(distribution: &Distribution, values: &[Value]) -> Vec<u32> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut counts = vec![0; values.len()];
        for _ in 0..20_000 {
            let value = distribution.sample(&mut rng);
            counts[values.iter().position(|other| *other == value).unwrap()] += 1;
        }
        counts.iter().map(|count| (count + 10) / 20).collect()
    }

    #[test]
    fn steps_and_choices_are_equally_likely_to_the_ends() {
        let values = |numbers: &[f64]| numbers.iter().copied().map(Value::from).collect::<Vec<_>>();
        let even = |counts: Vec<u32>| {
            assert!(
                counts.iter().all(|&n| n.abs_diff(1000 / counts.len() as u32) < 15),
                "{counts:?}"
            )
        };
        let uniform = Distribution::Uniform {
            low: 0.0,
            high: 0.35,
            step: Some(0.1),
        };
        even(counts(&uniform, &values(&[0.0, 0.1, 0.2, 0.3])));
        let whole: Vec<Value> = (3..=6).map(Value::from).collect();
        even(counts(
            &Distribution::Integer {
                low: 3,
                high: 6,
                step: 1,
            },
            &whole,
        ));
        let eights: Vec<Value> = [8, 16, 24].map(Value::from).to_vec();
        even(counts(
            &Distribution::Integer {
                low: 8,
                high: 31,
                step: 8,
            },
            &eights,
        ));
        let texts: Vec<Value> = ["a", "b", "c"].map(Value::from).to_vec();
        even(counts(&Distribution::Choice { values: texts.clone() }, &texts));
    }

    #[test]
    fn a_log_uniform_draw_falls_into_each_decade_equally_often() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let floats = Distribution::LogUniform {
            low: 1e-6,
            high: 1e-2,
            step: None,
        };
        let whole = Distribution::LogInteger {
            low: 1_000,
            high: 10_000_000,
            step: 1,
        };
        for (distribution, lowest) in [(floats, -6.0), (whole, 3.0)] {
            let mut decades = [0u32; 4];
            for _ in 0..4000 {
                let x = distribution.sample(&mut rng).as_f64().unwrap();
                decades[((x.log10() - lowest) as usize).min(3)] += 1;
            }
            assert!(decades.iter().all(|&n| (850..1150).contains(&n)), "{decades:?}");
        }
    }

    #[test]
    fn normal_draws_have_their_mean_and_deviation() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let moments = |draws: Vec<f64>| {
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let square = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            (mean, square.sqrt())
        };
        let normal = Distribution::Normal {
            mean: 3.0,
            std: 0.5,
            low: None,
            high: None,
            step: None,
        };
        let (mean, std) = moments((0..20_000).map(|_| normal.sample(&mut rng).as_f64().unwrap()).collect());
        assert!((mean - 3.0).abs() < 0.02 && (std - 0.5).abs() < 0.02, "{mean} {std}");
        let log = Distribution::LogNormal {
            mean: -4.0,
            std: 1.5,
            low: None,
            high: None,
            step: None,
        };
        let (mean, std) = moments(
            (0..20_000)
                .map(|_| log.sample(&mut rng).as_f64().unwrap().ln())
                .collect(),
        );
        assert!((mean + 4.0).abs() < 0.05 && (std - 1.5).abs() < 0.05, "{mean} {std}");
    }

    #[test]
    fn a_value_of_another_distribution_has_no_share() {
        let choice = Distribution::Choice {
            values: vec![Value::from(1), Value::from("a")],
        };
        assert_eq!(
            (choice.share(&Value::from("a")), choice.share(&Value::from(2))),
            (Some(0.75), None)
        );
        let steps = Distribution::Uniform {
            low: 0.0,
            high: 1.0,
            step: Some(0.25),
        };
        assert_eq!(steps.share(&Value::from(0.3)), None);
        assert_eq!(steps.share(&Value::from(0.5)), Some(0.5));
        let log = Distribution::LogUniform {
            low: 1.0,
            high: 100.0,
            step: None,
        };
        assert!((log.share(&Value::from(10)).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(
            (log.share(&Value::from(101.0)), log.share(&Value::from("x"))),
            (None, None)
        );
    }

    #[test]
    fn the_scale_tells_how_many_values_there_are() {
        let scale = |text: &str| serde_json::from_str::<Distribution>(text).unwrap().scale();
        assert_eq!(scale(r#"{"type": "uniform", "low": 0, "high": 1}"#), Scale::Continuous);
        assert_eq!(
            scale(r#"{"type": "uniform", "low": 0, "high": 0.3, "step": 0.1}"#),
            Scale::Steps(Some(4))
        );
        assert_eq!(
            scale(r#"{"type": "integer", "low": 0, "high": 10}"#),
            Scale::Steps(Some(11))
        );
        assert_eq!(
            scale(r#"{"type": "log_integer", "low": 1, "high": 10, "step": 4}"#),
            Scale::Steps(Some(3))
        );
        assert_eq!(
            scale(r#"{"type": "normal", "mean": 0, "std": 1, "step": 1}"#),
            Scale::Steps(None)
        );
        assert_eq!(scale(r#"{"type": "choice", "values": ["a", 1]}"#), Scale::Categories(2));
        assert_eq!(scale(r#"{"type": "fixed", "value": 1}"#), Scale::Constant);
    }
}
