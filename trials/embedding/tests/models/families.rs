//! Every family computes what Transformers and sentence-transformers compute, and is exported as they expect.
//!
//! The reference numbers are made by `make_fixtures.py`.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::tiny_model::directory;
use hpo_protocol::embedding::{Parameters, PoolingKind, Sizes};
use hpo_trial_embedding::checkpoint::Trained;
use hpo_trial_embedding::export::export;
use hpo_trial_embedding::layers;
use hpo_trial_embedding::model::{
    Base, Dropout, FAMILIES, Frozen, Head, Model, Weights, decays, parse_encoder, tokenizer_files,
};
use hpo_trial_embedding::tensors;
use hpo_trial_embedding::tokens::{Tokens, cut};
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

const FIXTURES: [&str; 7] = [
    "bert-mean",
    "bert-cls",
    "roberta",
    "xlm-roberta",
    "camembert-max",
    "distilbert",
    "mpnet",
];

#[derive(Deserialize)]
struct Reference {
    max_length: usize,
    texts: Vec<String>,
    ids: Vec<Vec<u32>>,
    embeddings: Vec<Vec<f32>>,
    triplets: Vec<[usize; 3]>,
    loss: f64,
    dropout: Spread,
}

/// How an embedding is spread by dropout.
#[derive(Deserialize)]
struct Spread {
    probability: f64,
    text: usize,
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn reference(name: &str) -> Reference {
    serde_json::from_slice(&std::fs::read(fixture(name).join("reference.json")).unwrap()).unwrap()
}

fn encode(directory: &Path, base: &Base, reference: &Reference) -> Vec<Box<[u32]>> {
    let tokens = Tokens::read(directory, reference.max_length, base.config.vocab_size).unwrap();
    // Each of the families has one special token at either end.
    assert_eq!(tokens.edges().unwrap(), (1, 1));
    let texts: Vec<&str> = reference.texts.iter().map(String::as_str).collect();
    tokens.encode(&texts).unwrap()
}

fn trained(weights: &Weights, head: Head, max_length: Option<u64>) -> Trained {
    Trained {
        weights: weights.copy().unwrap(),
        head,
        max_length,
    }
}

fn embed(base: &Base, weights: &Weights, head: Head, ids: &[Box<[u32]>]) -> Tensor {
    let ids: Vec<&[u32]> = ids.iter().map(|ids| ids.as_ref()).collect();
    let model = base.model_with(weights, head).unwrap();
    model.embed(&ids).unwrap()
}

/// The way of the CPU, and that of other devices.
fn engines(base: &Base, weights: &Weights) -> [Model; 2] {
    [
        base.model_with(weights, base.head).unwrap(),
        base.model_by_tensors(weights, base.head).unwrap(),
    ]
}

fn difference(one: &Tensor, other: &Tensor) -> f64 {
    assert_eq!(one.size(), other.size());
    (one - other).abs().max().double_value(&[])
}

/// A copy of a fixture that a test may change.
pub fn copy(name: &str, of: &str) -> PathBuf {
    let target = directory(name);
    copy_all(&fixture(of), &target);
    target
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_all(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// Changes a JSON file.
pub fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

fn refusal(directory: &Path) -> String {
    Base::load(directory, Device::Cpu).unwrap_err().to_string()
}

#[test]
fn texts_become_the_same_tokens() {
    for name in FIXTURES {
        let base = Base::load(&fixture(name), Device::Cpu).unwrap();
        let reference = reference(name);
        let ours = encode(&base.directory, &base, &reference);
        for ((ours, theirs), text) in ours.iter().zip(&reference.ids).zip(&reference.texts) {
            assert_eq!(ours.as_ref(), theirs, "{name}: {text:?}");
        }
    }
}

#[test]
fn embeddings_are_those_of_sentence_transformers() {
    for name in FIXTURES {
        let base = Base::load(&fixture(name), Device::Cpu).unwrap();
        let reference = reference(name);
        let ids = encode(&base.directory, &base, &reference);
        let ids: Vec<&[u32]> = ids.iter().map(|ids| ids.as_ref()).collect();
        let theirs = Tensor::from_slice2(&reference.embeddings);
        for model in engines(&base, &base.weights) {
            let difference = difference(&model.embed(&ids).unwrap(), &theirs);
            println!("{name}: largest difference of embeddings {difference:e}");
            assert!(difference < 5e-6, "{name}: {difference:e}");
        }
    }
}

#[test]
fn gradients_are_those_of_transformers() {
    for name in FIXTURES {
        let base = Base::load(&fixture(name), Device::Cpu).unwrap();
        let reference = reference(name);
        let ids = encode(&base.directory, &base, &reference);
        let texts: Vec<&[u32]> = (0..3)
            .flat_map(|part| reference.triplets.iter().map(move |triplet| triplet[part]))
            .map(|text| ids[text].as_ref())
            .collect();
        let mut weights = base.weights.copy().unwrap();
        weights.require_grad(|_| true).unwrap();
        for model in engines(&base, &weights) {
            let embedded = model.train(&texts, Dropout::NONE).unwrap();
            let parts = embedded.embeddings.chunk(3, 0);
            let apart = |other: &Tensor| (&parts[0] - other).square().sum_dim_intlist(1, false, Kind::Float);
            let loss = (apart(&parts[1]) - apart(&parts[2]) + 0.5).relu().mean(Kind::Float);
            assert!(
                (loss.double_value(&[]) - reference.loss).abs() < 1e-5,
                "{name}: {loss:?}"
            );

            let gradients = model.gradients(&loss, embedded).unwrap();
            let (words, rows) = gradients.words.as_ref().unwrap();
            let ours = weights.like(|name| {
                let place = weights.iter().position(|(known, _)| known == name).unwrap();
                Ok(match place {
                    0 => weights
                        .words()
                        .zeros_like()
                        .index_copy(0, &Tensor::from_slice(words), rows),
                    _ => gradients.tensors[place - 1].shallow_clone(),
                })
            });
            let ours: BTreeMap<String, Tensor> = ours.unwrap().split().unwrap().into_iter().collect();

            let bytes = std::fs::read(fixture(name).join("gradients.safetensors")).unwrap();
            let theirs = SafeTensors::deserialize(&bytes).unwrap();
            assert_eq!(theirs.len(), ours.len(), "{name}");
            let mut most = 0f64;
            for (weight, view) in theirs.iter() {
                let theirs = tensors::from_view(&view).unwrap();
                let difference = difference(&ours[weight], &theirs);
                most = most.max(difference);
                assert!(difference < 1e-5, "{name}: {weight}: {difference:e}");
                // The bias of keys cancels in the softmax, and without normalisation a shift of all embeddings does too.
                let keys = ["key.bias", "k_lin.bias", "attn.k.bias"];
                let cancels = keys.iter().any(|name| weight.ends_with(name))
                    || weight == "encoder.layer.1.output.LayerNorm.bias"
                    || weight == "transformer.layer.1.output_layer_norm.bias";
                let largest = theirs.abs().max().double_value(&[]);
                assert!(cancels || largest > 1e-4, "{name}: {weight}: {largest:e}");
            }
            println!("{name}: largest difference of gradients {most:e}");
        }
    }
}

/// Without one of the four kinds of dropout a mean or a deviation would be off by 0.085 deviations or more, in each family;
/// by chance they differ by about 0.02.
#[test]
fn dropout_is_where_transformers_has_it() {
    for name in FIXTURES {
        let base = Base::load(&fixture(name), Device::Cpu).unwrap();
        let reference = reference(name);
        let ids = encode(&base.directory, &base, &reference);
        let Spread {
            probability,
            text,
            mean,
            deviation,
        } = reference.dropout;
        let texts = vec![ids[text].as_ref(); 5_000];
        let (mean, deviation) = (Tensor::from_slice(&mean), Tensor::from_slice(&deviation));
        for model in engines(&base, &base.weights) {
            let draws: Vec<Tensor> = (0..8)
                .map(|seed| {
                    let dropout = Dropout {
                        hidden: probability,
                        attention: probability,
                        seed,
                    };
                    model.embed_with(&texts, dropout).unwrap()
                })
                .collect();
            let draws = Tensor::cat(&draws, 0);
            let shift = ((draws.mean_dim(0, false, Kind::Float) - &mean) / &deviation)
                .abs()
                .max()
                .double_value(&[]);
            let scale = (draws.std_dim(0, true, false) / &deviation - 1.0)
                .abs()
                .max()
                .double_value(&[]);
            println!("{name}: means differ by {shift:.3} deviations, deviations by {scale:.3}");
            assert!(shift < 0.04 && scale < 0.04, "{name}: {shift} {scale}");
        }
    }
}

/// An export has the same tokens and embeddings when it is loaded again, whatever head was trained, and with a layer of
/// labels on top.
#[test]
fn an_export_embeds_as_what_was_trained() {
    for name in FIXTURES {
        let base = Base::load(&fixture(name), Device::Cpu).unwrap();
        let reference = reference(name);
        let ids = encode(&base.directory, &base, &reference);
        let mut weights = base.weights.copy().unwrap();
        for (place, (_, weight)) in weights.iter().enumerate() {
            let _ = tch::no_grad(|| weight.shallow_clone().g_add_scalar_(0.01 * (place % 7) as f64));
        }
        weights.push("classifier.weight", Tensor::ones([3, 8], (Kind::Float, Device::Cpu)));
        let heads = [
            (None, None),
            (Some(PoolingKind::Mean), Some(true)),
            (Some(PoolingKind::Cls), Some(false)),
            (Some(PoolingKind::Max), None),
        ];
        for (pooling, normalize) in heads {
            let parameters = Parameters {
                pooling,
                normalize,
                ..Parameters::default()
            };
            let head = base.head.chosen(&parameters);
            let target = directory(&format!("export-{name}-{pooling:?}-{normalize:?}"));
            export(&base, &trained(&weights, head, None), &target).unwrap();
            let exported = Base::load(&target, Device::Cpu).unwrap();
            assert_eq!(exported.head, head, "{name}");
            assert!(target.join("modules.json").exists() && target.join("1_Pooling/config.json").exists());
            assert!(!target.join("model.safetensors.index.json").exists());
            assert_eq!(encode(&target, &exported, &reference), ids);
            let ours = embed(&base, &weights, head, &ids);
            assert!(
                ours.equal(&embed(&exported, &exported.weights, exported.head, &ids)),
                "{name}"
            );
            assert!(!ours.equal(&embed(&base, &base.weights, head, &ids)));
        }
    }
}

/// Token ids are kept at the longest length and cut for each trial, whose model then tokenises with its own length.
#[test]
fn a_text_that_is_cut_has_the_tokens_of_a_tokenizer_that_cuts_there() {
    for name in FIXTURES {
        let base = Base::load(&fixture(name), Device::Cpu).unwrap();
        let reference = reference(name);
        let special = [
            "a cat [SEP] </s> sat on the mat [SEP]</s>",
            "[CLS]<s>[SEP]</s>[SEP]</s>",
            " ",
            "cat <mask>[MASK]",
        ];
        let texts: Vec<&str> = reference.texts.iter().map(String::as_str).chain(special).collect();
        let encode = |max_length| {
            let tokens = Tokens::read(&base.directory, max_length, base.config.vocab_size).unwrap();
            (tokens.encode(&texts).unwrap(), tokens.edges().unwrap())
        };
        let (longest, edges) = encode(reference.max_length);
        for max_length in 3..=reference.max_length {
            let (expected, _) = encode(max_length);
            let ours = longest.iter().map(|ids| cut(ids, edges, max_length));
            assert!(ours.eq(expected.iter().map(|ids| ids.as_ref())), "{name}: {max_length}");
            let shortened = expected.iter().zip(&longest).filter(|(short, long)| short != long);
            assert_eq!(
                shortened.count() == 0,
                max_length == reference.max_length,
                "{name}: {max_length}"
            );
        }
    }
}

#[test]
fn an_export_has_the_length_that_was_trained_with() {
    let read = |path: PathBuf| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    for name in FIXTURES {
        let base = Base::load(&fixture(name), Device::Cpu).unwrap();
        let [plain, target] = [None, Some(7)].map(|max_length| {
            let target = directory(&format!("export-length-{name}-{max_length:?}"));
            export(&base, &trained(&base.weights, base.head, max_length), &target).unwrap();
            target
        });
        // Without them sentence-transformers would not read the rest.
        assert!(target.join("modules.json").exists(), "{name}");
        for (file, key) in [
            ("sentence_bert_config.json", "max_seq_length"),
            ("tokenizer_config.json", "model_max_length"),
        ] {
            let mut expected = match plain.join(file).exists() {
                true => read(plain.join(file)),
                false => json!({}),
            };
            assert_ne!(expected[key], json!(7));
            expected[key] = json!(7);
            assert_eq!(read(target.join(file)), expected, "{name}");
        }
    }

    // A name that the file has had before, with arguments that sentence-transformers prefers to the plain length.
    let path = copy("old-settings", "bert-mean");
    std::fs::remove_file(path.join("sentence_bert_config.json")).unwrap();
    let old = "sentence_roberta_config.json";
    let settings = r#"{"max_seq_length": 12, "tokenizer_args": {"model_max_length": 13, "use_fast": true}}"#;
    std::fs::write(path.join(old), settings).unwrap();
    let base = Base::load(&path, Device::Cpu).unwrap();
    let target = directory("export-length-old");
    export(&base, &trained(&base.weights, base.head, Some(7)), &target).unwrap();
    assert!(!target.join("sentence_bert_config.json").exists());
    assert_eq!(
        read(target.join(old)),
        json!({"max_seq_length": 7, "tokenizer_args": {"model_max_length": 7, "use_fast": true}})
    );
}

#[test]
fn a_head_that_is_not_changed_is_exported_as_it_was() {
    let base = Base::load(&fixture("xlm-roberta"), Device::Cpu).unwrap();
    let target = directory("export-unchanged");
    export(&base, &trained(&base.weights, base.head, None), &target).unwrap();
    for name in [
        "modules.json",
        "1_Pooling/config.json",
        "2_Normalize/config.json",
        "tokenizer.json",
    ] {
        let read = |directory: &Path| std::fs::read(directory.join(name)).unwrap();
        assert_eq!(read(&base.directory), read(&target));
    }
    let changed = Head {
        normalise: false,
        ..base.head
    };
    let target = directory("export-changed");
    export(&base, &trained(&base.weights, changed, None), &target).unwrap();
    let pooling: Value = serde_json::from_slice(&std::fs::read(target.join("1_Pooling/config.json")).unwrap()).unwrap();
    assert_eq!(
        (&pooling["embedding_dimension"], &pooling["include_prompt"]),
        (&json!(8), &json!(true))
    );
}

#[test]
fn the_longest_text_leaves_room_for_the_padding_position() {
    let longest = |name| Base::load(&fixture(name), Device::Cpu).unwrap().config.longest();
    assert_eq!(
        (longest("bert-mean"), longest("roberta"), longest("xlm-roberta")),
        (24, 16, 16)
    );
    assert_eq!((longest("distilbert"), longest("mpnet")), (20, 48));
    // The longest text uses the last row of the table.
    let base = Base::load(&fixture("roberta"), Device::Cpu).unwrap();
    let text: Box<[u32]> = (10..26).collect();
    let plain = embed(&base, &base.weights, base.head, std::slice::from_ref(&text));
    let changed = base.weights.copy().unwrap();
    let _ = tch::no_grad(|| {
        changed
            .get("embeddings.position_embeddings.weight")
            .unwrap()
            .get(17)
            .fill_(3.0)
    });
    assert!(difference(&plain, &embed(&base, &changed, base.head, &[text])) > 1e-3);
}

#[test]
fn shards_are_one_model() {
    let whole = copy("whole", "roberta");
    let base = Base::load(&fixture("roberta"), Device::Cpu).unwrap();
    export(&base, &trained(&base.weights, base.head, None), &whole).unwrap();
    let whole = Base::load(&whole, Device::Cpu).unwrap();
    for ((name, one), (_, other)) in base.weights.iter().zip(whole.weights.iter()) {
        assert!(one.equal(other), "{name}");
    }

    // A change in any shard is another model.
    let changed = copy("changed-shard", "roberta");
    let last = changed.join("model-00002-of-00002.safetensors");
    let mut bytes = std::fs::read(&last).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&last, bytes).unwrap();
    let changed = Base::load(&changed, Device::Cpu).unwrap();
    assert_ne!(changed.identity, base.identity);

    let path = copy("missing-shard", "roberta");
    std::fs::remove_file(path.join("model-00002-of-00002.safetensors")).unwrap();
    assert!(refusal(&path).contains("model-00002-of-00002.safetensors"));
}

/// Layers are frozen, learn at a rate of their own and decay whatever their family calls its weights.
#[test]
fn layers_are_those_of_the_family() {
    for name in FIXTURES {
        let base = Base::load(&fixture(name), Device::Cpu).unwrap();
        let parameters = Parameters {
            frozen_layers: 1,
            layer_decay: 0.5,
            ..Parameters::default()
        };
        let shares = layers::shares(&parameters, &base.weights, base.config.num_hidden_layers).unwrap();
        let layout = base.encoder.layout();
        assert_eq!(layout.len(), shares.len());
        for (weight, share) in layout.iter().zip(shares) {
            let (trained, expected) = match weight.sources[0].split_once("layer.") {
                Some((_, rest)) if rest.starts_with("0.") => (false, 0.5),
                Some((_, rest)) => (rest.starts_with("1."), 1.0),
                None => (false, 0.25),
            };
            let source = &weight.sources[0];
            assert_eq!(
                (layers::is_trained(&parameters, &weight.name), share),
                (trained, expected),
                "{source}"
            );
            // As Transformers' own trainer has it.
            let spared = weight.shape.len() == 1 || source == "encoder.relative_attention_bias.weight";
            assert_eq!(decays(&weight.name), !spared, "{source}");
        }

        let reference = reference(name);
        let ids = encode(&base.directory, &base, &reference);
        let texts: Vec<&[u32]> = ids.iter().map(|ids| ids.as_ref()).collect();
        let mut weights = base.weights.copy().unwrap();
        weights
            .require_grad(|name| layers::is_trained(&parameters, name))
            .unwrap();
        let room = Rc::new(Cell::new(1 << 20));
        let frozen = || Frozen::new(&base, 1, ids.iter().map(|ids| Cow::from(ids.as_ref())), &room).unwrap();
        let gradients = |model: &Model| {
            let embedded = model.train(&texts, Dropout::NONE).unwrap();
            let loss = embedded.embeddings.cumsum(1, Kind::Float).sin().sum(Kind::Float);
            model.gradients(&loss, embedded).unwrap()
        };
        let [native, portable] = engines(&base, &weights);
        let whole = gradients(&native);
        let native = native.over(Rc::new(frozen()));
        let portable = portable.over(Rc::new(frozen().by_tensors(&base).unwrap()));
        for model in [native, portable] {
            let found = gradients(&model);
            assert!(found.words.is_none() && found.tensors.len() == 12, "{name}");
            for (found, expected) in found.tensors.iter().zip(&whole.tensors) {
                assert!(difference(found, expected) < 1e-4, "{name}");
            }
        }
    }
}

/// `hpo` checks models without libtorch, by tables of its own.
#[test]
fn what_hpo_knows_of_models_is_what_the_trainer_makes_of_them() {
    let known = hpo_protocol::embedding::FAMILIES.map(|family| family.name);
    assert_eq!(known, FAMILIES.map(|family| family.name));
    for name in FIXTURES {
        let base = Base::load(&fixture(name), Device::Cpu).unwrap();
        let text = std::fs::read_to_string(fixture(name).join("config.json")).unwrap();
        let sizes = Sizes::read(&text).unwrap();
        let config = &base.config;
        assert_eq!(
            [sizes.layers, sizes.longest, sizes.vocabulary, sizes.hidden].map(|size| size as i64),
            [
                config.num_hidden_layers as i64,
                config.longest(),
                config.vocab_size,
                config.hidden_size
            ],
            "{name}"
        );
        let layout = base.encoder.layout();
        let sources: Vec<&String> = layout.iter().flat_map(|weight| &weight.sources).collect();
        assert_eq!(sources[0], hpo_protocol::embedding::WORD_EMBEDDINGS);
        for layer in 0..sizes.layers {
            let begins = format!("{}{layer}.", sizes.family.layer);
            assert!(
                sources.iter().any(|source| source.starts_with(&begins)),
                "{name}: {begins}"
            );
        }
        for (key, value) in [
            ("model_type", json!("albert")),
            ("hidden_act", json!("gelu_new")),
            ("activation", json!("relu")),
            ("num_attention_heads", json!(3)),
            ("n_heads", json!(3)),
            ("position_embedding_type", json!("relative_key")),
            ("max_position_embeddings", json!(2)),
            ("pad_token_id", json!(9)),
        ] {
            let mut config: Value = serde_json::from_str(&text).unwrap();
            config[key] = value;
            let text = config.to_string();
            let trainer = parse_encoder(&text).map(|encoder| encoder.config().longest());
            let ours = Sizes::read(&text).map(|sizes| sizes.longest as i64);
            assert_eq!(ours, trainer, "{name} {key}");
        }
        for file in tokenizer_files(&fixture(name)) {
            let file = file.file_name().unwrap().to_str().unwrap();
            assert!(hpo_protocol::embedding::FILES.contains(&file), "{file}");
        }
    }
}

#[test]
fn the_documentation_names_every_family() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/models.md");
    let text = std::fs::read_to_string(path).unwrap();
    for family in FAMILIES {
        let line = format!("| `{}` | {} | ", family.name, family.models);
        assert!(text.contains(&line), "{line}");
    }
}

/// Programs that save a module around the encoder put its name before the weights'; Transformers would not find them.
#[test]
fn a_foreign_prefix_is_read_and_not_exported() {
    let path = copy("prefix", "bert-mean");
    let file = path.join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let parsed = SafeTensors::deserialize(&bytes).unwrap();
    let renamed: Vec<_> = parsed
        .tensors()
        .into_iter()
        .map(|(name, view)| (format!("0.auto_model.{name}"), view))
        .collect();
    safetensors::serialize_to_file(renamed, None, &file).unwrap();
    let (base, plain) = (
        Base::load(&path, Device::Cpu).unwrap(),
        Base::load(&fixture("bert-mean"), Device::Cpu).unwrap(),
    );
    assert!(base.weights.words().equal(plain.weights.words()));
    let target = directory("prefix-export");
    export(&base, &trained(&base.weights, base.head, None), &target).unwrap();
    let after = std::fs::read(target.join("model.safetensors")).unwrap();
    let after = SafeTensors::deserialize(&after).unwrap();
    let names = |file: &SafeTensors<'_>| {
        let mut names: Vec<String> = file.names().into_iter().map(str::to_owned).collect();
        names.sort();
        names
    };
    assert_eq!(names(&after), names(&parsed));
}

