//! The distributions that a parameter can have: each is a line of [`KINDS`].

use std::cmp::Ordering;

use serde_json::Value;

use super::reader::{Item, Problem, Result, Table, shown};
use super::trainer::domain::Drawn;
use super::{conditions, prior, settings};
use crate::keys::{Fallback, Interval, Key, Refusal, Takes};
use crate::space::{Distribution, Listed};

/// A distribution, and the values at its edges with their places.
pub(super) struct Drawing<'a> {
    pub distribution: Distribution,
    pub drawn: Vec<Drawn<'a>>,
}

/// A kind of distribution.
pub(super) struct Kind {
    /// Its `type`.
    pub name: &'static str,
    /// What it draws, in Markdown.
    pub draws: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
    /// Whether all its draws are the same, so that no guess can be right or wrong.
    pub constant: bool,
    /// Reads the table of a parameter.
    pub read: for<'a> fn(&Table<'a>) -> Result<Drawing<'a>>,
}

impl Kind {
    /// All keys of a parameter of this kind, but for `type`.
    pub fn all_keys(&self) -> impl Iterator<Item = &'static Key> {
        let priors = if self.constant { &[][..] } else { prior::KEYS };
        self.keys.iter().chain(priors).chain([&conditions::KEY])
    }
}

/// All kinds.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "uniform",
        draws: "any number in between with the same density",
        keys: &[LOW, HIGH, STEP],
        constant: false,
        read: |table| numbers(table, false),
    },
    Kind {
        name: "log_uniform",
        draws: "the same on the logarithmic scale: as often from 1e-5 to 1e-4 as from 1e-4 to 1e-3",
        keys: &[LOW, HIGH, STEP],
        constant: false,
        read: |table| numbers(table, true),
    },
    Kind {
        name: "integer",
        draws: "whole numbers, both ends included",
        keys: &[LOW, HIGH, STEP],
        constant: false,
        read: |table| whole_numbers(table, false),
    },
    Kind {
        name: "log_integer",
        draws: "the same on the logarithmic scale",
        keys: &[LOW, HIGH, STEP],
        constant: false,
        read: |table| whole_numbers(table, true),
    },
    Kind {
        name: "normal",
        draws: "normally distributed numbers, within the bounds; these may lie in a tail, up to 37 times `std` from the mean",
        keys: &[MEAN, STD, LOWEST, HIGHEST, STEP],
        constant: false,
        read: |table| bell(table, false),
    },
    Kind {
        name: "log_normal",
        draws: "numbers whose natural logarithm is normally distributed with the deviation `std`: two of three lie within the median \
                divided and multiplied by `e^std`",
        keys: &[MEDIAN, STD, LOWEST, HIGHEST, STEP],
        constant: false,
        read: |table| bell(table, true),
    },
    Kind {
        name: "choice",
        draws: "one of the values with the same probability",
        keys: &[VALUES],
        constant: false,
        read: choice,
    },
    Kind {
        name: "fixed",
        draws: "always the same, as a plain value",
        keys: &[VALUE],
        constant: true,
        read: |table| fixed(settings::required(table, &VALUE)?),
    },
];

const NUMBER: Takes = Takes::Number(Interval::ALL, Refusal::NEVER);

const NOT_POSITIVE: Refusal = Refusal {
    message: "must be above 0",
    label: "not above 0",
    help: "write a number above 0",
};

const ABOVE_ZERO: Takes = Takes::Number(Interval::POSITIVE, NOT_POSITIVE);

const LOW: Key = Key {
    name: "low",
    takes: NUMBER,
    default: Fallback::Required("low = …"),
    about: "the lower bound; above 0 on a logarithmic scale",
};

const HIGH: Key = Key {
    name: "high",
    takes: NUMBER,
    default: Fallback::Required("high = …"),
    about: "the upper bound",
};

const LOWEST: Key = Key {
    default: Fallback::Nothing,
    ..LOW
};

const HIGHEST: Key = Key {
    default: Fallback::Nothing,
    ..HIGH
};

const STEP: Key = Key {
    name: "step",
    takes: ABOVE_ZERO,
    default: Fallback::Nothing,
    about: "how far neighbouring values are apart; they lie at whole steps from `low`, or from 0 without one",
};

const MEAN: Key = Key {
    name: "mean",
    takes: NUMBER,
    default: Fallback::Required("mean = 0.1"),
    about: "the mean without bounds",
};

const MEDIAN: Key = Key {
    name: "median",
    takes: ABOVE_ZERO,
    default: Fallback::Required("median = 2e-5"),
    about: "the median without bounds",
};

const STD: Key = Key {
    name: "std",
    takes: ABOVE_ZERO,
    default: Fallback::Required("std = 0.5"),
    about: "the standard deviation without bounds, of the logarithm where that is normally distributed",
};

