//! Cosines of given pairs.

use tch::{Kind, Tensor};

use crate::alive::LongWork;
use crate::error::Result;
use crate::ranks::select;

/// Pairs whose embeddings are compared at a time.
const PAIRS: usize = 4096;

/// The cosines of pairs of texts, whose embeddings are of length 1, in the order of the pairs. Beside the embeddings, those of 4096
/// pairs are held in memory. `what` describes the work.
pub fn cosines(embeddings: &Tensor, pairs: &[[u32; 2]], what: &'static str) -> Result<Vec<f32>> {
    let mut all = Vec::with_capacity(pairs.len());
    let mut work = LongWork::new(what, pairs.len());
    for pairs in pairs.chunks(PAIRS) {
        work.done(all.len());
        let side = |side: usize| select(embeddings, &pairs.iter().map(|pair| pair[side]).collect::<Vec<u32>>());
        let products = side(0)?.f_mul(&side(1)?)?.f_sum_dim_intlist(1, false, Kind::Float)?;
        all.extend(Vec::<f32>::try_from(products)?);
    }
    Ok(all)
}
