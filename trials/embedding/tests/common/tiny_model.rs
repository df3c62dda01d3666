//! A tiny random model.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use hpo_trial_embedding::seed::derive;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

pub const HIDDEN: usize = 32;
const INNER: usize = 64;
pub const LAYERS: usize = 2;
pub const HEADS: i64 = 4;
const POSITIONS: usize = 24;
pub const WORDS: usize = 60;

/// An empty directory for one test.
pub fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("embedding-{name}"));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A number from -1 to 1.
fn random(seed: u64, count: usize) -> f32 {
    (derive(seed, 77, count as u64) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// Writes a BERT of two layers, random but always the same.
pub fn tiny_model(path: &Path, prefix: &str) {
    let hidden = HIDDEN;
    let mut shapes = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![5 + WORDS, hidden]),
        (
            "embeddings.position_embeddings.weight".to_owned(),
            vec![POSITIONS, hidden],
        ),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, hidden]),
        ("embeddings.LayerNorm.weight".to_owned(), vec![hidden]),
        ("embeddings.LayerNorm.bias".to_owned(), vec![hidden]),
        ("pooler.dense.weight".to_owned(), vec![hidden, hidden]),
        ("pooler.dense.bias".to_owned(), vec![hidden]),
    ];
    for layer in 0..LAYERS {
        for (name, output, input) in [
            ("attention.self.query", hidden, hidden),
            ("attention.self.key", hidden, hidden),
            ("attention.self.value", hidden, hidden),
            ("attention.output.dense", hidden, hidden),
            ("intermediate.dense", INNER, hidden),
            ("output.dense", hidden, INNER),
        ] {
            shapes.push((format!("encoder.layer.{layer}.{name}.weight"), vec![output, input]));
            shapes.push((format!("encoder.layer.{layer}.{name}.bias"), vec![output]));
        }
        for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
            shapes.push((format!("encoder.layer.{layer}.{name}.weight"), vec![hidden]));
            shapes.push((format!("encoder.layer.{layer}.{name}.bias"), vec![hidden]));
        }
    }
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (seed, (name, shape)) in shapes.into_iter().enumerate() {
        let centre = if name.ends_with("LayerNorm.weight") { 1.0 } else { 0.0 };
        let count = shape.iter().product();
        let data = (0..count).flat_map(|place| (centre + 0.3 * random(seed as u64, place)).to_le_bytes());
        tensors.push((format!("{prefix}{name}"), Dtype::F32, shape, data.collect()));
    }
    let positions = (0..POSITIONS as i64).flat_map(i64::to_le_bytes).collect();
    tensors.push((
        format!("{prefix}embeddings.position_ids"),
        Dtype::I64,
        vec![1, POSITIONS],
        positions,
    ));
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, data)| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(metadata), &path.join("model.safetensors")).unwrap();

    write_json(
        &path.join("config.json"),
        &json!({
            "model_type": "bert", "vocab_size": 5 + WORDS, "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS, "intermediate_size": INNER, "max_position_embeddings": POSITIONS,
            "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "torch_dtype": "float16"
        }),
    );
    write_json(
        &path.join("modules.json"),
        &json!([
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
        ]),
    );
    std::fs::create_dir_all(path.join("1_Pooling")).unwrap();
    write_json(
        &path.join("1_Pooling/config.json"),
        &json!({"pooling_mode_mean_tokens": true}),
    );
    write_json(&path.join("tokenizer.json"), &tokenizer());
}

/// A WordPiece tokenizer of whole words, with a truncation and a padding that the trainer must not heed.
fn tokenizer() -> Value {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let words = (0..WORDS).map(|word| format!("w{word}"));
    let vocabulary: serde_json::Map<String, Value> = special
        .map(String::from)
        .into_iter()
        .chain(words)
        .zip(0..)
        .map(|(word, id)| (word, json!(id)))
        .collect();
    let added: Vec<Value> = special
        .iter()
        .zip(0..)
        .map(|(word, id)| {
            json!({"id": id, "content": word, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": true})
        })
        .collect();
    let token = |id: &str| json!({"SpecialToken": {"id": id, "type_id": 0}});
    let sequence = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
    json!({
        "version": "1.0",
        "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": {"strategy": {"Fixed": 20}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                    "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": added, "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "decoder": null,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [token("[CLS]"), sequence("A"), token("[SEP]")],
            "pair": [token("[CLS]"), sequence("A"), token("[SEP]"), sequence("B"), token("[SEP]")],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}
            }
        },
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary}
    })
}

fn write_json(path: &Path, value: &Value) {
    std::fs::write(path, value.to_string()).unwrap();
}
