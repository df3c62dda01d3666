//! Cross-entropy over the answers in a batch.

use hpo_protocol::embedding::Parameters;
use tch::{Kind, Tensor};

use super::false_negatives::FalseNegatives;
use super::{Batch, Objective};
use crate::error::Result;
use crate::examples::Examples;
use crate::model::normalise;

/// The multiple-negatives ranking loss.
#[derive(Debug)]
pub struct MultipleNegatives {
    /// What cosines are divided by.
    temperature: f64,
    /// Whether positives are asked for their anchors too.
    symmetric: bool,
    /// What is not counted as a negative.
    false_negatives: FalseNegatives,
}

impl Objective for MultipleNegatives {
    /// InfoNCE (van den Oord et al., 2018, section 2.3) with cosines over a temperature, as
    /// the multiple-negatives ranking loss of Henderson et al. (2017, section 4). Each anchor must find its positive
    /// among all positives and negatives of the batch, of which its row may have several; texts that are right answers to it as
    /// well, or are taken for such, are left out. If symmetric, it is the mean of that and of each positive finding its anchor among all anchors.
    fn of(&self, batch: &Batch<'_>) -> Result<Tensor> {
        let anchors = normalise(&batch.columns[0])?;
        let candidates = normalise(&Tensor::f_cat(&batch.columns[1..], 0)?)?;
        let places = batch.texts[1..].concat();
        let forward = self.cross_entropy(&anchors, &candidates, |row, candidate| {
            batch.data.is_right(batch.texts[0][row], places[candidate])
        })?;
        if !self.symmetric {
            return Ok(forward);
        }
        let positives = normalise(&batch.columns[1])?;
        let backward = self.cross_entropy(&positives, &anchors, |row, candidate| {
            batch.data.is_right(batch.texts[0][candidate], batch.texts[1][row])
        })?;
        Ok(forward.f_add(&backward)?.f_mul_scalar(0.5)?)
    }

    fn couples(&self, _data: &Examples) -> bool {
        true
    }
}

impl MultipleNegatives {
    pub fn new(parameters: &Parameters) -> Self {
        Self {
            temperature: parameters.temperature,
            symmetric: parameters.symmetric,
            false_negatives: FalseNegatives::new(parameters),
        }
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
        let cosines = rows.f_matmul(&candidates.f_transpose(0, 1)?)?;
        let mask = match self.false_negatives.limit(|| Ok(cosines.f_diagonal(0, 0, 1)?))? {
            Some(limit) => {
                let mut too_near = cosines.f_gt_tensor(&limit.f_unsqueeze(1)?)?;
                mask.f_logical_or(&too_near.f_fill_diagonal_(0.0, false)?)?
            }
            None => mask,
        };
        let scores = cosines
            .f_div_scalar(self.temperature)?
            .f_masked_fill(&mask, f64::NEG_INFINITY)?;
        let own = Tensor::f_arange(count as i64, (Kind::Int64, rows.device()))?;
        Ok(scores.f_cross_entropy_loss::<Tensor>(&own, None, tch::Reduction::Mean, -100, 0.0)?)
    }
}
