//! Learning curves that were measured.

mod read;
mod row;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use hpo_protocol::Values;

pub(super) use row::valid_seconds;

use crate::space::{SearchSpace, Value};
use crate::study::Objective;

/// A table of measured learning curves, as a study with a certain space and maximum resource sees it.
///
/// A configuration has the curve of its row; one that was not measured has that of the nearest row whose values the space
/// allows. Nearest is meant in the unit cube of the space: each parameter from 0 to 1 on the scale of its distribution, where
/// listed values and parameters that only one of two configurations has are 1 apart.
#[derive(Debug)]
pub struct Table {
    space: SearchSpace,
    /// Whether a parameter's values are in no order.
    unordered: Vec<bool>,
    /// In the order of the file.
    measured: Vec<Measured>,
    by_values: HashMap<String, usize>,
    /// What the values are of.
    objective: Objective,
    /// The lowest mean of final costs.
    best: f64,
}

/// All that was measured of one configuration.
#[derive(Debug)]
struct Measured {
    /// Where it lies in the unit cube; `None` if the space does not allow its values.
    point: Option<Vec<Option<f64>>>,
    /// At least one.
    runs: Vec<Run>,
    /// The mean of the costs at the study's maximum resource, where a run that has diverged counts as the worst that did not.
    last: f64,
}

#[derive(Debug)]
struct Run {
    /// At resource 1, 2 …, at least up to the study's maximum; NaN once it has diverged.
    costs: Vec<f64>,
    /// How long an epoch takes.
    seconds: Option<f64>,
}

/// The curve of one run of a table.
#[derive(Debug, Clone)]
pub(super) struct MeasuredCurve {
    table: Arc<Table>,
    measured: usize,
    run: usize,
}

impl Table {
    /// How many configurations were measured.
    pub fn configurations(&self) -> usize {
        self.measured.len()
    }

    /// How many of them the space allows, at least 1.
    pub fn allowed(&self) -> usize {
        self.measured.iter().filter(|one| one.point.is_some()).count()
    }

    /// The best value of any configuration at the study's maximum resource, on average over its runs.
    pub fn best(&self) -> f64 {
        self.objective.signed(self.best)
    }

    /// The curve of a configuration. Which of several runs it is, its seed decides.
    pub(super) fn curve(table: &Arc<Self>, configuration: &Values, seed: u64) -> MeasuredCurve {
        let measured = table.nearest(configuration);
        let runs = table.measured[measured].runs.len() as u64;
        MeasuredCurve {
            table: Arc::clone(table),
            measured,
            run: (seed % runs) as usize,
        }
    }

    fn nearest(&self, configuration: &Values) -> usize {
        let configuration = listed(&self.space, configuration);
        let exact = self.by_values.get(&key(&configuration)).copied();
        if let Some(exact) = exact.filter(|&exact| self.measured[exact].point.is_some()) {
            return exact;
        }
        let own = self.space.point(&configuration);
        let mut nearest = (f64::INFINITY, 0);
        for (number, measured) in self.measured.iter().enumerate() {
            let Some(point) = &measured.point else { continue };
            let distance = self.distance(&own, point);
            if distance < nearest.0 {
                nearest = (distance, number);
            }
        }
        nearest.1
    }

    /// Squared.
    fn distance(&self, a: &[Option<f64>], b: &[Option<f64>]) -> f64 {
        let apart = |((a, b), &unordered): ((&Option<f64>, &Option<f64>), &bool)| match (a, b) {
            (Some(a), Some(b)) if unordered => f64::from(u8::from(a != b)),
            (Some(a), Some(b)) => (a - b) * (a - b),
            (None, None) => 0.0,
            _ => 1.0,
        };
        a.iter().zip(b).zip(&self.unordered).map(apart).sum()
    }
}

impl MeasuredCurve {
    fn measured(&self) -> &Measured {
        &self.table.measured[self.measured]
    }

    fn run(&self) -> &Run {
        &self.measured().runs[self.run]
    }

    pub fn cost(&self, resource: u64) -> f64 {
        let place = usize::try_from(resource)
            .ok()
            .and_then(|resource| resource.checked_sub(1));
        let cost = place.and_then(|place| self.run().costs.get(place));
        cost.copied().unwrap_or(f64::NAN)
    }

    pub fn regret(&self) -> f64 {
        self.measured().last - self.table.best
    }

    pub fn seconds(&self) -> Option<f64> {
        self.run().seconds
    }
}

/// The values as the space lists them: a row may say 16.0 where the space says 16.
fn listed(space: &SearchSpace, values: &Values) -> Values {
    let mut values = values.clone();
    for parameter in &space.parameters {
        let Some(value) = values.get_mut(&parameter.name) else {
            continue;
        };
        let listed = parameter.distribution.listed();
        let own = listed.and_then(|all| all.iter().find(|own| same(own, value)).cloned());
        let number = || value.as_f64().filter(|_| listed.is_none()).map(Value::from);
        if let Some(own) = own.or_else(number) {
            *value = own;
        }
    }
    values
}

fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && a.as_f64() == b.as_f64())
}

/// The same for the same values.
fn key(values: &Values) -> String {
    Value::from_iter(values.iter().map(|(name, value)| (name.clone(), value.clone()))).to_string()
}
