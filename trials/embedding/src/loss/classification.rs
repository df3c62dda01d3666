//! The cross-entropy of labels.

use hpo_data::Rows;
use hpo_protocol::embedding::Parameters;
use tch::Tensor;

use super::{Batch, Objective, not_made_for_each_other};
use crate::error::Result;
use crate::examples::Examples;

/// A linear layer from embeddings to labels.
#[derive(Debug)]
pub struct Classifier {
    /// `[labels, hidden]`.
    pub weight: Tensor,
    /// `[labels]`.
    pub bias: Tensor,
}

impl Classifier {
    /// Scores of labels `[texts, labels]` for embeddings `[texts, hidden]`.
    pub fn forward(&self, embeddings: &Tensor) -> Result<Tensor> {
        Ok(embeddings.f_linear(&self.weight, Some(&self.bias))?)
    }
}

/// The mean cross-entropy of finding each text's label by a [`Classifier`].
#[derive(Debug)]
pub struct Classification {
    /// Dropout probability of embeddings.
    dropout: f64,
}

impl Classification {
    pub fn new(parameters: &Parameters) -> Self {
        Self {
            dropout: parameters.head_dropout,
        }
    }
}

impl Objective for Classification {
    fn of(&self, batch: &Batch<'_>) -> Result<Tensor> {
        let (Rows::Labelled(rows), Some(classifier)) = (batch.rows, batch.classifier) else {
            return Err(not_made_for_each_other());
        };
        let labels: Vec<i64> = rows.iter().map(|&(_, label)| i64::from(label)).collect();
        let labels = Tensor::f_from_slice(&labels)?.f_to_device(batch.embeddings.device())?;
        let embeddings = if self.dropout > 0.0 {
            batch.embeddings.f_dropout(self.dropout, true)?
        } else {
            batch.embeddings.shallow_clone()
        };
        let scores = classifier.forward(&embeddings)?;
        Ok(scores.f_cross_entropy_loss::<Tensor>(&labels, None, tch::Reduction::Mean, -100, 0.0)?)
    }

    fn couples(&self, _data: &Examples) -> bool {
        false
    }
}
