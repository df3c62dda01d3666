//! Parameters that only some configurations have.

use std::collections::{BTreeMap, HashSet};

use hpo_protocol::Values;
use serde::{Deserialize, Serialize};

use super::value::{Listed, Value, same};
use super::{Parameter, SearchSpace};

/// What must hold for a configuration to have a parameter: another one has one of these values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// The name of the other parameter. A configuration without it does not satisfy the condition.
    pub parameter: String,
    /// At least one value.
    pub values: Vec<Value>,
}

/// Which values some parameters must have, by name.
pub(crate) type Required<'a> = BTreeMap<&'a str, Vec<&'a Value>>;

/// Adds what a configuration must have for it to have a parameter too: the conditions of that, and those of the parameters in them.
///
/// # Errors
/// If there is no such configuration, with a parameter of which no value fits.
pub(crate) fn require<'a>(parameters: &'a [Parameter], name: &str, required: &mut Required<'a>) -> Result<(), &'a str> {
    let mut seen = HashSet::new();
    let mut open = vec![name];
    while let Some(name) = open.pop() {
        let parameter = parameters.iter().find(|parameter| parameter.name == name);
        let Some(parameter) = parameter.filter(|parameter| seen.insert(parameter.name.as_str())) else {
            continue;
        };
        for condition in &parameter.when {
            let values: Vec<&Value> = match required.get(condition.parameter.as_str()) {
                None => condition.values.iter().collect(),
                Some(known) => {
                    let known: Listed = known.iter().copied().collect();
                    condition
                        .values
                        .iter()
                        .filter(|value| known.place(value).is_some())
                        .collect()
                }
            };
            if values.is_empty() {
                return Err(&condition.parameter);
            }
            required.insert(&condition.parameter, values);
            open.push(&condition.parameter);
        }
    }
    Ok(())
}

impl Condition {
    fn holds(&self, values: &Values) -> bool {
        let value = values.get(&self.parameter);
        value.is_some_and(|value| self.values.iter().any(|other| same(value, other)))
    }
}

impl Parameter {
    /// Whether a configuration with these values has it too.
    pub(crate) fn is_active(&self, values: &Values) -> bool {
        self.when.iter().all(|condition| condition.holds(values))
    }
}

impl SearchSpace {
    /// What a configuration must have for it to have all of these parameters; `None` if there is no such configuration.
    pub(crate) fn required_by(&self, given: &Values) -> Option<Required<'_>> {
        let mut required = Required::new();
        for name in given.keys() {
            require(&self.parameters, name, &mut required).ok()?;
        }
        Some(required)
    }

    /// Removes the parameters that a configuration with these values does not have.
    pub fn only_active(&self, mut values: Values) -> Values {
        // One pass for each parameter on the way from a condition to what it depends on, and so on.
        loop {
            let inactive = (self.parameters.iter())
                .find(|parameter| values.contains_key(&parameter.name) && !parameter.is_active(&values));
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
