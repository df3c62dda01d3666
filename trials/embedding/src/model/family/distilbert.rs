//! DistilBERT (Sanh et al., 2019): a BERT without token types, and without dropout of the attention output.

use serde::Deserialize;

use super::post_norm::{Names, PostNorm, Traits};
use super::{Config, Encoder, check_activation, from_str, gelu};
use crate::model::packed::Positions;

#[derive(Deserialize)]
struct Keys {
    vocab_size: i64,
    dim: i64,
    n_layers: usize,
    n_heads: i64,
    hidden_dim: i64,
    max_position_embeddings: i64,
    #[serde(default = "gelu")]
    activation: String,
}

const NAMES: Names = Names {
    layer: "transformer.layer",
    qkv: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    norm: "output_layer_norm",
};

/// Reads `config.json`.
pub fn read(text: &str) -> Result<Box<dyn Encoder>, String> {
    let keys: Keys = from_str(text)?;
    let config = Config {
        vocab_size: keys.vocab_size,
        hidden_size: keys.dim,
        num_hidden_layers: keys.n_layers,
        num_attention_heads: keys.n_heads,
        intermediate_size: keys.hidden_dim,
        max_position_embeddings: keys.max_position_embeddings,
        positions: Positions::FromZero,
        prefix: "distilbert.",
    };
    let config = config.check("dim", "n_heads")?;
    check_activation("activation", &keys.activation)?;
    let traits = Traits {
        eps: 1e-12,
        drops_output: false,
        types: None,
        relative: None,
    };
    Ok(Box::new(PostNorm::new(config, &NAMES, &traits)))
}
