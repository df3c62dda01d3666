//! Training losses.

mod distance;
mod ranking;
#[cfg(test)]
mod tests;
mod triplet;

use hpo_data::Rows;
use hpo_protocol::embedding::{LossKind, Parameters};
use tch::{Kind, Tensor};

use self::ranking::Ranking;
use self::triplet::{Columns, Triplet};
use crate::error::{Error, Result};
use crate::examples::Examples;

pub use self::distance::{cosine, distance};

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kinds {
    Triplet(Triplet),
    Ranking(Ranking),
    Cosine,
    Classification { dropout: f64 },
}

/// A training loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss(Kinds);

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

impl Loss {
    /// The loss of a trial; one that the data are not made for is an error.
    pub fn new(parameters: &Parameters, data: &Examples) -> Result<Self> {
        let what = data.rows().kind();
        let possible = what.losses();
        let kind = parameters.loss.unwrap_or(possible[0]);
        if !possible.contains(&kind) {
            let names: Vec<String> = possible.iter().map(|kind| format!("`{kind}`")).collect();
            return Err(Error::Invalid(format!(
                "the loss `{kind}` can't be computed for {what}; use {}, or leave `loss` out",
                names.join(" or ")
            )));
        }
        Ok(Self(match kind {
            LossKind::Triplet => Kinds::Triplet(Triplet {
                distance: parameters.distance,
                margin: parameters.margin,
                batch_negatives: parameters.batch_negatives,
                mining: parameters.mining,
            }),
            LossKind::MultipleNegatives => Kinds::Ranking(Ranking {
                temperature: parameters.temperature,
                symmetric: parameters.symmetric,
            }),
            LossKind::CosineSimilarity => Kinds::Cosine,
            LossKind::Classification => Kinds::Classification {
                dropout: parameters.head_dropout,
            },
        }))
    }

    /// Whether the loss of a row depends on the other rows of its batch. Otherwise the loss of a batch is the mean of
    /// those of its rows.
    pub fn couples(&self, data: &Examples) -> bool {
        match self.0 {
            Kinds::Triplet(triplet) => triplet.batch_negatives > 0.0 || matches!(data.rows(), Rows::Pairs(_)),
            Kinds::Ranking(_) => true,
            Kinds::Cosine | Kinds::Classification { .. } => false,
        }
    }

    /// The scalar loss of a batch of `data`. `embeddings` is `[columns * rows, hidden]`: all anchors, then all
    /// positives, and so on, as in [`Rows::texts`]. Labelled texts need a classifier.
    pub fn of(
        &self,
        embeddings: &Tensor,
        batch: &Rows,
        data: &Examples,
        classifier: Option<&Classifier>,
    ) -> Result<Tensor> {
        let columns = batch.columns();
        let parts = embeddings.f_chunk(columns as i64, 0)?;
        let texts: Vec<Vec<u32>> = (0..columns).map(|column| batch.column(column)).collect();
        let all = Columns {
            embeddings: &parts,
            texts: &texts,
        };
        let device = embeddings.device();
        match (self.0, batch, classifier) {
            (Kinds::Triplet(triplet), ..) => triplet.of(&all, data),
            (Kinds::Ranking(ranking), ..) => ranking.of(&all, data),
            (Kinds::Cosine, Rows::Scored(rows), _) => {
                let scores: Vec<f32> = rows.iter().map(|&(_, score)| score).collect();
                let scores = Tensor::f_from_slice(&scores)?.f_to_device(device)?;
                Ok(cosine(&parts[0], &parts[1])?
                    .f_sub(&scores)?
                    .f_square()?
                    .f_mean(Kind::Float)?)
            }
            (Kinds::Classification { dropout }, Rows::Labelled(rows), Some(classifier)) => {
                let labels: Vec<i64> = rows.iter().map(|&(_, label)| i64::from(label)).collect();
                let labels = Tensor::f_from_slice(&labels)?.f_to_device(device)?;
                let embeddings = if dropout > 0.0 {
                    embeddings.f_dropout(dropout, true)?
                } else {
                    embeddings.shallow_clone()
                };
                let scores = classifier.forward(&embeddings)?;
                Ok(scores.f_cross_entropy_loss::<Tensor>(&labels, None, tch::Reduction::Mean, -100, 0.0)?)
            }
            (Kinds::Cosine | Kinds::Classification { .. }, ..) => {
                Err(Error::Invalid("this loss is not made for these examples".to_owned()))
            }
        }
    }
}
