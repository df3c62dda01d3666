//! Distributions as Optuna knows them: numbers between bounds, on a linear or a logarithmic scale, and choices.

use serde_json::{Value, json};

use crate::space::Distribution;

/// How far from its mean a bell without a bound reaches there, in standard deviations.
const TAIL: f64 = 5.0;

/// The share of a step within which a number counts as a whole number of them.
const TOLERANCE: f64 = 1e-9;

/// The value of a parameter and where it comes from.
pub(super) struct Drawn {
    /// The value as Optuna records it: of a choice its place.
    pub internal: Value,
    /// The distribution, as JSON in a text.
    pub distribution: String,
}

impl Drawn {
    /// That of a value; none if it is not one of a choice.
    pub fn new(distribution: &Distribution, value: &Value) -> Option<Self> {
        let whole = |low: i64, high: i64, step: u64, log: bool| {
            // Optuna has no steps on a logarithmic scale.
            let step = if log { 1 } else { step };
            let high = low.saturating_add_unsigned(low.abs_diff(high) / step * step);
            Self::of(
                "IntDistribution",
                json!({ "log": log, "step": step, "low": low, "high": high }),
                value,
            )
        };
        // A bell has no end, so its value may lie beyond any.
        let tail = |reach: f64, farther: fn(f64, f64) -> f64, step: Option<f64>| {
            let reach = farther(reach, value.as_f64().unwrap_or(reach));
            step.map_or(reach, |step| (reach / step + TOLERANCE).floor() * step)
        };
        Some(match *distribution {
            Distribution::Integer { low, high, step } => whole(low, high, step, false),
            Distribution::LogInteger { low, high, step } => whole(low, high, step, true),
            Distribution::Uniform { low, high, step } => Self::float(low, high, step, false, value),
            Distribution::LogUniform { low, high, step } => Self::float(low, high, step, true, value),
            Distribution::Normal {
                mean,
                std,
                low,
                high,
                step,
            } => {
                let lowest = || tail(mean - TAIL * std, f64::min, step);
                let highest = || tail(mean + TAIL * std, f64::max, None);
                Self::float(
                    low.unwrap_or_else(lowest),
                    high.unwrap_or_else(highest),
                    step,
                    false,
                    value,
                )
            }
            Distribution::LogNormal {
                mean,
                std,
                low,
                high,
                step,
            } => {
                let lowest = || tail((mean - TAIL * std).exp().max(f64::MIN_POSITIVE), f64::min, None);
                let highest = || tail((mean + TAIL * std).exp().min(f64::MAX), f64::max, None);
                Self::float(
                    low.unwrap_or_else(lowest),
                    high.unwrap_or_else(highest),
                    step,
                    true,
                    value,
                )
            }
            Distribution::Fixed { ref value } => match (value.as_i64(), value.as_f64()) {
                (Some(number), _) => whole(number, number, 1, false),
                (None, Some(number)) => Self::float(number, number, None, false, value),
                (None, None) => Self::choice(std::slice::from_ref(value), 0),
            },
            Distribution::Choice { ref values } => {
                let place = distribution.place(value)?;
                Self::choice(values, place)
            }
        })
    }

    fn float(low: f64, high: f64, step: Option<f64>, log: bool, value: &Value) -> Self {
        // Optuna has no steps on a logarithmic scale.
        let step = step.filter(|_| !log);
        // Elsewhere the upper bound is a whole number of steps from the lower one.
        let high = step.map_or(high, |step| low + ((high - low) / step + TOLERANCE).floor() * step);
        Self::of(
            "FloatDistribution",
            json!({ "step": step, "low": low, "high": high, "log": log }),
            value,
        )
    }

    fn choice(values: &[Value], place: u64) -> Self {
        Self::of("CategoricalDistribution", json!({ "choices": values }), &json!(place))
    }

    fn of(name: &str, attributes: Value, internal: &Value) -> Self {
        Self {
            internal: internal.clone(),
            distribution: json!({ "name": name, "attributes": attributes }).to_string(),
        }
    }
}
