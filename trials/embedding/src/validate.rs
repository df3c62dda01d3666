//! The validation: the same for all trials, whatever they train with.

use std::collections::HashMap;

use hpo_protocol::Metrics;
use tch::{Kind, Tensor};

use crate::data::Triplets;
use crate::error::Result;
use crate::loss::distance;
use crate::model::{Model, normalise};

/// Tokens of one packed batch.
const TOKENS: usize = 4096;
/// Anchors compared with the corpus at a time.
const QUERIES: usize = 128;
/// Places of a ranking that count.
const TOP: usize = 10;

/// Fixed validation triplets and what they ask of a ranking.
#[derive(Debug)]
pub struct Validation {
    triplets: Triplets,
    margin: f64,
    /// All texts, by length.
    order: Vec<u32>,
    /// The distinct anchors.
    queries: Vec<u32>,
    /// The distinct positives and negatives.
    corpus: Vec<u32>,
    /// The place of a text in `corpus`.
    places: HashMap<u32, usize>,
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
    /// A validation on these triplets, with a margin that is not the trial's: a trial's own margin would make its loss
    /// small by being small.
    pub fn new(triplets: Triplets, margin: f64) -> Self {
        let mut order: Vec<u32> = (0..triplets.texts() as u32).collect();
        order.sort_by_key(|&text| triplets.text(text).len());
        let mut places = HashMap::new();
        let mut corpus = Vec::new();
        for &text in triplets.rows().iter().flat_map(|[_, answers @ ..]| answers) {
            places.entry(text).or_insert_with(|| {
                corpus.push(text);
                corpus.len() - 1
            });
        }
        let mut queries: Vec<u32> = triplets.rows().iter().map(|row| row[0]).collect();
        queries.sort_unstable();
        queries.dedup();
        Self {
            triplets,
            margin,
            order,
            queries,
            corpus,
            places,
        }
    }

    /// The triplets.
    pub fn triplets(&self) -> &Triplets {
        &self.triplets
    }

    /// Measures a model in evaluation mode, on embeddings scaled to length 1.
    ///
    /// The loss is the mean of `max(0, |a-p|^2 - |a-n|^2 + margin)`. `triplet_accuracy` is the share of triplets with
    /// `|a-p| < |a-n|`. `mrr@10` and `recall@10` are means over the distinct anchors, which rank all distinct positives
    /// and negatives; ties count against the model, so that equal embeddings of everything earn nothing.
    pub fn measure(&self, model: &Model) -> Result<Measured> {
        let _no_grad = tch::no_grad_guard();
        let embeddings = self.embed(model)?;
        let (loss, accuracy) = self.triplet_loss(&embeddings)?;
        let mut metrics = Metrics::from([("triplet_accuracy".to_owned(), accuracy)]);
        if loss.is_finite() {
            let (mrr, recall) = self.rank(&embeddings)?;
            metrics.insert("mrr@10".to_owned(), mrr);
            metrics.insert("recall@10".to_owned(), recall);
        }
        metrics.retain(|_, value| value.is_finite());
        Ok(Measured { loss, metrics })
    }

    /// Normalised embeddings of all texts, `[texts, hidden]`, in the order of their places.
    fn embed(&self, model: &Model) -> Result<Tensor> {
        let mut parts = Vec::new();
        let mut batch: Vec<&[u32]> = Vec::new();
        let mut tokens = 0;
        for text in self.order.iter().map(|&text| self.triplets.text(text)) {
            if tokens + text.len() > TOKENS && !batch.is_empty() {
                parts.push(model.embed(&batch, 0.0)?.embeddings);
                batch.clear();
                tokens = 0;
            }
            tokens += text.len();
            batch.push(text);
        }
        parts.push(model.embed(&batch, 0.0)?.embeddings);
        let mut rows = vec![0i64; self.order.len()];
        for (row, &text) in self.order.iter().enumerate() {
            rows[text as usize] = row as i64;
        }
        let all = Tensor::f_cat(&parts, 0)?;
        normalise(&all.f_index_select(0, &index(&rows, &all)?)?)
    }

