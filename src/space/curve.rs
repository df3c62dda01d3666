//! How uniform shares of the unit interval become numbers.

use statrs::distribution::{ContinuousCDF, Normal};

/// The inverse of a distribution function.
#[derive(Debug, Clone, Copy)]
pub(super) enum Curve {
    /// Uniform between the bounds.
    Linear {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// Uniform logarithms.
    Logarithmic {
        /// The logarithm of the lower bound.
        low: f64,
        /// The logarithm of the upper bound.
        high: f64,
    },
    /// Normally distributed numbers, cut off at the bounds.
    Normal(Bell),
    /// Numbers whose logarithms are so.
    LogNormal(Bell),
    /// A bound beyond which there is nothing.
    Point(f64),
}

/// A normal distribution between two bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bell {
    normal: Normal,
    mean: f64,
    /// Whether the masses are counted from above: those of an upper tail can be distinguished only so.
    from_above: bool,
    /// The mass beyond the outer bound.
    outside: f64,
    /// That and the mass between the bounds.
    mass: f64,
}

/// What there is between two bounds of a normal distribution.
enum Between {
    Bell(Bell),
    /// A piece so narrow that its density is constant.
    Even,
    Nothing,
}

/// Smaller masses have no precision.
const LEAST: f64 = 1e-300;

impl Bell {
    fn between(mean: f64, std: f64, low: f64, high: f64) -> Between {
        let Ok(normal) = Normal::new(mean, std) else {
            return Between::Nothing;
        };
        let from_above = low > mean;
        let (outside, mass) = match from_above {
            true => (normal.sf(high), normal.sf(low)),
            false => (normal.cdf(low), normal.cdf(high)),
        };
        if mass < LEAST {
            Between::Nothing
        } else if mass - outside < 1e-9 * mass {
            Between::Even
        } else {
            Between::Bell(Self {
                normal,
                mean,
                from_above,
                outside,
                mass,
            })
        }
    }

    fn at(self, share: f64) -> f64 {
        // The ends of an unbounded one are infinite.
        let within = |mass: f64| mass.clamp(self.outside.max(1e-12 * self.mass), self.mass.min(1.0 - 1e-12));
        match self.from_above {
            true => {
                let mirrored = self.normal.inverse_cdf(within(between(self.mass, self.outside, share)));
                self.mean + (self.mean - mirrored)
            }
            false => self.normal.inverse_cdf(within(between(self.outside, self.mass, share))),
        }
    }

    fn share(self, x: f64) -> f64 {
        let inside = self.mass - self.outside;
        match self.from_above {
            true => (self.mass - self.normal.sf(x)) / inside,
            false => (self.normal.cdf(x) - self.outside) / inside,
        }
    }
}

impl Curve {
    /// Of normally distributed numbers between two bounds, infinite where there is none.
    pub fn normal(mean: f64, std: f64, low: f64, high: f64) -> Self {
        match Bell::between(mean, std, low, high) {
            Between::Bell(bell) => Self::Normal(bell),
            Between::Even => Self::Linear { low, high },
            Between::Nothing => Self::Point(mean.clamp(low, high)),
        }
    }

    /// Of numbers whose logarithms are so.
    pub fn log_normal(mean: f64, std: f64, low: f64, high: f64) -> Self {
        match Bell::between(mean, std, low.ln(), high.ln()) {
            Between::Bell(bell) => Self::LogNormal(bell),
            Between::Even => Self::Logarithmic {
                low: low.ln(),
                high: high.ln(),
            },
            Between::Nothing => Self::Point(mean.exp().clamp(low, high)),
        }
    }

    /// The number below which a share of the draws lies.
    pub fn at(self, share: f64) -> f64 {
        match self {
            Self::Linear { low, high } => between(low, high, share),
            Self::Logarithmic { low, high } => between(low, high, share).exp(),
            Self::Normal(bell) => bell.at(share),
            Self::LogNormal(bell) => bell.at(share).exp(),
            Self::Point(x) => x,
        }
    }

    /// The share of the draws that lies below a number.
    pub fn share(self, x: f64) -> f64 {
        let share = match self {
            Self::Linear { low, high } => x / (high - low) - low / (high - low),
            Self::Logarithmic { low, high } => (x.ln() - low) / (high - low),
            Self::Normal(bell) => bell.share(x),
            Self::LogNormal(bell) => bell.share(x.ln()),
            Self::Point(_) => 0.5,
        };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.5 }
    }
}

/// The point at `share` (0 to 1) of the way from `low` to `high`, without overflow for bounds far apart.
fn between(low: f64, high: f64, share: f64) -> f64 {
    low * (1.0 - share) + high * share
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_tail_is_drawn_from_as_from_the_middle(
            mean in -10.0..10.0f64, std in 0.01..10.0f64, near in 0.0..36.0f64, width in 0.01..3.0f64, share in 0.0..1.0f64, upper: bool,
        ) {
            let (near, far) = (near * std, (near + width) * std);
            let (low, high) = if upper { (mean + near, mean + far) } else { (mean - far, mean - near) };
            let curve = Curve::normal(mean, std, low, high);
            let x = curve.at(share);
            let slack = 1e-9 * (mean.abs() + far);
            prop_assert!(x >= low - slack && x <= high + slack, "{} {} {}", low, x, high);
            prop_assert!((curve.share(x) - share).abs() < 1e-6, "{} {}", share, curve.share(x));
            // The mirror image has the same draws.
            let mirrored = Curve::normal(-mean, std, -high, -low).at(1.0 - share);
            prop_assert!((x + mirrored).abs() < 1e-6 * std, "{} {}", x, mirrored);
            // Half of the mass lies on each side of the median, by the density itself.
            let density = |x: f64| (-0.5 * ((x - mean) / std).powi(2) + 0.5 * (near / std).powi(2)).exp();
            let mass = |low: f64, high: f64| {
                let cells = 400;
                let width = (high - low) / f64::from(cells);
                (0..cells).map(|cell| density(low + (f64::from(cell) + 0.5) * width) * width).sum::<f64>()
            };
            let median = curve.at(0.5);
            let (below, above) = (mass(low, median), mass(median, high));
            prop_assert!((below / above - 1.0).abs() < 0.02, "{} {}", below, above);
            let logarithmic = Curve::log_normal(mean, std, low.exp(), high.exp()).at(share);
            prop_assert!((logarithmic.ln() - x).abs() < 1e-6 * (1.0 + x.abs()) || !x.exp().is_normal(), "{} {}", logarithmic, x.exp());
        }

        #[test]
        fn a_narrow_piece_is_drawn_from_evenly(mean in -1.0..1.0f64, deviation in 9..300i32, share in 0.0..1.0f64) {
            let curve = Curve::normal(mean, 10f64.powi(deviation), 2.0, 3.0);
            prop_assert!((curve.at(share) - 2.0 - share).abs() < 1e-3, "{}", curve.at(share));
            prop_assert!((curve.share(2.0 + share) - share).abs() < 1e-3);
        }
    }

    #[test]
    fn what_is_too_far_away_is_a_point() {
        assert!(matches!(
            Curve::normal(0.0, 1.0, 40.0, f64::INFINITY),
            Curve::Point(40.0)
        ));
        assert!(matches!(
            Curve::normal(0.0, 1.0, f64::NEG_INFINITY, -40.0),
            Curve::Point(-40.0)
        ));
        assert!(matches!(Curve::normal(0.0, 1.0, 37.0, f64::INFINITY), Curve::Normal(_)));
        assert_eq!(Curve::Point(40.0).share(40.0), 0.5);
    }
}
