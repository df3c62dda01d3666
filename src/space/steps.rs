//! Numbers that lie at equal distances.

/// The numbers a whole number of steps from a bound, between the bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    low: f64,
    high: f64,
    step: f64,
}

/// How many rounding errors may add up in a number.
const ROUNDINGS: f64 = 4.0;
/// Numbers with a distance of fewer roundings cannot be distinguished by their digits.
const APART: f64 = 64.0;

/// How far apart neighbouring numbers up to this size must be for each to have digits of its own.
pub(super) fn least(largest: f64) -> f64 {
    (APART * f64::EPSILON * largest).max(f64::MIN_POSITIVE)
}

impl Steps {
    /// Bounds are infinite where there is none; a step is above 0.
    pub fn new(low: f64, high: f64, step: f64) -> Self {
        Self { low, high, step }
    }

    /// The number with no step: the lower bound, or 0 without one.
    pub fn start(self) -> f64 {
        if self.low.is_finite() { self.low } else { 0.0 }
    }

    /// How many steps there are to the last number.
    pub fn last(self) -> f64 {
        let steps = (self.high - self.start()) / self.step;
        let roundings = ROUNDINGS * f64::EPSILON * self.start().abs().max(self.high.abs()) / self.step;
        (steps + roundings.clamp(1e-9, ROUNDINGS / APART)).floor()
    }

    /// The number after this many steps, as a person would have written it: steps of 0.1 add up to 0.3, not to 0.30000000000000004.
    pub fn at(self, steps: f64) -> f64 {
        if steps == 0.0 {
            return self.start().clamp(self.low, self.high);
        }
        let x = self.start() + steps * self.step;
        let error = ROUNDINGS * f64::EPSILON * self.start().abs().max(x.abs());
        let mut written = (0..17).map(|digits| format!("{x:.digits$e}").parse().unwrap_or(x));
        let short = written.find(|short: &f64| (short - x).abs() <= error);
        // JSON has no infinite numbers.
        let x = short.unwrap_or(x).clamp(f64::MIN, f64::MAX);
        x.clamp(self.low, self.high)
    }

    /// The steps to the number that is nearest.
    pub fn nearest(self, x: f64) -> f64 {
        let steps = ((x - self.start()) / self.step).round().min(self.last());
        if self.low.is_finite() { steps.max(0.0) } else { steps }
    }

    /// The steps to a number, if it is one of these up to rounding.
    pub fn of(self, x: f64) -> Option<f64> {
        let steps = self.nearest(x);
        let tolerance = self.step * 1e-6 + (1e-9 * x.abs()).min(self.step / 4.0);
        ((self.at(steps) - x).abs() <= tolerance).then_some(steps)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(low: f64, high: f64, step: f64) -> Vec<f64> {
        let steps = Steps::new(low, high, step);
        (0..=steps.last() as u64)
            .map(|number| steps.at(number as f64))
            .collect()
    }

    #[test]
    fn they_keep_their_digits_and_the_bounds() {
        assert_eq!(numbers(0.0, 0.35, 0.1), [0.0, 0.1, 0.2, 0.3]);
        assert_eq!(numbers(-1000.0, 0.02, 999.99), [-1000.0, -0.01]);
        let late = 1_700_000_000_000.0;
        assert_eq!(
            numbers(late, late + 2.0, 0.5),
            [late, late + 0.5, late + 1.0, late + 1.5, late + 2.0]
        );
        let ninths = [
            0.0,
            0.222_222_222_222_222_2,
            0.444_444_444_444_444_4,
            0.666_666_666_666_666_6,
        ];
        assert_eq!(numbers(0.0, ninths[3], ninths[1]), ninths);
    }

    proptest! {
        #[test]
        fn every_number_of_steps_is_a_number_of_its_own_between_the_bounds(
            low in prop_oneof![-1.0..1.0f64, Just(0.0)], width in 1e-12..2.0f64, count in 1u64..1 << 46,
            scale in -300..300i32, share in 0.0..1.0f64,
        ) {
            let scale = 10f64.powi(scale);
            let (low, high) = (low * scale, (low + width) * scale);
            let step = (high - low) / count as f64;
            prop_assume!(step > 0.0 && step >= least(low.abs().max(high.abs())));
            let steps = Steps::new(low, high, step);
            prop_assert_eq!(steps.last(), count as f64);
            let number = (share * count as f64).floor();
            for number in [0.0, number, count as f64 - 1.0] {
                let (one, next) = (steps.at(number), steps.at(number + 1.0));
                prop_assert!(low <= one && one < next && next <= high, "{one} {next}");
                prop_assert_eq!((steps.of(one), steps.of(next)), (Some(number), Some(number + 1.0)));
                prop_assert_eq!(steps.of(one + (next - one) / 2.0), None);
            }
            prop_assert_eq!((steps.at(0.0), steps.of(high)), (low, Some(count as f64)));
        }
    }
}
