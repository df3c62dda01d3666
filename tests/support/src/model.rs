//! Model directories that look like models from outside.

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
