//! Constraints between parameters: expressions that must be true of a configuration.

mod parse;

use std::ops::Range;

use hpo_protocol::Values;
use serde::{Deserialize, Serialize};

/// An expression such as `warmup + decay <= 1` that is true of every configuration that is drawn.
///
/// It knows numbers, texts in quotes, `true` and `false`, parameters by name (in backquotes if there is something else than
/// letters, digits, `_` and `.` in it), `+ - * / %`, `< <= > >= == !=`, `and`, `or`, `not`, parentheses, and the functions `abs`,
/// `log10`, `min` and `max`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Constraint {
    text: String,
    root: Node,
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConstraintError {
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    pub help: String,
    /// The place in the expression, in bytes.
    pub span: Range<usize>,
}

/// A part of an expression, and its place.
#[derive(Debug, Clone, PartialEq)]
struct Node {
    kind: Kind,
    span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Constant(Outcome),
    Parameter(String),
    Not(Box<Node>),
    Minus(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Abs,
    Log10,
    Min,
    Max,
}

/// The value of an expression.
#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Number(f64),
    Text(String),
    Truth(bool),
}

impl Outcome {
    fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Truth(_) => "true or false",
        }
    }
}

/// Why there is no value.
enum Nothing {
    /// The configuration does not have a parameter.
    Inactive,
    Wrong(ConstraintError),
}

impl TryFrom<String> for Constraint {
    type Error = ConstraintError;

    /// Reads an expression.
    ///
    /// # Errors
    /// If it is not an expression, with the place.
    fn try_from(text: String) -> Result<Self, ConstraintError> {
        let root = parse::expression(&text)?;
        Ok(Self { text, root })
    }
}

impl From<Constraint> for String {
    fn from(constraint: Constraint) -> Self {
        constraint.text
    }
}

impl Constraint {
    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The parameters that it names, and where.
    pub fn parameters(&self) -> Vec<(&str, Range<usize>)> {
        let mut found = Vec::new();
        self.root.parameters(&mut found);
        found
    }

    /// Whether it is true of a configuration; it also is if the configuration lacks one of the parameters, since there is nothing
    /// to constrain then.
    ///
    /// # Errors
    /// If values can't be combined, such as a text and a number in a sum.
    pub fn allows(&self, configuration: &Values) -> Result<bool, ConstraintError> {
        match self.root.truth(configuration) {
            Ok(truth) => Ok(truth),
            Err(Nothing::Inactive) => Ok(true),
            Err(Nothing::Wrong(error)) => Err(error),
        }
    }
}

impl Node {
    fn parameters<'a>(&'a self, found: &mut Vec<(&'a str, Range<usize>)>) {
        match &self.kind {
            Kind::Constant(_) => {}
            Kind::Parameter(name) => found.push((name, self.span.clone())),
            Kind::Not(node) | Kind::Minus(node) => node.parameters(found),
            Kind::Binary(_, left, right) => {
                left.parameters(found);
                right.parameters(found);
            }
            Kind::Call(_, arguments) => arguments.iter().for_each(|node| node.parameters(found)),
        }
    }

    fn outcome(&self, values: &Values) -> Result<Outcome, Nothing> {
        match &self.kind {
            Kind::Constant(outcome) => Ok(outcome.clone()),
            Kind::Parameter(name) => {
                let value = values.get(name).ok_or(Nothing::Inactive)?;
                let number = || value.as_f64().map(Outcome::Number);
                let text = || value.as_str().map(|text| Outcome::Text(text.to_owned()));
                let truth = || value.as_bool().map(Outcome::Truth);
                number().or_else(text).or_else(truth).ok_or(Nothing::Inactive)
            }
            Kind::Not(node) => Ok(Outcome::Truth(!node.truth(values)?)),
            Kind::Minus(node) => Ok(Outcome::Number(-node.number(values)?)),
            Kind::Binary(operator, left, right) => operator.apply(left, right, values),
            Kind::Call(function, arguments) => {
                let numbers: Result<Vec<f64>, Nothing> = arguments.iter().map(|node| node.number(values)).collect();
                Ok(Outcome::Number(function.apply(&numbers?)))
            }
        }
    }

    fn number(&self, values: &Values) -> Result<f64, Nothing> {
        match self.outcome(values)? {
            Outcome::Number(number) => Ok(number),
            other @ (Outcome::Truth(_) | Outcome::Text(_)) => Err(self.wrong("a number", &other)),
        }
    }

    fn truth(&self, values: &Values) -> Result<bool, Nothing> {
        match self.outcome(values)? {
            Outcome::Truth(truth) => Ok(truth),
            other @ (Outcome::Number(_) | Outcome::Text(_)) => Err(self.wrong("true or false", &other)),
        }
    }

    fn wrong(&self, wanted: &str, found: &Outcome) -> Nothing {
        Nothing::Wrong(ConstraintError {
            message: format!("this part of the constraint must be {wanted}, not {}", found.kind()),
            help: match wanted {
                "a number" => "arithmetic and order comparisons take only numbers".to_owned(),
                _ => "write a comparison, such as `dropout < 0.3`".to_owned(),
            },
            span: self.span.clone(),
        })
    }
}

