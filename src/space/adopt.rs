//! Configurations of another space, as ones of this one.

use std::fmt;

use hpo_protocol::Values;

use super::{Distribution, Scale, SearchSpace, Value, same};
use crate::words::listed;

/// Why a configuration of another space is none of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outside {
    /// A parameter has a value that it never has here.
    Value {
        /// The parameter.
        parameter: String,
        /// The values that it has here, after "with … ".
        values: String,
    },
    /// A configuration has a parameter here, and what its value was there is unknown.
    Unknown {
        /// The parameter.
        parameter: String,
    },
    /// A configuration has a parameter there that it does not have here.
    Absent {
        /// The parameter.
        parameter: String,
    },
    /// A constraint is not true of it.
    Constraint {
        /// The constraint.
        text: String,
    },
}

impl fmt::Display for Outside {
    /// After a number of configurations.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { parameter, values } => write!(f, "with `{parameter}` {values}"),
            Self::Unknown { parameter } => write!(f, "without `{parameter}`, whose value there is unknown"),
            Self::Absent { parameter } => write!(f, "with `{parameter}`, which they would not have here"),
            Self::Constraint { text } => write!(f, "against the constraint `{text}`"),
        }
    }
}

impl SearchSpace {
    /// The configuration of this space that trains as `there` did, which is one of another space. `defaults` are the values that
    /// parameters have where a configuration lacks them, as far as that is known.
    ///
    /// # Errors
    /// If there is none.
    pub fn adopt(&self, there: &Values, defaults: &Values) -> Result<Values, Outside> {
        let effective = |values: &Values, name: &str| values.get(name).or_else(|| defaults.get(name)).cloned();
        // Each parameter as it was there; those of which that is unknown may turn out to be absent here too.
        let known = self.parameters.iter().filter_map(|parameter| {
            let value = effective(there, &parameter.name)?;
            let own = parameter.distribution.adopt(&value);
            Some((parameter.name.clone(), own.unwrap_or(value)))
        });
        let here = self.only_active(known.collect());
        for parameter in self.parameters.iter().filter(|parameter| parameter.is_active(&here)) {
            let name = &parameter.name;
            let Some(value) = here.get(name) else {
                let parameter = name.clone();
                return Err(Outside::Unknown { parameter });
            };
            if parameter.distribution.share(value).is_none() {
                return Err(Outside::Value {
                    parameter: name.clone(),
                    values: parameter.distribution.others(),
                });
            }
        }
        let lost = |(name, value): &(&String, &Value)| {
            !here.contains_key(*name) && !defaults.get(*name).is_some_and(|usual| same(usual, value))
        };
        if let Some((name, _)) = there.iter().find(lost) {
            let parameter = name.clone();
            return Err(Outside::Absent { parameter });
        }
        match self.constraints.iter().find(|one| one.allows(&here) != Ok(true)) {
            Some(constraint) => Err(Outside::Constraint {
                text: constraint.text().to_owned(),
            }),
            None => Ok(here),
        }
    }

    /// Whether it is a configuration of this space.
    pub fn contains(&self, configuration: &Values) -> bool {
        self.adopt(configuration, &Values::new()).as_ref() == Ok(configuration)
    }
}

impl Distribution {
    /// A value in the form in which it would be drawn, the same number; `None` if it never is.
    pub fn adopt(&self, value: &Value) -> Option<Value> {
        match self.scale() {
            Scale::Continuous => value.as_f64().map(Value::from).filter(|own| self.share(own).is_some()),
            Scale::Constant | Scale::Steps(_) | Scale::Categories(_) => self.own(value),
        }
    }

