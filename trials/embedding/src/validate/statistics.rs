//! How many labels a model finds.

/// The share of labels found.
pub fn accuracy(found: &[i64], labels: &[i64]) -> f64 {
    let right = found.iter().zip(labels).filter(|(found, label)| found == label).count();
    right as f64 / labels.len() as f64
}

/// The mean over the labels that occur, or were found, of the harmonic mean of precision and recall.
pub fn macro_f1(found: &[i64], labels: &[i64]) -> f64 {
    let mut all: Vec<i64> = found.iter().chain(labels).copied().collect();
    all.sort_unstable();
    all.dedup();
    let f1 = |&label: &i64| {
        let both = found
            .iter()
            .zip(labels)
            .filter(|&(&f, &l)| f == label && l == label)
            .count();
        let either = found.iter().chain(labels).filter(|&&one| one == label).count();
        2.0 * both as f64 / either as f64
    };
    all.iter().map(f1).sum::<f64>() / all.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        assert_eq!(accuracy(&[0, 1, 1, 2], &[0, 1, 2, 2]), 0.75);
        // F1 of label 0 is 1, of 1 and 2 it is 2/3 each.
        assert!((macro_f1(&[0, 1, 1, 2], &[0, 1, 2, 2]) - 7.0 / 9.0).abs() < 1e-12);
    }
}
