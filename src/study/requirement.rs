//! What a study requires of models beside being good: bounds on metrics that trials report.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// How a metric is compared with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Below,
    AtMost,
    AtLeast,
    Above,
}

impl Bound {
    const ALL: [Self; 4] = [Self::Below, Self::AtMost, Self::AtLeast, Self::Above];

    fn symbol(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::AtLeast => ">=",
            Self::Above => ">",
        }
    }

    /// The same with its sides exchanged.
    fn mirrored(self) -> Self {
        match self {
            Self::Below => Self::Above,
            Self::AtMost => Self::AtLeast,
            Self::AtLeast => Self::AtMost,
            Self::Above => Self::Below,
        }
    }
}

/// A bound on a metric, such as `embed_ms <= 5`. In the journal it stands as that text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Requirement {
    /// `loss`, or the name of a metric.
    pub metric: String,
    bound: Bound,
    limit: f64,
}

/// What is wrong with the text of a requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {help}")]
pub struct RequirementError {
    /// What is wrong.
    pub message: String,
    /// The part of the text, in bytes.
    pub span: Range<usize>,
    /// How to fix it.
    pub help: String,
}

const EXAMPLE: &str = "write a metric, `<=`, `<`, `>=` or `>`, and a number, such as `embed_ms <= 5`";

impl TryFrom<String> for Requirement {
    type Error = RequirementError;

    fn try_from(text: String) -> Result<Self, RequirementError> {
        let error = |message: String, span: Range<usize>, help: String| RequirementError { message, span, help };
        let is_operator = |c: char| "<>=!≤≥≠".contains(c);
        let Some(at) = text.find(is_operator) else {
            let message = format!("`{}` compares nothing", text.trim());
            return Err(error(message, 0..text.len(), EXAMPLE.to_owned()));
        };
        let end = text[at..]
            .find(|c| !is_operator(c))
            .map_or(text.len(), |length| at + length);
        let (left, symbol, right) = (text[..at].trim(), &text[at..end], text[end..].trim());
        let bound = Bound::ALL.into_iter().find(|bound| bound.symbol() == symbol);
        let bound = bound.ok_or_else(|| {
            let help = "write `<=`, `<`, `>=` or `>`; for a value between two, write two requirements";
            error(
                format!("a metric is not compared by `{symbol}`"),
                at..end,
                help.to_owned(),
            )
        })?;
        if let Some(again) = text[end..].find(is_operator) {
            let help = "write one requirement for each comparison";
            let place = end + again;
            return Err(error(
                "there are two comparisons".to_owned(),
                place..text.len(),
                help.to_owned(),
            ));
        }
        let limit: Option<f64> = right.parse().ok().filter(|limit: &f64| limit.is_finite());
        match limit {
            Some(_) if left.is_empty() => Err(error(
                format!("there is no metric before `{symbol}`"),
                0..end,
                EXAMPLE.to_owned(),
            )),
            Some(limit) => Ok(Self {
                metric: left.to_owned(),
                bound,
                limit,
            }),
            None if left.parse::<f64>().is_ok() && !right.is_empty() => Err(error(
                "the number stands before the metric".to_owned(),
                0..text.len(),
                format!("write `{right} {} {left}`", bound.mirrored().symbol()),
            )),
            None => Err(error(
                match right {
                    "" => format!("there is no number behind `{symbol}`"),
                    right => format!("`{right}` is not a finite number"),
                },
                end.min(text.len().saturating_sub(1))..text.len(),
                EXAMPLE.to_owned(),
            )),
        }
    }
}

impl From<Requirement> for String {
    fn from(requirement: Requirement) -> Self {
        requirement.to_string()
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.metric, self.bound.symbol(), self.limit)
    }
}

impl Requirement {
    /// Whether a value fulfils it.
    pub fn allows(&self, value: f64) -> bool {
        match self.bound {
            Bound::Below => value < self.limit,
            Bound::AtMost => value <= self.limit,
            Bound::AtLeast => value >= self.limit,
            Bound::Above => value > self.limit,
        }
    }

    /// By how much a value breaks it: the share of the limit by which it lies beyond it, or, if the limit is 0, how far; 0 if it does
    /// not. Without a value it is not known to be fulfilled, and infinite.
    pub(super) fn violation(&self, value: Option<f64>) -> f64 {
        let Some(value) = value else { return f64::INFINITY };
        if self.allows(value) {
            return 0.0;
        }
        let scale = if self.limit == 0.0 { 1.0 } else { self.limit.abs() };
        ((value - self.limit).abs() / scale).clamp(f64::MIN_POSITIVE, f64::MAX)
    }

