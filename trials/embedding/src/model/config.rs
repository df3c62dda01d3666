//! What the files of a model directory say about its architecture.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::packed::Positions;
use crate::error::{Error, Result};
use crate::tensors;

/// A family of encoders. They differ in how they number positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Devlin et al., 2019.
    Bert,
    /// Liu et al., 2019, and those made in its way: XLM-RoBERTa (Conneau et al., 2020), CamemBERT (Martin et al., 2020).
    #[serde(alias = "xlm-roberta", alias = "camembert")]
    Roberta,
}

/// `config.json` of an encoder.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Config {
    /// The family.
    #[serde(rename = "model_type")]
    pub family: Family,
    /// Rows of the word embeddings.
    pub vocab_size: i64,
    /// Width of a token's vector.
    pub hidden_size: i64,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Attention heads; divides `hidden_size`.
    pub num_attention_heads: i64,
    /// Width of the feed-forward block.
    pub intermediate_size: i64,
    /// Rows of the position embeddings.
    pub max_position_embeddings: i64,
    /// The token that pads texts; none is the family's usual one.
    #[serde(default)]
    pub pad_token_id: Option<u32>,
    /// Rows of the token type embeddings.
    #[serde(default = "type_vocab_size")]
    pub type_vocab_size: i64,
    /// Added to the variance in LayerNorm.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// The activation: only the exact `gelu` is supported.
    #[serde(default = "hidden_act")]
    pub hidden_act: String,
    /// How positions enter: only `absolute` is supported.
    #[serde(default = "position_embedding_type")]
    pub position_embedding_type: String,
}

fn type_vocab_size() -> i64 {
    2
}

fn layer_norm_eps() -> f64 {
    1e-12
}

fn hidden_act() -> String {
    "gelu".to_owned()
}

fn position_embedding_type() -> String {
    "absolute".to_owned()
}

impl Config {
    /// Reads `config.json` of a model directory and checks that the encoder here can run it.
    pub fn read(directory: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Type {
            #[serde(default)]
            model_type: String,
        }
        let path = directory.join("config.json");
        // Another family may lack the other keys: its name is the better message.
        let Type { model_type } = read_json(&path)?;
        if serde_json::from_value::<Family>(model_type.as_str().into()).is_err() {
            let message = format!(
                "model_type `{model_type}` is not supported; use a model of type `bert`, `roberta`, `xlm-roberta` or \
                 `camembert`"
            );
            return Err(Error::file(&path, message));
        }
        let config: Self = read_json(&path)?;
        config.check().map_err(|message| Error::file(&path, message))?;
        Ok(config)
    }

    /// How positions are numbered.
    pub fn positions(&self) -> Positions {
        match self.family {
            Family::Bert => Positions::FromZero,
            Family::Roberta => Positions::AfterPadding(self.pad_token_id.unwrap_or(1)),
        }
    }

    /// The longest text, in tokens.
    pub fn longest(&self) -> i64 {
        self.max_position_embeddings - self.positions().first()
    }

    fn check(&self) -> std::result::Result<(), String> {
        let sizes = [
            self.vocab_size,
            self.hidden_size,
            self.num_attention_heads,
            self.intermediate_size,
            self.max_position_embeddings,
            self.type_vocab_size,
        ];
        if sizes.into_iter().any(|size| size < 1) || self.num_hidden_layers < 1 {
            return Err("all sizes must be at least 1".to_owned());
        }
        if self.hidden_size % self.num_attention_heads != 0 {
            return Err("hidden_size must be a multiple of num_attention_heads".to_owned());
        }
        if self.longest() < 1 {
            return Err("max_position_embeddings leaves no room for a text".to_owned());
        }
        if self.hidden_act != "gelu" {
            let act = &self.hidden_act;
            return Err(format!("hidden_act `{act}` is not supported; use a model with `gelu`"));
        }
        if self.position_embedding_type != "absolute" {
            let kind = &self.position_embedding_type;
            return Err(format!(
                "position_embedding_type `{kind}` is not supported; use a model with `absolute`"
            ));
        }
        Ok(())
    }
}

/// Reads a JSON file; an error names the file, the line and the column.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    serde_json::from_str(&text).map_err(|error| Error::file(path, error.to_string()))
}

/// Writes a JSON file; when this returns it is durable.
pub fn write_json(path: &Path, value: &Value) -> Result<()> {
    std::fs::write(path, format!("{value:#}\n")).map_err(Error::io("write", path))?;
    tensors::sync(path)
}
