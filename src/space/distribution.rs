//! The distributions a parameter can have.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// A value of a parameter: a JSON scalar.
pub type Value = serde_json::Value;

/// How the value of one parameter is drawn.
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
    },
    /// Any number between the bounds, with the same density on the logarithmic scale.
    LogUniform {
        /// Lower bound, above 0 and below `high`.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// Any whole number between the bounds, both included, with the same probability.
    Integer {
        /// Lower bound, below `high`.
        low: i64,
        /// Upper bound.
        high: i64,
    },
    /// One of the values with the same probability.
    Choice {
        /// At least one value, all different.
        values: Vec<Value>,
    },
}

impl Distribution {
    /// Draws one value. It uses the generator the same number of times for the same distribution.
    pub fn sample(&self, rng: &mut impl Rng) -> Value {
        match self {
            Self::Fixed { value } => value.clone(),
            Self::Uniform { low, high } => Value::from(between(*low, *high, rng.random())),
            Self::LogUniform { low, high } => {
                Value::from(between(low.ln(), high.ln(), rng.random()).exp().clamp(*low, *high))
            }
            Self::Integer { low, high } => Value::from(rng.random_range(*low..=*high)),
            Self::Choice { values } => values[rng.random_range(0..values.len())].clone(),
        }
    }

    /// Whether every draw gives the same value.
    pub fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed { .. })
    }
}

/// The point at `share` (0 to 1) of the way from `low` to `high`, without overflow for bounds far apart.
fn between(low: f64, high: f64, share: f64) -> f64 {
    low * (1.0 - share) + high * share
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    proptest! {
        #[test]
        fn draws_lie_within_the_bounds(seed: u64, low in 1e-9f64..1e9, factor in 1.0001f64..1e6, whole in -1000i64..1000, width in 1i64..1000) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let high = low * factor;
            for distribution in [Distribution::Uniform { low, high }, Distribution::LogUniform { low, high }] {
                let x = distribution.sample(&mut rng).as_f64().unwrap();
                prop_assert!((low..=high).contains(&x), "{distribution:?} gave {x}");
            }
            let n = Distribution::Integer { low: whole, high: whole + width }.sample(&mut rng).as_i64().unwrap();
            prop_assert!((whole..=whole + width).contains(&n));
        }
    }

    #[test]
    fn a_log_uniform_draw_falls_into_each_decade_equally_often() {
        let distribution = Distribution::LogUniform { low: 1e-6, high: 1e-2 };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut decades = [0u32; 4];
        for _ in 0..4000 {
            let x = distribution.sample(&mut rng).as_f64().unwrap();
            decades[((x.log10() + 6.0) as usize).min(3)] += 1;
        }
        assert!(decades.iter().all(|&n| (850..1150).contains(&n)), "{decades:?}");
    }
}
