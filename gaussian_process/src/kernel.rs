//! How costs covary: Rasmussen and Williams (2006), chapter 4.2 (Matern).

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

    /// The covariance of the costs of one configuration at two rungs.
    pub fn scale(&self, rung: usize, other: usize) -> f64 {
        self.scales[rung.abs_diff(other)]
    }

    /// Features at rungs, in units of the length scales.
    pub fn places<'a>(&self, places: impl Iterator<Item = (&'a [f64], usize)>) -> Places {
        let mut scaled = Vec::new();
        let rungs = places.map(|(features, rung)| {
            scaled.extend(
                features
                    .iter()
                    .zip(&self.lengths)
                    .map(|(feature, length)| feature / length),
            );
            rung
        });
        Places {
            rungs: rungs.collect(),
            features: self.lengths.len(),
            scaled,
        }
    }

    /// The covariance of the costs at two places.
    pub fn covariance(&self, one: &Places, i: usize, other: &Places, j: usize) -> f64 {
        self.scale(one.rungs[i], other.rungs[j]) * matern(distance(one.at(i), other.at(j))).0
    }
}

/// Configurations at rungs, in units of the length scales.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The number of each one's rung.
    pub rungs: Vec<usize>,
    features: usize,
    scaled: Vec<f64>,
}

impl Places {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.rungs.len()
    }

    /// The features of one.
    pub fn at(&self, place: usize) -> &[f64] {
        &self.scaled[place * self.features..(place + 1) * self.features]
    }
}

/// How far two configurations are apart.
pub(crate) fn distance(one: &[f64], other: &[f64]) -> f64 {
    let squares = one.iter().zip(other).map(|(a, b)| (a - b) * (a - b));
    squares.sum::<f64>().sqrt()
}

/// Matern 5/2 at a distance, and minus its derivative, divided by the distance.
pub(crate) fn matern(distance: f64) -> (f64, f64) {
    let d = 5f64.sqrt() * distance;
    let decay = (-d).exp();
    ((1.0 + d + d * d / 3.0) * decay, 5.0 / 3.0 * (1.0 + d) * decay)
}
