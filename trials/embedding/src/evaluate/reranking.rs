//! How well the positives of each query are ranked before its negatives.

use hpo_data::evaluation::Candidates;
use tch::Tensor;

use super::Values;
use super::cosines::cosines;
use crate::error::Result;
use crate::ranks::{Standing, nearest};

/// A metric of one query with so many positives.
type Metric = fn(&Standing, usize) -> f64;

const METRICS: [(&str, Metric); 3] = [
    ("map", |standing, all| standing.average_precision(usize::MAX, all)),
    ("mrr@10", |standing, _| standing.reciprocal_rank(10)),
    ("ndcg@10", |standing, all| standing.ndcg(10, all)),
];

/// Means over the rows. Ties count against the positives.
pub fn measure(rows: &[Candidates], embeddings: &Tensor) -> Result<Values> {
    let texts = |row: &Candidates| [row.positives.as_slice(), &row.negatives].concat();
    let pairs: Vec<[u32; 2]> = rows
        .iter()
        .flat_map(|row| texts(row).into_iter().map(|text| [row.query, text]))
        .collect();
    let cosines = cosines(embeddings, &pairs, "evaluation: candidates")?;
    let mut rest = cosines.as_slice();
    let mut sums = [0.0; METRICS.len()];
    for Candidates {
        positives, negatives, ..
    } in rows
    {
        let (scores, others) = rest.split_at(positives.len() + negatives.len());
        rest = others;
        let right: Vec<usize> = (0..positives.len()).collect();
        let standing = Standing::of(scores, &nearest(scores, &right), None);
        for (sum, (_, metric)) in sums.iter_mut().zip(METRICS) {
            *sum += metric(&standing, positives.len());
        }
    }
    let mean = |((name, _), sum): ((&'static str, Metric), f64)| (name, sum / rows.len() as f64);
    Ok(METRICS.into_iter().zip(sums).map(mean).collect())
}
