//! What trials are compared by, where some may break what the study requires.

use std::cmp::Ordering;

/// A report or a trial among others: one that breaks what the study requires is worse than any that does not, and of two that do,
/// the one that breaks it less is better; otherwise the cost decides (Deb, "An Efficient Constraint Handling Method for Genetic
/// Algorithms", 2000, section 3).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// By how much the requirements are broken, 0 if they are fulfilled; see [`StudySpec::violation`](super::StudySpec::violation).
    pub violation: f64,
    /// The cost by the study's objective, finite; lower is better.
    pub cost: f64,
}

impl Score {
    /// Whether all that the study requires is fulfilled.
    pub fn is_feasible(self) -> bool {
        self.violation <= 0.0
    }

    /// Whether it is known what breaks a requirement, and that something does.
    pub fn is_broken(self) -> bool {
        !self.is_feasible() && self.violation.is_finite()
    }
}

/// Where nothing is required.
impl From<f64> for Score {
    fn from(cost: f64) -> Self {
        Self { violation: 0.0, cost }
    }
}

impl Eq for Score {}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        // Adding zero makes -0.0, which a sum of no numbers is, and 0.0 a tie.
        let number = |one: f64, other: f64| (one + 0.0).total_cmp(&(other + 0.0));
        number(self.violation, other.violation).then(number(self.cost, other.cost))
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
