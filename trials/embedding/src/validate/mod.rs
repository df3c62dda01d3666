//! The validation: the same for all trials, whatever they train with.

mod ranking;
pub(crate) mod statistics;

use hpo_data::{Rows, Triplet, pearson, spearman};
use hpo_protocol::Metrics;
use hpo_protocol::embedding::DistanceKind;
use tch::{Kind, Tensor};

pub use self::ranking::Ranked;
use self::ranking::Ranking;
use self::statistics::{accuracy, macro_f1};
use crate::embed::embed;
use crate::error::{Error, Result};
use crate::examples::Examples;
use crate::loss::{Classifier, cosine, distance};
use crate::model::{Model, normalise};
use crate::ranks::select;

/// Fixed validation examples and what they ask of a model.
#[derive(Debug)]
pub struct Validation {
    examples: Examples,
    loss: RankingLoss,
    ranking: Option<Ranking>,
}

/// The loss of triplets and pairs. It does not know the one that a trial trains with: a small margin, or a high temperature, would
/// make that small whatever the model has learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RankingLoss {
    /// [`Ranked::log_rank`].
    LogRank,
    /// [`Ranked::cross_entropy`].
    CrossEntropy,
    /// Of triplets, the mean over the rows of the mean of `max(0, |a-p|^2 - |a-n|^2 + margin)` over the negatives of each; of pairs, which have no negatives, the cross-entropy.
    Triplet {
        /// The margin, above 0.
        margin: f64,
    },
}

/// What a validation has measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The validation loss; may be infinite or not a number.
    pub loss: f64,
    /// Finite metrics by name.
    pub metrics: Metrics,
}

impl Validation {
    /// A validation on these examples. Scored pairs and labelled texts have no other loss than their own.
    pub fn new(examples: Examples, loss: RankingLoss) -> Self {
        Self {
            ranking: Ranking::new(&examples),
            examples,
            loss,
        }
    }

    /// The examples.
    pub fn examples(&self) -> &Examples {
        &self.examples
    }

    /// Measures a model in evaluation mode. Texts are cut to `max_length` tokens: which part of a text it sees belongs to a
    /// model, as its pooling does, and whoever loads it will cut them there.
    ///
    /// # Errors
    /// As [`measure_embeddings`](Self::measure_embeddings) has, and those of the model.
    pub fn measure(&self, model: &Model, classifier: Option<&Classifier>, max_length: usize) -> Result<Measured> {
        self.measure_embeddings(&self.embeddings(model, max_length)?, classifier)
    }

    /// Measures embeddings of all texts, `[texts, hidden]`, in the order of their places; all but the classifier sees them
    /// scaled to length 1.
    ///
    /// The loss of triplets and pairs is the [`RankingLoss`]; `mrr@10`, `recall@10` and `ndcg@10` are means over the distinct
    /// anchors, which rank all distinct positives and negatives; ties count against the model, so that equal embeddings of
    /// everything earn nothing. `triplet_accuracy` is the share
    /// of negatives with `|a-p| < |a-n|`, the mean over the rows. The loss of scored pairs is the mean squared error of
    /// the cosine, beside `spearman` and `pearson`; that of labelled texts is the cross-entropy of the classifier on
    /// the embeddings as the model gives them, beside `accuracy` and `macro_f1`. `mean_cosine` is the mean over all
    /// pairs of different texts: near 1, all embeddings are alike.
    pub fn measure_embeddings(&self, plain: &Tensor, classifier: Option<&Classifier>) -> Result<Measured> {
        let _no_grad = tch::no_grad_guard();
        let embeddings = normalise(plain)?;
        let mut metrics = Metrics::from([("mean_cosine".to_owned(), mean_cosine(&embeddings)?)]);
        let mut report = |name: &str, value: f64| metrics.insert(name.to_owned(), value);
        let mut ranked_loss = f64::NAN;
        if let Some(ranking) = &self.ranking {
            let ranked = ranking.measure(&self.examples, &embeddings)?;
            report("mrr@10", ranked.mrr);
            report("recall@10", ranked.recall);
            report("ndcg@10", ranked.ndcg);
            ranked_loss = match self.loss {
                RankingLoss::LogRank => ranked.log_rank,
                RankingLoss::CrossEntropy | RankingLoss::Triplet { .. } => ranked.cross_entropy,
            };
        }
        let loss = match self.examples.rows() {
            Rows::Triplets(rows) => {
                let (near, far) = self.near_and_far(&embeddings)?;
                report("triplet_accuracy", mean_by_row(&near.f_less_tensor(&far)?, rows)?);
                match self.loss {
                    RankingLoss::Triplet { margin } => {
                        mean_by_row(&near.f_sub(&far)?.f_add_scalar(margin)?.f_relu()?, rows)?
                    }
                    RankingLoss::LogRank | RankingLoss::CrossEntropy => ranked_loss,
                }
            }
            Rows::Pairs(_) => ranked_loss,
            Rows::Scored(rows) => {
                let cosines = cosine(&self.column(&embeddings, 0)?, &self.column(&embeddings, 1)?)?;
                let cosines: Vec<f64> = Vec::try_from(cosines.f_to_kind(Kind::Double)?)?;
                let scores: Vec<f64> = rows.iter().map(|&(_, score)| f64::from(score)).collect();
                report("pearson", pearson(&cosines, &scores));
                report("spearman", spearman(&cosines, &scores));
                let squares = cosines
                    .iter()
                    .zip(&scores)
                    .map(|(cosine, score)| (cosine - score).powi(2));
                squares.sum::<f64>() / scores.len() as f64
            }
            Rows::Labelled(rows) => {
                let missing = || Error::Invalid("labelled texts need a classifier".to_owned());
                let classifier = classifier.ok_or_else(missing)?;
                let labels: Vec<i64> = rows.iter().map(|&(_, label)| i64::from(label)).collect();
                let scores = classifier.forward(&self.column(plain, 0)?)?;
                let found: Vec<i64> = Vec::try_from(scores.f_argmax(1, false)?)?;
                report("accuracy", accuracy(&found, &labels));
                report("macro_f1", macro_f1(&found, &labels));
                let labels = Tensor::f_from_slice(&labels)?.f_to_device(scores.device())?;
                let loss = scores.f_cross_entropy_loss::<Tensor>(&labels, None, tch::Reduction::Mean, -100, 0.0)?;
                loss.f_double_value(&[])?
            }
        };
        metrics.retain(|_, value| value.is_finite());
        Ok(Measured { loss, metrics })
    }

