//! Whether an early rung tells who is good at a later one.

use serde::{Deserialize, Serialize};

use crate::study::Study;

/// Fewer trials tell nothing.
const TRIALS: usize = 5;
/// Below this rank correlation a rung misleads more than it tells.
const LOW: f64 = 0.3;

/// How well the losses at a rung foretell those at the next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Foresight {
    /// The resource of the rung.
    pub rung: u64,
    /// That of the next.
    pub next: u64,
    /// How many trials have come to both.
    pub trials: usize,
    /// The rank correlation of their losses (Spearman, 1904), -1 to 1. Those that were pruned at the rung are missing, so it
    /// is lower than that of all trials would be.
    pub correlation: f64,
}

impl Foresight {
    /// Whether the rung prunes nearly at random.
    pub fn misleads(&self) -> bool {
        self.correlation < LOW
    }
}

/// Each rung of a study that enough trials have been through to the next.
pub fn foresight(study: &Study) -> Vec<Foresight> {
    let rungs = study.spec().policy.rungs();
    let pairs = rungs.windows(2).filter_map(|pair| {
        let &[rung, next] = pair else { return None };
        let both = study.search_trials().filter(|trial| trial.resource() >= next);
        let losses = both.filter_map(|trial| Some((trial.best_up_to(rung)?.1, trial.best_up_to(next)?.1)));
        let (before, after): (Vec<f64>, Vec<f64>) = losses.unzip();
        let correlation = spearman(&before, &after).filter(|_| before.len() >= TRIALS)?;
        Some(Foresight {
            rung,
            next,
            trials: before.len(),
            correlation,
        })
    });
    pairs.collect()
}

/// The correlation of ranks; none if all of one are equal.
fn spearman(one: &[f64], other: &[f64]) -> Option<f64> {
    let (one, other) = (ranks(one), ranks(other));
    let mean = (one.len() as f64 + 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let correlation = product(&one, &other) / (product(&one, &one) * product(&other, &other)).sqrt();
    correlation.is_finite().then_some(correlation)
}

/// The rank of each number from 1; equal ones share the mean of theirs.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    let mut ranks = vec![0.0; numbers.len()];
    let mut below = 0;
    for equal in order.chunk_by(|&a, &b| numbers[a] == numbers[b]) {
        let rank = below as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|&place| ranks[place] = rank);
        below += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_correlate_whatever_the_scale() {
        let one = [0.1, 0.2, 0.3, 0.4];
        assert_eq!(spearman(&one, &[1.0, 10.0, 11.0, 1e9]), Some(1.0));
        assert_eq!(spearman(&one, &[4.0, 3.0, 2.0, 1.0]), Some(-1.0));
        // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4.
        assert!((spearman(&one, &[0.0, 5.0, 5.0, 7.0]).unwrap() - 0.948_683).abs() < 1e-6);
        assert_eq!(spearman(&one, &[1.0; 4]), None);
        assert_eq!(spearman(&[], &[]), None);
    }
}
