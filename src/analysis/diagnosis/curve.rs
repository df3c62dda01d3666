//! What a series of measurements shows beyond its noise.

use std::cmp::Ordering;

/// The median; of an even number the upper one of the two in the middle. `None` for no values.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The standard deviation of the noise around a smooth curve through equally spaced values, 0 if there are fewer than
/// three. A smooth curve has small second differences, those of independent noise have 6 times its variance; their
/// median ignores single jumps and the steep beginning of a curve. Bends count as noise, never the reverse.
pub(super) fn spread(values: &[f64]) -> f64 {
    /// Median of the absolute value of a standard normal variable.
    const NORMAL: f64 = 0.6745;
    let bends = values.windows(3).map(|v| (v[0] - 2.0 * v[1] + v[2]).abs()).collect();
    median(bends).map_or(0.0, |bend| bend / (NORMAL * 6f64.sqrt()))
}

/// The median of the slopes between all pairs of values (Theil and Sen), per step; `None` for fewer than two. Up to 29 % of
/// the values may be arbitrary.
pub(super) fn slope(values: &[f64]) -> Option<f64> {
    let pairs = (0..values.len()).flat_map(|i| (i + 1..values.len()).map(move |j| (i, j)));
    median(pairs.map(|(i, j)| (values[j] - values[i]) / (j - i) as f64).collect())
}

/// The lowest level that the series held for more than one value: the lowest median of three neighbours. A single lucky
/// value does not count. `None` for fewer than three values.
pub(super) fn low(values: &[f64]) -> Option<f64> {
    let smooth = values.windows(3).filter_map(|v| median(v.to_vec()));
    smooth.min_by(f64::total_cmp)
}

/// The place of the lowest value, the first of equals.
pub(super) fn lowest(values: &[f64]) -> Option<usize> {
    (0..values.len()).min_by(|&a, &b| values[a].total_cmp(&values[b]))
}

/// The greatest difference between values.
pub(super) fn range(values: impl Iterator<Item = f64>) -> f64 {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    if low <= high { high - low } else { 0.0 }
}

/// Whether the series ends lower than it begins, and goes down more often than up.
pub(super) fn falls(values: &[f64]) -> bool {
    let down = values.windows(2).filter(|v| v[1] < v[0]).count();
    let up = values.windows(2).filter(|v| v[1] > v[0]).count();
    down > up && values.last() < values.first()
}

/// Whether equally spaced values rise, whatever the shape of the rise and the noise: the trend test of Mann ("Nonparametric Tests
/// against Trend", 1945), one-sided, which finds one where there is none in 5 % of cases. Fewer than five values show nothing.
pub(super) fn rises(values: &[f64]) -> bool {
    /// The 95 % quantile of the standard normal distribution.
    const CERTAIN: f64 = 1.645;
    let n = values.len() as f64;
    let pairs = (0..values.len()).flat_map(|i| (i + 1..values.len()).map(move |j| (i, j)));
    let order = |(i, j): (usize, usize)| match values[j].partial_cmp(&values[i]) {
        Some(Ordering::Greater) => 1.0,
        Some(Ordering::Less) => -1.0,
        Some(Ordering::Equal) | None => 0.0,
    };
    let sum: f64 = pairs.map(order).sum();
    let variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0;
    values.len() >= 5 && sum - 1.0 > CERTAIN * variance.sqrt()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_rise_is_found_where_there_is_one_and_rarely_elsewhere() {
        assert!(rises(&[0.2109, 0.2092, 0.2135, 0.2116, 0.2130, 0.2131, 0.2186]));
        assert!(!rises(&[1.0, 2.0, 3.0, 4.0]) && rises(&[1.0, 2.0, 3.0, 4.0, 5.0]));
        assert!(!rises(&[3.0; 9]) && !rises(&[5.0, 4.0, 3.0, 2.0, 1.0, 0.0]));
        let mut random = ChaCha8Rng::seed_from_u64(4);
        for length in [5, 8, 20] {
            let mut noise = || (0..length).map(|_| random.random::<f64>()).collect::<Vec<f64>>();
            let found = (0..2000).filter(|_| rises(&noise())).count();
            assert!(found < 140, "{found} of 2000 with {length} values");
        }
    }

    #[test]
    fn the_spread_is_that_of_the_noise_not_of_the_curve() {
        let noise = |i: u32| if (i * 7) % 5 < 2 { -0.01 } else { 0.01 };
        let smooth: Vec<f64> = (0..40).map(|t| 1.0 - 0.02 * f64::from(t)).collect();
        let noisy: Vec<f64> = (0..40).map(|t| smooth[t as usize] + noise(t)).collect();
        assert!(spread(&smooth) < 1e-12);
        assert!((0.003..0.03).contains(&spread(&noisy)), "{}", spread(&noisy));
        assert_eq!(spread(&[1.0, 5.0]), 0.0);
    }

    #[test]
    fn one_outlier_changes_neither_slope_nor_low() {
        assert_eq!(slope(&[5.0, 4.0, 3.0, 9.0, 1.0, 0.0]), Some(-1.0));
        assert_eq!(slope(&[5.0]), None);
        assert_eq!(low(&[3.0, 2.0, -7.0, 1.5, 1.0, 2.0]), Some(1.0));
        assert_eq!(low(&[3.0, 2.0]), None);
    }

    #[test]
    fn falling_is_a_direction() {
        assert!(falls(&[3.0, 2.0, 2.5, 1.0]));
        assert!(!falls(&[3.0, 3.0, 3.0]));
        assert!(!falls(&[3.0, 1.0, 2.0, 2.9]));
        assert!(!falls(&[]));
    }
}
