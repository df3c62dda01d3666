//! BERT (Devlin et al., 2019).

use serde::Deserialize;

use super::post_norm::{BERT, PostNorm, Traits};
use super::{Config, Encoder, check_activation, from_str, gelu};
use crate::model::packed::Positions;

/// The keys of BERT's `config.json`, and of those made in its way.
#[derive(Debug, Deserialize)]
pub struct Keys {
    vocab_size: i64,
    hidden_size: i64,
    num_hidden_layers: usize,
    num_attention_heads: i64,
    intermediate_size: i64,
    max_position_embeddings: i64,
    /// The token that pads texts; none is the family's usual one.
    #[serde(default)]
    pub pad_token_id: Option<u32>,
    #[serde(default = "type_vocab_size")]
    type_vocab_size: i64,
    /// Added to the variance in LayerNorm.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
    #[serde(default = "gelu")]
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
}

fn type_vocab_size() -> i64 {
    2
}

fn layer_norm_eps() -> f64 {
    1e-12
}

fn absolute() -> String {
    "absolute".to_owned()
}

impl Keys {
    /// The sizes, checked.
    pub fn config(&self, positions: Positions, prefix: &'static str) -> Result<Config, String> {
        let config = Config {
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            max_position_embeddings: self.max_position_embeddings,
            positions,
            prefix,
        };
        let config = config.check("hidden_size", "num_attention_heads")?;
        check_activation("hidden_act", &self.hidden_act)?;
        Ok(config)
    }

    /// A BERT whose positions are numbered in that way.
    pub fn encoder(&self, positions: Positions, prefix: &'static str) -> Result<Box<dyn Encoder>, String> {
        let config = self.config(positions, prefix)?;
        if self.type_vocab_size < 1 {
            return Err("type_vocab_size must be at least 1".to_owned());
        }
        if self.position_embedding_type != "absolute" {
            let kind = &self.position_embedding_type;
            return Err(format!(
                "position_embedding_type `{kind}` is not supported; use a model with `absolute`"
            ));
        }
        let traits = Traits {
            eps: self.layer_norm_eps,
            drops_output: true,
            types: Some(self.type_vocab_size),
            relative: None,
        };
        Ok(Box::new(PostNorm::new(config, &BERT, &traits)))
    }
}

/// Reads `config.json`.
pub fn read(text: &str) -> Result<Box<dyn Encoder>, String> {
    from_str::<Keys>(text)?.encoder(Positions::FromZero, "bert.")
}
