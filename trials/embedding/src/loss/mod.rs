//! Training losses: each is a file here, and a line in `computed`.

mod classification;
mod cosine_similarity;
mod distance;
mod false_negatives;
mod multiple_negatives;
#[cfg(test)]
mod tests;
mod triplet;

use std::fmt;

use hpo_data::Rows;
use hpo_protocol::embedding::{LossKind, Parameters};
use tch::Tensor;

use crate::error::{Error, Result};
use crate::examples::Examples;

pub use self::classification::Classifier;
pub use self::distance::{cosine, distance};

/// A loss with its parameters.
trait Objective: fmt::Debug {
    /// The scalar loss of a batch.
    fn of(&self, batch: &Batch<'_>) -> Result<Tensor>;

    /// Whether the loss of a row depends on the other rows of its batch. Otherwise the loss of a batch is the mean of
    /// those of its rows.
    fn couples(&self, data: &Examples) -> bool;
}

/// The function of each loss.
fn computed(kind: LossKind, parameters: &Parameters) -> Box<dyn Objective> {
    match kind {
        LossKind::Triplet => Box::new(triplet::Triplet::new(parameters)),
        LossKind::MultipleNegatives => Box::new(multiple_negatives::MultipleNegatives::new(parameters)),
        LossKind::CosineSimilarity => Box::new(cosine_similarity::CosineSimilarity),
        LossKind::Classification => Box::new(classification::Classification::new(parameters)),
    }
}

/// A batch of rows and their embeddings.
#[derive(Debug)]
struct Batch<'a> {
    rows: &'a Rows,
    /// `[texts, hidden]`: all anchors, then all positives, and so on, as in [`Rows::texts`].
    embeddings: &'a Tensor,
    /// The same column by column: `[rows, hidden]`, or `[negatives, hidden]`.
    columns: Vec<Tensor>,
    /// The places of the texts, likewise.
    texts: Vec<Vec<u32>>,
    data: &'a Examples,
    /// Labelled texts need it.
    classifier: Option<&'a Classifier>,
}

/// The training loss of a trial.
#[derive(Debug)]
pub struct Loss(Box<dyn Objective>);

impl Loss {
    /// The loss of a trial; one that the data are not made for is an error.
    pub fn new(parameters: &Parameters, data: &Examples) -> Result<Self> {
        let what = data.rows().kind();
        let kind = parameters.loss.unwrap_or(what.default_loss());
        if !kind.kinds().contains(&what) {
            let names: Vec<String> = what.losses().iter().map(|kind| format!("`{kind}`")).collect();
            return Err(Error::Invalid(format!(
                "the loss `{kind}` can't be computed for {what}; use {}, or leave `loss` out",
                names.join(" or ")
            )));
        }
        Ok(Self(computed(kind, parameters)))
    }

    /// Whether the loss of a row depends on the other rows of its batch. Otherwise the loss of a batch is the mean of
    /// those of its rows.
    pub fn couples(&self, data: &Examples) -> bool {
        self.0.couples(data)
    }

    /// The scalar loss of a batch of `data`. `embeddings` is `[texts, hidden]`: all anchors, then all positives, and so on,
    /// as in [`Rows::texts`]. Labelled texts need a classifier.
    pub fn of(
        &self,
        embeddings: &Tensor,
        rows: &Rows,
        data: &Examples,
        classifier: Option<&Classifier>,
    ) -> Result<Tensor> {
        self.0.of(&Batch {
            rows,
            embeddings,
            columns: columns(embeddings, rows)?,
            texts: (0..rows.columns()).map(|column| rows.column(column)).collect(),
            data,
            classifier,
        })
    }
}

/// Something of each text `[texts, …]`, column by column of the rows.
pub fn columns(texts: &Tensor, rows: &Rows) -> Result<Vec<Tensor>> {
    let sizes: Vec<i64> = rows.sizes().into_iter().map(|size| size as i64).collect();
    Ok(texts.f_split_with_sizes(&sizes, 0)?)
}

/// The error of a loss and rows that are not made for each other.
fn not_made_for_each_other() -> Error {
    Error::Invalid("this loss is not made for these examples".to_owned())
}
