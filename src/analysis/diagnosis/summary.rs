//! What the trials of a study show together.

use std::borrow::Cow;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Kind, diagnose};
use crate::ids::TrialId;
use crate::study::{Study, Trial};

/// The highest probability of separating the trials by chance, for all searched parameters together, at which one is reported.
const CHANCE: f64 = 0.05;
/// One kind of finding in all trials of a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// What was found.
    pub finding: Kind,
    /// The trials that show it.
    pub trials: Vec<TrialId>,
    /// How many trials could be checked: with enough reports, and the metrics it needs.
    pub of: usize,
    /// The parameter that separates these trials from all the others that could be checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separated: Option<Separation>,
    /// What to do about it, if the advice is the same for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<Cow<'static, str>>,
}

/// A value of one parameter that separates trials with a finding from those without.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Separation {
    /// The parameter.
    pub parameter: String,
    /// The side of the trials with the finding.
    pub side: Side,
    /// A short number between the two sets.
    pub value: f64,
}

/// A side of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Higher values.
    Above,
    /// Lower values.
    Below,
}

/// Summarises the findings of all trials of the search, the gravest first; empty if there are none.
pub fn summarise(study: &Study) -> Vec<Summary> {
    let searched: Vec<&str> = study
        .spec()
        .space
        .parameters
        .iter()
        .filter(|parameter| !parameter.distribution.is_fixed())
        .map(|parameter| parameter.name.as_str())
        .collect();
    let trials: Vec<&Trial> = study.search_trials().collect();
    let diagnoses = trials
        .into_par_iter()
        .map(|trial| (trial, diagnose(trial, study.untrained(trial), &study.spec().objective)));
    let diagnoses: Vec<_> = diagnoses.collect();
    let of_kind = |kind: Kind| -> Option<Summary> {
        let (mut with, mut without, mut advice) = (Vec::new(), Vec::new(), Vec::new());
        for (trial, diagnosis) in &diagnoses {
            match diagnosis.findings.iter().find(|finding| finding.kind() == kind) {
                Some(finding) => {
                    with.push(*trial);
                    advice.push(finding.advice());
                }
                // A plateau is not searched for if there are other findings, so those trials say nothing about it.
                None if kind == Kind::Plateau && !diagnosis.findings.is_empty() => {}
                None if diagnosis.checked.contains(&kind) => without.push(*trial),
                None => {}
            }
        }
        advice.dedup();
        (!with.is_empty()).then(|| Summary {
            finding: kind,
            trials: with.iter().map(|trial| trial.id).collect(),
            of: with.len() + without.len(),
            separated: separation(&searched, &with, &without),
            advice: if let [advice] = advice[..] {
                Some(advice.into())
            } else {
                None
            },
        })
    };
    Kind::ALL.into_iter().filter_map(of_kind).collect()
}

/// The one parameter of which all trials `with` have higher (or all have lower) values than all trials `without`. `None` if
/// several do, or if it could well be chance.
fn separation(searched: &[&str], with: &[&Trial], without: &[&Trial]) -> Option<Separation> {
    if without.is_empty() || 2.0 * searched.len() as f64 / choices(with.len(), without.len()) > CHANCE {
        return None;
    }
    let mut found = searched.iter().filter_map(|&parameter| {
        let (low, high) = bounds(parameter, with)?;
        let (other_low, other_high) = bounds(parameter, without)?;
        let (side, value) = if low > other_high {
            (Side::Above, between(other_high, low))
        } else if high < other_low {
            (Side::Below, between(high, other_low))
        } else {
            return None;
        };
        let parameter = parameter.to_owned();
        Some(Separation { parameter, side, value })
    });
    found.next().filter(|_| found.next().is_none())
}

/// In how many ways `a` of `a + b` trials can be chosen: for a parameter unrelated to a finding, one of these has the highest
/// values and one the lowest.
fn choices(a: usize, b: usize) -> f64 {
    let (few, all) = (a.min(b), a + b);
    (0..few).map(|i| (all - i) as f64 / (few - i) as f64).product()
}

/// The lowest and the highest value of a parameter; `None` if a value is not a number.
fn bounds(parameter: &str, trials: &[&Trial]) -> Option<(f64, f64)> {
    let values = trials
        .iter()
        .map(|trial| trial.parameters.get(parameter).and_then(Value::as_f64));
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    let ends = |(low, high): (f64, f64), &value: &f64| (low.min(value), high.max(value));
    Some(values.iter().fold((*values.first()?, *values.first()?), ends))
}

/// A number with few digits above `low` and below `high`, which are different.
fn between(low: f64, high: f64) -> f64 {
    let middle = low / 2.0 + high / 2.0;
    let shortest = (0..17).filter_map(|digits| format!("{middle:.digits$e}").parse().ok());
    let mut shortest = shortest.filter(|&value: &f64| low < value && value < high);
    shortest.next().unwrap_or(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_number_lies_between() {
        assert_eq!(between(7.12e-5, 9.87e-5), 8e-5);
        assert_eq!(between(0.123451, 0.123459), 0.123455);
        assert_eq!(between(-3.0, 4.0), 0.5);
        assert_eq!(between(16.0, 32.0), 20.0);
    }

    #[test]
    fn choices_are_counted() {
        assert_eq!((choices(2, 7), choices(7, 2), choices(5, 5)), (36.0, 36.0, 252.0));
        assert_eq!(choices(3, 0), 1.0);
    }
}
