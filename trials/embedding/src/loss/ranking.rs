//! Cross-entropy over the answers in a batch.

use tch::{Kind, Tensor};

use super::triplet::Columns;
use crate::error::Result;
use crate::examples::Examples;
use crate::model::normalise;

/// What the multiple-negatives ranking loss depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranking {
    /// What cosines are divided by.
    pub temperature: f64,
    /// Whether positives are asked for their anchors too.
    pub symmetric: bool,
}

impl Ranking {
    /// The scalar loss of a batch: InfoNCE (van den Oord et al., 2018, section 2.3) with cosines over a temperature, as
    /// the multiple-negatives ranking loss of Henderson et al. (2017, section 4). Each anchor must find its positive
    /// among all positives and negatives of the batch; texts that are right answers to it as well are left out. If
    /// symmetric, it is the mean of that and of each positive finding its anchor among all anchors.
    pub fn of(&self, batch: &Columns<'_>, data: &Examples) -> Result<Tensor> {
        let anchors = normalise(&batch.embeddings[0])?;
        let candidates = normalise(&Tensor::f_cat(&batch.embeddings[1..], 0)?)?;
        let places = batch.texts[1..].concat();
        let forward = self.cross_entropy(&anchors, &candidates, |row, candidate| {
            data.is_right(batch.texts[0][row], places[candidate])
        })?;
        if !self.symmetric {
            return Ok(forward);
        }
        let positives = normalise(&batch.embeddings[1])?;
        let backward = self.cross_entropy(&positives, &anchors, |row, candidate| {
            data.is_right(batch.texts[0][candidate], batch.texts[1][row])
        })?;
        Ok(forward.f_add(&backward)?.f_mul_scalar(0.5)?)
    }

    /// Cross-entropy of each row finding the candidate at its own place; those that are right as well are left out.
    fn cross_entropy(
        &self,
        rows: &Tensor,
        candidates: &Tensor,
        right: impl Fn(usize, usize) -> bool,
    ) -> Result<Tensor> {
        let (count, width) = (rows.size2()?.0 as usize, candidates.size2()?.0 as usize);
        let mut also_right = vec![false; count * width];
        for (place, also) in also_right.iter_mut().enumerate() {
            let (row, candidate) = (place / width, place % width);
            *also = row != candidate && right(row, candidate);
        }
        let mask = Tensor::f_from_slice(&also_right)?
            .f_view([count as i64, width as i64])?
            .f_to_device(rows.device())?;
        let scores = rows
            .f_matmul(&candidates.f_transpose(0, 1)?)?
            .f_div_scalar(self.temperature)?
            .f_masked_fill(&mask, f64::NEG_INFINITY)?;
        let own = Tensor::f_arange(count as i64, (Kind::Int64, rows.device()))?;
        Ok(scores.f_cross_entropy_loss::<Tensor>(&own, None, tch::Reduction::Mean, -100, 0.0)?)
    }
}
