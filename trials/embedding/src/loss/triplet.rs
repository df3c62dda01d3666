//! The triplet loss, and negatives chosen within a batch.

use hpo_protocol::embedding::{DistanceKind, Mining};
use tch::{Kind, Tensor};

use super::distance::{all, distance};
use crate::error::Result;
use crate::examples::Examples;

/// What the triplet loss depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Triplet {
    /// How far is far.
    pub distance: DistanceKind,
    /// How much nearer the positive must be.
    pub margin: f64,
    /// The weight of the second loss, of a negative chosen within the batch.
    pub batch_negatives: f64,
    /// Which one is chosen.
    pub mining: Mining,
}

/// A batch of embeddings, `[rows, hidden]` each, and the places of their texts.
#[derive(Debug)]
pub struct Columns<'a> {
    /// The embeddings of anchors, of positives, and of negatives if there are any.
    pub embeddings: &'a [Tensor],
    /// The texts, likewise.
    pub texts: &'a [Vec<u32>],
}

impl Triplet {
    /// The scalar loss of a batch: the triplet loss of FaceNet (Schroff et al., 2015, section 3.1) with the negatives
    /// that are given, plus `batch_negatives` times the same loss with negatives chosen from the other rows' positives
    /// and negatives. Without given negatives it is the second loss alone.
    pub fn of(&self, batch: &Columns<'_>, data: &Examples) -> Result<Tensor> {
        let [anchors, positives, rest @ ..] = batch.embeddings else {
            return Ok(Tensor::f_zeros([], (Kind::Float, tch::Device::Cpu))?);
        };
        let near = distance(self.distance, anchors, positives)?;
        let given = rest
            .first()
            .map(|negatives| self.hinge(&near, &distance(self.distance, anchors, negatives)?))
            .transpose()?;
        let weight = if given.is_some() { self.batch_negatives } else { 1.0 };
        if weight == 0.0
            && let Some(given) = given
        {
            return Ok(given);
        }
        let second = self.chosen(batch, &near, data)?.f_mul_scalar(weight)?;
        Ok(match given {
            Some(given) => given.f_add(&second)?,
            None => second,
        })
    }

    /// The loss with chosen negatives: its mean over the rows that have one.
    fn chosen(&self, batch: &Columns<'_>, near: &Tensor, data: &Examples) -> Result<Tensor> {
        let anchors = &batch.embeddings[0];
        let candidates = Tensor::f_cat(&batch.embeddings[1..], 0)?;
        let places: Vec<u32> = batch.texts[1..].concat();
        let distances = all(self.distance, anchors, &candidates)?;
        let count = batch.texts[0].len();
        let mut rows = Vec::new();
        let mut chosen = Vec::new();
        for (row, (&anchor, distances)) in batch.texts[0].iter().zip(distances.chunks(places.len())).enumerate() {
            let wrong = (0..places.len())
                .filter(|&candidate| candidate % count != row && !data.is_right(anchor, places[candidate]));
            // The own positive stands at the row's place among the candidates.
            if let Some(negative) = self.choose(distances, wrong, distances[row]) {
                rows.push(row as i64);
                chosen.push(negative as i64);
            }
        }
        if rows.is_empty() {
            return Ok(near.f_sum(Kind::Float)?.f_mul_scalar(0.0)?);
        }
        let device = anchors.device();
        let rows = Tensor::f_from_slice(&rows)?.f_to_device(device)?;
        let chosen = Tensor::f_from_slice(&chosen)?.f_to_device(device)?;
        let far = distance(
            self.distance,
            &anchors.f_index_select(0, &rows)?,
            &candidates.f_index_select(0, &chosen)?,
        )?;
        self.hinge(&near.f_index_select(0, &rows)?, &far)
    }

    fn choose(&self, distances: &[f32], wrong: impl Iterator<Item = usize> + Clone, positive: f32) -> Option<usize> {
        let nearest = |&one: &usize, &other: &usize| distances[one].total_cmp(&distances[other]);
        match self.mining {
            Mining::Hardest => wrong.min_by(nearest),
            Mining::SemiHard => wrong
                .clone()
                .filter(|&candidate| distances[candidate] > positive)
                .min_by(nearest)
                .or_else(|| wrong.max_by(nearest)),
        }
    }

    fn hinge(&self, near: &Tensor, far: &Tensor) -> Result<Tensor> {
        Ok(near
            .f_sub(far)?
            .f_add_scalar(self.margin)?
            .f_relu()?
            .f_mean(Kind::Float)?)
    }
}