const VALUES: Key = Key {
    name: "values",
    takes: Takes::Scalars,
    default: Fallback::Required("values = [16, 32]"),
    about: "numbers, texts and booleans, all different",
};

const VALUE: Key = Key {
    name: "value",
    takes: Takes::Scalar,
    default: Fallback::Required("value = 0.1"),
    about: "a number, text or boolean",
};

/// What always has one value.
pub(super) fn fixed(item: Item<'_>) -> Result<Drawing<'_>> {
    let value = item.scalar()?;
    let distribution = Distribution::Fixed { value: value.clone() };
    let drawn = vec![Drawn { item, value }];
    Ok(Drawing { distribution, drawn })
}

fn choice<'a>(table: &Table<'a>) -> Result<Drawing<'a>> {
    let list = settings::required(table, &VALUES)?;
    let items = list.array("write the values in brackets, for example `values = [16, 32]`")?;
    let drawn = items
        .into_iter()
        .map(|item| item.scalar().map(|value| Drawn { item, value }));
    let drawn = drawn.collect::<Result<Vec<Drawn>>>()?;
    let mut known = Listed::default();
    for (place, Drawn { item, value }) in drawn.iter().enumerate() {
        if !known.insert(value, place) {
            let message = format!("`{}` has {} twice", list.name, shown(&value.to_string()));
            return Err(Problem::new(
                item.span.clone(),
                message,
                "already there",
                "remove one of the two",
            ));
        }
    }
    if drawn.is_empty() {
        return Err(list.problem("is empty", "nothing to choose from", "give it at least one value"));
    }
    let values = drawn.iter().map(|drawn| drawn.value.clone()).collect();
    let distribution = Distribution::Choice { values };
    Ok(Drawing { distribution, drawn })
}

/// Both bounds of a range.
struct Ends<'a> {
    low: Item<'a>,
    high: Item<'a>,
}

impl<'a> Ends<'a> {
    fn of(table: &Table<'a>) -> Result<Self> {
        Ok(Self {
            low: settings::required(table, &LOW)?,
            high: settings::required(table, &HIGH)?,
        })
    }

    /// Whether the range between the bounds has numbers, and, on a logarithmic scale, none at or below 0.
    fn check(&self, name: &str, plain: &str, logarithmic: bool, low: &Value, high: &Value) -> Result<()> {
        let (from, to) = (low.as_f64().unwrap_or(f64::NAN), high.as_f64().unwrap_or(f64::NAN));
        if logarithmic && from <= 0.0 {
            let verb = if from < 0.0 { "goes below zero" } else { "touches zero" };
            let message = format!("the range of `{name}` {verb}, which has no logarithm");
            let help = format!("use `type = \"{plain}\"`, or a `low` above 0");
            return Err(Problem::new(self.low.span.clone(), message, "must be above 0", help));
        }
        let order = match (low.as_i64(), high.as_i64()) {
            // Beyond 2^53 neighbours are the same as floating-point numbers.
            (Some(from), Some(to)) => from.partial_cmp(&to),
            _ => from.partial_cmp(&to),
        };
        let both = self.low.key_span.start.min(self.high.key_span.start)..self.low.span.end.max(self.high.span.end);
        let message = format!("the range of `{name}` is empty");
        match order {
            Some(Ordering::Less) => Ok(()),
            Some(Ordering::Equal) => {
                let help = format!("raise `high`, or for a fixed value write `{name} = {low}`");
                Err(Problem::new(both, message, "`low` and `high` are equal", help))
            }
            Some(Ordering::Greater) | None => Err(Problem::new(
                both,
                message,
                "`low` is above `high`",
                "swap `low` and `high`",
            )),
        }
    }

    fn drawing(self, distribution: Distribution, low: Value, high: Value) -> Drawing<'a> {
        let low = Drawn {
            item: self.low,
            value: low,
        };
        let high = Drawn {
            item: self.high,
            value: high,
        };
        Drawing {
            distribution,
            drawn: vec![low, high],
        }
    }
}

fn whole_numbers<'a>(table: &Table<'a>, logarithmic: bool) -> Result<Drawing<'a>> {
    let ends = Ends::of(table)?;
    let (low, high) = (
        ends.low.integer(i64::MIN..=i64::MAX)?,
        ends.high.integer(i64::MIN..=i64::MAX)?,
    );
    ends.check(&table.name, "integer", logarithmic, &low.into(), &high.into())?;
    let width = i64::try_from(low.abs_diff(high)).unwrap_or(i64::MAX);
    let step = table.get(STEP.name).map(|item| item.integer(1..=width)).transpose()?;
    let step = step.map_or(1, i64::unsigned_abs);
    let distribution = match logarithmic {
        true => Distribution::LogInteger { low, high, step },
        false => Distribution::Integer { low, high, step },
    };
    Ok(ends.drawing(distribution, low.into(), high.into()))
}

