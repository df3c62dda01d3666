//! The triplet loss, and negatives chosen within a batch.

use hpo_data::Rows;
use hpo_protocol::embedding::{DistanceKind, Mining, Parameters};
use tch::{Kind, Tensor};

use super::distance::{all, cosine, cosines, distance};
use super::false_negatives::FalseNegatives;
use super::{Batch, Objective};
use crate::error::Result;
use crate::examples::Examples;

/// The triplet loss.
#[derive(Debug)]
pub struct Triplet {
    /// How far is far.
    distance: DistanceKind,
    /// How much nearer the positive must be.
    margin: f64,
    /// The weight of the second loss, of a negative chosen within the batch.
    batch_negatives: f64,
    /// Which one is chosen.
    mining: Mining,
    /// What is not counted as a negative.
    false_negatives: FalseNegatives,
}

impl Objective for Triplet {
    /// The triplet loss of FaceNet (Schroff et al., 2015, section 3.1) with the negatives
    /// that are given, of which a row has the mean, plus `batch_negatives` times the same loss with negatives chosen from the
    /// other rows' positives and negatives. Without given negatives it is the second loss alone.
    fn of(&self, batch: &Batch<'_>) -> Result<Tensor> {
        let [anchors, positives, rest @ ..] = batch.columns.as_slice() else {
            return Ok(Tensor::f_zeros([], (Kind::Float, tch::Device::Cpu))?);
        };
        let near = distance(self.distance, anchors, positives)?;
        let limit = self.false_negatives.limit(|| cosine(anchors, positives))?;
        let given = rest
            .first()
            .map(|negatives| self.given(batch, &near, negatives, limit.as_ref()))
            .transpose()?;
        let weight = if given.is_some() { self.batch_negatives } else { 1.0 };
        if weight == 0.0
            && let Some(given) = given
        {
            return Ok(given);
        }
        let second = self.chosen(batch, &near, limit.as_ref())?.f_mul_scalar(weight)?;
        Ok(match given {
            Some(given) => given.f_add(&second)?,
            None => second,
        })
    }

    fn couples(&self, data: &Examples) -> bool {
        self.batch_negatives > 0.0 || matches!(data.rows(), Rows::Pairs(_))
    }
}

impl Triplet {
    pub fn new(parameters: &Parameters) -> Self {
        Self {
            distance: parameters.distance,
            margin: parameters.margin,
            batch_negatives: parameters.batch_negatives,
            mining: parameters.mining,
            false_negatives: FalseNegatives::new(parameters),
        }
    }

    /// The loss with the negatives of the rows: the mean over the rows of the mean over the negatives of each. `near` is `[rows]`, as is
    /// the `limit` of cosines.
    fn given(&self, batch: &Batch<'_>, near: &Tensor, negatives: &Tensor, limit: Option<&Tensor>) -> Result<Tensor> {
        let anchors = &batch.columns[0];
        let rows = batch.rows.len() as i64;
        let single = batch.texts[2].len() == batch.rows.len();
        if single && limit.is_none() {
            return Ok(self
                .hinge(near, &distance(self.distance, anchors, negatives)?)?
                .f_mean(Kind::Float)?);
        }
        let owners: Vec<i64> = batch.rows.owners().into_iter().map(|row| row as i64).collect();
        let owners = Tensor::f_from_slice(&owners)?.f_to_device(near.device())?;
        let of_owner = |of_rows: &Tensor| of_rows.f_index_select(0, &owners);
        let anchors = of_owner(anchors)?;
        let hinge = self.hinge(&of_owner(near)?, &distance(self.distance, &anchors, negatives)?)?;
        let counted = match limit {
            Some(limit) => {
                let _no_grad = tch::no_grad_guard();
                cosine(&anchors, negatives)?
                    .f_le_tensor(&of_owner(limit)?)?
                    .f_to_kind(Kind::Float)?
            }
            None => hinge.f_ones_like()?,
        };
        let none = || Tensor::f_zeros([rows], (Kind::Float, near.device()));
        let sums = none()?.f_index_add(0, &owners, &hinge.f_mul(&counted)?)?;
        let counts = none()?.f_index_add(0, &owners, &counted)?.f_clamp_min(1.0)?;
        Ok(sums.f_div(&counts)?.f_mean(Kind::Float)?)
    }

