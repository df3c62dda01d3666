//! A normal distribution cut off at 0 and 1, for coordinates of the unit cube.
//!
//! [`Curve`](super::curve::Curve) has one between any bounds, which takes more care of tails: here the middle is never far from
//! them.

use statrs::distribution::{Continuous, ContinuousCDF, Normal};

/// The distribution.
#[derive(Debug, Clone, Copy)]
pub struct UnitNormal {
    /// `None` if there is no such distribution; even draws stand in for it.
    normal: Option<Normal>,
    from: f64,
    mass: f64,
}

impl UnitNormal {
    /// Around a centre, with a standard deviation before the cut, above 0.
    pub fn new(centre: f64, deviation: f64) -> Self {
        let normal = Normal::new(centre, deviation).ok();
        let from = normal.map_or(0.0, |normal| normal.cdf(0.0));
        let to = normal.map_or(1.0, |normal| normal.cdf(1.0));
        Self {
            normal,
            from,
            mass: (to - from).max(f64::MIN_POSITIVE),
        }
    }

    /// The number below which a share (0 to 1) of the draws lie.
    pub fn at(&self, share: f64) -> f64 {
        let x = self
            .normal
            .map(|normal| normal.inverse_cdf(self.from + share * self.mass));
        x.filter(|x| x.is_finite()).unwrap_or(share).clamp(0.0, 1.0)
    }

    /// The density at a number from 0 to 1, where that of even draws is 1.
    pub fn density(&self, x: f64) -> f64 {
        self.normal.map_or(1.0, |normal| normal.pdf(x) / self.mass)
    }
}