fn numbers<'a>(table: &Table<'a>, logarithmic: bool) -> Result<Drawing<'a>> {
    let ends = Ends::of(table)?;
    let (low, high) = (ends.low.number()?, ends.high.number()?);
    ends.check(&table.name, "uniform", logarithmic, &low.into(), &high.into())?;
    let step = step(table, Some(high - low))?;
    let distribution = match logarithmic {
        true => Distribution::LogUniform { low, high, step },
        false => Distribution::Uniform { low, high, step },
    };
    check_step(table, &distribution, step)?;
    Ok(ends.drawing(distribution, low.into(), high.into()))
}

/// The distance of neighbouring values, at most `most`.
fn step(table: &Table, most: Option<f64>) -> Result<Option<f64>> {
    let Some(item) = table.get(STEP.name) else {
        return Ok(None);
    };
    let step = item.number()?;
    if step > 0.0 && most.is_some_and(|most| (most + 2.0 * step).is_infinite()) {
        let help = "write `low` and `high` closer together, or leave `step` out";
        return Err(item.problem("is in a range too wide to count steps in", "too wide a range", help));
    }
    if step > 0.0 && most.is_none_or(|most| step <= most) {
        Ok(Some(step))
    } else {
        let help = "write how far neighbouring values are apart, such as 0.05";
        Err(item.problem("must be above 0 and not wider than the range", "no step", help))
    }
}

/// Whether neighbouring values can be distinguished.
fn check_step(table: &Table, distribution: &Distribution, step: Option<f64>) -> Result<()> {
    let (least, largest) = distribution.least_step();
    match table.get(STEP.name) {
        Some(item) if step.is_some_and(|step| step < least) => {
            let message = format!("is too small beside numbers like {largest:.1e}: rounding would blur the values");
            let help = format!("write at least {:.0e}, or leave it out", 2.0 * least);
            Err(item.problem(message, "too small", help))
        }
        _ => Ok(()),
    }
}

fn positive(item: &Item) -> Result<f64> {
    let number = item.number()?;
    match number > 0.0 {
        true => Ok(number),
        false => Err(item.problem(NOT_POSITIVE.message, NOT_POSITIVE.label, NOT_POSITIVE.help)),
    }
}

/// A normal distribution, or one of the logarithm.
fn bell<'a>(table: &Table<'a>, logarithmic: bool) -> Result<Drawing<'a>> {
    let centre = match logarithmic {
        true => settings::required(table, &MEDIAN)?,
        false => settings::required(table, &MEAN)?,
    };
    let mean = if logarithmic {
        positive(&centre)?.ln()
    } else {
        centre.number()?
    };
    let std = positive(&settings::required(table, &STD)?)?;
    let mut drawn = Vec::new();
    let mut bound = |key: &Key| {
        let Some(item) = table.get(key.name) else {
            return Ok(None);
        };
        let number = if logarithmic { positive(&item)? } else { item.number()? };
        let value = Value::from(number);
        drawn.push(Drawn { item, value });
        Ok(Some(number))
    };
    let (low, high) = (bound(&LOWEST)?, bound(&HIGHEST)?);
    if let (Some(item), Some(low), Some(high)) = (table.get(HIGHEST.name), low, high)
        && low >= high
    {
        let help = "raise `high`, or lower `low`";
        return Err(item.problem(format_args!("is not above `low`, which is {low}"), "too low", help));
    }
    let step = step(table, low.zip(high).map(|(low, high)| high - low))?;
    let distribution = match logarithmic {
        true => Distribution::LogNormal {
            mean,
            std,
            low,
            high,
            step,
        },
        false => Distribution::Normal {
            mean,
            std,
            low,
            high,
            step,
        },
    };
    let beyond = drawn.iter().find(|bound| match (bound.item.key, bound.value.as_f64()) {
        ("low", Some(low)) => (if logarithmic { low.ln() } else { low }) > mean,
        _ => low.is_none_or(|low| (if logarithmic { low.ln() } else { low }) <= mean),
    });
    match beyond {
        Some(bound) if !distribution.has_draws() => {
            let message = "is so far from the middle that nothing can be drawn";
            let plain = if logarithmic { "log_uniform" } else { "uniform" };
            let help = format!("stay within 37 times `std` of it, or use `type = \"{plain}\"`");
            Err(bound.item.problem(message, "too far away", help))
        }
        _ => {
            check_step(table, &distribution, step)?;
            Ok(Drawing { distribution, drawn })
        }
    }
}
