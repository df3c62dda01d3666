//! Optimizers against their definitions, computed here number by number in f64.

use crate::one_thread;
use hpo_protocol::embedding::{OptimizerKind, Parameters};
use hpo_trial_embedding::layers;
use hpo_trial_embedding::model::{Gradients, Weight, Weights, parse_encoder};
use hpo_trial_embedding::optimizer::Optimizer;
use serde_json::json;
use tch::{Device, Kind, Tensor};

const WORDS: &str = "embeddings.word_embeddings.weight";
const DENSE: &str = "encoder.layer.0.output.dense.weight";
const BIAS: &str = "encoder.layer.1.output.dense.bias";
const RATE: f64 = 0.1;
/// Of all gradients: the result must not know of it.
const SCALE: f64 = 1024.0;

/// The gradient of every number at a step, but for words.
fn gradient(step: usize) -> f64 {
    [0.3, -0.2, 0.05, 0.4][step]
}

/// The words in the batch of a step: the third has none ever.
fn words(step: usize) -> Vec<i64> {
    [vec![0, 1], vec![0], vec![1], vec![0]][step].clone()
}

fn weights() -> Weights {
    one_thread();
    let config = json!({
        "model_type": "bert", "vocab_size": 3, "hidden_size": 2, "num_hidden_layers": 2, "num_attention_heads": 1,
        "intermediate_size": 2, "max_position_embeddings": 2
    });
    let layout = parse_encoder(&config.to_string()).unwrap().layout();
    let ones = |weight: &Weight| Ok(Tensor::ones(weight.shape.as_slice(), (Kind::Float, Device::Cpu)));
    Weights::from_fn(layout, ones).unwrap()
}

/// Four steps from ones, whose gradients are clipped if their length is above the limit.
fn trained(parameters: &Parameters) -> Weights {
    let mut weights = weights();
    let shares = layers::shares(parameters, &weights, 2).unwrap();
    weights
        .require_grad(|name| layers::is_trained(parameters, name))
        .unwrap();
    let mut optimizer = Optimizer::new(&weights, parameters, shares).unwrap();
    for step in 0..4 {
        let trained = weights.trained();
        let dense = |weight: &Tensor| Tensor::full(weight.size(), gradient(step), (Kind::Float, Device::Cpu));
        let with_words = trained.iter().any(|(name, _)| name == WORDS);
        let words = with_words.then(|| {
            let words = words(step);
            let rows = Tensor::full([words.len() as i64, 2], gradient(step), (Kind::Float, Device::Cpu));
            (words, rows * SCALE)
        });
        let others = trained.iter().filter(|(name, _)| *name != WORDS);
        let gradients = Gradients {
            words,
            tensors: others.map(|(_, weight)| dense(weight) * SCALE).collect(),
            scale: SCALE,
        };
        assert!(optimizer.step(&mut weights, &gradients, RATE).unwrap());
    }
    assert_eq!(optimizer.steps(), 4);
    weights
}

/// What becomes of a number that is 1 at first, by the definition of the optimizer.
fn expected(parameters: &Parameters, rate: f64, decay: f64, gradient: impl Fn(usize) -> f64) -> f64 {
    let (mut weight, mut first, mut second) = (1.0, 0.0, 0.0);
    for step in 0..4 {
        let mut g = gradient(step);
        if parameters.optimizer == OptimizerKind::Adamw {
            weight -= rate * decay * weight;
        } else {
            g += decay * weight;
        }
        if parameters.optimizer == OptimizerKind::Sgd {
            first = parameters.momentum * first + g;
            weight -= rate * first;
        } else {
            first = parameters.beta1 * first + (1.0 - parameters.beta1) * g;
            second = parameters.beta2 * second + (1.0 - parameters.beta2) * g * g;
            let mean = first / (1.0 - parameters.beta1.powi(step as i32 + 1));
            let square: f64 = second / (1.0 - parameters.beta2.powi(step as i32 + 1));
            weight -= rate * mean / (square.sqrt() + parameters.epsilon);
        }
    }
    weight
}

fn assert_row(weights: &Weights, name: &str, row: i64, expected: f64) {
    let tensor = weights.get(name).unwrap();
    let tensor = if tensor.dim() > 1 { tensor.get(row) } else { tensor };
    let found = tensor.min().double_value(&[]);
    assert_eq!(found, tensor.max().double_value(&[]));
    assert!(
        (found - expected).abs() < 1e-6,
        "{name}, row {row}: {found} is not {expected}"
    );
}