    /// Whether no value can fulfil both.
    pub fn excludes(&self, other: &Self) -> bool {
        let (low, high) = match (self.bound, other.bound) {
            (Bound::Below | Bound::AtMost, Bound::AtLeast | Bound::Above) => (other, self),
            (Bound::AtLeast | Bound::Above, Bound::Below | Bound::AtMost) => (self, other),
            (Bound::Below | Bound::AtMost, Bound::Below | Bound::AtMost)
            | (Bound::AtLeast | Bound::Above, Bound::AtLeast | Bound::Above) => return false,
        };
        let touch = low.bound == Bound::AtLeast && high.bound == Bound::AtMost;
        self.metric == other.metric && (low.limit > high.limit || (low.limit == high.limit && !touch))
    }
}

/// A requirement that a model does not fulfil, as far as is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Broken {
    /// The requirement.
    pub require: Requirement,
    /// The value that breaks it; none if none was reported up to there.
    pub value: Option<f64>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Requirement, RequirementError> {
        text.to_owned().try_into()
    }

    #[test]
    fn requirements_are_read_and_written() {
        for (text, written) in [
            ("embed_ms <= 5", "embed_ms <= 5"),
            ("embed_ms<=5", "embed_ms <= 5"),
            ("  docs.ndcg@10 >\t0.25 ", "docs.ndcg@10 > 0.25"),
            ("loss < 1e-3", "loss < 0.001"),
            ("gap >= -.5", "gap >= -0.5"),
            ("my metric >= 1", "my metric >= 1"),
        ] {
            let read = read(text).unwrap();
            assert_eq!(read.to_string(), written);
            assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::json!(written));
            assert_eq!(serde_json::from_value::<Requirement>(written.into()).unwrap(), read);
        }
    }

    #[test]
    fn what_is_no_requirement_is_refused_with_the_place_and_the_fix() {
        for (text, message, part, help) in [
            (
                "embed_ms",
                "`embed_ms` compares nothing",
                "embed_ms",
                "such as `embed_ms <= 5`",
            ),
            ("", "compares nothing", "", "such as"),
            ("x == 5", "is not compared by `==`", "==", "write `<=`"),
            ("x = 5", "is not compared by `=`", "=", "write `<=`"),
            ("x ≤ 5", "is not compared by `≤`", "≤", "write `<=`"),
            (
                "0 <= x <= 5",
                "there are two comparisons",
                "<= 5",
                "for each comparison",
            ),
            (
                "5 >= x",
                "the number stands before the metric",
                "5 >= x",
                "write `x <= 5`",
            ),
            ("<= 5", "no metric before `<=`", "<=", "such as"),
            ("x <=", "no number behind `<=`", "=", "such as"),
            ("x <= 5ms", "`5ms` is not a finite number", " 5ms", "such as"),
            ("x <= nan", "`nan` is not a finite number", " nan", "such as"),
            ("x < 1e999", "`1e999` is not a finite number", " 1e999", "such as"),
            ("x <= y", "`y` is not a finite number", " y", "such as"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.message.contains(message), "{text}: {}", error.message);
            assert!(error.help.contains(help), "{text}: {}", error.help);
            assert_eq!(&text[error.span], part, "{text}");
        }
    }

    #[test]
    fn violations_are_shares_of_the_limit() {
        let of = |text: &str, value: f64| read(text).unwrap().violation(Some(value));
        assert_eq!(of("x <= 5", 5.0), 0.0);
        assert_eq!(of("x <= 5", 7.5), 0.5);
        assert_eq!(of("x >= 5", 2.5), 0.5);
        assert_eq!(of("x >= -4", -5.0), 0.25);
        assert_eq!(of("x <= 0", 3.0), 3.0);
        assert_eq!(of("x < 5", 5.0), f64::MIN_POSITIVE);
        assert_eq!(of("x > 5", f64::MAX), 0.0);
        assert!(of("x <= 1e-300", f64::MAX).is_finite());
        assert_eq!(read("x <= 5").unwrap().violation(None), f64::INFINITY);
    }

    proptest! {
        #[test]
        fn a_violation_is_nothing_exactly_where_a_value_is_allowed(limit in -10.0..10.0f64, value in -10.0..10.0f64, bound in 0..4usize) {
            let one = Requirement { metric: "x".to_owned(), bound: Bound::ALL[bound], limit };
            prop_assert_eq!(one.violation(Some(value)) == 0.0, one.allows(value));
            prop_assert_eq!(read(&one.to_string()).unwrap(), one);
        }

        #[test]
        fn two_exclude_each_other_if_no_value_is_allowed_by_both(limits in prop::array::uniform2(-3i8..3), bounds in prop::array::uniform2(0..4usize)) {
            let of = |place: usize| Requirement {
                metric: "x".to_owned(),
                bound: Bound::ALL[bounds[place]],
                limit: limits[place].into(),
            };
            let (one, other) = (of(0), of(1));
            let both = (-20..20).map(|x| f64::from(x) / 4.0).any(|x| one.allows(x) && other.allows(x));
            prop_assert_eq!(one.excludes(&other), !both);
            prop_assert_eq!(other.excludes(&one), !both);
        }
    }
}
