//! How well labels can be found from embeddings.

use hpo_data::evaluation::Classification;
use hpo_protocol::embedding::Classifier;
use tch::Tensor;

use super::Values;
use super::logistic::Logistic;
use super::neighbours;
use crate::error::Result;
use crate::validate::statistics::{accuracy, macro_f1};

/// Fits the classifier on the one half of the texts and asks it for the labels of the other. Their embeddings are of length 1 for
/// neighbours, and as the model gives them for a logistic regression.
pub fn measure(task: &Classification, classifier: Classifier, embeddings: &Tensor) -> Result<Values> {
    let texts: Vec<u32> = task.test.iter().map(|(text, _)| *text).collect();
    let labels: Vec<i64> = task.test.iter().map(|(_, label)| i64::from(*label)).collect();
    let found = match classifier {
        Classifier::LogisticRegression => {
            Logistic::fit(embeddings, &task.train, task.labels.len())?.labels(embeddings, &texts)?
        }
        Classifier::Knn => neighbours::labels(embeddings, &task.train, &texts)?,
    };
    Ok(vec![
        ("accuracy", accuracy(&found, &labels)),
        ("macro_f1", macro_f1(&found, &labels)),
    ])
}
