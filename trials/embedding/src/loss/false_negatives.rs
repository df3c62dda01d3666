//! Texts that are too near to an anchor to be counted as wrong answers to it.

use hpo_protocol::embedding::Parameters;
use tch::Tensor;

use crate::error::Result;

/// Where negatives end: those with a greater cosine are taken for right answers that nobody has marked, by the margins with which
/// `mine_hard_negatives` of sentence-transformers leaves out candidates (Moreira et al., 2024, section 3.2).
#[derive(Debug, Clone, Copy)]
pub struct FalseNegatives {
    absolute: Option<f64>,
    relative: Option<f64>,
}

impl FalseNegatives {
    pub fn new(parameters: &Parameters) -> Self {
        Self {
            absolute: parameters.absolute_margin,
            relative: parameters.relative_margin,
        }
    }

    /// The greatest cosine that a negative may have where the positive has those, elementwise and without a gradient; none if there
    /// is no such limit.
    pub fn limit(&self, positive: impl FnOnce() -> Result<Tensor>) -> Result<Option<Tensor>> {
        if self.absolute.is_none() && self.relative.is_none() {
            return Ok(None);
        }
        let _no_grad = tch::no_grad_guard();
        let positive = positive()?;
        let absolute = self.absolute.map(|margin| positive.f_sub_scalar(margin)).transpose()?;
        let relative = self
            .relative
            .map(|margin| positive.f_sub(&positive.f_abs()?.f_mul_scalar(margin)?))
            .transpose()?;
        Ok(match (absolute, relative) {
            (Some(one), Some(other)) => Some(one.f_minimum(&other)?),
            (one, other) => one.or(other),
        })
    }
}
