//! Where right answers stand in a ranking, and what that is worth.

use tch::Tensor;

use crate::alive::LongWork;
use crate::error::Result;

/// Queries compared with the corpus at a time, at most.
const QUERIES: usize = 128;
/// Cosines computed at a time, unless a single query has more: 16 MiB.
const COSINES: usize = 1 << 22;

/// Gives `take` the cosines of each query with all of the corpus, in the order of the queries; it may change them.
///
/// `embeddings` are of length 1, `[texts, hidden]`, and queries are places in them; `corpus` are rows of them or of others like them.
/// Beside these, at most 16 MiB are used, or what a single query needs. `what` describes the work.
pub fn each(
    embeddings: &Tensor,
    queries: &[u32],
    corpus: &Tensor,
    what: &'static str,
    mut take: impl FnMut(usize, &mut [f32]),
) -> Result<()> {
    let _no_grad = tch::no_grad_guard();
    let width = usize::try_from(corpus.size2()?.0).unwrap_or_default().max(1);
    let corpus = corpus.f_transpose(0, 1)?;
    let block = (COSINES / width).clamp(1, QUERIES);
    let mut work = LongWork::new(what, queries.len());
    let mut scores = vec![0f32; block.min(queries.len()) * width];
    for (done, queries) in queries.chunks(block).enumerate() {
        work.done(done * block);
        let scores = &mut scores[..queries.len() * width];
        let count = scores.len();
        let products = select(embeddings, queries)?.f_matmul(&corpus)?;
        products.f_contiguous()?.f_copy_data(scores, count)?;
        for (query, scores) in scores.chunks_exact_mut(width).enumerate() {
            take(done * block + query, scores);
        }
    }
    Ok(())
}

/// The rows at those places.
pub fn select(rows: &Tensor, places: &[u32]) -> Result<Tensor> {
    let places: Vec<i64> = places.iter().map(|&place| i64::from(place)).collect();
    let places = Tensor::f_from_slice(&places)?.f_to_device(rows.device())?;
    Ok(rows.f_index_select(0, &places)?)
}

/// The scores of right answers, the nearest first.
pub fn nearest(scores: &[f32], right: &[usize]) -> Vec<f32> {
    let mut best: Vec<f32> = right.iter().map(|&place| scores[place]).collect();
    best.sort_by(|one, other| other.total_cmp(one));
    best
}

/// How right answers stand among the others. Ties count against them, so that equal embeddings of everything earn nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// For each right answer, the nearest first, how many wrong ones are at least as near.
    pub wrong: Vec<usize>,
}

impl Standing {
    /// Of the right answers with the scores `best`, the nearest first, among all. If `copies` are given, an answer is there as often
    /// as they say.
    pub fn of(scores: &[f32], best: &[f32], copies: Option<&[u32]>) -> Self {
        // Of how many answers is this the first right one that is not nearer than they are?
        let mut answers = vec![0; best.len() + 1];
        let mut add = |score: f32, times: usize| answers[best.partition_point(|&right| right > score)] += times;
        match copies {
            None => scores.iter().for_each(|&score| add(score, 1)),
            Some(copies) => {
                let answers = scores.iter().zip(copies);
                answers.for_each(|(&score, &times)| add(score, times as usize));
            }
        }
        let mut all = 0;
        let at_least_as_near = answers.iter().map(|answers| {
            all += answers;
            all
        });
        let right = |&score: &f32| best.partition_point(|&other| other >= score);
        let wrong = best
            .iter()
            .zip(at_least_as_near)
            .map(|(score, all)| all - right(score).min(all));
        Self { wrong: wrong.collect() }
    }

    /// The places of right answers, from 0, among the first `top`.
    fn places(&self, top: usize) -> impl Iterator<Item = usize> {
        let places = self.wrong.iter().enumerate().map(|(before, wrong)| before + wrong);
        places.take_while(move |&place| place < top)
    }