impl Operator {
    fn apply(self, left: &Node, right: &Node, values: &Values) -> Result<Outcome, Nothing> {
        let numbers = || Ok((left.number(values)?, right.number(values)?));
        let calculated = |of: fn(f64, f64) -> f64| numbers().map(|(a, b)| Outcome::Number(of(a, b)));
        let compared = |of: fn(&f64, &f64) -> bool| numbers().map(|(a, b)| Outcome::Truth(of(&a, &b)));
        match self {
            Self::Or => Ok(Outcome::Truth(left.truth(values)? || right.truth(values)?)),
            Self::And => Ok(Outcome::Truth(left.truth(values)? && right.truth(values)?)),
            Self::Equal => Ok(Outcome::Truth(left.outcome(values)? == right.outcome(values)?)),
            Self::NotEqual => Ok(Outcome::Truth(left.outcome(values)? != right.outcome(values)?)),
            Self::Less => compared(f64::lt),
            Self::LessOrEqual => compared(f64::le),
            Self::Greater => compared(f64::gt),
            Self::GreaterOrEqual => compared(f64::ge),
            Self::Add => calculated(|a, b| a + b),
            Self::Subtract => calculated(|a, b| a - b),
            Self::Multiply => calculated(|a, b| a * b),
            Self::Divide => calculated(|a, b| a / b),
            Self::Remainder => calculated(f64::rem_euclid),
        }
    }
}

impl Function {
    fn apply(self, numbers: &[f64]) -> f64 {
        match (self, numbers) {
            (Self::Abs, [number, ..]) => number.abs(),
            (Self::Log10, [number, ..]) => number.log10(),
            (Self::Min, _) => numbers.iter().copied().fold(f64::INFINITY, f64::min),
            (Self::Max, _) => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            _ => f64::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values() -> Values {
        serde_json::from_value(json!({
            "batch_size": 32, "accumulation": 4, "rate": 2e-5, "optimizer": "sgd", "tied": false, "layer-decay": 0.9,
        }))
        .unwrap()
    }

    fn constraint(text: &str) -> Constraint {
        Constraint::try_from(text.to_owned()).unwrap_or_else(|error| panic!("{text}: {error:?}"))
    }

    #[test]
    fn expressions_mean_what_they_say() {
        for (text, expected) in [
            ("batch_size * accumulation <= 128", true),
            ("batch_size * accumulation < 128", false),
            ("1 + 2 * 3 == 7 and (1 + 2) * 3 == 9", true),
            ("10 - 4 - 3 == 3 and 16 / 4 / 2 == 2", true),
            ("-2 * -3 == 6 and 7 % 4 == 3 and - -1 == 1", true),
            ("optimizer == \"adamw\" or rate < 1e-4", true),
            ("optimizer != 'adamw' and not tied", true),
            ("not (optimizer == 'sgd' or tied)", false),
            ("false and false or true", true),
            ("max(batch_size, 64, 3) == 64 and min(1, 2) == 1", true),
            ("abs(log10(rate) + 4.7) < 0.01", true),
            ("`layer-decay` > 0.5", true),
            ("optimizer == 3", false),
            ("absent > 3 and tied", true),
            ("1 / 0 > 5", true),
            ("0 / 0 == 0 / 0", false),
        ] {
            assert_eq!(constraint(text).allows(&values()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn mistakes_have_their_place() {
        for (text, place, message) in [
            ("", 0..0, "the constraint ends too early"),
            ("a <", 3..3, "the constraint ends too early"),
            ("(a < 1", 6..6, "the constraint ends too early"),
            ("a < 1)", 5..6, "the constraint continues after its end"),
            ("a < b < 3", 6..7, "comparisons cannot be chained"),
            ("a = 3", 2..3, "`=` is not an operator"),
            ("a && b", 2..4, "`&&` is not an operator"),
            ("a # 3", 2..3, "unexpected `#`"),
            ("'abc", 0..4, "the quote is not closed"),
            ("sin(3) > 1", 0..3, "there is no function `sin`"),
            ("abs(1, 2) > 1", 0..9, "`abs` takes one number, not 2"),
            ("min() > 1", 0..5, "`min` takes at least one number"),
            ("1e999 > a", 0..5, "`1e999` is not a finite number"),
            ("3x > a", 0..2, "`3x` is not a finite number"),
        ] {
            let error = Constraint::try_from(text.to_owned()).unwrap_err();
            assert_eq!((error.span, error.message.as_str()), (place, message), "{text}");
        }
        for (text, place) in [
            ("rate", 0..4),
            ("optimizer + 1 > 3", 0..9),
            ("1 and tied", 0..1),
            ("rate < 'x'", 7..10),
        ] {
            assert_eq!(constraint(text).allows(&values()).unwrap_err().span, place, "{text}");
        }
    }

    #[test]
    fn the_parameters_are_known_with_their_places() {
        let constraint = constraint("a.b < 3 or not `c d` and min(e, 1) > 2");
        let named: Vec<(&str, Range<usize>)> = constraint.parameters();
        assert_eq!(named, [("a.b", 0..3), ("c d", 15..20), ("e", 29..30)]);
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_the_end() {
        for open in ["(", "not ", "-", "min("] {
            let error = Constraint::try_from(open.repeat(100_000)).unwrap_err();
            assert_eq!(error.message, "the constraint is nested too deeply", "{open}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_there_is_an_answer(
            text in prop::collection::vec(prop::sample::select(vec![
                "a", "rate", "(", ")", "<", "==", "+", "-", "*", "/", "and", "or", "not", "1", "0.5e-3", "'x'", "max", ",", "`", "é", " ",
            ]), 0..20),
        ) {
            let text = text.concat();
            match Constraint::try_from(text.clone()) {
                Ok(constraint) => {
                    let _ = constraint.allows(&values());
                    let again: Constraint = serde_json::from_value(serde_json::to_value(&constraint).unwrap()).unwrap();
                    prop_assert_eq!(again, constraint);
                }
                Err(error) => prop_assert!(text.get(error.span.clone()).is_some(), "{:?}", error),
            }
        }
    }
}