fn optimizers() -> Vec<Parameters> {
    let kinds = [
        (OptimizerKind::Adamw, 0.0),
        (OptimizerKind::Adam, 0.0),
        (OptimizerKind::Sgd, 0.8),
        (OptimizerKind::Sgd, 0.0),
    ];
    let with = |(optimizer, momentum)| Parameters {
        optimizer,
        momentum,
        weight_decay: 0.5,
        beta1: 0.8,
        beta2: 0.9,
        epsilon: 1e-3,
        max_grad_norm: 0.0,
        ..Parameters::default()
    };
    kinds.map(with).to_vec()
}

#[test]
fn steps_are_those_of_the_definitions() {
    for parameters in optimizers() {
        let weights = trained(&parameters);
        for word in 0..3 {
            let of_word = |step| {
                if words(step).contains(&word) {
                    gradient(step)
                } else {
                    0.0
                }
            };
            assert_row(&weights, WORDS, word, expected(&parameters, RATE, 0.5, of_word));
        }
        assert_row(&weights, DENSE, 0, expected(&parameters, RATE, 0.5, gradient));
        assert_row(&weights, BIAS, 0, expected(&parameters, RATE, 0.0, gradient));
        assert_row(
            &weights,
            "embeddings.LayerNorm.weight",
            0,
            expected(&parameters, RATE, 0.0, gradient),
        );
    }
}

#[test]
fn lower_layers_learn_more_slowly() {
    for mut parameters in optimizers() {
        parameters.layer_decay = 0.5;
        let weights = trained(&parameters);
        assert_row(&weights, BIAS, 0, expected(&parameters, RATE, 0.0, gradient));
        assert_row(&weights, DENSE, 0, expected(&parameters, RATE / 2.0, 0.5, gradient));
        assert_row(&weights, WORDS, 2, expected(&parameters, RATE / 4.0, 0.5, |_| 0.0));
    }
}

#[test]
fn frozen_layers_stay_and_the_others_go_on() {
    for mut parameters in optimizers() {
        parameters.frozen_layers = 1;
        let weights = trained(&parameters);
        for (name, frozen) in [(WORDS, true), (DENSE, true), (BIAS, false)] {
            let moved = weights.get(name).unwrap().min().double_value(&[]) != 1.0;
            assert_eq!(moved, !frozen, "{name}");
        }
        parameters.frozen_layers = 0;
        parameters.freeze_embeddings = true;
        let weights = trained(&parameters);
        assert_row(&weights, WORDS, 0, 1.0);
        assert_row(&weights, DENSE, 0, expected(&parameters, RATE, 0.5, gradient));
    }
    for (frozen_layers, message) in [(2, "nothing is left to train"), (3, "the model has 2")] {
        let parameters = Parameters {
            frozen_layers,
            ..Parameters::default()
        };
        let error = layers::shares(&parameters, &weights(), 2).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn long_gradients_are_scaled_down_all_together() {
    for mut parameters in optimizers() {
        parameters.max_grad_norm = 0.1;
        let numbers = |step| {
            let dense = weights()
                .iter()
                .filter(|(name, _)| *name != WORDS)
                .map(|(_, w)| w.numel())
                .sum::<usize>();
            (dense + 2 * words(step).len()) as f64
        };
        let clipped = |step| {
            let length: f64 = gradient(step).abs() * numbers(step).sqrt();
            gradient(step) * (0.1 / length).min(1.0)
        };
        assert_row(
            &trained(&parameters),
            DENSE,
            0,
            expected(&parameters, RATE, 0.5, clipped),
        );
    }
}

#[test]
fn gradients_that_are_not_finite_move_nothing() {
    for parameters in optimizers() {
        let mut weights = weights();
        weights.require_grad(|_| true).unwrap();
        let shares = layers::shares(&parameters, &weights, 2).unwrap();
        let mut optimizer = Optimizer::new(&weights, &parameters, shares).unwrap();
        let others = weights.iter().skip(1).map(|(_, weight)| weight.detach().zeros_like());
        let mut tensors: Vec<Tensor> = others.collect();
        let _ = tensors[3].fill_(f64::INFINITY);
        let gradients = Gradients {
            words: Some((vec![0], Tensor::ones([1, 2], (Kind::Float, Device::Cpu)))),
            tensors,
            scale: 1.0,
        };
        assert!(!optimizer.step(&mut weights, &gradients, RATE).unwrap());
        assert_eq!(optimizer.steps(), 0);
        assert!(weights.iter().all(|(_, weight)| weight.min().double_value(&[]) == 1.0));
    }
}
