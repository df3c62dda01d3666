//! Where the user expects the best value of a parameter.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use super::{Parameter, Scale, UnitNormal, Value};

/// A guess of a parameter's best value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    /// The guess: a value that the parameter can have.
    pub value: Value,
    /// How much to trust it.
    pub confidence: Confidence,
}

/// How much to trust a guess: how far from it, as a share of the range, the best value may well be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Half of the range.
    Low,
    /// A quarter, as in Mallik et al. (2023, appendix E).
    #[default]
    Medium,
    /// An eighth.
    High,
}

impl Confidence {
    /// All, in ascending order.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// Its name in a study's file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// The standard deviation around the guess, as a share of the range.
    pub fn deviation(self) -> f64 {
        match self {
            Self::Low => 0.5,
            Self::Medium => 0.25,
            Self::High => 0.125,
        }
    }
}

/// A distribution over the coordinates (0 to 1) of one parameter that favours those near a centre: a normal distribution cut off
/// at 0 and 1 for numbers; of choices, the chosen one and all others alike.
#[derive(Debug, Clone, Copy)]
pub struct Around {
    centre: f64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Line(UnitNormal),
    /// The number of choices, and the probability of the favoured one.
    Categories(usize, f64),
}

impl Around {
    /// Around a coordinate of a parameter, with a standard deviation as a share of the range, above 0; `None` if the parameter has
    /// one value only. A choice is kept with the probability that a number would stay within an eighth of the range.
    pub fn new(scale: Scale, centre: f64, deviation: f64) -> Option<Self> {
        let kind = match scale {
            Scale::Constant => return None,
            Scale::Continuous | Scale::Steps(_) => Kind::Line(UnitNormal::new(centre, deviation)),
            Scale::Categories(count) => {
                let near = 2.0 * Normal::standard().cdf(0.125 / deviation) - 1.0;
                let even = 1.0 / count as f64;
                Kind::Categories(count, even + (1.0 - even) * near)
            }
        };
        Some(Self { centre, kind })
    }

    /// What the user expects of a parameter; `None` without a guess.
    pub fn prior(parameter: &Parameter) -> Option<Self> {
        let prior = parameter.prior.as_ref()?;
        let centre = parameter.distribution.share(&prior.value)?;
        Self::new(parameter.distribution.scale(), centre, prior.confidence.deviation())
    }

    /// The density at a coordinate, relative to uniform draws.
    pub fn density(&self, coordinate: f64) -> f64 {
        match self.kind {
            Kind::Line(normal) => normal.density(coordinate),
            Kind::Categories(count, favoured) => {
                let same = place(coordinate, count) == place(self.centre, count);
                let others = (1.0 - favoured) / (count as f64 - 1.0).max(1.0);
                count as f64 * if same { favoured } else { others }
            }
        }
    }

    /// Draws a coordinate.
    pub fn sample(&self, random: &mut impl Rng) -> f64 {
        match self.kind {
            Kind::Line(normal) => normal.at(random.random()),
            Kind::Categories(count, favoured) => {
                let own = place(self.centre, count);
                let other = (own + 1 + random.random_range(0..(count - 1).max(1))) % count;
                let chosen = if random.random::<f64>() < favoured { own } else { other };
                (chosen as f64 + 0.5) / count as f64
            }
        }
    }
}

fn place(coordinate: f64, count: usize) -> usize {
    ((coordinate * count as f64) as usize).min(count - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    proptest! {
        #[test]
        fn densities_are_those_of_the_draws(centre in 0.0..1.0f64, deviation in 0.05..0.6f64, categories in 0..6usize, seed: u64) {
            let scale = if categories < 2 { Scale::Continuous } else { Scale::Categories(categories) };
            let around = Around::new(scale, centre, deviation).unwrap();
            let cells = if categories < 2 { 200 } else { categories };
            let masses: Vec<f64> = (0..cells).map(|cell| around.density((cell as f64 + 0.5) / cells as f64) / cells as f64).collect();
            prop_assert!((masses.iter().sum::<f64>() - 1.0).abs() < 1e-3, "{:?}", masses);
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let draws: Vec<f64> = (0..4000).map(|_| around.sample(&mut random)).collect();
            let half = cells / 2;
            let below = draws.iter().filter(|draw| ((**draw * cells as f64) as usize) < half).count() as f64 / 4000.0;
            let expected: f64 = masses[..half].iter().sum();
            prop_assert!((below - expected).abs() < 0.05, "{} {}", below, expected);
        }
    }

    #[test]
    fn more_confidence_is_nearer_to_the_guess() {
        let at = |confidence: Confidence| {
            Around::new(Scale::Continuous, 0.4, confidence.deviation())
                .unwrap()
                .density(0.4)
        };
        assert!(at(Confidence::Low) > 1.0);
        assert!(at(Confidence::Medium) > at(Confidence::Low) && at(Confidence::High) > at(Confidence::Medium));
        assert!(Around::new(Scale::Constant, 0.5, 0.25).is_none());
    }
}
