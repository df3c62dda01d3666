//! Layers that are not trained are computed once, to the same bits whenever that is, and have no dropout.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use crate::minilm;
use crate::tiny_model::{HIDDEN, LAYERS, directory, tiny_model};
use hpo_trial_embedding::model::{Base, Dropout, Frozen, Gradients, Model, Weights};
use hpo_trial_embedding::seed::derive;
use tch::{Device, Kind, Tensor};

const DROPOUT: Dropout = Dropout {
    hidden: 0.3,
    attention: 0.3,
    seed: 5,
};

fn base(name: &str) -> Base {
    // As in a worker: with more, libtorch's own threads may add up in another order each time.
    tch::set_num_threads(1);
    let path = directory(name);
    tiny_model(&path, "bert.");
    Base::load(&path, Device::Cpu).unwrap()
}

/// Texts of several lengths.
fn texts(count: u64) -> Vec<Vec<u32>> {
    let text = |number: u64| (0..3 + number % 7).map(move |place| (derive(1, number, place) % 60) as u32);
    (0..count).map(|number| text(number).collect()).collect()
}

fn slices(texts: &[Vec<u32>]) -> Vec<&[u32]> {
    texts.iter().map(Vec::as_slice).collect()
}

fn frozen(base: &Base, layers: usize, known: &[Vec<u32>], room: usize) -> Rc<Frozen> {
    let known = known.iter().map(Cow::from);
    Rc::new(Frozen::new(base, layers, known, &Rc::new(Cell::new(room))).unwrap())
}

fn difference(one: &Tensor, other: &Tensor) -> f64 {
    assert_eq!(one.size(), other.size());
    (one - other).abs().max().double_value(&[])
}

#[test]
fn known_texts_are_computed_once_and_to_the_same_bits_whenever() {
    let base = base("frozen-once");
    let texts = texts(20);
    let model = || base.model(&base.weights).unwrap();
    let plain = model().embed(&slices(&texts)).unwrap();
    for layers in 1..=LAYERS {
        let kept = frozen(&base, layers, &texts, 1 << 20);
        let over = model().over(Rc::clone(&kept));
        let some = over.embed(&slices(&texts[..3])).unwrap();
        assert_eq!(kept.kept(), 3);
        let first = over.embed(&slices(&texts)).unwrap();
        assert_eq!(kept.kept(), 20);
        assert_eq!(over.embed(&slices(&texts)).unwrap(), first, "warm");
        assert_eq!(over.embed(&slices(&texts[..3])).unwrap(), some, "warm");
        let cold = frozen(&base, layers, &texts, 1 << 20);
        assert_eq!(model().over(cold).embed(&slices(&texts)).unwrap(), first, "cold");
        let full = frozen(&base, layers, &texts, 1000);
        assert_eq!(
            model().over(Rc::clone(&full)).embed(&slices(&texts)).unwrap(),
            first,
            "no room"
        );
        assert!(full.kept() < 3);
        let unknown = frozen(&base, layers, &[], 1 << 20);
        let together = model().over(Rc::clone(&unknown)).embed(&slices(&texts)).unwrap();
        assert_eq!(unknown.kept(), 0);
        for other in [&first, &together] {
            assert!(difference(other, &plain) < 1e-5, "{layers} layers");
        }
    }
}

#[test]
fn texts_that_are_known_again_are_not_computed_again_unless_others_needed_the_room() {
    let base = base("frozen-again");
    let texts = texts(20);
    let long = || texts.iter().map(Cow::from);
    let short = || texts.iter().map(|text| Cow::from(&text[..text.len().min(4)]));
    let bytes = |texts: &mut dyn Iterator<Item = Cow<'_, [u32]>>| {
        texts.map(|text| text.len() * HIDDEN * size_of::<f32>()).sum::<usize>()
    };
    let embed = |kept: &Rc<Frozen>, texts: &mut dyn Iterator<Item = Cow<'_, [u32]>>| {
        let texts: Vec<_> = texts.collect();
        let model = base.model(&base.weights).unwrap().over(Rc::clone(kept));
        model
            .embed(&texts.iter().map(AsRef::as_ref).collect::<Vec<_>>())
            .unwrap()
    };
    let full = bytes(&mut long());
    let unchanged = texts.iter().filter(|text| text.len() <= 4).count();
    for (room, again) in [(2 * full, 20), (full, unchanged)] {
        let left = Rc::new(Cell::new(room));
        let kept = Rc::new(Frozen::new(&base, 1, long(), &left).unwrap());
        let first = embed(&kept, &mut long());
        assert_eq!((kept.kept(), left.get()), (20, room - full));
        kept.know(short());
        assert_eq!(kept.kept(), unchanged, "those that are not cut");
        let held = match again {
            20 => full,
            _ => bytes(&mut long().filter(|text| text.len() <= 4)),
        };
        assert_eq!(left.get(), room - held);
        let other = embed(&kept, &mut short());
        assert_eq!(kept.kept(), 20);
        kept.know(long());
        assert_eq!(kept.kept(), again);
        assert_eq!(embed(&kept, &mut long()), first);
        kept.know(short());
        assert_eq!(embed(&kept, &mut short()), other);
    }
}