#[test]
fn case_and_prefix_space_are_those_of_the_tokenizer_configuration() {
    let ids = |path: &Path, text: &str| Tokens::read(path, 16, 1000).unwrap().encode(&[text]).unwrap().remove(0);
    let path = copy("cased", "bert-mean");
    assert_eq!(ids(&path, "The cat"), ids(&path, "the cat"));
    edit(&path.join("tokenizer_config.json"), |config| {
        config["do_lower_case"] = json!(false)
    });
    assert_ne!(ids(&path, "The cat"), ids(&path, "the cat"));
    // sentence-transformers' own lower-casing comes before.
    std::fs::write(path.join("sentence_bert_config.json"), r#"{"do_lower_case": true}"#).unwrap();
    assert_eq!(ids(&path, "The cat"), ids(&path, "the cat"));

    let path = copy("prefix-space", "roberta");
    let before = ids(&path, "cat");
    edit(&path.join("tokenizer_config.json"), |config| {
        config["add_prefix_space"] = json!(true)
    });
    assert_ne!(ids(&path, "cat"), before);
    let spaced = ids(&path, "the cat");
    assert_eq!(
        ids(&path, "cat")[1..],
        spaced[spaced.len() - ids(&path, "cat").len() + 1..]
    );
}

#[test]
fn what_cannot_be_used_is_reported_with_the_fix() {
    let path = copy("pickle", "bert-mean");
    std::fs::rename(path.join("model.safetensors"), path.join("pytorch_model.bin")).unwrap();
    let message = refusal(&path);
    assert!(
        message.contains("AutoModel.from_pretrained(d).save_pretrained(d)"),
        "{message}"
    );
    std::fs::remove_file(path.join("pytorch_model.bin")).unwrap();
    assert!(
        refusal(&path).contains("neither model.safetensors nor"),
        "{}",
        refusal(&path)
    );

    let path = copy("family", "bert-mean");
    edit(&path.join("config.json"), |config| {
        config["model_type"] = json!("albert")
    });
    assert!(refusal(&path).contains("model_type `albert` is not supported; use a model of type `bert`"));

    let path = copy("two-encoders", "bert-mean");
    let bytes = std::fs::read(path.join("model.safetensors")).unwrap();
    let parsed = SafeTensors::deserialize(&bytes).unwrap();
    let twice = parsed.tensors().into_iter().flat_map(|(name, view)| {
        [
            (format!("query.{name}"), view.clone()),
            (format!("passage.{name}"), view),
        ]
    });
    safetensors::serialize_to_file(twice, None, &path.join("model.safetensors")).unwrap();
    assert!(
        refusal(&path).contains("several encoders (passage., query.)"),
        "{}",
        refusal(&path)
    );

    let path = copy("pooling", "bert-mean");
    edit(&path.join("1_Pooling/config.json"), |config| {
        config["pooling_mode"] = json!(["cls", "mean"])
    });
    assert!(
        refusal(&path).contains("this pooling is not supported"),
        "{}",
        refusal(&path)
    );

    let path = copy("no-tokenizer", "bert-mean");
    std::fs::remove_file(path.join("tokenizer.json")).unwrap();
    let message = Tokens::read(&path, 16, 100).unwrap_err().to_string();
    assert!(
        message.contains("AutoTokenizer.from_pretrained(d).save_pretrained(d)"),
        "{message}"
    );
}
