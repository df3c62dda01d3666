//! The scale of an axis: which numbers it has room for, where they lie, and which are written beside it.

/// Values beyond the quartiles by more than this many times their distance may have gone astray (Tukey, "Exploratory Data Analysis",
/// 1977).
const FENCE: f64 = 3.0;
/// They have if the others would be left with less than this share of the axis.
const FLATTENED: f64 = 0.25;
/// An objective whose usual values span this factor is shown by its logarithm.
const LARGE: f64 = 100.0;

/// A scale from one number to a higher one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub low: f64,
    pub high: f64,
    pub logarithmic: bool,
    /// Whether only whole numbers are written beside it.
    whole: bool,
}

impl Scale {
    /// One that has room for these numbers; a number alone gets some room about it.
    pub fn new(low: f64, high: f64, logarithmic: bool) -> Self {
        let (low, high) = if low <= high { (low, high) } else { (high, low) };
        let logarithmic = logarithmic && low > 0.0;
        let (low, high) = (low.clamp(-1e300, 1e300), high.clamp(-1e300, 1e300));
        let (low, high) = match (low < high, logarithmic) {
            (true, _) => (low, high),
            (false, true) => (low / 2.0, high * 2.0),
            (false, false) => {
                let room = if low == 0.0 { 1.0 } else { low.abs() / 10.0 };
                (low - room, high + room)
            }
        };
        Self {
            low,
            high,
            logarithmic,
            whole: false,
        }
    }

    /// One for values of an objective: from the lowest to the highest, but for those that have gone astray and would flatten the others.
    pub fn of_values(values: &[f64]) -> Self {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let Some((&least, &most)) = sorted.first().zip(sorted.last()) else {
            return Self::new(0.0, 1.0, false);
        };
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
        let logarithmic = least > 0.0 && at(0.95).ln() - least.ln() >= LARGE.ln();
        let scaled = |x: f64| if logarithmic { x.ln() } else { x };
        let (low, high) = [(0.25, 0.75), (0.05, 0.95), (0.0, 1.0)]
            .map(|(low, high)| (at(low), at(high)))
            .into_iter()
            .find(|(low, high)| low < high)
            .unwrap_or((least, most));
        let room = FENCE * (scaled(high) - scaled(low));
        let usual = |x: &&f64| (scaled(low) - room..=scaled(high) + room).contains(&scaled(**x));
        let mut low = sorted.iter().find(usual).copied().unwrap_or(least);
        let mut high = sorted.iter().rfind(usual).copied().unwrap_or(most);
        let span = (scaled(high) - scaled(low)) / FLATTENED;
        if scaled(high) - scaled(least) <= span {
            low = least;
        }
        if scaled(most) - scaled(low) <= span {
            high = most;
        }
        Self::new(low, high, logarithmic).with_room()
    }

    /// With some room at both ends.
    pub fn with_room(self) -> Self {
        const ROOM: f64 = 0.04;
        match self.logarithmic {
            true => {
                let room = ((self.high.ln() - self.low.ln()) * ROOM).exp();
                Self::new(self.low / room, self.high * room, true)
            }
            false => {
                let room = (self.high - self.low) * ROOM;
                Self::new(self.low - room, self.high + room, false)
            }
        }
    }

    /// For whole numbers: no others are written beside it.
    pub fn whole(self) -> Self {
        Self { whole: true, ..self }
    }

    /// Where a number lies, 0 to 1 from the low end to the high one; beyond that if it does not fit.
    pub fn share(&self, x: f64) -> f64 {
        match self.logarithmic {
            true if x <= 0.0 => f64::NEG_INFINITY,
            true => (x.ln() - self.low.ln()) / (self.high.ln() - self.low.ln()),
            false => (x - self.low) / (self.high - self.low),
        }
    }

