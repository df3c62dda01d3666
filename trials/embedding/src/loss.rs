//! The training loss.

use tch::{Kind, Tensor};

use crate::data::{Row, Triplets};
use crate::error::Result;

/// What the training loss depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// How much nearer the positive must be, in squared distance.
    pub margin: f64,
    /// The weight of the second loss, of the hardest negative in the batch.
    pub batch_negatives: f64,
}

impl Loss {
    /// The scalar loss of a batch. `embeddings` is `[3 rows, hidden]`: all anchors, then all positives, then all
    /// negatives.
    ///
    /// It is the triplet loss of FaceNet (Schroff et al., 2015) on squared distances, plus `batch_negatives` times the
    /// same loss with the nearest positive or negative of the *other* rows as negative (batch hard; Hermans et al.,
    /// 2017). Texts that are right answers to the anchor, or the anchor itself, are no negatives.
    pub fn of(&self, embeddings: &Tensor, batch: &[Row], data: &Triplets) -> Result<Tensor> {
        let parts = embeddings.f_chunk(3, 0)?;
        let (anchors, positives, negatives) = (&parts[0], &parts[1], &parts[2]);
        let near = distance(anchors, positives)?;
        let loss = self.hinge(&near, &distance(anchors, negatives)?)?;
        if self.batch_negatives == 0.0 {
            return Ok(loss);
        }
        let candidates = Tensor::f_cat(&[positives, negatives], 0)?;
        let (rows, hardest) = hardest(anchors, &candidates, batch, data)?;
        if rows.is_empty() {
            return Ok(loss);
        }
        let device = embeddings.device();
        let rows = Tensor::f_from_slice(&rows)?.f_to_device(device)?;
        let hardest = Tensor::f_from_slice(&hardest)?.f_to_device(device)?;
        let far = distance(
            &anchors.f_index_select(0, &rows)?,
            &candidates.f_index_select(0, &hardest)?,
        )?;
        let second = self.hinge(&near.f_index_select(0, &rows)?, &far)?;
        Ok(loss.f_add(&second.f_mul_scalar(self.batch_negatives)?)?)
    }

    fn hinge(&self, near: &Tensor, far: &Tensor) -> Result<Tensor> {
        Ok(near
            .f_sub(far)?
            .f_add_scalar(self.margin)?
            .f_relu()?
            .f_mean(Kind::Float)?)
    }
}

/// Squared Euclidean distances of rows, `[rows]`.
pub fn distance(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    Ok(left
        .f_sub(right)?
        .f_square()?
        .f_sum_dim_intlist(1, false, Kind::Float)?)
}

/// The rows that have a candidate, and the nearest candidate of each.
fn hardest(anchors: &Tensor, candidates: &Tensor, batch: &[Row], data: &Triplets) -> Result<(Vec<i64>, Vec<i64>)> {
    let (anchors, candidates) = (anchors.f_detach()?, candidates.f_detach()?);
    // |a - c|^2 without |a|^2, which changes no row's order.
    let lengths = candidates.f_square()?.f_sum_dim_intlist(1, false, Kind::Float)?;
    let products = anchors.f_matmul(&candidates.f_transpose(0, 1)?)?;
    let scores = lengths.f_sub(&products.f_mul_scalar(2.0)?)?;
    let count = batch.len();
    let mut values = vec![0f32; count * 2 * count];
    scores.f_contiguous()?.f_copy_data(&mut values, count * 2 * count)?;
    let places: Vec<u32> = batch
        .iter()
        .map(|row| row[1])
        .chain(batch.iter().map(|row| row[2]))
        .collect();
    let mut found = (Vec::new(), Vec::new());
    for (row, (&[anchor, ..], values)) in batch.iter().zip(values.chunks_exact(2 * count)).enumerate() {
        let right = data.positives(anchor);
        let nearest = (0..2 * count)
            .filter(|&candidate| {
                let place = places[candidate];
                candidate % count != row && place != anchor && !right.contains(&place)
            })
            .min_by(|&one, &other| values[one].total_cmp(&values[other]));
        if let Some(nearest) = nearest {
            found.0.push(row as i64);
            found.1.push(nearest as i64);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [Row; 3] = [[0, 1, 2], [3, 4, 5], [0, 6, 7]];

    fn loss(rows: &[Row], numbers: &[f32], batch_negatives: f64) -> f64 {
        let data = Triplets::new(ROWS.to_vec(), vec![[0].into(); 8]);
        let loss = Loss {
            margin: 5.0,
            batch_negatives,
        };
        let embeddings = Tensor::from_slice(numbers).view([-1, 1]);
        loss.of(&embeddings, rows, &data).unwrap().double_value(&[])
    }

    #[test]
    fn the_hardest_of_the_batch_is_never_a_right_answer() {
        // Anchors, positives, negatives. The first and the third row have one anchor, so 1 and 0.5 are right for both.
        let numbers = [0.0, 10.0, 0.0, 1.0, 11.0, 0.5, 4.0, 3.0, 2.0];
        let own = (0.25 - 4.0 + 5.0) / 3.0;
        assert!((loss(&ROWS, &numbers, 0.0) - own).abs() < 1e-6);
        // Only for the first row the nearest of the others, 2, is nearer than the positive and the margin.
        let hardest = (1.0 - 4.0 + 5.0) / 3.0;
        assert!((loss(&ROWS, &numbers, 0.5) - (own + 0.5 * hardest)).abs() < 1e-6);
    }

    #[test]
    fn a_row_alone_has_no_batch_negatives() {
        let numbers = [0.0, 1.0, 2.0];
        assert_eq!(loss(&ROWS[..1], &numbers, 0.0), 2.0);
        assert_eq!(loss(&ROWS[..1], &numbers, 3.0), 2.0);
    }
}