/// Otherwise the bits of a trial would depend on what the worker has trained before. The tiny model gives the same bits
/// either way.
#[test]
fn a_text_of_before_is_computed_like_one_that_was_never_known() {
    tch::set_num_threads(1);
    let base = Base::load(&minilm(), Device::Cpu).unwrap();
    let texts = texts(20);
    let embed = |kept: &Rc<Frozen>| {
        let model = base.model(&base.weights).unwrap().over(Rc::clone(kept));
        model.embed(&slices(&texts)).unwrap()
    };
    let kept = frozen(&base, 3, &texts, 1 << 24);
    let _ = embed(&kept);
    assert_eq!(kept.kept(), 20);
    kept.know([].into_iter());
    assert_eq!(embed(&kept), embed(&frozen(&base, 3, &[], 1 << 24)));
}

#[test]
fn dropout_does_not_reach_them() {
    let base = base("frozen-dropout");
    let texts = texts(12);
    for known in [&texts[..], &texts[..5], &[]] {
        let model = |layers| {
            let over = frozen(&base, layers, known, 1 << 20);
            base.model(&base.weights).unwrap().over(over)
        };
        let dropped = |layers| model(layers).embed_with(&slices(&texts), DROPOUT).unwrap();
        let whole = |layers| model(layers).embed(&slices(&texts)).unwrap();
        assert_eq!(dropped(LAYERS), whole(LAYERS));
        assert!(difference(&dropped(LAYERS - 1), &whole(LAYERS - 1)) > 1e-3);
    }
}

/// Gradients of a loss that sees every embedding.
fn gradients(model: &Model, texts: &[&[u32]], dropout: Dropout) -> Gradients {
    let embedded = model.train(texts, dropout).unwrap();
    let aims: Vec<f32> = (0..embedded.embeddings.numel())
        .map(|place| (place as f32 * 0.37).sin())
        .collect();
    let aims = Tensor::from_slice(&aims).view_as(&embedded.embeddings);
    let loss = (&embedded.embeddings * aims).sum(Kind::Float);
    model.gradients(&loss, embedded).unwrap()
}

#[test]
fn the_gradients_above_them_are_those_of_the_whole_model() {
    let base = base("frozen-gradients");
    let texts = texts(12);
    let mut weights: Weights = base.weights.copy().unwrap();
    let frozen_layer = |name: &str| name.starts_with("embeddings.") || name.starts_with("encoder.layer.0.");
    weights.require_grad(|name| !frozen_layer(name)).unwrap();
    let expected = gradients(&base.model(&weights).unwrap(), &slices(&texts), Dropout::NONE);
    assert!(expected.words.is_none() && !expected.tensors.is_empty());
    let over = |tensors: bool, known: &[Vec<u32>]| {
        let room = Rc::new(Cell::new(1 << 20));
        let below = Frozen::new(&base, 1, known.iter().map(Cow::from), &room).unwrap();
        if tensors {
            let model = base.model_by_tensors(&weights, base.head).unwrap();
            model.over(Rc::new(below.by_tensors(&base).unwrap()))
        } else {
            base.model(&weights).unwrap().over(Rc::new(below))
        }
    };
    for tensors in [false, true] {
        for known in [&texts[..], &texts[..5], &[]] {
            let model = over(tensors, known);
            // The second time from what is kept.
            for _ in 0..2 {
                let found = gradients(&model, &slices(&texts), Dropout::NONE);
                assert!(found.words.is_none());
                assert_eq!(found.tensors.len(), expected.tensors.len());
                for (found, expected) in found.tensors.iter().zip(&expected.tensors) {
                    let scale = expected.abs().max().double_value(&[]).max(1e-3);
                    assert!(difference(found, expected) < 1e-4 * scale);
                }
                model.give_back(found);
            }
            let (native, other) = (over(false, known), over(true, known));
            let [native, other] = [native, other].map(|model| gradients(&model, &slices(&texts), DROPOUT));
            for (native, other) in native.tensors.iter().zip(&other.tensors) {
                let scale = other.abs().max().double_value(&[]).max(1e-3);
                assert!(difference(native, other) < 1e-4 * scale, "with dropout");
            }
        }
    }
}
