//! The squared error of the cosine as a score.

use hpo_data::Rows;
use tch::{Kind, Tensor};

use super::{Batch, Objective, cosine, not_made_for_each_other};
use crate::error::Result;
use crate::examples::Examples;

/// The mean squared difference of cosines and scores.
#[derive(Debug)]
pub struct CosineSimilarity;

impl Objective for CosineSimilarity {
    fn of(&self, batch: &Batch<'_>) -> Result<Tensor> {
        let (Rows::Scored(rows), [one, other]) = (batch.rows, batch.columns.as_slice()) else {
            return Err(not_made_for_each_other());
        };
        let scores: Vec<f32> = rows.iter().map(|&(_, score)| score).collect();
        let scores = Tensor::f_from_slice(&scores)?.f_to_device(batch.embeddings.device())?;
        Ok(cosine(one, other)?.f_sub(&scores)?.f_square()?.f_mean(Kind::Float)?)
    }

    fn couples(&self, _data: &Examples) -> bool {
        false
    }
}
