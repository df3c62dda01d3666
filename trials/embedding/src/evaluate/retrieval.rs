//! How well the relevant documents of a corpus are ranked first.

use hpo_data::evaluation::Retrieval;
use tch::Tensor;

use super::Values;
use crate::error::Result;
use crate::ranks::{Standing, each, nearest};

/// A metric of one query with so many relevant documents.
type Metric = fn(&Standing, usize) -> f64;

const METRICS: [(&str, Metric); 16] = [
    ("ndcg@10", |standing, all| standing.ndcg(10, all)),
    ("mrr@10", |standing, _| standing.reciprocal_rank(10)),
    ("map@100", |standing, all| standing.average_precision(100, all)),
    ("accuracy@1", |standing, _| standing.accuracy(1)),
    ("accuracy@3", |standing, _| standing.accuracy(3)),
    ("accuracy@5", |standing, _| standing.accuracy(5)),
    ("accuracy@10", |standing, _| standing.accuracy(10)),
    ("precision@1", |standing, _| standing.precision(1)),
    ("precision@3", |standing, _| standing.precision(3)),
    ("precision@5", |standing, _| standing.precision(5)),
    ("precision@10", |standing, _| standing.precision(10)),
    ("recall@1", |standing, all| standing.recall(1, all)),
    ("recall@3", |standing, all| standing.recall(3, all)),
    ("recall@5", |standing, all| standing.recall(5, all)),
    ("recall@10", |standing, all| standing.recall(10, all)),
    ("recall@100", |standing, all| standing.recall(100, all)),
];

/// Means over the queries. Ties count against the relevant documents; the embeddings of the documents are the first ones.
pub fn measure(task: &Retrieval, embeddings: &Tensor) -> Result<Values> {
    let corpus = embeddings.f_narrow(0, 0, task.copies.len() as i64)?;
    let copies = Some(task.copies.as_slice()).filter(|copies| copies.iter().any(|&copies| copies != 1));
    let queries: Vec<u32> = task.queries.iter().map(|query| query.text).collect();
    let mut sums = [0.0; METRICS.len()];
    each(embeddings, &queries, &corpus, "evaluation: queries", |query, scores| {
        let query = &task.queries[query];
        let right: Vec<usize> = query.relevant.iter().map(|&text| text as usize).collect();
        let standing = Standing::of(scores, &nearest(scores, &right), copies);
        for (sum, (_, metric)) in sums.iter_mut().zip(METRICS) {
            *sum += metric(&standing, right.len() + query.missing);
        }
    })?;
    let mean = |((name, _), sum): ((&'static str, Metric), f64)| (name, sum / queries.len() as f64);
    Ok(METRICS.into_iter().zip(sums).map(mean).collect())
}
