//! Maximizes a smooth function of some numbers within bounds by the method of Broyden, Fletcher, Goldfarb and Shanno: Nocedal and Wright,
//! "Numerical Optimization" (2006), sections 3.1 (backtracking) and 6.1.

/// How far any number moves in one step, at most.
const LONGEST: f64 = 1.0;
/// The share of what the slope promises that a step must gain.
const SUFFICIENT: f64 = 1e-4;
/// How much shorter the next step is after one that gained too little, and the shortest one.
const SHORTER: f64 = 0.3;
const SHORTEST: f64 = 1e-3;

/// The state of a search, which can go on with another function that is much like the one before.
#[derive(Debug, Clone)]
pub(crate) struct QuasiNewton {
    /// The highest place so far.
    pub at: Vec<f64>,
    bounds: Vec<(f64, f64)>,
    /// Minus the inverse of the matrix of second derivatives, as far as it is known.
    inverse: Vec<Vec<f64>>,
}

impl QuasiNewton {
    /// A search that begins at a place, and first moves each number as if the function fell off with these deviations around it.
    pub fn new(at: Vec<f64>, deviations: &[f64], bounds: Vec<(f64, f64)>) -> Self {
        let diagonal = |i: usize, j: usize| if i == j { deviations[i] * deviations[i] } else { 0.0 };
        let row = |i| (0..at.len()).map(|j| diagonal(i, j)).collect();
        Self {
            inverse: (0..at.len()).map(row).collect(),
            at,
            bounds,
        }
    }

    /// Goes up until a step gains less than a tolerance, or the function has been evaluated so many times. The function gives its value
    /// and slopes, or none where it can't be evaluated.
    pub fn maximize(
        &mut self,
        evaluations: usize,
        tolerance: f64,
        function: impl Fn(&[f64]) -> Option<(f64, Vec<f64>)>,
    ) {
        let Some((mut value, mut slopes)) = function(&self.at) else {
            return;
        };
        let mut share = 1.0;
        for _ in 1..evaluations {
            let there = self.ahead(&slopes, share);
            let step = difference(&there, &self.at);
            let promised = dot(&step, &slopes);
            let higher = |new: &(f64, Vec<f64>)| promised > 0.0 && new.0 >= value + SUFFICIENT * promised;
            let Some(new) = function(&there).filter(higher) else {
                share *= SHORTER;
                if share < SHORTEST {
                    break;
                }
                continue;
            };
            self.learn(&step, &difference(&slopes, &new.1));
            let gained = new.0 - value;
            ((value, slopes), self.at, share) = (new, there, 1.0);
            if gained < tolerance {
                break;
            }
        }
    }

    /// Where a share of the step leads that would reach the top of a quadratic function.
    fn ahead(&self, slopes: &[f64], share: f64) -> Vec<f64> {
        // A number at a bound does not push the others aside by where it can't go.
        let can_move = |((at, (low, high)), slope): ((&f64, &(f64, f64)), &f64)| {
            let out = (*at <= *low && *slope < 0.0) || (*at >= *high && *slope > 0.0);
            if out { 0.0 } else { 1.0 }
        };
        let moves: Vec<f64> = self.at.iter().zip(&self.bounds).zip(slopes).map(can_move).collect();
        let slopes: Vec<f64> = slopes.iter().zip(&moves).map(|(slope, moves)| slope * moves).collect();
        let rows = self.inverse.iter().zip(&moves);
        let step: Vec<f64> = rows.map(|(row, moves)| moves * dot(row, &slopes)).collect();
        let longest = step.iter().fold(LONGEST, |longest, own| longest.max(own.abs()));
        let share = share * LONGEST / longest;
        let numbers = self.at.iter().zip(&step).zip(&self.bounds);
        numbers
            .map(|((at, step), (low, high))| (at + share * step).clamp(*low, *high))
            .collect()
    }

    /// Takes into account by how much the slopes have fallen over a step.
    fn learn(&mut self, step: &[f64], fallen: &[f64]) {
        let curvature = dot(step, fallen);
        // Where the function bends upwards it says nothing of how far its top is.
        if curvature <= 1e-9 * dot(fallen, fallen).max(f64::MIN_POSITIVE) {
            return;
        }
        let reached: Vec<f64> = self.inverse.iter().map(|row| dot(row, fallen)).collect();
        let along = (1.0 + dot(fallen, &reached) / curvature) / curvature;
        for (i, row) in self.inverse.iter_mut().enumerate() {
            for (j, own) in row.iter_mut().enumerate() {
                *own += along * step[i] * step[j] - (reached[i] * step[j] + step[i] * reached[j]) / curvature;
            }
        }
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

fn difference(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(a, b)| a - b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ridge that bends, with its top, 0, at (1, 1): minus Rosenbrock's function.
    fn ridge(at: &[f64]) -> Option<(f64, Vec<f64>)> {
        let (x, y) = (at[0], at[1]);
        let across = y - x * x;
        let value = -(1.0 - x).powi(2) - 10.0 * across * across;
        Some((value, vec![2.0 * (1.0 - x) + 40.0 * x * across, -20.0 * across]))
    }

    #[test]
    fn it_follows_a_ridge_to_its_top_or_to_the_bounds() {
        let top = |bounds: (f64, f64)| {
            let mut search = QuasiNewton::new(vec![-1.0, 1.0], &[1.0, 1.0], vec![bounds; 2]);
            search.maximize(100, 1e-9, ridge);
            search.at
        };
        assert!(
            top((-2.0, 2.0)).iter().all(|number| (number - 1.0).abs() < 1e-3),
            "{:?}",
            top((-2.0, 2.0))
        );
        let bounded = top((-2.0, 0.5));
        assert!(
            (bounded[0] - 0.5).abs() < 1e-2 && (bounded[1] - 0.25).abs() < 1e-2,
            "{bounded:?}"
        );
    }

    #[test]
    fn it_stays_where_nothing_can_be_evaluated_and_comes_back_from_there() {
        let mut search = QuasiNewton::new(vec![0.0], &[1.0], vec![(-9.0, 9.0)]);
        search.maximize(50, 1e-9, |_| None);
        assert_eq!(search.at, [0.0]);
        search.maximize(50, 1e-9, |at| {
            (at[0] < 0.5).then(|| (at[0] - at[0] * at[0], vec![1.0 - 2.0 * at[0]]))
        });
        assert!(search.at[0] > 0.45, "{:?}", search.at);
    }
}