    /// 1 if there is a right answer among the first `top`, else 0.
    pub fn accuracy(&self, top: usize) -> f64 {
        self.places(top).count().min(1) as f64
    }

    /// The share of right answers among the first `top`.
    pub fn precision(&self, top: usize) -> f64 {
        self.places(top).count() as f64 / top as f64
    }

    /// The share of `all` right answers that is among the first `top`.
    pub fn recall(&self, top: usize, all: usize) -> f64 {
        self.places(top).count() as f64 / all as f64
    }

    /// The reciprocal rank of the first right answer, if it is among the first `top`; else 0.
    pub fn reciprocal_rank(&self, top: usize) -> f64 {
        self.places(top).next().map_or(0.0, |place| 1.0 / (place + 1) as f64)
    }

    /// The normalised discounted cumulative gain of the first `top` (Järvelin & Kekäläinen, 2002), of `all` right answers, which are
    /// all worth the same.
    pub fn ndcg(&self, top: usize, all: usize) -> f64 {
        let gain: f64 = self.places(top).map(discount).sum();
        let ideal: f64 = (0..all.min(top)).map(discount).sum();
        gain / ideal
    }

    /// The average precision of the first `top`, of `all` right answers.
    pub fn average_precision(&self, top: usize, all: usize) -> f64 {
        let precisions = self.places(top).enumerate();
        let sum: f64 = precisions
            .map(|(before, place)| (before + 1) as f64 / (place + 1) as f64)
            .sum();
        sum / all.min(top) as f64
    }
}

/// What a right answer is worth at a place from 0.
fn discount(place: usize) -> f64 {
    1.0 / (place as f64 + 2.0).log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(scores: &[f32], right: &[usize], copies: Option<&[u32]>) -> Standing {
        Standing::of(scores, &nearest(scores, right), copies)
    }

    #[test]
    fn right_answers_at_the_second_and_the_fifth_place() {
        let standing = standing(&[0.9, 0.8, 0.7, 0.6, 0.5, 0.4], &[4, 1], None);
        assert_eq!(standing.wrong, [1, 3]);
        assert_eq!([1, 2, 5].map(|top| standing.accuracy(top)), [0.0, 1.0, 1.0]);
        assert_eq!([1, 2, 5].map(|top| standing.precision(top)), [0.0, 0.5, 0.4]);
        assert_eq!([1, 2, 5].map(|top| standing.recall(top, 4)), [0.0, 0.25, 0.5]);
        assert_eq!([1, 2].map(|top| standing.reciprocal_rank(top)), [0.0, 0.5]);
        assert_eq!(standing.average_precision(100, 2), (1.0 / 2.0 + 2.0 / 5.0) / 2.0);
        assert_eq!(standing.average_precision(4, 9), 1.0 / 2.0 / 4.0);
        let (two, three, six) = (2f64.log2(), 3f64.log2(), 6f64.log2());
        let expected = (1.0 / three + 1.0 / six) / (1.0 / two + 1.0 / three);
        assert!((standing.ndcg(10, 2) - expected).abs() < 1e-12);
    }

    #[test]
    fn copies_of_an_answer_stand_where_it_does_and_the_wrong_ones_first() {
        let scores = [0.9, 0.8, 0.7];
        assert_eq!(standing(&scores, &[1], Some(&[3, 2, 1])).wrong, [4]);
        assert_eq!(standing(&scores, &[1, 1], Some(&[3, 2, 1])).wrong, [3, 3]);
        assert_eq!(standing(&scores, &[], Some(&[3, 2, 1])).reciprocal_rank(10), 0.0);
    }

    #[test]
    fn a_model_to_which_all_is_alike_earns_nothing() {
        let standing = standing(&[0.5; 200], &[3, 7], None);
        assert_eq!(standing.wrong, [198, 198]);
        let worth = [standing.accuracy(10), standing.recall(100, 2), standing.ndcg(10, 2)];
        assert_eq!(worth, [0.0; 3]);
        assert_eq!(standing.average_precision(100, 2), 0.0);
    }
}
