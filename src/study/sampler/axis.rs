//! The parameters of a space as models see them.

use crate::space::{Distribution, Scale, SearchSpace, Value};

/// What a parameter is to a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Axis {
    /// It has one value.
    Constant,
    /// A number without gaps, or with so many steps.
    Line {
        /// How many values there are, if that is known.
        steps: Option<u64>,
    },
    /// One of some listed numbers, which have an order whatever that of the list is: the rank of each, from 0.
    Ranks(Vec<usize>),
    /// One of so many values without an order.
    Categories(usize),
}

impl Axis {
    pub fn of(distribution: &Distribution) -> Self {
        match (distribution.scale(), distribution) {
            (Scale::Constant, _) => Self::Constant,
            (Scale::Continuous, _) => Self::Line { steps: None },
            (Scale::Steps(steps), _) => Self::Line { steps },
            (Scale::Categories(count), Distribution::Choice { values }) => {
                ranks(values).map_or(Self::Categories(count), Self::Ranks)
            }
            (Scale::Categories(count), _) => Self::Categories(count),
        }
    }

    /// Those of all parameters of a space.
    pub fn of_all(space: &SearchSpace) -> Vec<Self> {
        let distributions = space.parameters.iter().map(|one| &one.distribution);
        distributions.map(Self::of).collect()
    }

    /// The number of the value at a coordinate of the unit cube, if values are listed.
    pub fn place(&self, coordinate: f64) -> Option<usize> {
        let count = match self {
            Self::Constant | Self::Line { .. } => return None,
            Self::Ranks(ranks) => ranks.len(),
            Self::Categories(count) => *count,
        };
        Some(((coordinate * count as f64) as usize).min(count - 1))
    }
}

/// The rank of each value, if all are numbers.
fn ranks(values: &[Value]) -> Option<Vec<usize>> {
    let numbers: Vec<f64> = values.iter().map(Value::as_f64).collect::<Option<_>>()?;
    let mut sorted = numbers.clone();
    sorted.sort_by(f64::total_cmp);
    let below = |number: &f64| sorted.partition_point(|other| other < number);
    Some(numbers.iter().map(below).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn listed_numbers_have_an_order_and_other_values_have_none() {
        let of = |values: serde_json::Value| {
            Axis::of(&Distribution::Choice {
                values: serde_json::from_value(values).unwrap(),
            })
        };
        assert_eq!(of(json!([16, 64, 32])), Axis::Ranks(vec![0, 2, 1]));
        assert_eq!(of(json!(["a", 64, 32])), Axis::Categories(3));
        assert_eq!(of(json!(["a"])), Axis::Constant);
        assert_eq!(
            (of(json!([1, 2])).place(1.0), of(json!([1, 2])).place(0.49)),
            (Some(1), Some(0))
        );
    }
}
