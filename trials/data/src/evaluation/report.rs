//! What was read of an evaluation.

use hpo_protocol::embedding::EvaluationKind;
use serde::{Deserialize, Serialize};

/// What was read, and what the user should know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// What is measured.
    pub kind: EvaluationKind,
    /// What there is: `312 queries, 5000 documents, 498 of them relevant`.
    pub summary: String,
    /// Whole sentences, each of which names the evaluation.
    pub warnings: Vec<String>,
}
