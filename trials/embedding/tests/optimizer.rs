//! AdamW against values computed by hand.

#![allow(clippy::unwrap_used)]

use hpo_trial_embedding::model::{Config, Weights};
use hpo_trial_embedding::optimizer::{AdamW, Gradients};
use serde_json::json;
use tch::{Device, Kind, Tensor};

const WORDS: &str = "embeddings.word_embeddings.weight";

fn flat(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.flatten(0, -1).to_kind(Kind::Double)).unwrap()
}

fn assert_near(tensor: &Tensor, expected: &[f64]) {
    for (found, expected) in flat(tensor).iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }
}

#[test]
fn two_steps_are_those_of_the_paper() {
    let config: Config = serde_json::from_value(json!({
        "model_type": "bert", "vocab_size": 2, "hidden_size": 2, "num_hidden_layers": 1, "num_attention_heads": 1,
        "intermediate_size": 2, "max_position_embeddings": 2
    }))
    .unwrap();
    let ones = |_: &str, shape: &[i64]| Ok(Tensor::ones(shape, (Kind::Float, Device::Cpu)));
    let mut weights = Weights::from_fn(&config, ones).unwrap();
    let mut optimizer = AdamW::new(&weights, 0.1, 0.5).unwrap();
    // The second word is never in a batch.
    let gradients = |words: [f32; 2], weights: &Weights| Gradients {
        words: vec![0],
        tensors: std::iter::once(Tensor::from_slice(&words).view([1, 2]))
            .chain(weights.iter().skip(1).map(|(_, weight)| weight.zeros_like()))
            .collect(),
    };
    let first = gradients([0.3, -0.4], &weights);
    optimizer.step(&mut weights, &first).unwrap();
    assert_near(&weights.get(WORDS).unwrap(), &[0.85, 1.05, 0.95, 0.95]);
    // Of length 5: clipped to (0.6, 0.8).
    let second = gradients([3.0, 4.0], &weights);
    optimizer.step(&mut weights, &second).unwrap();
    assert_near(&weights.get(WORDS).unwrap(), &[0.71098180, 0.96088965, 0.9025, 0.9025]);
    assert_near(&optimizer.exp_avg().get(WORDS).unwrap(), &[0.087, 0.044, 0.0, 0.0]);
    assert_near(
        &optimizer.exp_avg_sq().get(WORDS).unwrap(),
        &[0.00044991, 0.00079984, 0.0, 0.0],
    );
    // No decay for biases and LayerNorm, and no movement without a gradient.
    assert_near(&weights.get("embeddings.LayerNorm.weight").unwrap(), &[1.0, 1.0]);
    assert_near(&weights.get("encoder.layer.0.output.dense.bias").unwrap(), &[1.0, 1.0]);
    assert_eq!(optimizer.steps(), 2);
}
