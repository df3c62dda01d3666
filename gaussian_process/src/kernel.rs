//! How costs covary: Rasmussen and Williams (2006), chapter 4.2 (Matern).
//!
//! Covariances are computed a column at a time, step by step over the whole of it, so that each step is done to several numbers at once.

use crate::vectors::{matern, matern_and_slopes, squares};

/// The least share of the signal that is noise, so that matrices stay regular.
const JITTER: f64 = 1e-6;

/// How two costs covary without noise: Matern 5/2 over configurations times a power of the correlation over rungs.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    lengths: Vec<f64>,
    /// The variance of the noise.
    pub noise: f64,
    /// The covariance of two costs of one configuration, by how many rungs they are apart.
    scales: Vec<f64>,
}

impl Kernel {
    /// Of the logarithms of a length scale for each feature and of the signal's and the noise's deviation, and the correlation of
    /// neighbouring rungs, for rungs up to the number `last`.
    pub fn new(lengths: &[f64], signal: f64, noise: f64, correlation: f64, last: usize) -> Self {
        let signal = (2.0 * signal).exp();
        let powers = std::iter::successors(Some(signal), |scale| Some(scale * correlation));
        Self {
            lengths: lengths.iter().map(|length| length.exp()).collect(),
            noise: (2.0 * noise).exp() + JITTER * signal,
            scales: powers.take(last + 1).collect(),
        }
    }

    /// The variance of a cost without noise.
    pub fn signal(&self) -> f64 {
        self.scales[0]
    }

    /// Features at rungs, in units of the length scales.
    pub fn places<'a>(&self, places: impl Iterator<Item = (&'a [f64], usize)>) -> Places {
        let (features, rungs): (Vec<&[f64]>, Vec<usize>) = places.unzip();
        let scaled = (0..).zip(&self.lengths);
        let scaled = scaled.flat_map(|(feature, length)| features.iter().map(move |one| one[feature] / length));
        Places {
            scaled: scaled.collect(),
            features: self.lengths.len(),
            rungs,
        }
    }

    /// The covariances of the costs at the places from the number `from` on with that at place `j` of others, one for each.
    pub fn covariances(&self, places: &Places, from: usize, others: &Places, j: usize, values: &mut [f64]) {
        places.squares(from, others, j, values);
        matern(values);
        self.scale(places, from, others.rungs[j], values);
    }

    /// The same within the places, and how much each grows with the logarithm of a length scale, divided by the square of how far
    /// the two are apart in that feature.
    pub fn covariances_and_slopes(&self, places: &Places, j: usize, values: &mut [f64], slopes: &mut [f64]) {
        places.squares(j, places, j, values);
        matern_and_slopes(values, slopes);
        self.scale(places, j, places.rungs[j], values);
        self.scale(places, j, places.rungs[j], slopes);
    }

    /// Multiplies what holds for one configuration by how the costs at two rungs of it covary.
    fn scale(&self, places: &Places, from: usize, rung: usize, values: &mut [f64]) {
        for (value, other) in values.iter_mut().zip(&places.rungs[from..]) {
            *value *= self.scales[other.abs_diff(rung)];
        }
    }
}

/// Configurations at rungs, in units of the length scales.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The number of each one's rung.
    pub rungs: Vec<usize>,
    features: usize,
    /// The first feature of all, then the second, and so on.
    scaled: Vec<f64>,
}

impl Places {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.rungs.len()
    }

    /// Some of them.
    pub fn some(&self, places: &[usize]) -> Self {
        let of = |feature: &[f64]| places.iter().map(|place| feature[*place]).collect::<Vec<f64>>();
        Self {
            rungs: places.iter().map(|place| self.rungs[*place]).collect(),
            features: self.features,
            scaled: self.features().flat_map(of).collect(),
        }
    }

    /// The values of all for each feature.
    pub fn features(&self) -> impl Iterator<Item = &[f64]> {
        let count = self.count();
        (0..self.features).map(move |feature| &self.scaled[feature * count..(feature + 1) * count])
    }

    /// The squares of how far those from the number `from` on are from place `j` of others.
    fn squares(&self, from: usize, others: &Self, j: usize, values: &mut [f64]) {
        let other: Vec<f64> = others.features().map(|feature| feature[j]).collect();
        squares(values, &self.scaled, self.count(), from, &other);
    }
}
