//! What a sampler was shown of trials, where that was not the objective alone.

use crate::study::{Reason, StudySpec};
use crate::view::format::metric;
use crate::words::counted;

/// What the numbers of a sampler are.
pub(super) struct Shown<'a> {
    spec: &'a StudySpec,
    feasible: Option<u64>,
    weights: &'a [f64],
}

impl<'a> Shown<'a> {
    /// As [`Drawing::Drawn`](crate::analysis::Drawing::Drawn) says.
    pub fn new(spec: &'a StudySpec, feasible: Option<u64>, weights: &'a [f64]) -> Self {
        Self {
            spec,
            feasible,
            weights,
        }
    }

    /// Whether they are values of the objective.
    pub fn is_objective(&self) -> bool {
        self.weights.is_empty() && self.feasible != Some(0)
    }

    /// One of them, with what it is.
    pub fn named(&self, value: f64) -> String {
        let name = match (self.feasible, self.weights) {
            (Some(0), _) => "what is broken",
            (_, []) => &self.spec.objective.metric,
            (_, _) => "the weighed objectives",
        };
        format!("{name} {}", metric(value))
    }

    /// What they are, in further lines, if the sampler looked at results.
    pub fn about(&self, reason: &Reason) -> String {
        match reason {
            Reason::Incumbent { .. } | Reason::Expected(_) | Reason::Likely(_) => self.weighed() + &self.required(),
            Reason::First { .. }
            | Reason::Enqueued
            | Reason::Random
            | Reason::Sobol
            | Reason::Grid
            | Reason::Unknowing { .. }
            | Reason::Chance { .. }
            | Reason::Exhausted
            | Reason::Prior { .. } => String::new(),
        }
    }

    fn weighed(&self) -> String {
        let each = self.spec.objectives().zip(self.weights);
        let each: Vec<String> = each
            .map(|(objective, weight)| format!("{} by {weight:.2}", objective.metric))
            .collect();
        match each.is_empty() {
            true => String::new(),
            false => format!(
                "\n  it was shown one number for each trial, in which the objectives, as shares of their ranges, weighed: {}",
                each.join(", ")
            ),
        }
    }

    fn required(&self) -> String {
        match self.feasible {
            None => String::new(),
            Some(0) => "\n  no trial that it knew fulfilled what the study requires: where that is measured, it was shown how much was broken, \
                        from 0 to 1"
                .to_owned(),
            Some(count) => format!(
                "\n  {} that it knew fulfilled what the study requires; the others counted as worse than any of these",
                counted(count, "trial")
            ),
        }
    }
}
