//! The nearest neighbours.

use std::collections::BTreeMap;

use tch::Tensor;

use crate::error::Result;
use crate::ranks::each;

/// How many neighbours have a vote.
const NEIGHBOURS: usize = 5;

/// The label that most of the nearest five have, by cosine, for each of the `texts`. Of equally near ones the earlier row goes first, of
/// labels with equally many votes the first in their order. The embeddings are of length 1.
pub fn labels(embeddings: &Tensor, train: &[(u32, u32)], texts: &[u32]) -> Result<Vec<i64>> {
    // Not more than all texts: those of the training rows were read first.
    let width = train.iter().map(|(text, _)| text + 1).max().unwrap_or(0);
    let corpus = embeddings.f_narrow(0, 0, i64::from(width))?;
    let mut found = Vec::with_capacity(texts.len());
    each(embeddings, texts, &corpus, "evaluation: neighbours", |_, scores| {
        let mut nearest: Vec<(f32, u32)> = Vec::with_capacity(NEIGHBOURS + 1);
        for &(text, label) in train {
            let score = scores[text as usize];
            if nearest.len() == NEIGHBOURS && nearest.last().is_some_and(|(last, _)| score <= *last) {
                continue;
            }
            let place = nearest.partition_point(|(other, _)| *other >= score);
            nearest.insert(place, (score, label));
            nearest.truncate(NEIGHBOURS);
        }
        let mut votes: BTreeMap<u32, usize> = BTreeMap::new();
        for (_, label) in nearest {
            *votes.entry(label).or_default() += 1;
        }
        let most = votes.into_iter().rev().max_by_key(|(_, votes)| *votes);
        found.push(most.map_or(0, |(label, _)| i64::from(label)));
    })?;
    Ok(found)
}
