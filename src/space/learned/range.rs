//! What lessons make of a range of numbers.

use std::ops::RangeInclusive;

use super::{Lesson, SEVERAL, Taught, most};
use crate::space::{Distribution, Value};

/// How far a range may go beyond the usual one on each side, as a share of that.
const ROOM: f64 = 0.5;

/// A value is at an end of a range if it is nearer to it than this share of the range.
const END: f64 = 0.1;

/// How much of the usual range is left at least: the good ones of a study are near to each other because its sampler looked there.
const LEAST: f64 = 0.3;

/// A range on its scale, on which equal distances mean the same.
#[derive(Debug, Clone, Copy)]
struct Axis {
    logarithmic: bool,
}

impl Axis {
    /// The place of a number; none if the scale does not have it.
    fn place(self, x: f64) -> Option<f64> {
        let place = if self.logarithmic { x.ln() } else { x };
        Some(place).filter(|place| place.is_finite())
    }

    fn number(self, place: f64) -> f64 {
        if self.logarithmic { place.exp() } else { place }
    }
}

/// The good values of lessons, by their places.
struct Good {
    /// The studies that have any.
    from: Vec<String>,
    places: Vec<f64>,
    /// The lower, and the upper, ends of the ranges of studies whose best values lay there.
    ends: [Vec<f64>; 2],
}

impl Good {
    /// Those that lie within the room there is.
    fn of(name: &str, lessons: &[&Lesson], axis: Axis, room: &RangeInclusive<f64>) -> Self {
        let mut good = Self {
            from: Vec::new(),
            places: Vec::new(),
            ends: [Vec::new(), Vec::new()],
        };
        for lesson in lessons {
            let values = lesson.good.iter().filter_map(|good| good.get(name)?.as_f64());
            let places = values.filter_map(|x| axis.place(x));
            let own: Vec<f64> = places.filter(|place| room.contains(place)).collect();
            if own.is_empty() {
                continue;
            }
            for (ends, end) in good.ends.iter_mut().zip(at_ends(name, lesson, axis, &own)) {
                ends.extend(end);
            }
            good.from.push(lesson.study.clone());
            good.places.extend(own);
        }
        good
    }

    /// The bounding box, if there are any, with a margin, and not narrower than it may be; it goes beyond the usual range only as far as
    /// the values do.
    fn bounds(&self, [low, high]: [f64; 2]) -> Option<[f64; 2]> {
        let least = self.places.iter().copied().reduce(f64::min)?;
        let greatest = self.places.iter().copied().reduce(f64::max)?;
        let (low, high) = (low.min(least), high.max(greatest));
        // Of so many numbers drawn from an interval, the outermost are so far from its ends on average.
        let margin = (greatest - least) / (self.places.len() as f64 - 1.0).max(1.0);
        let [mut below, mut above] = [(least - margin).max(low), (greatest + margin).min(high)];
        let share = if self.from.len() < SEVERAL { 1.0 } else { LEAST };
        let missing = share * (high - low) - (above - below);
        if missing > 0.0 {
            // What there is no room for on one side goes to the other.
            let up = (missing / 2.0).min(high - above);
            let down = (missing - up).min(below - low);
            above = (above + missing - down).min(high);
            below -= down;
        }
        Some([below, above])
    }
}

/// What the lessons make of the usual range `usual`; nothing if they have no value near it.
pub(super) fn learn(
    name: &str,
    usual: [f64; 2],
    logarithmic: bool,
    lessons: &[&Lesson],
    allowed: &dyn Fn(&Value) -> bool,
) -> Option<Taught> {
    let axis = Axis { logarithmic };
    let [low, high] = [axis.place(usual[0])?, axis.place(usual[1])?];
    let beyond = ROOM * (high - low);
    // What is not negative does not become so.
    let floor = if !logarithmic && usual[0] >= 0.0 {
        0.0
    } else {
        f64::NEG_INFINITY
    };
    let room = (low - beyond).max(floor)..=high + beyond;
    let good = Good::of(name, lessons, axis, &room);
    let [mut below, mut above] = good.bounds([low, high])?;
    let lower = |place: f64| digits(axis.number(place), f64::floor);
    let upper = |place: f64| digits(axis.number(place), f64::ceil);
    let mut opened = [false; 2];
    // An end of one study is none if another had good values beyond it.
    let ends = good.ends[0].iter().copied();
    if let Some(end) = ends
        .filter(|end| good.places.iter().all(|place| end <= place))
        .reduce(f64::min)
    {
        let next = (end - beyond).max(*room.start());
        opened[0] = next < below && allowed(&lower(next).into());
        below = if opened[0] { next } else { below };
    }
    let ends = good.ends[1].iter().copied();
    if let Some(end) = ends
        .filter(|end| good.places.iter().all(|place| end >= place))
        .reduce(f64::max)
    {
        let next = (end + beyond).min(*room.end());
        opened[1] = next > above && allowed(&upper(next).into());
        above = if opened[1] { next } else { above };
    }
    let ([low, high], step) = ([lower(below), upper(above)], None);
    let distribution = match logarithmic {
        true => Distribution::LogUniform { low, high, step },
        false => Distribution::Uniform { low, high, step },
    };
    let sound = low < high && [low, high].iter().all(|bound| allowed(&(*bound).into()));
    sound.then_some(Taught {
        distribution,
        from: good.from,
        opened,
    })
}

/// The lower and the upper end of the range of a lesson, each if most of the good ones, the best among them, lie there.
fn at_ends(name: &str, lesson: &Lesson, axis: Axis, good: &[f64]) -> [Option<f64>; 2] {
    let parameter = lesson.parameters.iter().find(|parameter| parameter.name == name);
    let range = parameter.map(|parameter| match parameter.distribution.listed() {
        Some(values) => {
            let numbers = || values.iter().filter_map(Value::as_f64);
            (
                numbers().fold(f64::INFINITY, f64::min),
                numbers().fold(f64::NEG_INFINITY, f64::max),
            )
        }
        None => {
            let (low, high, _) = parameter.distribution.range();
            (low, high)
        }
    });
    let Some((low, high)) = range.and_then(|(low, high)| axis.place(low).zip(axis.place(high))) else {
        return [None; 2];
    };
    let near = END * (high - low);
    [
        Some(low).filter(|low| most(good.iter().map(|place| place - low <= near))),
        Some(high).filter(|high| most(good.iter().map(|place| high - place <= near))),
    ]
}

/// A number with two significant digits, rounded so.
fn digits(x: f64, round: fn(f64) -> f64) -> f64 {
    if x == 0.0 {
        return x;
    }
    let exponent = x.abs().log10().floor() as i32 - 1;
    // A number that has two digits already must not lose or gain one by rounding errors.
    let scaled = x / 10f64.powi(exponent);
    let whole = match (scaled - scaled.round()).abs() < 1e-6 {
        true => scaled.round(),
        false => round(scaled),
    };
    format!("{whole}e{exponent}").parse().unwrap_or(x)
}
