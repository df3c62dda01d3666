//! Dropout whose masks are a function of a seed, and of the place of each number.

use crate::seed::derive;

/// Dropout of one pass through the encoder (Srivastava et al., 2014). Nothing is drawn from a generator: a mask is a
/// function of seed, site, text and place, so it is the same whichever thread computes it and can be computed again
/// for the gradient instead of being stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// The probability wherever the encoder drops whole activations: embeddings, attention output, feed-forward
    /// output. From 0 to below 1.
    pub hidden: f64,
    /// The probability for attention weights. From 0 to below 1.
    pub attention: f64,
    /// A seed of its own for each step.
    pub seed: u64,
}

/// Where the encoder drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// After the LayerNorm of the embeddings.
    Embeddings,
    /// The attention weights of a layer.
    Attention(usize),
    /// The attention output of a layer, before the residual.
    Output(usize),
    /// The feed-forward output of a layer, before the residual.
    Feed(usize),
}

/// The mask of one site for one text.
#[derive(Debug, Clone, Copy)]
pub struct Mask {
    key: [u32; 2],
    /// Numbers whose hash is below are dropped.
    threshold: u32,
    /// What the others are multiplied with.
    scale: f32,
}

impl Dropout {
    /// No dropout: evaluation.
    pub const NONE: Self = Self {
        hidden: 0.0,
        attention: 0.0,
        seed: 0,
    };

    /// The mask of a site for the text at that place of the batch.
    pub fn mask(&self, site: Site, text: usize) -> Mask {
        let (probability, site) = match site {
            Site::Embeddings => (self.hidden, 0),
            Site::Attention(layer) => (self.attention, 3 * layer as u64 + 1),
            Site::Output(layer) => (self.hidden, 3 * layer as u64 + 2),
            Site::Feed(layer) => (self.hidden, 3 * layer as u64 + 3),
        };
        let key = derive(self.seed, site, text as u64);
        Mask {
            key: [key as u32, (key >> 32) as u32],
            // Rounded to 2^-32, far finer than anyone's choice of a probability.
            threshold: (probability * 2f64.powi(32)) as u32,
            scale: (1.0 / (1.0 - probability)) as f32,
        }
    }
}

impl Mask {
    /// Whether it changes anything.
    pub fn drops(&self) -> bool {
        self.threshold > 0
    }

    /// What the number at that place of the text is multiplied with: 0 or `1 / (1 - probability)`.
    #[inline(always)]
    pub fn factor(&self, place: u32) -> f32 {
        // The mixer is lowbias32 of Wellons' hash prospector, with a second key between its rounds: few enough
        // operations, all of 32 bits, that compilers turn a loop of it into vector instructions.
        let mut hash = place.wrapping_mul(0x9E37_79B9) ^ self.key[0];
        hash = (hash ^ (hash >> 16))
            .wrapping_mul(0x7FEB_352D)
            .wrapping_add(self.key[1]);
        hash = (hash ^ (hash >> 15)).wrapping_mul(0x846C_A68B);
        hash ^= hash >> 16;
        if hash < self.threshold { 0.0 } else { self.scale }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: u32 = 100_000;

    fn factors(dropout: Dropout, site: Site, text: usize) -> Vec<f32> {
        let mask = dropout.mask(site, text);
        (0..COUNT).map(|place| mask.factor(place)).collect()
    }

    fn dropped(factors: &[f32]) -> f64 {
        factors.iter().filter(|&&factor| factor == 0.0).count() as f64 / factors.len() as f64
    }

    /// Five standard deviations of a share of `COUNT` numbers.
    fn tolerance(share: f64) -> f64 {
        5.0 * (share * (1.0 - share) / f64::from(COUNT)).sqrt()
    }

    #[test]
    fn the_rate_is_the_probability_and_the_mean_is_kept() {
        for (site, probability) in [
            (Site::Embeddings, 0.1),
            (Site::Output(0), 0.1),
            (Site::Feed(5), 0.1),
            (Site::Attention(2), 0.9),
        ] {
            let dropout = Dropout {
                hidden: 0.1,
                attention: 0.9,
                seed: 3,
            };
            let factors = factors(dropout, site, 7);
            let rate = dropped(&factors);
            assert!((rate - probability).abs() < tolerance(probability), "{site:?}: {rate}");
            let scale = (1.0 / (1.0 - probability)) as f32;
            assert!(factors.iter().all(|&factor| factor == 0.0 || factor == scale));
        }
        let none = factors(Dropout::NONE, Site::Embeddings, 0);
        assert!(none.iter().all(|&factor| factor == 1.0));
    }

    #[test]
    fn masks_are_independent() {
        let p = 0.3;
        let dropout = |seed| Dropout {
            hidden: p,
            attention: p,
            seed,
        };
        let one = factors(dropout(1), Site::Output(0), 0);
        let mut others = vec![
            factors(dropout(2), Site::Output(0), 0),
            factors(dropout(1), Site::Feed(0), 0),
            factors(dropout(1), Site::Attention(0), 0),
            factors(dropout(1), Site::Output(1), 0),
            factors(dropout(1), Site::Output(0), 1),
        ];
        // Neighbours: the next number, the next row, the next but 2^10.
        for distance in [1, 2, 384, 1024] {
            let mut shifted = one.clone();
            shifted.rotate_left(distance);
            others.push(shifted);
        }
        for (place, other) in others.iter().enumerate() {
            let both = one
                .iter()
                .zip(other)
                .filter(|&(&one, &other)| one == 0.0 && other == 0.0);
            let share = both.count() as f64 / f64::from(COUNT);
            assert!((share - p * p).abs() < tolerance(p * p), "{place}: {share}");
        }
        // Sums of blocks spread as those of independent draws: chi-squared, with mean 1 and deviation sqrt(2 / blocks).
        let blocks: Vec<f64> = one.chunks(100).map(dropped).collect();
        let spread = blocks.iter().map(|share| (share - p).powi(2)).sum::<f64>() / blocks.len() as f64;
        let ratio = spread / (p * (1.0 - p) / 100.0);
        assert!(
            (ratio - 1.0).abs() < 5.0 * (2.0 / blocks.len() as f64).sqrt(),
            "{ratio}"
        );
    }

    #[test]
    fn the_same_seed_is_the_same_mask() {
        let dropout = Dropout {
            hidden: 0.5,
            attention: 0.5,
            seed: 9,
        };
        let site = Site::Feed(3);
        assert_eq!(factors(dropout, site, 4), factors(dropout, site, 4));
    }
}
