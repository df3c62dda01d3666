//! What values a parameter takes.

use std::fmt;

use serde_json::Value;

use super::declare::Choice;

/// What values a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Domain {
    /// Numbers from `low` to `high`; `low` itself only if `low_included`.
    Float {
        /// Lower bound.
        low: f64,
        /// Whether the lower bound is allowed.
        low_included: bool,
        /// Upper bound, allowed.
        high: f64,
    },
    /// Whole numbers of at least `low`.
    Integer {
        /// Lower bound, allowed.
        low: i64,
    },
    /// True or false.
    Bool,
    /// One of these choices.
    Choice(&'static [Choice]),
    /// A name that the study's file gives to something.
    Name,
    /// The directory of a model.
    Directory,
}

impl Domain {
    /// Whether a value lies in the domain.
    pub fn contains(self, value: &Value) -> bool {
        match self {
            Self::Float {
                low,
                low_included,
                high,
            } => value
                .as_f64()
                .is_some_and(|x| (x > low || low_included && x == low) && x <= high),
            Self::Integer { low } => value.as_i64().is_some_and(|n| n >= low),
            Self::Bool => value.is_boolean(),
            Self::Name => value.as_str().is_some_and(|name| !name.is_empty()),
            Self::Choice(choices) => value
                .as_str()
                .is_some_and(|name| choices.iter().any(|choice| choice.name == name)),
            Self::Directory => value
                .as_str()
                .is_some_and(|path| !path.is_empty() && !path.contains('\0')),
        }
    }
}

impl fmt::Display for Domain {
    /// The domain after "must be".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Float {
                low,
                low_included,
                high,
            } => match (low_included, high == f64::MAX) {
                (true, true) => write!(f, "a number of at least {low}"),
                (true, false) => write!(f, "a number from {low} to {high}"),
                (false, true) => write!(f, "a number above {low}"),
                (false, false) => write!(f, "a number above {low} and at most {high}"),
            },
            Self::Integer { low } => write!(f, "a whole number of at least {low}"),
            Self::Bool => write!(f, "true or false"),
            Self::Name => write!(f, "a name"),
            Self::Directory => write!(f, "the directory of a model"),
            Self::Choice(choices) => {
                for (place, choice) in choices.iter().enumerate() {
                    let before = match place {
                        0 => "",
                        _ if place + 1 == choices.len() => " or ",
                        _ => ", ",
                    };
                    write!(f, "{before}`{}`", choice.name)?;
                }
                Ok(())
            }
        }
    }
}