    /// A model's embeddings of all texts, `[texts, hidden]`, in the order of their places.
    pub fn embeddings(&self, model: &Model, max_length: usize) -> Result<Tensor> {
        let text = |place| self.examples.cut(place, max_length);
        embed(model, self.examples.texts(), text, false, "validation: texts")
    }

    /// The embeddings of one column of the examples.
    fn column(&self, embeddings: &Tensor, column: usize) -> Result<Tensor> {
        select(embeddings, &self.examples.rows().column(column))
    }

    /// The squared distances of anchors to their positives and to their negatives, `[negatives]` each.
    fn near_and_far(&self, embeddings: &Tensor) -> Result<(Tensor, Tensor)> {
        let owners: Vec<u32> = self
            .examples
            .rows()
            .owners()
            .into_iter()
            .map(|row| row as u32)
            .collect();
        let anchors = self.column(embeddings, 0)?;
        let near = distance(DistanceKind::SquaredEuclidean, &anchors, &self.column(embeddings, 1)?)?;
        let negatives = self.column(embeddings, 2)?;
        let far = distance(DistanceKind::SquaredEuclidean, &select(&anchors, &owners)?, &negatives)?;
        Ok((select(&near, &owners)?, far))
    }
}

/// The mean over rows of the mean over the negatives of each, of something of each negative, `[negatives]`.
fn mean_by_row(of_negatives: &Tensor, rows: &[Triplet]) -> Result<f64> {
    if rows.iter().all(|row| row.negatives.len() == 1) {
        return Ok(of_negatives.f_mean(Kind::Double)?.f_double_value(&[])?);
    }
    let shares = rows.iter().flat_map(|row| {
        let count = row.negatives.len();
        std::iter::repeat_n(1.0 / (count * rows.len()) as f64, count)
    });
    let values = Vec::<f64>::try_from(of_negatives.f_to_kind(Kind::Double)?)?;
    Ok(values.into_iter().zip(shares).map(|(value, share)| value * share).sum())
}

/// Rows of which a copy in f64 is held at a time.
const DOUBLES: usize = 8192;

/// The mean cosine of different rows of length 1, by way of the length of their sum.
fn mean_cosine(embeddings: &Tensor) -> Result<f64> {
    let (rows, hidden) = embeddings.size2()?;
    let mut sum = Tensor::f_zeros([hidden], (Kind::Double, embeddings.device()))?;
    let mut squares = 0.0;
    for begin in (0..rows).step_by(DOUBLES) {
        let count = (rows - begin).min(DOUBLES as i64);
        let block = embeddings.f_narrow(0, begin, count)?.f_to_kind(Kind::Double)?;
        sum = sum.f_add(&block.f_sum_dim_intlist(0, false, Kind::Double)?)?;
        squares += block.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])?;
    }
    let all = sum.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])?;
    let rows = rows as f64;
    Ok((all - squares) / (rows * (rows - 1.0)))
}
