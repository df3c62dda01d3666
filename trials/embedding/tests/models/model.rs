//! The model computes what the reference implementations compute.

use std::collections::HashMap;

use crate::minilm;
use crate::tiny_model::{HEADS, HIDDEN, LAYERS, directory, tiny_model};
use hpo_trial_embedding::model::Base;
use hpo_trial_embedding::tensors;
use hpo_trial_embedding::tokens::Tokens;
use safetensors::SafeTensors;
use tch::{Device, Kind, Tensor};

fn rows(tensor: &Tensor) -> Vec<Vec<f32>> {
    Vec::try_from(tensor).unwrap()
}

/// The textbook forward pass: padded, masked, query, key and value apart.
fn padded(weights: &HashMap<String, Tensor>, texts: &[&[u32]]) -> Tensor {
    let get = |name: &str| &weights[name];
    let linear = |x: &Tensor, name: &str| x.linear(get(&format!("{name}.weight")), Some(get(&format!("{name}.bias"))));
    let norm = |x: &Tensor, name: &str| {
        let (weight, bias) = (get(&format!("{name}.weight")), get(&format!("{name}.bias")));
        x.layer_norm([HIDDEN as i64], Some(weight), Some(bias), 1e-12, false)
    };
    let (count, longest) = (texts.len() as i64, texts.iter().map(|text| text.len()).max().unwrap());
    let pad = |of: &dyn Fn(u32) -> i64, fill: i64| -> Tensor {
        let flat: Vec<i64> = texts
            .iter()
            .flat_map(|text| {
                text.iter()
                    .map(|&id| of(id))
                    .chain(std::iter::repeat_n(fill, longest - text.len()))
            })
            .collect();
        Tensor::from_slice(&flat).view([count, longest as i64])
    };
    let mask = pad(&|_| 1, 0).to_kind(Kind::Float);
    let positions = Tensor::arange(longest as i64, (Kind::Int64, Device::Cpu));
    let words = Tensor::embedding(
        get("embeddings.word_embeddings.weight"),
        &pad(&i64::from, 0),
        -1,
        false,
        false,
    );
    let places = Tensor::embedding(
        get("embeddings.position_embeddings.weight"),
        &positions,
        -1,
        false,
        false,
    );
    let types = get("embeddings.token_type_embeddings.weight").select(0, 0);
    let mut x = norm(&(words + places + types), "embeddings.LayerNorm");
    let size = HIDDEN as i64 / HEADS;
    for layer in 0..LAYERS {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let heads = |part: &str| {
            linear(&x, &name(part))
                .view([count, longest as i64, HEADS, size])
                .transpose(1, 2)
        };
        let (q, k, v) = (
            heads("attention.self.query"),
            heads("attention.self.key"),
            heads("attention.self.value"),
        );
        let scores = q.matmul(&k.transpose(-2, -1)) / (size as f64).sqrt();
        let hidden = mask.view([count, 1, 1, longest as i64]).eq(0.0);
        let shares = scores.masked_fill(&hidden, f64::NEG_INFINITY).softmax(-1, Kind::Float);
        let mixed = shares
            .matmul(&v)
            .transpose(1, 2)
            .reshape([count, longest as i64, HIDDEN as i64]);
        let attended = linear(&mixed, &name("attention.output.dense"));
        let y = norm(&(attended + &x), &name("attention.output.LayerNorm"));
        let inner = linear(&y, &name("intermediate.dense")).gelu("none");
        x = norm(&(linear(&inner, &name("output.dense")) + &y), &name("output.LayerNorm"));
    }
    let mask = mask.unsqueeze(-1);
    let mean = (&x * &mask).sum_dim_intlist(1, false, Kind::Float) / mask.sum_dim_intlist(1, false, Kind::Float);
    let length = mean.square().sum_dim_intlist(1, true, Kind::Float).sqrt();
    mean / length
}

#[test]
fn packed_is_padded() {
    let path = directory("packed");
    tiny_model(&path, "");
    let base = Base::load(&path, Device::Cpu).unwrap();
    let texts: Vec<Vec<u32>> = [7, 3, 7, 12, 2, 3, 16]
        .iter()
        .map(|&length| (0..length).map(|i| (i * 7 + length) % 65).collect())
        .collect();
    let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let _no_grad = tch::no_grad_guard();
    let ours = base.model(&base.weights).unwrap().embed(&texts).unwrap();

    let bytes = std::fs::read(path.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = file.iter().filter(|(name, _)| !name.ends_with("position_ids"));
    let weights = floats
        .map(|(name, view)| (name.to_owned(), tensors::from_view(&view).unwrap()))
        .collect();
    let theirs = padded(&weights, &texts);
    let difference = (&ours - &theirs).abs().max().double_value(&[]);
    assert!(difference < 1e-5, "{difference}");
    // Not all alike, or the comparison would say nothing.
    assert!((ours.get(0) - ours.get(3)).abs().max().double_value(&[]) > 1e-2);
}

/// The numbers are those of sentence-transformers 6.2.0: the first eight of each embedding.
#[test]
fn minilm_is_that_of_sentence_transformers() {
    let texts = [
        "A man is eating food.",
        "the stealing of cattle",
        "naïve café, 東京!",
        &("a ".repeat(40) + "long one"),
    ];
    let expected = [
        [
            0.03324156,
            0.00440605,
            -0.00627702,
            0.04837871,
            -0.13870223,
            -0.03361743,
            0.1011283,
            -0.05438499,
        ],
        [
            -0.10546553,
            0.0440012,
            -0.00300177,
            0.03077278,
            0.05680389,
            0.02135566,
            0.05434728,
            -0.00159245,
        ],
        [
            0.07956995,
            0.0131416,
            0.04196406,
            -0.01559473,
            -0.03309967,
            -0.00815051,
            0.06572881,
            -0.05224544,
        ],
        [
            0.0028353,
            -0.01942923,
            0.00519424,
            -0.05347972,
            -0.13029064,
            0.03481723,
            0.01922367,
            -0.06302519,
        ],
    ];
    let base = Base::load(&minilm(), Device::Cpu).unwrap();
    let tokens = Tokens::read(&base.directory, 128, base.config.vocab_size).unwrap();
    let ids = tokens.encode(&texts).unwrap();
    let ids: Vec<&[u32]> = ids.iter().map(|ids| ids.as_ref()).collect();
    let ours = base.model(&base.weights).unwrap().embed(&ids).unwrap();
    for (ours, expected) in rows(&ours).iter().zip(expected) {
        for (ours, expected) in ours.iter().zip(expected) {
            assert!((f64::from(*ours) - expected).abs() < 1e-5, "{ours} is not {expected}");
        }
    }
}

#[test]
fn a_text_is_cut_and_not_padded() {
    let path = directory("cut");
    tiny_model(&path, "");
    let tokens = Tokens::read(&path, 6, 65).unwrap();
    let ids = tokens.encode(&["w0 w1 w2 w3 w4 w5 w6", "w0"]).unwrap();
    assert_eq!(ids, [[2, 5, 6, 7, 8, 3].as_slice().into(), [2, 5, 3].as_slice().into()]);
}
