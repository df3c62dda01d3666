//! Training steps are those of PyTorch.

use crate::minilm;
use hpo_data::Rows;
use hpo_protocol::embedding::Parameters;
use hpo_trial_embedding::examples::Examples;
use hpo_trial_embedding::gradient::Pass;
use hpo_trial_embedding::loss::Loss;
use hpo_trial_embedding::model::Base;
use hpo_trial_embedding::optimizer::Optimizer;
use hpo_trial_embedding::tokens::Tokens;
use tch::Device;

/// What `make_steps.py` writes.
#[derive(serde::Deserialize)]
struct Reference {
    learning_rate: f64,
    weight_decay: f64,
    margin: f64,
    max_grad_norm: f64,
    batch: usize,
    texts: Vec<String>,
    triplets: Vec<[u32; 3]>,
    losses: Vec<f64>,
}

#[test]
fn the_losses_of_100_steps_are_those_of_pytorch() {
    let reference: Reference = serde_json::from_str(include_str!("../fixtures/steps.json")).unwrap();
    let base = Base::load(&minilm(), Device::Cpu).unwrap();
    let tokens = Tokens::read(&base.directory, 128, base.config.vocab_size).unwrap();
    let texts: Vec<&str> = reference.texts.iter().map(String::as_str).collect();
    let rows = Rows::Triplets(reference.triplets.iter().copied().map(Into::into).collect());
    let data = Examples::new(rows, tokens.encode(&texts).unwrap(), 0);
    let parameters = Parameters {
        learning_rate: reference.learning_rate,
        weight_decay: reference.weight_decay,
        margin: reference.margin,
        max_grad_norm: reference.max_grad_norm,
        ..Parameters::default()
    };
    let mut weights = base.weights.copy().unwrap();
    weights.require_grad(|_| true).unwrap();
    let model = base.model(&weights).unwrap();
    let shares = vec![1.0; weights.iter().len()];
    let mut optimizer = Optimizer::new(&weights, &parameters, shares).unwrap();
    assert_eq!(reference.losses.len(), 100);
    let mut most = 0f64;
    for (step, expected) in reference.losses.into_iter().enumerate() {
        let places = (0..reference.batch).map(|row| (step * reference.batch + row) % data.rows().len());
        let batch = data.rows().select(&places.collect::<Vec<_>>());
        let pass = Pass {
            model: &model,
            classifier: None,
            loss: &Loss::new(&parameters, &data).unwrap(),
            data: &data,
            max_length: usize::MAX,
            dropout: 0.0,
            seed: 0,
            augment: None,
            scale: 1.0,
        };
        let (loss, gradients) = pass.gradients(&batch, reference.batch).unwrap();
        let loss = loss.double_value(&[]);
        most = most.max((loss - expected).abs());
        assert!((loss - expected).abs() < 2e-5, "step {step}: {loss}, not {expected}");
        let taken = optimizer.step(&mut weights, &gradients, parameters.learning_rate);
        assert!(taken.unwrap());
        model.give_back(gradients);
    }
    println!("largest difference of losses {most:e}");
}
