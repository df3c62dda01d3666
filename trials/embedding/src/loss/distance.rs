//! How far embeddings are from each other.

use hpo_protocol::embedding::DistanceKind;
use tch::{Kind, Tensor};

use crate::error::Result;
use crate::model::normalise;

/// Distances of rows `[rows, hidden]`, `[rows]`.
///
/// Equal rows have the Euclidean distance 1e-6, where its gradient would otherwise not be finite.
pub fn distance(kind: DistanceKind, left: &Tensor, right: &Tensor) -> Result<Tensor> {
    let squares =
        |difference: Tensor| -> Result<Tensor> { Ok(difference.f_square()?.f_sum_dim_intlist(1, false, Kind::Float)?) };
    Ok(match kind {
        DistanceKind::SquaredEuclidean => squares(left.f_sub(right)?)?,
        DistanceKind::Euclidean => squares(left.f_sub(right)?)?.f_clamp_min(1e-12)?.f_sqrt()?,
        DistanceKind::Cosine => cosine(left, right)?.f_neg()?.f_add_scalar(1.0)?,
    })
}

/// Cosines of rows `[rows, hidden]`, `[rows]`.
pub fn cosine(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    Ok(Tensor::f_cosine_similarity(left, right, 1, 1e-8)?)
}

/// Distances of all `[left, hidden]` from all `[right, hidden]`, `[left, right]`.
pub fn all(kind: DistanceKind, left: &Tensor, right: &Tensor) -> Result<Tensor> {
    Ok(match kind {
        DistanceKind::SquaredEuclidean => squares(left, right)?,
        DistanceKind::Euclidean => squares(left, right)?.f_clamp_min(1e-12)?.f_sqrt()?,
        DistanceKind::Cosine => cosines(left, right)?.f_neg()?.f_add_scalar(1.0)?,
    })
}

/// Cosines of all `[left, hidden]` with all `[right, hidden]`, `[left, right]`.
pub fn cosines(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    Ok(normalise(left)?.f_matmul(&normalise(right)?.f_transpose(0, 1)?)?)
}

/// Squared Euclidean distances of all from all.
fn squares(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    let lengths = |rows: &Tensor, keep: bool| rows.f_square()?.f_sum_dim_intlist(1, keep, Kind::Float);
    let products = left.f_matmul(&right.f_transpose(0, 1)?)?;
    Ok(lengths(left, true)?
        .f_add(&lengths(right, false)?)?
        .f_sub(&products.f_mul_scalar(2.0)?)?)
}
