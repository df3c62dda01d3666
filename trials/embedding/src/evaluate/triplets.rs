//! How often an anchor is nearer to its positive than to its negative.

use tch::Tensor;

use super::Values;
use super::cosines::cosines;
use crate::error::Result;

/// The share of triplets whose positive has the greater cosine. A tie is not greater.
pub fn measure(triplets: &[[u32; 3]], embeddings: &Tensor) -> Result<Values> {
    let to = |other: usize| {
        let pairs: Vec<[u32; 2]> = triplets.iter().map(|triplet| [triplet[0], triplet[other]]).collect();
        cosines(embeddings, &pairs, "evaluation: triplets")
    };
    let (near, far) = (to(1)?, to(2)?);
    let right = near.iter().zip(&far).filter(|(near, far)| near > far).count();
    Ok(vec![("accuracy", right as f64 / triplets.len() as f64)])
}
