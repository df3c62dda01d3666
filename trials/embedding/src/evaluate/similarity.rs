//! How far cosines follow scores.

use hpo_data::{pearson, spearman};
use tch::Tensor;

use super::Values;
use super::cosines::cosines;
use crate::error::Result;

/// Correlations of the cosines of pairs with their scores. Where all cosines are alike there is none, which is worth as much as one
/// of 0.
pub fn measure(pairs: &[([u32; 2], f64)], embeddings: &Tensor) -> Result<Values> {
    let (texts, scores): (Vec<[u32; 2]>, Vec<f64>) = pairs.iter().copied().unzip();
    let cosines = cosines(embeddings, &texts, "evaluation: pairs")?;
    let cosines: Vec<f64> = cosines.into_iter().map(f64::from).collect();
    let defined = |value: f64| if value.is_nan() { 0.0 } else { value };
    Ok(vec![
        ("spearman", defined(spearman(&cosines, &scores))),
        ("pearson", defined(pearson(&cosines, &scores))),
    ])
}