    /// The numbers that are written beside it, about as many as asked for, with how they are written.
    pub fn ticks(&self, about: usize) -> Vec<(f64, String)> {
        if self.logarithmic {
            let ticks = self.decades(about);
            if ticks.len() > 1 {
                return ticks;
            }
        }
        let rough = (self.high - self.low) / about.max(1) as f64;
        let size = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0]
            .into_iter()
            .map(|of| of * size)
            .find(|step| *step >= rough * (1.0 - 1e-9));
        let step = step.unwrap_or(10.0 * size).max(if self.whole { 1.0 } else { 0.0 });
        let first = (self.low / step - 1e-9).ceil();
        let count = ((self.high / step + 1e-9).floor() - first).clamp(0.0, 40.0) as usize;
        let numbers = (0..=count).map(|place| (first + place as f64) * step + 0.0);
        numbers.map(|x| (x, written(x, step))).collect()
    }

    /// Powers of ten, and where there are few, twice and five times them.
    fn decades(&self, about: usize) -> Vec<(f64, String)> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let decades = self.high.log10() - self.low.log10();
        let between: &[f64] = if decades * 3.0 < about as f64 + 1.0 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let every = (decades / about.max(1) as f64).ceil().max(1.0) as usize;
        let powers = (first..=last).step_by(every);
        let numbers = powers.flat_map(|power| between.iter().map(move |of| of * 10f64.powi(power)));
        let there = numbers.filter(|x| (self.low * (1.0 - 1e-9)..=self.high * (1.0 + 1e-9)).contains(x));
        there.map(|x| (x, of_decade(x))).collect()
    }
}

/// A number beside others that are a step apart.
fn written(x: f64, step: f64) -> String {
    if x == 0.0 {
        return "0".into();
    }
    match x.abs() < 1e5 && step >= 1e-4 {
        true => {
            let decimals = (-(step * 1.000_001).log10().floor()).max(0.0) as usize;
            format!("{x:.decimals$}")
        }
        false => {
            let digits = (x.abs().log10().floor() - (step * 1.000_001).log10().floor()).clamp(0.0, 15.0) as usize;
            format!("{x:.digits$e}")
        }
    }
}

/// A power of ten, or a small multiple of it.
fn of_decade(x: f64) -> String {
    match (1e-3..1e4).contains(&(x * 1.000_001)) {
        true => {
            let decimals = (-(x * 1.000_001).log10().floor()).max(0.0) as usize;
            format!("{x:.decimals$}")
        }
        false => format!("{x:.0e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, logarithmic: bool) -> String {
        let ticks = Scale::new(low, high, logarithmic).ticks(5);
        ticks.into_iter().map(|(_, label)| label).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn numbers_beside_an_axis_are_round() {
        assert_eq!(labels(0.0, 1.0, false), "0 0.2 0.4 0.6 0.8 1.0");
        assert_eq!(labels(-0.3, 0.31, false), "-0.2 0 0.2");
        assert_eq!(labels(0.0, 27.0, false), "0 10 20");
        assert_eq!(labels(1e-5, 1e-3, true), "1e-5 1e-4 1e-3".replace("1e-3", "0.001"));
        assert_eq!(labels(1e-12, 1.0, true), "1e-12 1e-9 1e-6 0.001 1");
        assert_eq!(labels(1.0, 9.0, true), "1 2 5");
        assert_eq!(labels(1e7, 3e7, false), "1.0e7 1.5e7 2.0e7 2.5e7 3.0e7");
        let whole = Scale::new(0.0, 2.0, false).whole().ticks(8);
        assert_eq!(
            whole.iter().map(|(_, label)| label.as_str()).collect::<Vec<_>>(),
            ["0", "1", "2"]
        );
        assert_eq!(labels(0.25, 0.25, false), "0.23 0.24 0.25 0.26 0.27");
    }

    #[test]
    fn a_value_that_has_gone_astray_does_not_flatten_the_others() {
        let usual = [0.2, 0.25, 0.3, 0.35, 0.4];
        let with = |more: &[f64]| Scale::of_values(&[&usual, more].concat());
        let (plain, above, below) = (with(&[]), with(&[1e12]), with(&[-1e12]));
        assert!(plain.share(0.2) > 0.0 && plain.share(0.4) < 1.0);
        for astray in [above, below] {
            assert!(astray.share(0.4) - astray.share(0.2) > 0.4, "{astray:?}");
        }
        assert!(above.share(1e12) > 1.0 && below.share(-1e12) < 0.0);
        assert!(with(&[0.6]).share(0.6) < 1.0, "there is room for it");
        assert!(with(&[f64::NAN, f64::INFINITY]) == plain);
        assert!(Scale::of_values(&[1e-6, 1e-3, 1.0]).logarithmic);
        for few in [
            &[][..],
            &[0.5],
            &[0.5, 0.5, 0.5],
            &[f64::MAX, f64::MIN],
            &[0.0],
            &[1e-320, 1e300],
        ] {
            let scale = Scale::of_values(few);
            assert!(
                scale.low < scale.high && scale.share(scale.high) == 1.0,
                "{few:?}: {scale:?}"
            );
            assert!(scale.ticks(5).len() < 50);
        }
    }
}
