//! What a few costs say about the mean of all that could have been.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The mean of at least one number.
pub(super) fn mean(costs: &[f64]) -> f64 {
    costs.iter().sum::<f64>() / costs.len() as f64
}

/// The square of the standard error of the mean; none of less than two costs.
fn squared_error(costs: &[f64]) -> Option<f64> {
    let (mean, count) = (mean(costs), costs.len() as f64);
    let squares = costs.iter().map(|cost| (cost - mean).powi(2)).sum::<f64>();
    (costs.len() > 1).then(|| squares / (count - 1.0) / count)
}

/// The 95 % confidence interval of the mean by Student's t distribution (Student, "The Probable Error of a Mean", 1908): the costs
/// of runs are taken to be normal, with a variance that is not known. None of less than two costs.
pub(super) fn interval(costs: &[f64]) -> Option<(f64, f64)> {
    let error = squared_error(costs)?.sqrt();
    let t = StudentsT::new(0.0, 1.0, costs.len() as f64 - 1.0).ok()?;
    let (mean, half) = (mean(costs), t.inverse_cdf(0.975) * error);
    Some((mean - half, mean + half))
}

/// The probability that the mean of all possible runs is lower where `a` came from than where `b` did: one less the one-sided
/// p value of Welch's t test ("The Generalization of 'Student's' Problem when Several Different Population Variances are
/// Involved", 1947, with the degrees of freedom of Satterthwaite, "An Approximate Distribution of Estimates of Variance
/// Components", 1946). With nothing known beforehand it is, nearly, the probability given these runs. None if one of them has less
/// than two costs, or if neither varies: that says nothing about how much runs differ.
pub(crate) fn probability_lower(a: &[f64], b: &[f64]) -> Option<f64> {
    let (of_a, of_b) = (squared_error(a)?, squared_error(b)?);
    let difference = mean(b) - mean(a);
    let both = of_a + of_b;
    if both <= 0.0 {
        return None;
    }
    // As shares of the whole, whose squares can't vanish.
    let freedom = |share: f64, costs: &[f64]| share.powi(2) / (costs.len() as f64 - 1.0);
    let freedom = 1.0 / (freedom(of_a / both, a) + freedom(of_b / both, b));
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(t.cdf(difference / both.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    /// `scipy.stats.t.interval(0.95, n - 1, mean, sem)`, scipy 1.17.
    #[test]
    fn the_interval_is_that_of_student() {
        let of = |costs: &[f64], low: f64, high: f64| {
            let found = interval(costs).unwrap();
            near(found.0, low);
            near(found.1, high);
        };
        of(&[0.2058, 0.2049, 0.2071], 0.203185767718263, 0.20868089894840366);
        of(
            &[0.2074, 0.2066, 0.2099, 0.2081],
            0.20576095055423585,
            0.2102390494457642,
        );
        of(&[0.31, 0.35], 0.07587590527650623, 0.5841240947234937);
        of(&[0.5; 3], 0.5, 0.5);
        assert_eq!(
            interval(&[0.5]),
            None,
            "one run says nothing about how much runs differ"
        );
        assert_eq!(interval(&[]), None);
    }

    /// `1 - scipy.stats.ttest_ind(a, b, equal_var=False, alternative="less").pvalue`.
    #[test]
    fn the_probability_is_that_of_welch() {
        let of = |a: &[f64], b: &[f64], expected: f64| {
            near(probability_lower(a, b).unwrap(), expected);
            near(probability_lower(b, a).unwrap(), 1.0 - expected);
        };
        of(
            &[0.2058, 0.2049, 0.2071],
            &[0.2074, 0.2066, 0.2099, 0.2081],
            0.9588885950706347,
        );
        of(&[0.31, 0.35], &[0.30, 0.42, 0.29, 0.33, 0.37], 0.6397105929655375);
        of(&[1.0, 1.0], &[1.5, 2.5], 0.8524163823495667);
        assert_eq!(probability_lower(&[1.0, 1.0], &[2.0, 2.0]), None);
        of(
            &[1e-100, 3e-100],
            &[2e-100, 4e-100],
            probability_lower(&[1.0, 3.0], &[2.0, 4.0]).unwrap(),
        );
        assert_eq!(probability_lower(&[1.0], &[1.0, 2.0]), None);
    }

    /// Of intervals for the mean of normal numbers 95 % hold it, and of comparisons between equals those that are sure by 90 % are
    /// wrong in 10 %.
    #[test]
    fn certainty_is_as_often_right_as_it_says() {
        use rand::SeedableRng;
        use statrs::distribution::Normal;

        const STUDIES: usize = 4000;
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let normal = Normal::new(0.3, 0.02).unwrap();
        let mut run = || normal.inverse_cdf(rand::RngExt::random(&mut random));
        let mut runs = || -> Vec<f64> { (0..4).map(|_| run()).collect() };
        let (mut held, mut sure) = (0, 0);
        for _ in 0..STUDIES {
            let (a, b) = (runs(), runs());
            let (low, high) = interval(&a).unwrap();
            held += usize::from((low..high).contains(&0.3));
            sure += usize::from(probability_lower(&a, &b).unwrap() > 0.9);
        }
        let share = |count: usize| count as f64 / STUDIES as f64;
        assert!((share(held) - 0.95).abs() < 0.015, "{}", share(held));
        assert!((share(sure) - 0.1).abs() < 0.02, "{}", share(sure));
    }
}