    fn triplet_loss(&self, embeddings: &Tensor) -> Result<(f64, f64)> {
        let rows = self.triplets.rows();
        let part = |which: usize| -> Result<Tensor> {
            let places: Vec<i64> = rows.iter().map(|row| i64::from(row[which])).collect();
            Ok(embeddings.f_index_select(0, &index(&places, embeddings)?)?)
        };
        let anchors = part(0)?;
        let near = distance(&anchors, &part(1)?)?;
        let far = distance(&anchors, &part(2)?)?;
        let hinge = near.f_sub(&far)?.f_add_scalar(self.margin)?.f_relu()?;
        let loss = hinge.f_mean(Kind::Double)?.f_double_value(&[])?;
        let accuracy = near.f_less_tensor(&far)?.f_mean(Kind::Double)?.f_double_value(&[])?;
        Ok((loss, accuracy))
    }

    fn rank(&self, embeddings: &Tensor) -> Result<(f64, f64)> {
        let select = |texts: &[u32]| -> Result<Tensor> {
            let places: Vec<i64> = texts.iter().map(|&text| i64::from(text)).collect();
            Ok(embeddings.f_index_select(0, &index(&places, embeddings)?)?)
        };
        let corpus = select(&self.corpus)?.f_transpose(0, 1)?;
        let (mut mrr, mut recall) = (0.0, 0.0);
        for queries in self.queries.chunks(QUERIES) {
            let count = queries.len() * self.corpus.len();
            let mut scores = vec![0f32; count];
            select(queries)?
                .f_matmul(&corpus)?
                .f_contiguous()?
                .f_copy_data(&mut scores, count)?;
            for (&query, scores) in queries.iter().zip(scores.chunks_exact_mut(self.corpus.len())) {
                let right: Vec<usize> = self
                    .triplets
                    .positives(query)
                    .iter()
                    .map(|text| self.places[text])
                    .collect();
                // A text is no answer to itself.
                if let Some(&itself) = self.places.get(&query) {
                    scores[itself] = f32::NEG_INFINITY;
                }
                let (reciprocal, found) = standing(scores, &right);
                mrr += reciprocal;
                recall += found;
            }
        }
        let queries = self.queries.len() as f64;
        Ok((mrr / queries, recall / queries))
    }
}

/// The reciprocal rank of the best right answer and the share of right answers found, both within the top ten.
fn standing(scores: &[f32], right: &[usize]) -> (f64, f64) {
    let mut best: Vec<f32> = right.iter().map(|&place| scores[place]).collect();
    best.sort_by(|one, other| other.total_cmp(one));
    let (mut reciprocal, mut found) = (0.0, 0);
    for (before, &score) in best.iter().enumerate().take(TOP) {
        let wrong = scores.iter().filter(|&&other| other >= score).count();
        let wrong = wrong - best.iter().filter(|&&other| other >= score).count();
        if wrong + before < TOP {
            found += 1;
            if before == 0 {
                reciprocal = 1.0 / (wrong + 1) as f64;
            }
        }
    }
    (reciprocal, f64::from(found) / right.len() as f64)
}

fn index(places: &[i64], like: &Tensor) -> Result<Tensor> {
    Ok(Tensor::f_from_slice(places)?.f_to_device(like.device())?)
}

#[cfg(test)]
mod tests {
    use super::standing;

    #[test]
    fn a_ranking_is_measured() {
        assert_eq!(standing(&[0.1, 0.9, 0.5, 0.7], &[2]), (1.0 / 3.0, 1.0));
        assert_eq!(standing(&[0.1, 0.9, 0.5, 0.7], &[1, 0]), (1.0, 1.0));
        // Eleven wrong answers tie with the right one: it is not found.
        assert_eq!(standing(&[0.5; 12], &[0]), (0.0, 0.0));
        let mut scores = [0.0; 20];
        scores[0] = 1.0;
        assert_eq!(standing(&scores, &[0, 1]), (1.0, 0.5));
    }
}
