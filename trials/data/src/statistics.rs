//! Correlations.

/// Pearson's correlation of equally many values; not a number if either does not vary.
pub fn pearson(one: &[f64], other: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (middle, centre) = (mean(one), mean(other));
    let (mut product, mut left, mut right) = (0.0, 0.0, 0.0);
    for (x, y) in one.iter().zip(other) {
        product += (x - middle) * (y - centre);
        left += (x - middle).powi(2);
        right += (y - centre).powi(2);
    }
    product / (left * right).sqrt()
}

/// Spearman's rank correlation: Pearson's of the ranks, where equals share the mean of theirs.
pub fn spearman(one: &[f64], other: &[f64]) -> f64 {
    pearson(&ranks(one), &ranks(other))
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&one, &other| values[one].total_cmp(&values[other]));
    let mut ranks = vec![0.0; values.len()];
    let mut from = 0;
    for equals in order.chunk_by(|&one, &other| values[one] == values[other]) {
        let shared = from as f64 + (equals.len() - 1) as f64 / 2.0;
        equals.iter().for_each(|&place| ranks[place] = shared);
        from += equals.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations() {
        let one = [1.0, 2.0, 3.0, 4.0];
        assert!((pearson(&one, &[2.0, 4.0, 6.0, 8.0]) - 1.0).abs() < 1e-12);
        assert!((pearson(&one, &[1.0, 4.0, 9.0, 16.0]) - 0.984_374).abs() < 1e-6);
        assert!((spearman(&one, &[1.0, 4.0, 9.0, 16.0]) - 1.0).abs() < 1e-12);
        // Equals share ranks 1 and 2: pearson of (0, 1, 2, 3) and (0, 1.5, 1.5, 3).
        assert!((spearman(&one, &[0.0, 5.0, 5.0, 7.0]) - 0.948_683).abs() < 1e-6);
        assert_eq!(spearman(&one, &[1.0, 10.0, 11.0, 1e9]), 1.0);
        assert_eq!(spearman(&one, &[4.0, 3.0, 2.0, 1.0]), -1.0);
        assert!(spearman(&one, &[1.0; 4]).is_nan());
        assert!(spearman(&[], &[]).is_nan());
    }
}
