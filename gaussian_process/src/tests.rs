//! What several tests look at.

use crate::Point;

/// Costs of twelve configurations with two features, of which the first one matters more, at three rungs.
pub(crate) fn points() -> Vec<Point> {
    (0..12)
        .map(|number| {
            let x = f64::from(number) / 11.0;
            let rung = (number % 3) as usize;
            Point {
                features: vec![x, (7.0 * x).fract()],
                rung,
                cost: (6.0 * x).sin() + 0.1 * rung as f64,
            }
        })
        .collect()
}
