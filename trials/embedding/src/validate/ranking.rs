//! How well anchors rank their positives among all answers.

use std::collections::HashMap;

use hpo_data::Rows;
use tch::Tensor;

use crate::error::Result;
use crate::examples::Examples;
use crate::ranks::{Standing, each, nearest, select};

/// Places of a ranking that count.
const TOP: usize = 10;
/// What cosines are divided by in the cross-entropy: that of the training loss by default, and the same for all trials.
const TEMPERATURE: f64 = 0.05;

/// The ranking that validation pairs or triplets ask for.
#[derive(Debug)]
pub struct Ranking {
    /// The distinct anchors.
    queries: Vec<u32>,
    /// The distinct positives and negatives.
    corpus: Vec<u32>,
    /// The place of a text in `corpus`.
    places: HashMap<u32, usize>,
    /// All places in `corpus` of a text, whatever its prompt, by its origin.
    twins: HashMap<u32, Vec<usize>>,
}

/// What a ranking was worth.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Ranked {
    /// Mean reciprocal rank of the first right answer within the top ten.
    pub mrr: f64,
    /// Mean share of right answers within the top ten.
    pub recall: f64,
    /// Mean normalised discounted cumulative gain of the top ten (Järvelin & Kekäläinen, 2002).
    pub ndcg: f64,
    /// Mean over anchors and their positives of the cross-entropy of finding the positive among all answers but the
    /// other right ones, by cosines over a fixed temperature.
    pub cross_entropy: f64,
    /// Mean over anchors and their positives of the logarithm of the positive's rank among the wrong answers: that of their
    /// geometric mean. It depends on the order of the answers alone, and not on how far apart they are.
    pub log_rank: f64,
}

impl Ranking {
    /// The ranking of pairs or triplets; none for other examples.
    pub fn new(examples: &Examples) -> Option<Self> {
        let rows = examples.rows();
        if !matches!(rows, Rows::Triplets(_) | Rows::Pairs(_)) {
            return None;
        }
        let mut places = HashMap::new();
        let mut corpus = Vec::new();
        // Row by row, in the order of the file.
        rows.map(|column, text| {
            if column > 0 {
                places.entry(text).or_insert_with(|| {
                    corpus.push(text);
                    corpus.len() - 1
                });
            }
            text
        });
        let mut twins: HashMap<u32, Vec<usize>> = HashMap::new();
        for (place, &text) in corpus.iter().enumerate() {
            twins.entry(examples.origin(text)).or_default().push(place);
        }
        let mut queries = rows.column(0);
        queries.sort_unstable();
        queries.dedup();
        Some(Self {
            queries,
            corpus,
            places,
            twins,
        })
    }

    /// Ranks by embeddings `[texts, hidden]` of length 1.
    pub fn measure(&self, examples: &Examples, embeddings: &Tensor) -> Result<Ranked> {
        let corpus = select(embeddings, &self.corpus)?;
        let mut sum = Ranked::default();
        let mut pairs = 0;
        let what = "validation: anchors ranked";
        each(embeddings, &self.queries, &corpus, what, |query, scores| {
            let query = self.queries[query];
            let positives = examples.positives(query);
            let right: Vec<usize> = positives.iter().map(|text| self.places[text]).collect();
            let twins = |text: u32| self.twins.get(&examples.origin(text)).into_iter().flatten();
            // A text is no answer to itself, and a right one is none a second time.
            twins(query).for_each(|&itself| scores[itself] = f32::NEG_INFINITY);
            let again = positives.iter().flat_map(|&text| twins(text));
            for &twin in again.filter(|twin| !right.contains(twin)) {
                scores[twin] = f32::NEG_INFINITY;
            }
            let ranked = standing(scores, &right);
            sum.mrr += ranked.mrr;
            sum.recall += ranked.recall;
            sum.ndcg += ranked.ndcg;
            sum.cross_entropy += ranked.cross_entropy * right.len() as f64;
            sum.log_rank += ranked.log_rank * right.len() as f64;
            pairs += right.len();
        })?;
        let queries = self.queries.len() as f64;
        Ok(Ranked {
            mrr: sum.mrr / queries,
            recall: sum.recall / queries,
            ndcg: sum.ndcg / queries,
            cross_entropy: sum.cross_entropy / pairs as f64,
            log_rank: sum.log_rank / pairs as f64,
        })
    }
}

