//! Model directories: some that look like models from outside, and some that can be trained.

use std::path::Path;

use serde_json::{Map, Value, json};

/// The `config.json` of a BERT with 2 layers and 32 positions.
pub fn bert() -> Value {
    json!({
        "model_type": "bert", "vocab_size": 7, "hidden_size": 4, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 8, "max_position_embeddings": 32
    })
}

/// Writes a model directory with this configuration. Of each layer of the BERT above it has one weight, and the word embeddings.
pub fn write_model(directory: &Path, config: &Value) {
    std::fs::create_dir_all(directory).unwrap();
    std::fs::write(directory.join("config.json"), config.to_string()).unwrap();
    std::fs::write(directory.join("tokenizer.json"), "{}").unwrap();
    let tensors = [
        ("bert.embeddings.word_embeddings.weight", vec![7, 4]),
        ("bert.encoder.layer.0.output.dense.bias", vec![4]),
        ("bert.encoder.layer.1.output.dense.bias", vec![4]),
    ];
    let (mut header, mut end) = (Map::new(), 0);
    for (name, shape) in tensors {
        let begin = end;
        end += 4 * shape.iter().product::<usize>();
        header.insert(
            name.into(),
            json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, end] }),
        );
    }
    let header = Value::Object(header).to_string();
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; end]].concat();
    std::fs::write(directory.join("model.safetensors"), bytes).unwrap();
}

/// Writes a whole model of a family, `bert` or `distilbert`, small and random but always the same, which the embedding trainer can
/// train. It has so many layers and positions; a text has a token for each letter.
pub fn write_whole_model(directory: &Path, family: &str, layers: usize, positions: usize) {
    const HIDDEN: usize = 16;
    const INNER: usize = 32;
    std::fs::create_dir_all(directory.join("1_Pooling")).unwrap();
    let letters = || ('a'..='z').chain('0'..='9');
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(str::to_owned).into_iter();
    let begins = letters().map(String::from);
    let words: Vec<String> = special
        .chain(begins)
        .chain(letters().map(|letter| format!("##{letter}")))
        .collect();
    let distilled = family == "distilbert";
    let names = match distilled {
        true => [
            "attention.q_lin",
            "attention.k_lin",
            "attention.v_lin",
            "attention.out_lin",
            "ffn.lin1",
            "ffn.lin2",
        ],
        false => [
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
            "intermediate.dense",
            "output.dense",
        ],
    };
    let (layer, norms) = match distilled {
        true => ("transformer.layer", ["sa_layer_norm", "output_layer_norm"]),
        false => ("encoder.layer", ["attention.output.LayerNorm", "output.LayerNorm"]),
    };
    let mut tensors = vec![
        (
            "embeddings.word_embeddings.weight".to_owned(),
            vec![words.len(), HIDDEN],
        ),
        (
            "embeddings.position_embeddings.weight".to_owned(),
            vec![positions, HIDDEN],
        ),
        ("embeddings.LayerNorm.weight".to_owned(), vec![HIDDEN]),
        ("embeddings.LayerNorm.bias".to_owned(), vec![HIDDEN]),
    ];
    if !distilled {
        tensors.push(("embeddings.token_type_embeddings.weight".to_owned(), vec![2, HIDDEN]));
    }
    for number in 0..layers {
        for (place, name) in names.iter().enumerate() {
            let (output, input) = match place {
                4 => (INNER, HIDDEN),
                5 => (HIDDEN, INNER),
                _ => (HIDDEN, HIDDEN),
            };
            tensors.push((format!("{layer}.{number}.{name}.weight"), vec![output, input]));
            tensors.push((format!("{layer}.{number}.{name}.bias"), vec![output]));
        }
        for name in norms {
            tensors.push((format!("{layer}.{number}.{name}.weight"), vec![HIDDEN]));
            tensors.push((format!("{layer}.{number}.{name}.bias"), vec![HIDDEN]));
        }
    }
    write_weights(directory, family, layers as u64, tensors);
    let config = match distilled {
        true => json!({
            "model_type": family, "vocab_size": words.len(), "dim": HIDDEN, "n_layers": layers, "n_heads": 2,
            "hidden_dim": INNER, "max_position_embeddings": positions
        }),
        false => json!({
            "model_type": family, "vocab_size": words.len(), "hidden_size": HIDDEN, "num_hidden_layers": layers,
            "num_attention_heads": 2, "intermediate_size": INNER, "max_position_embeddings": positions
        }),
    };
    let write = |name: &str, value: Value| std::fs::write(directory.join(name), value.to_string()).unwrap();
    write("config.json", config);
    let module =
        |path: &str, kind: &str| json!({ "path": path, "type": format!("sentence_transformers.models.{kind}") });
    write(
        "modules.json",
        json!([
            module("", "Transformer"),
            module("1_Pooling", "Pooling"),
            module("2_Normalize", "Normalize")
        ]),
    );
    write("1_Pooling/config.json", json!({ "pooling_mode_mean_tokens": true }));
    write("tokenizer.json", tokenizer(&words));
}

/// Writes random tensors of these shapes, the same for each seed.
fn write_weights(directory: &Path, prefix: &str, seed: u64, tensors: Vec<(String, Vec<usize>)>) {
    let mut state = seed;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let (mut header, mut data) = (Map::new(), Vec::new());
    for (name, shape) in tensors {
        let begin = data.len();
        let centre = if name.ends_with("orm.weight") { 1.0 } else { 0.0 };
        for _ in 0..shape.iter().product::<usize>() {
            data.extend((centre + 0.3 * random()).to_le_bytes());
        }
        let place = json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()] });
        header.insert(format!("{prefix}.{name}"), place);
    }
    let header = Value::Object(header).to_string();
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat();
    std::fs::write(directory.join("model.safetensors"), bytes).unwrap();
}

/// A WordPiece tokenizer of these words, the first four of which are special.
fn tokenizer(words: &[String]) -> Value {
    let vocabulary: Map<String, Value> = words.iter().cloned().zip((0..).map(Value::from)).collect();
    let special = |id: usize| {
        json!({ "id": id, "content": words[id], "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                "special": true })
    };
    let token = |id: &str| json!({ "SpecialToken": { "id": id, "type_id": 0 } });
    let added = |id: usize| json!({ "id": words[id], "ids": [id], "tokens": [words[id]] });
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [special(0), special(1), special(2), special(3)],
        "normalizer": { "type": "Lowercase" }, "pre_tokenizer": { "type": "Whitespace" }, "decoder": null,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [token("[CLS]"), { "Sequence": { "id": "A", "type_id": 0 } }, token("[SEP]")],
            "pair": [token("[CLS]"), { "Sequence": { "id": "A", "type_id": 0 } }, token("[SEP]")],
            "special_tokens": { "[CLS]": added(2), "[SEP]": added(3) }
        },
        "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                   "max_input_chars_per_word": 100, "vocab": vocabulary }
    })
}
