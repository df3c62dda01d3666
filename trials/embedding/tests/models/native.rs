//! The encoder for the CPU and its gradient are those of tensor operations and autograd, number by number.

use std::path::Path;

use crate::minilm;
use crate::tiny_model::{directory, tiny_model};
use hpo_trial_embedding::model::{Base, Dropout, Gradients, Model, Weights};
use hpo_trial_embedding::seed::derive;
use tch::{Device, Kind, Tensor};

const DROPOUT: Dropout = Dropout {
    hidden: 0.1,
    attention: 0.2,
    seed: 5,
};

/// Texts of these lengths, of words below `words`.
fn texts(lengths: &[usize], words: u64) -> Vec<Vec<u32>> {
    let text = |(number, &length): (usize, &usize)| {
        (0..length)
            .map(|place| (derive(1, number as u64, place as u64) % words) as u32)
            .collect()
    };
    lengths.iter().enumerate().map(text).collect()
}

/// Embeddings and gradients of a loss that sees every embedding.
fn pass(model: &Model, texts: &[&[u32]], dropout: Dropout) -> (Tensor, Gradients) {
    let embedded = model.train(texts, dropout).unwrap();
    let embeddings = embedded.embeddings.detach().copy();
    let aims: Vec<f32> = (0..embeddings.numel())
        .map(|place| (place as f32 * 0.37).sin())
        .collect();
    let aims = Tensor::from_slice(&aims).view_as(&embeddings);
    let loss = (&embedded.embeddings * aims).sum(Kind::Float);
    (embeddings, model.gradients(&loss, embedded).unwrap())
}

/// The greatest difference as a share of the greatest number.
fn difference(ours: &Tensor, theirs: &Tensor) -> f64 {
    assert_eq!(ours.size(), theirs.size());
    let most = |tensor: Tensor| tensor.abs().max().double_value(&[]);
    let scale = most(theirs.detach().copy());
    assert!(scale > 0.0 && scale.is_finite(), "nothing to compare");
    most(ours - theirs) / scale
}

fn compare(base: &Base, weights: &Weights, texts: &[Vec<u32>], dropout: Dropout, tolerance: f64) {
    let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let ours = base.model(weights).unwrap();
    let theirs = base.model_by_tensors(weights, base.head).unwrap();
    // Twice, since the second time memory is used again.
    for _ in 0..2 {
        let (embeddings, gradients) = pass(&ours, &texts, dropout);
        let (expected, expected_gradients) = pass(&theirs, &texts, dropout);
        let off = difference(&embeddings, &expected);
        assert!(off < tolerance, "embeddings differ by {off}");
        let names = weights.trained();
        let names: Vec<&str> = names.iter().map(|(name, _)| name).collect();
        let (words, rows) = gradients
            .words
            .as_ref()
            .map_or((None, None), |(words, rows)| (Some(words), Some(rows)));
        let all = rows.into_iter().chain(&gradients.tensors);
        let expected_words = expected_gradients.words.as_ref();
        assert_eq!(words, expected_words.map(|(words, _)| words));
        let expected: Vec<&Tensor> = expected_words
            .map(|(_, rows)| rows)
            .into_iter()
            .chain(&expected_gradients.tensors)
            .collect();
        assert_eq!(expected.len(), names.len());
        assert_eq!(gradients.tensors.len(), expected_gradients.tensors.len());
        for ((name, ours), theirs) in names.iter().zip(all).zip(expected) {
            // The gradient of a key's bias is 0 but for rounding: a softmax does not see it.
            let (ours, theirs) = if name.ends_with("qkv.bias") {
                (ours / theirs.abs().max(), theirs / theirs.abs().max())
            } else {
                (ours.shallow_clone(), theirs.shallow_clone())
            };
            let off = difference(&ours, &theirs);
            assert!(off < tolerance, "the gradient of {name} differs by {off}");
        }
        ours.give_back(gradients);
    }
    let off = difference(&ours.embed(&texts).unwrap(), &theirs.embed(&texts).unwrap());
    assert!(off < tolerance, "without dropout embeddings differ by {off}");
}

fn all(base: &Base) -> Weights {
    let mut weights = base.weights.copy().unwrap();
    weights.require_grad(|_| true).unwrap();
    weights
}

#[test]
fn a_tiny_model() {
    let path = directory("gradients");
    tiny_model(&path, "");
    let base = Base::load(&path, Device::Cpu).unwrap();
    let texts = texts(&[7, 3, 7, 12, 1, 3, 24, 17, 16], 65);
    for threads in [1, 2, 3, 16] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let base = Base::load(&path, Device::Cpu).unwrap();
            for dropout in [Dropout::NONE, DROPOUT] {
                compare(&base, &all(&base), &texts, dropout, 1e-5);
            }
        });
    }
    // Frozen weights, from below and in between.
    for trained in ["encoder.layer.1.", "encoder", "LayerNorm", "word", "position", "bias"] {
        let mut weights = base.weights.copy().unwrap();
        weights.require_grad(|name| name.contains(trained)).unwrap();
        compare(&base, &weights, &texts, DROPOUT, 1e-5);
    }
}

/// Families that BERT's kernels alone do not serve: fewer tables, less dropout, embeddings of relative positions.
#[test]
fn tiny_models_of_other_families() {
    for (name, longest) in [("distilbert", 20), ("mpnet", 48)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let texts = texts(&[7, 3, 7, 12, 1, 3, longest, 17, 16], 60);
        for threads in [1, 2, 3, 16] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let base = Base::load(&path, Device::Cpu).unwrap();
                for dropout in [Dropout::NONE, DROPOUT] {
                    compare(&base, &all(&base), &texts, dropout, 1e-5);
                }
            });
        }
        let base = Base::load(&path, Device::Cpu).unwrap();
        for trained in ["encoder.layer.1.", "LayerNorm", "word", "position", "bias"] {
            let mut weights = base.weights.copy().unwrap();
            weights.require_grad(|name| name.contains(trained)).unwrap();
            compare(&base, &weights, &texts, DROPOUT, 1e-5);
        }
    }
}

#[test]
fn minilm_with_short_and_long_texts() {
    let base = Base::load(&minilm(), Device::Cpu).unwrap();
    let weights = all(&base);
    let lengths = [5, 20, 20, 33, 2, 128, 200, 64, 65, 21, 19, 48];
    for dropout in [Dropout::NONE, DROPOUT] {
        compare(&base, &weights, &texts(&lengths, 30_000), dropout, 3e-5);
    }
}

#[test]
fn gradients_that_are_still_held_are_not_overwritten() {
    let path = directory("gradients-held");
    tiny_model(&path, "");
    let base = Base::load(&path, Device::Cpu).unwrap();
    let model = base.model(&all(&base)).unwrap();
    let short = texts(&[4, 5, 6], 65);
    let long = texts(&[9, 10, 11], 65);
    let short: Vec<&[u32]> = short.iter().map(Vec::as_slice).collect();
    let long: Vec<&[u32]> = long.iter().map(Vec::as_slice).collect();
    let (_, first) = pass(&model, &short, DROPOUT);
    let before: Vec<Tensor> = first.tensors.iter().map(Tensor::copy).collect();
    let (_, second) = pass(&model, &long, DROPOUT);
    model.give_back(second);
    let (_, third) = pass(&model, &long, DROPOUT);
    for (first, before) in first.tensors.iter().zip(&before) {
        assert!(first.equal(before));
    }
    assert!(!third.tensors[3].equal(&before[3]));
}
