//! A batch taken in parts has the gradients of the whole.

use crate::prepared;
use crate::study::Study;
use crate::tiny_model::HIDDEN;
use hpo_data::Rows;
use hpo_protocol::embedding::{LossKind, Parameters};
use hpo_trial_embedding::examples::Examples;
use hpo_trial_embedding::gradient::Pass;
use hpo_trial_embedding::loss::{Classifier, Loss};
use hpo_trial_embedding::model::Gradients;
use tch::{Device, Kind, Tensor};

/// All gradients as numbers, those of words at their places in the vocabulary.
fn flat(gradients: &Gradients, vocabulary: i64) -> Tensor {
    let (words, rows) = gradients.words.as_ref().unwrap();
    let table = Tensor::zeros([vocabulary, rows.size2().unwrap().1], (Kind::Float, Device::Cpu));
    let table = table.index_add(0, &Tensor::from_slice(words), rows);
    let all: Vec<Tensor> = std::iter::once(table)
        .chain(gradients.tensors.iter().map(Tensor::shallow_clone))
        .map(|tensor| tensor.flatten(0, -1))
        .collect();
    Tensor::cat(&all, 0)
}

#[test]
fn parts_have_the_gradients_of_the_whole() {
    let study = Study::new("gradient");
    let (shared, _alone) = prepared(&study);
    let Rows::Triplets(triplets) = shared.train.rows() else {
        panic!("no triplets");
    };
    let triplets = &triplets[..7];
    let texts = || {
        (0..shared.train.texts() as u32)
            .map(|text| shared.train.text(text).into())
            .collect()
    };
    let pairs = triplets.iter().map(|row| [row.anchor, row.positive]);
    let mut several = triplets.to_vec();
    for (number, row) in several.iter_mut().enumerate() {
        let others = triplets.iter().take(number % 3).map(|other| other.negatives[0]);
        row.negatives.extend(others);
    }
    let scored = pairs.clone().enumerate().map(|(row, pair)| (pair, row as f32 / 7.0));
    let labelled = triplets
        .iter()
        .enumerate()
        .map(|(row, triplet)| (triplet.anchor, row as u32 % 3));
    let classifier = Classifier {
        weight: Tensor::arange(3 * HIDDEN as i64, (Kind::Float, Device::Cpu))
            .sin()
            .view([3, -1]),
        bias: Tensor::zeros([3], (Kind::Float, Device::Cpu)),
    };
    let cases = [
        (None, 0.0, Rows::Triplets(triplets.to_vec())),
        (None, 2.0, Rows::Triplets(triplets.to_vec())),
        (
            Some(LossKind::MultipleNegatives),
            0.0,
            Rows::Triplets(triplets.to_vec()),
        ),
        (None, 0.0, Rows::Triplets(several.clone())),
        (None, 2.0, Rows::Triplets(several.clone())),
        (Some(LossKind::MultipleNegatives), 0.0, Rows::Triplets(several)),
        (Some(LossKind::Triplet), 0.0, Rows::Pairs(pairs.clone().collect())),
        (None, 0.0, Rows::Pairs(pairs.collect())),
        (None, 0.0, Rows::Scored(scored.collect())),
        (None, 0.0, Rows::Labelled(labelled.collect())),
    ];
    for (loss, batch_negatives, rows) in cases {
        let data = Examples::new(rows.clone(), texts(), 3);
        let parameters = Parameters {
            loss,
            batch_negatives,
            ..Parameters::default()
        };
        let mut weights = shared.base.weights.copy().unwrap();
        weights.require_grad(|_| true).unwrap();
        let model = shared.base.model(&weights).unwrap();
        let pass = Pass {
            model: &model,
            classifier: Some(&classifier),
            loss: &Loss::new(&parameters, &data).unwrap(),
            data: &data,
            max_length: usize::MAX,
            dropout: 0.0,
            seed: 3,
            augment: None,
            scale: 1.0,
        };
        let vocabulary = shared.base.config.vocab_size;
        let (whole, gradients) = pass.gradients(&rows, 100).unwrap();
        let whole = whole.double_value(&[]);
        let expected = flat(&gradients, vocabulary);
        assert!(expected.abs().max().double_value(&[]) > 1e-3);
        for micro_batch in [1, 3, 6] {
            let (value, gradients) = pass.gradients(&rows, micro_batch).unwrap();
            let value = value.double_value(&[]);
            assert!((value - whole).abs() < 1e-5, "{rows:?}: {value}, {whole}");
            let found = flat(&gradients, vocabulary);
            let difference = (&found - &expected).abs().max().double_value(&[]);
            assert!(difference < 1e-5, "{rows:?} in parts of {micro_batch}: {difference}");
        }
    }
}