    /// The loss with chosen negatives: its mean over the rows that have one. Which rows those are is known from the
    /// texts alone, so nothing has to come back from the device, unless the `limit` of cosines leaves some out: they count nothing.
    fn chosen(&self, batch: &Batch<'_>, near: &Tensor, limit: Option<&Tensor>) -> Result<Tensor> {
        let anchors = &batch.columns[0];
        let candidates = Tensor::f_cat(&batch.columns[1..], 0)?;
        let places: Vec<u32> = batch.texts[1..].concat();
        let owners: Vec<usize> = (0..batch.rows.len()).chain(batch.rows.owners()).collect();
        let mut rows = Vec::new();
        let mut wrong = Vec::new();
        for (row, &anchor) in batch.texts[0].iter().enumerate() {
            let is_wrong = |(place, &text): (usize, &u32)| owners[place] != row && !batch.data.is_right(anchor, text);
            let begin = wrong.len();
            wrong.extend(places.iter().enumerate().map(is_wrong));
            if wrong[begin..].contains(&true) {
                rows.push(row as i64);
            } else {
                wrong.truncate(begin);
            }
        }
        if rows.is_empty() {
            return Ok(near.f_sum(Kind::Float)?.f_mul_scalar(0.0)?);
        }
        let device = anchors.device();
        let shape = [rows.len() as i64, places.len() as i64];
        let wrong = Tensor::f_from_slice(&wrong)?.f_view(shape)?.f_to_device(device)?;
        let rows = Tensor::f_from_slice(&rows)?.f_to_device(device)?;
        let (anchors, near) = (anchors.f_index_select(0, &rows)?, near.f_index_select(0, &rows)?);
        let (wrong, has_one) = match limit {
            Some(limit) => {
                let limit = limit.f_index_select(0, &rows)?.f_unsqueeze(1)?;
                let wrong = wrong.f_logical_and(&cosines(&anchors, &candidates)?.f_le_tensor(&limit)?)?;
                let has_one = wrong.f_any_dim(1, false)?.f_to_kind(Kind::Float)?;
                (wrong, Some(has_one))
            }
            None => (wrong, None),
        };
        let chosen = self.choose(&anchors, &candidates, &near, &wrong)?;
        let far = distance(self.distance, &anchors, &candidates.f_index_select(0, &chosen)?)?;
        let hinge = self.hinge(&near, &far)?;
        Ok(match has_one {
            Some(has_one) => {
                let count = has_one.f_sum(Kind::Float)?.f_clamp_min(1.0)?;
                hinge.f_mul(&has_one)?.f_sum(Kind::Float)?.f_div(&count)?
            }
            None => hinge.f_mean(Kind::Float)?,
        })
    }

    /// The place among the candidates of each row's negative, `[rows]`: one that is wrong, `[rows, candidates]`.
    fn choose(&self, anchors: &Tensor, candidates: &Tensor, near: &Tensor, wrong: &Tensor) -> Result<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let distances = all(self.distance, anchors, candidates)?;
        let nearest = |among: &Tensor| -> Result<Tensor> {
            let others = among.f_logical_not()?;
            Ok(distances.f_masked_fill(&others, f64::INFINITY)?.f_argmin(1, false)?)
        };
        match self.mining {
            Mining::Hardest => nearest(wrong),
            Mining::SemiHard => {
                let farther = wrong.f_logical_and(&distances.f_gt_tensor(&near.f_unsqueeze(1)?)?)?;
                let others = wrong.f_logical_not()?;
                let farthest = distances
                    .f_masked_fill(&others, f64::NEG_INFINITY)?
                    .f_argmax(1, false)?;
                Ok(nearest(&farther)?.f_where_self(&farther.f_any_dim(1, false)?, &farthest)?)
            }
        }
    }

    /// Elementwise.
    fn hinge(&self, near: &Tensor, far: &Tensor) -> Result<Tensor> {
        Ok(near.f_sub(far)?.f_add_scalar(self.margin)?.f_relu()?)
    }
}
