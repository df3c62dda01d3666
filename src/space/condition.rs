//! Parameters that only some configurations have.

use hpo_protocol::Values;
use serde::{Deserialize, Serialize};

use super::{SearchSpace, Value};

/// What must hold for a configuration to have a parameter: another one has one of these values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// The name of the other parameter. A configuration that does not have it does not fulfil the condition.
    pub parameter: String,
    /// At least one value.
    pub values: Vec<Value>,
}

/// Whether the trainer could not tell the two apart: 1 and 1.0 are the same.
pub(in crate::space) fn same(a: &Value, b: &Value) -> bool {
    let float = a.is_f64() || b.is_f64();
    a == b || (float && a.is_number() && a.as_f64() == b.as_f64())
}

impl Condition {
    fn holds(&self, values: &Values) -> bool {
        let value = values.get(&self.parameter);
        value.is_some_and(|value| self.values.iter().any(|other| same(value, other)))
    }
}

impl SearchSpace {
    /// Leaves out the parameters that a configuration with these values does not have.
    pub fn only_active(&self, mut values: Values) -> Values {
        // One pass for each parameter on the way from a condition to what it depends on, and so on.
        loop {
            let inactive = self.parameters.iter().find(|parameter| {
                let holds = parameter.when.iter().all(|condition| condition.holds(&values));
                !holds && values.contains_key(&parameter.name)
            });
            match inactive {
                Some(parameter) => values.remove(&parameter.name),
                None => return values,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use serde_json::json;

    use super::*;

    /// `c` depends on `b`, which depends on `a`; they stand in any order.
    fn space() -> SearchSpace {
        let choice = |values: Value| json!({"type": "choice", "values": values});
        serde_json::from_value(json!({ "parameters": [
            {"name": "c", "distribution": {"type": "uniform", "low": 0, "high": 1}, "when": [{"parameter": "b", "values": [2, 3]}]},
            {"name": "a", "distribution": choice(json!(["x", "y"]))},
            {"name": "b", "distribution": choice(json!([1, 2.0, 3])), "when": [{"parameter": "a", "values": ["y"]}]},
            {"name": "d", "distribution": {"type": "fixed", "value": true}, "when": [
                {"parameter": "a", "values": ["y"]}, {"parameter": "b", "values": [1]},
            ]},
        ]}))
        .unwrap()
    }

    proptest! {
        #[test]
        fn a_configuration_has_what_its_conditions_allow_and_comes_back_from_its_point(seed: u64) {
            let space = space();
            let drawn = space.sample(&mut ChaCha8Rng::seed_from_u64(seed));
            let b = drawn.get("b").map(|b| b.as_f64().unwrap());
            prop_assert_eq!(b.is_some(), drawn["a"] == "y");
            prop_assert_eq!(drawn.contains_key("c"), b.is_some_and(|b| b > 1.0));
            prop_assert_eq!(drawn.contains_key("d"), b == Some(1.0));
            let point = space.point(&drawn);
            for (parameter, coordinate) in space.parameters.iter().zip(&point) {
                prop_assert_eq!(coordinate.is_some(), drawn.contains_key(&parameter.name));
            }
            let point: Vec<f64> = point.into_iter().map(|coordinate| coordinate.unwrap_or(0.9)).collect();
            let again = space.configuration(&point).unwrap();
            prop_assert_eq!(again.keys().collect::<Vec<_>>(), drawn.keys().collect::<Vec<_>>());
            for (name, value) in &drawn {
                let near = |a: &Value, b: &Value| a == b || (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-9;
                prop_assert!(near(value, &again[name]), "{}", name);
            }
            let written = serde_json::to_value(&space).unwrap();
            prop_assert_eq!(serde_json::from_value::<SearchSpace>(written).unwrap(), space);
        }
    }
}
