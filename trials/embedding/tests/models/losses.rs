//! The losses of rows with several negatives, and their gradients.
//!
//! The reference numbers are made by `make_losses.py`.

use hpo_data::{Rows, Triplet};
use hpo_protocol::embedding::{LossKind, Parameters};
use hpo_trial_embedding::examples::Examples;
use hpo_trial_embedding::loss::Loss;
use serde::Deserialize;
use tch::Tensor;

#[derive(Deserialize)]
struct Case {
    loss: LossKind,
    /// Negatives of each row.
    counts: Vec<u32>,
    parameters: serde_json::Map<String, serde_json::Value>,
    value: f64,
    embeddings: Vec<f32>,
    gradient: Vec<f32>,
}

/// Rows of texts that are all different.
fn rows(counts: &[u32]) -> Rows {
    let all = counts.len() as u32;
    let mut next = 2 * all;
    let row = |(place, &count): (usize, &u32)| {
        next += count;
        Triplet {
            anchor: place as u32,
            positive: all + place as u32,
            negatives: (next - count..next).collect(),
        }
    };
    Rows::Triplets(counts.iter().enumerate().map(row).collect())
}

#[test]
fn several_negatives_have_the_loss_of_their_definition() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../fixtures/losses.json")).unwrap();
    assert!(cases.len() > 10);
    for case in cases {
        let what = format!("{} {:?} {:?}", case.loss, case.counts, case.parameters);
        let rows = rows(&case.counts);
        let texts = 2 * case.counts.len() as u32 + case.counts.iter().sum::<u32>();
        let data = Examples::new(rows.clone(), vec![[0].into(); texts as usize], 0);
        let own: Parameters = serde_json::from_value(case.parameters.clone().into()).unwrap();
        let parameters = Parameters {
            loss: Some(case.loss),
            margin: 4.0,
            ..own
        };
        let leaf = Tensor::from_slice(&case.embeddings)
            .view([i64::from(texts), -1])
            .set_requires_grad(true);
        let loss = Loss::new(&parameters, &data)
            .unwrap()
            .of(&leaf, &rows, &data, None)
            .unwrap();
        let value = loss.double_value(&[]);
        assert!(
            (value - case.value).abs() < 1e-5 * case.value.max(1.0),
            "{what}: {value}, not {}",
            case.value
        );
        let gradient = Tensor::run_backward(&[&loss], &[&leaf], false, false)
            .remove(0)
            .flatten(0, -1);
        let difference = (gradient - Tensor::from_slice(&case.gradient))
            .abs()
            .max()
            .double_value(&[]);
        assert!(difference < 1e-5, "{what}: {difference:e}");
    }
}
