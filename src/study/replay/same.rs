//! What counts as the same, when what this version decides is compared with what a journal has.

use hpo_protocol::Values;
use serde_json::Value;

use crate::study::event::{Fact, Record};

/// Whether one fact decides of the same thing as another, in another way.
pub(super) fn is_about_the_same(one: &Fact, other: &Fact) -> bool {
    let ends = |fact: &Fact| {
        matches!(
            fact,
            Fact::TrialPromoted { .. } | Fact::TrialPruned { .. } | Fact::TrialCompleted { .. }
        )
    };
    let alike = std::mem::discriminant(one) == std::mem::discriminant(other) || (ends(one) && ends(other));
    alike && one.trial() == other.trial()
}

/// Whether two records say the same, but for the last digits of what was computed.
pub(super) fn is_same(one: &Record, other: &Record) -> bool {
    one.at == other.at
        && match (&one.fact, &other.fact) {
            (
                Fact::TrialCreated {
                    trial,
                    bracket,
                    parameters,
                    seed,
                },
                Fact::TrialCreated {
                    trial: t,
                    bracket: b,
                    parameters: p,
                    seed: s,
                },
            ) => (trial, bracket, seed) == (t, b, s) && are_near(parameters, p),
            (Fact::Reported(one), Fact::Reported(other)) => {
                let mut other = other.clone();
                // Older versions recorded no more than that it has no loss.
                other.diverged |= one.diverged;
                *one == other
            }
            (one, other) => one == other,
        }
}

/// Mathematical libraries of different machines differ in the last digits, and nothing that is searched does.
const NEAR: f64 = 1e-9;

fn are_near(one: &Values, other: &Values) -> bool {
    let near = |(a, b): (&Value, &Value)| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b || (a - b).abs() <= NEAR * a.abs().max(b.abs()),
        _ => a == b,
    };
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|((name, a), (other, b))| name == other && near((a, b)))
}