    /// All values that it never has, in words.
    fn others(&self) -> String {
        if let Some(values) = self.listed() {
            let values = values.iter().map(|value| match value.as_str() {
                Some(text) => text.to_owned(),
                None => value.to_string(),
            });
            return format!("other than {}", listed(values, ", "));
        }
        let number = |bound: f64| match bound.fract() == 0.0 && bound.abs() < 1e15 {
            true => format!("{bound:.0}"),
            false => Value::from(bound).to_string(),
        };
        let bounds = self.bounds().map(|bound| bound.map(number));
        let outside = match bounds {
            [Some(low), Some(high)] => format!("outside {low} to {high}"),
            [Some(low), None] => format!("below {low}"),
            [None, Some(high)] => format!("above {high}"),
            [None, None] => "that is no number".to_owned(),
        };
        match self.scale() {
            Scale::Steps(_) => format!("{outside}, or between its steps"),
            Scale::Continuous | Scale::Constant | Scale::Categories(_) => outside,
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

    fn space(parameters: Value, constraints: Value) -> SearchSpace {
        serde_json::from_value(json!({ "parameters": parameters, "constraints": constraints })).unwrap()
    }

    fn values(value: Value) -> Values {
        serde_json::from_value(value).unwrap()
    }

    fn here() -> SearchSpace {
        space(
            json!([
                {"name": "rate", "distribution": {"type": "log_uniform", "low": 1e-6, "high": 1e-4}},
                {"name": "batch", "distribution": {"type": "choice", "values": [16, 32]}},
                {"name": "layers", "distribution": {"type": "integer", "low": 0, "high": 6, "step": 2}},
                {"name": "kind", "distribution": {"type": "choice", "values": ["a", "b"]}},
                {"name": "margin", "distribution": {"type": "uniform", "low": 0.0, "high": 1.0},
                 "when": [{"parameter": "kind", "values": ["a"]}]},
                {"name": "fixed", "distribution": {"type": "fixed", "value": 0.1}},
            ]),
            json!(["batch > 16 or rate < 5e-5"]),
        )
    }

    #[test]
    fn a_configuration_is_taken_if_it_would_train_the_same() {
        let defaults = values(json!({"kind": "b", "fixed": 0.1, "layers": 0, "margin": 0.5, "dropout": 0.2}));
        let adopt = |there: Value| here().adopt(&values(there), &defaults);
        // Values in the form in which they are drawn here; what is new has its default.
        assert_eq!(
            adopt(json!({"rate": 1e-5, "batch": 32.0, "dropout": 0.2})),
            Ok(values(
                json!({"batch": 32, "fixed": 0.1, "kind": "b", "layers": 0, "rate": 1e-5})
            ))
        );
        assert_eq!(
            adopt(json!({"rate": 1e-5, "batch": 32, "kind": "a", "layers": 4.0})),
            Ok(values(
                json!({"batch": 32, "fixed": 0.1, "kind": "a", "layers": 4, "margin": 0.5, "rate": 1e-5})
            ))
        );
        let refused = |there: Value| adopt(there).unwrap_err().to_string();
        for (there, why) in [
            (json!({"rate": 2e-4, "batch": 32}), "with `rate` outside 1e-6 to 0.0001"),
            (json!({"rate": 1e-5, "batch": 64}), "with `batch` other than 16, 32"),
            (
                json!({"rate": 1e-5, "batch": 32, "layers": 3}),
                "with `layers` outside 0 to 6, or between its steps",
            ),
            (
                json!({"rate": 1e-5, "batch": 32, "fixed": 0.2}),
                "with `fixed` other than 0.1",
            ),
            (json!({"batch": 32}), "without `rate`, whose value there is unknown"),
            (
                json!({"rate": 1e-5, "batch": 32, "dropout": 0.3}),
                "with `dropout`, which they would not have here",
            ),
            (
                json!({"rate": 1e-5, "batch": 32, "other": 1}),
                "with `other`, which they would not have here",
            ),
            // Here it has an effect with the other kind only, and there it was not what it is without one.
            (
                json!({"rate": 1e-5, "batch": 32, "kind": "b", "margin": 0.7}),
                "with `margin`, which they would not have here",
            ),
            (
                json!({"rate": 6e-5, "batch": 16}),
                "against the constraint `batch > 16 or rate < 5e-5`",
            ),
        ] {
            assert_eq!(refused(there.clone()), why, "{there}");
        }
    }

    proptest! {
        #[test]
        fn what_is_drawn_is_in_the_space_and_is_adopted_as_it_is(seed: u64) {
            let space = here();
            let drawn = space.sample(&mut ChaCha8Rng::seed_from_u64(seed));
            prop_assert_eq!(space.adopt(&drawn, &Values::new()), Ok(drawn.clone()));
            prop_assert!(space.contains(&drawn));
            let mut less = drawn.clone();
            less.remove("rate");
            prop_assert!(!space.contains(&less));
            let mut more = drawn;
            more.insert("more".into(), json!(1));
            prop_assert!(!space.contains(&more));
        }
    }
}
