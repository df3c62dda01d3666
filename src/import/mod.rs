//! Results that something else has come to, as what a new study knows from the beginning.

mod csv;
mod error;
mod optuna;
mod storage;

use std::collections::BTreeMap;

use hpo_protocol::Values;

pub use csv::read as csv;
pub use error::ImportError;
pub use optuna::read as optuna;

use crate::ids::Timestamp;
use crate::space::{Distribution, Value};
use crate::study::{Earlier, EarlierResult, Habits, StudySpec};

/// Results of one source.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// What they are called.
    pub name: String,
    /// What was run, in order.
    pub trials: Vec<ImportedTrial>,
    /// What had to be taken for granted, one sentence each.
    pub assumed: Vec<String>,
}

/// What one trial has come to.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedTrial {
    /// Its number there.
    pub number: u64,
    /// Its configuration.
    pub parameters: Values,
    /// Finite values of the objective by resource.
    pub values: BTreeMap<u64, f64>,
    /// Why it is of no use, after the number of such trials.
    pub left_out: Option<&'static str>,
    /// Whether it has diverged after these.
    pub diverged: bool,
}

/// The reason for which trials that have failed are left out.
const FAILED: &str = "that have failed";

impl Imported {
    /// The facts with which a study begins that knows them; `now` is when they are taken.
    pub fn for_study(self, spec: &StudySpec, habits: &Habits, now: Timestamp) -> (Earlier, Vec<EarlierResult>) {
        let rungs = spec.policy.rungs();
        let name = self.name.clone();
        let results = self.trials.into_iter().map(|trial| match trial.left_out {
            Some(reason) => Err(reason.to_owned()),
            None => Ok(EarlierResult {
                study: name.clone(),
                number: trial.number,
                values: best_up_to(&rungs, &trial.values, spec),
                parameters: trial.parameters,
                diverged: trial.diverged,
            }),
        });
        let (earlier, results) = Earlier::collect((&self.name, now), results, None, spec, habits);
        let mut assumed = self.assumed;
        if !spec.require.is_empty() {
            assumed.push("they fulfil what `require` has here: their metrics are not read".to_owned());
        }
        (Earlier { assumed, ..earlier }, results)
    }
}

/// The best value up to each rung at which there is one.
fn best_up_to(rungs: &[u64], values: &BTreeMap<u64, f64>, spec: &StudySpec) -> Vec<(u64, f64)> {
    let cost = |value: &f64| spec.objective.signed(*value);
    let reached = rungs.iter().filter(|rung| values.contains_key(rung));
    let best = |rung: &u64| {
        let lowest = values.range(..=rung).map(|(_, value)| cost(value)).reduce(f64::min)?;
        Some((*rung, spec.objective.signed(lowest)))
    };
    reached.filter_map(best).collect()
}

/// A text as a value of a parameter, if it looks like one.
fn value(distribution: &Distribution, text: &str) -> Value {
    if let Some(listed) = distribution.listed() {
        let same = |value: &&Value| match value {
            Value::String(own) => own == text,
            // Python writes them so.
            Value::Bool(own) => text.eq_ignore_ascii_case(&own.to_string()),
            Value::Number(own) => text.parse().ok() == own.as_f64(),
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        // Of a number and its text, the number is meant where there is one.
        let found = listed.iter().find(|value| !value.is_string() && same(value));
        if let Some(value) = found.or_else(|| listed.iter().find(same)) {
            return value.clone();
        }
    }
    let whole = text.parse::<i64>().ok().map(Value::from);
    let number = || {
        text.parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(Value::from)
    };
    whole.or_else(number).unwrap_or_else(|| text.into())
}