/// What one anchor's ranking is worth.
fn standing(scores: &[f32], right: &[usize]) -> Ranked {
    let best = nearest(scores, right);
    let standing = Standing::of(scores, &best, None);
    let logarithms = standing.wrong.iter().map(|&wrong| (1.0 + wrong as f64).ln());
    let mut ranked = Ranked {
        mrr: standing.reciprocal_rank(TOP),
        recall: standing.recall(TOP, right.len()),
        ndcg: standing.ndcg(TOP, right.len()),
        cross_entropy: 0.0,
        log_rank: logarithms.sum::<f64>() / right.len() as f64,
    };

    let scaled = |score: f32| f64::from(score) / TEMPERATURE;
    let greatest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let share = |score: f32| (scaled(score) - scaled(greatest)).exp();
    let all: f64 = scores.iter().map(|&score| share(score)).sum();
    let of_right: f64 = best.iter().map(|&score| share(score)).sum();
    // What rounding leaves of the wrong ones may be below 0. What is no number stays none, which `max` would not leave it.
    let of_wrong = all - of_right;
    let of_wrong = if of_wrong < 0.0 { 0.0 } else { of_wrong };
    let entropies = best
        .iter()
        .map(|&score| (of_wrong + share(score)).ln() - (scaled(score) - scaled(greatest)));
    ranked.cross_entropy = entropies.sum::<f64>() / right.len() as f64;
    if ranked.cross_entropy.is_nan() {
        // A score that is no number stands before and behind nothing.
        ranked.log_rank = f64::NAN;
    }
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ranking_is_measured() {
        let worth = |scores: &[f32], right: &[usize]| {
            let ranked = standing(scores, right);
            let places = (ranked.log_rank * right.len() as f64).exp().round();
            (ranked.mrr, ranked.recall, (ranked.ndcg * 1e4).round() / 1e4, places)
        };
        assert_eq!(worth(&[0.1, 0.9, 0.5, 0.7], &[2]), (1.0 / 3.0, 1.0, 0.5, 3.0));
        // At the first and the fourth place: (1 + 1 / log2(5)) / (1 + 1 / log2(3)). The first is not in the way of the other.
        assert_eq!(worth(&[0.1, 0.9, 0.5, 0.7], &[1, 0]), (1.0, 1.0, 0.8772, 3.0));
        // Eleven wrong answers tie with the right one: it is not found.
        assert_eq!(worth(&[0.5; 12], &[0]), (0.0, 0.0, 0.0, 12.0));
        assert_eq!(worth(&[0.5; 12], &[0, 3]), (0.0, 0.0, 0.0, 121.0));
        let mut scores = [0.0; 20];
        scores[0] = 1.0;
        assert_eq!(worth(&scores, &[0, 1]), (1.0, 0.5, 0.6131, 19.0));
    }

    #[test]
    fn what_is_no_number_is_no_good_rank() {
        for (score, right) in [(0, 0), (0, 1), (1, 0)] {
            let mut scores = [0.5, 0.25, 0.0];
            scores[score] = f32::NAN;
            assert!(standing(&scores, &[right]).log_rank.is_nan(), "{scores:?}");
        }
        assert_eq!(standing(&[0.5, f32::NEG_INFINITY], &[0]).log_rank, 0.0);
    }

    #[test]
    fn the_cross_entropy_leaves_out_other_right_answers() {
        let one = standing(&[0.05, 0.0], &[0]).cross_entropy;
        assert!((one - ((1f64.exp() + 1.0).ln() - 1.0)).abs() < 1e-6);
        let both = standing(&[0.05, 0.0, 0.0], &[0, 2]).cross_entropy;
        let expected = (((1f64.exp() + 1.0).ln() - 1.0) + 2f64.ln()) / 2.0;
        assert!((both - expected).abs() < 1e-6);
        // Of a text that is no answer to itself.
        assert!(standing(&[0.05, f32::NEG_INFINITY], &[0]).cross_entropy.abs() < 1e-9);
    }
}
