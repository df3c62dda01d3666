//! A logistic regression.

use tch::{Kind, Tensor};

use super::lbfgs::{STEPS, minimise};
use crate::alive::LongWork;
use crate::error::Result;
use crate::ranks::select;

/// Rows computed at a time.
const ROWS: usize = 8192;

/// A logistic regression with a quadratic penalty, as scikit-learn's `LogisticRegression()` has it: it minimises the sum of the
/// cross-entropies plus half the sum of the squared weights, without the intercepts. Two labels have one row of weights, more have
/// one each. Computed in f64.
#[derive(Debug)]
pub struct Logistic {
    /// `[hidden + 1, outputs]`, the intercepts last.
    weights: Tensor,
}

impl Logistic {
    /// Fits it to rows, each the place of an embedding and a label from 0 to below `labels`, which is at least 2.
    pub fn fit(embeddings: &Tensor, rows: &[(u32, u32)], labels: usize) -> Result<Self> {
        let outputs = if labels == 2 { 1 } else { labels };
        let hidden = usize::try_from(embeddings.size2()?.1).unwrap_or_default();
        let mut work = LongWork::new("evaluation: steps of the logistic regression, at most", STEPS);
        let mut steps = 0;
        let fitted = minimise(vec![0.0; (hidden + 1) * outputs], |weights| {
            work.done(steps);
            steps += 1;
            Self::of(weights, outputs, embeddings)?.loss(embeddings, rows)
        })?;
        Self::of(&fitted, outputs, embeddings)
    }

    fn of(weights: &[f64], outputs: usize, embeddings: &Tensor) -> Result<Self> {
        let weights = Tensor::f_from_slice(weights)?.f_view([-1, outputs as i64])?;
        Ok(Self {
            weights: weights.f_to_device(embeddings.device())?,
        })
    }

    /// The scores `[rows, outputs]` of embeddings.
    fn scores(&self, rows: &Tensor) -> Result<Tensor> {
        let hidden = self.weights.size2()?.0 - 1;
        let products = rows.f_matmul(&self.weights.f_narrow(0, 0, hidden)?)?;
        Ok(products.f_add(&self.weights.f_narrow(0, hidden, 1)?)?)
    }

    /// The loss per row, and its gradient by all weights.
    fn loss(&self, embeddings: &Tensor, rows: &[(u32, u32)]) -> Result<(f64, Vec<f64>)> {
        let (hidden, outputs) = self.weights.size2()?;
        let hidden = hidden - 1;
        let penalised = self.weights.f_narrow(0, 0, hidden)?;
        let mut loss = penalised.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])? / 2.0;
        // The intercepts are not penalised.
        let free = Tensor::f_zeros([1, outputs], (Kind::Double, self.weights.device()))?;
        let mut gradient = Tensor::f_cat(&[&penalised, &free], 0)?;
        for rows in rows.chunks(ROWS) {
            let inputs = doubles(embeddings, rows.iter().map(|(text, _)| *text))?;
            let labels: Vec<i64> = rows.iter().map(|(_, label)| i64::from(*label)).collect();
            let labels = Tensor::f_from_slice(&labels)?
                .f_to_device(embeddings.device())?
                .f_unsqueeze(1)?;
            let scores = self.scores(&inputs)?;
            let (losses, slopes) = if outputs == 1 {
                let right = labels.f_to_kind(Kind::Double)?;
                let wrong = right.f_neg()?.f_add_scalar(1.0)?;
                let losses = wrong.f_mul(&scores)?.f_sub(&scores.f_log_sigmoid()?)?;
                (losses, scores.f_sigmoid()?.f_sub(&right)?)
            } else {
                let logarithms = scores.f_log_softmax(1, Kind::Double)?;
                let losses = logarithms.f_gather(1, &labels, false)?.f_neg()?;
                let right = Tensor::f_ones_like(&losses)?;
                (losses, logarithms.f_exp()?.f_scatter_add(1, &labels, &right.f_neg()?)?)
            };
            loss += losses.f_sum(Kind::Double)?.f_double_value(&[])?;
            let by_weights = inputs.f_transpose(0, 1)?.f_matmul(&slopes)?;
            let by_intercepts = slopes.f_sum_dim_intlist(0, true, Kind::Double)?;
            gradient = gradient.f_add(&Tensor::f_cat(&[by_weights, by_intercepts], 0)?)?;
        }
        let count = rows.len() as f64;
        let gradient: Vec<f64> = Vec::try_from(gradient.f_view([-1])?)?;
        Ok((
            loss / count,
            gradient.into_iter().map(|component| component / count).collect(),
        ))
    }

    /// The labels that it finds for texts; of equally likely ones the first.
    pub fn labels(&self, embeddings: &Tensor, texts: &[u32]) -> Result<Vec<i64>> {
        let mut found = Vec::with_capacity(texts.len());
        for texts in texts.chunks(ROWS) {
            let scores = self.scores(&doubles(embeddings, texts.iter().copied())?)?;
            let labels = if self.weights.size2()?.1 == 1 {
                scores.f_view([-1])?.f_gt(0.0)?.f_to_kind(Kind::Int64)?
            } else {
                scores.f_argmax(1, false)?
            };
            found.extend(Vec::<i64>::try_from(labels)?);
        }
        Ok(found)
    }
}

/// Embeddings in f64.
fn doubles(embeddings: &Tensor, texts: impl Iterator<Item = u32>) -> Result<Tensor> {
    Ok(select(embeddings, &texts.collect::<Vec<u32>>())?.f_to_kind(Kind::Double)?)
}
