//! Families of encoders: what `config.json` says of a model, and what that makes of it.

mod bert;
mod distilbert;
mod mpnet;
mod post_norm;
mod roberta;

use std::fmt::Debug;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tch::Kind;

use super::native::Native;
use super::packed::Positions;
use super::portable::Layers;
use super::weights::{Weight, Weights};
use crate::error::{Error, Result};

/// A family of encoders: a line of [`FAMILIES`].
#[derive(Debug)]
pub struct Family {
    /// `model_type` of `config.json`.
    pub name: &'static str,
    /// Well-known models of the family.
    pub models: &'static str,
    /// The encoder that the text of a `config.json` describes; an error says why it can't be used.
    pub read: Read,
}

type Read = fn(&str) -> std::result::Result<Box<dyn Encoder>, String>;

/// All families that are supported.
pub const FAMILIES: [Family; 6] = [
    family("bert", "BERT, MiniLM, bge, e5, gte …", bert::read),
    family("roberta", "RoBERTa, all-roberta …", roberta::read),
    family(
        "xlm-roberta",
        "XLM-RoBERTa, BCEmbedding, bge-m3 (dense), multilingual-e5 …",
        roberta::read,
    ),
    family("camembert", "CamemBERT", roberta::read),
    family("distilbert", "DistilBERT, msmarco-distilbert …", distilbert::read),
    family("mpnet", "MPNet, all-mpnet-base, multi-qa-mpnet …", mpnet::read),
];

const fn family(name: &'static str, models: &'static str, read: Read) -> Family {
    Family { name, models, read }
}

/// An encoder without its weights, as its family and its `config.json` have it.
pub trait Encoder: Debug {
    /// Its sizes.
    fn config(&self) -> &Config;

    /// All its weights in a fixed order, the word embeddings first.
    fn layout(&self) -> Vec<Weight>;

    /// Its forward pass by tensor operations, on any device, over weights of that layout, whose storage it shares. Matrix
    /// products are computed in `kind`, the rest in f32 (mixed precision; Micikevicius et al., 2018).
    ///
    /// # Errors
    /// If a weight is missing.
    fn layers(&self, weights: &Weights, kind: Kind) -> Result<Box<dyn Layers>>;

    /// The same and its gradient by the kernels for the CPU; none if they do not serve it.
    ///
    /// # Errors
    /// If a weight is missing.
    fn native(&self, weights: &Weights) -> Result<Option<Native>>;
}

/// What every encoder has. All sizes are at least 1.
#[derive(Debug, Clone, Copy)]
pub struct Config {
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
    /// How positions are numbered.
    pub positions: Positions,
    /// What Transformers puts before the names of weights if the encoder is a part of a larger model.
    pub prefix: &'static str,
}

/// Reads `config.json` of a model directory and checks that its encoder can be run.
///
/// # Errors
/// If the file can't be read, or the model is not supported: then with what is.
pub fn read_encoder(directory: &Path) -> Result<Box<dyn Encoder>> {
    let path = directory.join("config.json");
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    parse_encoder(&text).map_err(|message| Error::file(&path, message))
}

/// The same from the text of such a file.
///
/// # Errors
/// If the model is not supported: with what is, or with what is wrong.
pub fn parse_encoder(text: &str) -> std::result::Result<Box<dyn Encoder>, String> {
    #[derive(Deserialize)]
    struct Type {
        #[serde(default)]
        model_type: String,
    }
    // Another family may lack the other keys: its name is the better message.
    let Type { model_type } = from_str(text)?;
    let family = FAMILIES.iter().find(|family| family.name == model_type);
    let family = family.ok_or_else(|| {
        let names = names();
        format!("model_type `{model_type}` is not supported; use a model of type {names}")
    })?;
    (family.read)(text)
}

impl Config {
    /// The longest text, in tokens.
    pub fn longest(&self) -> i64 {
        self.max_position_embeddings - self.positions.first()
    }

    /// Checks the sizes. `hidden` and `heads` are the family's keys of the width and the attention heads.
    fn check(self, hidden: &str, heads: &str) -> std::result::Result<Self, String> {
        let sizes = [
            self.vocab_size,
            self.hidden_size,
            self.num_attention_heads,
            self.intermediate_size,
            self.max_position_embeddings,
        ];
        if sizes.into_iter().any(|size| size < 1) || self.num_hidden_layers < 1 {
            return Err("all sizes must be at least 1".to_owned());
        }
        if self.hidden_size % self.num_attention_heads != 0 {
            return Err(format!("{hidden} must be a multiple of {heads}"));
        }
        if self.longest() < 1 {
            return Err("max_position_embeddings leaves no room for a text".to_owned());
        }
        Ok(self)
    }
}

/// The keys of a `config.json`; an error names the line and the column.
fn from_str<T: DeserializeOwned>(text: &str) -> std::result::Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The names of all families, as a list in a sentence.
fn names() -> String {
    let mut names = FAMILIES.map(|family| format!("`{}`", family.name)).to_vec();
    let last = names.pop().unwrap_or_default();
    format!("{} or {last}", names.join(", "))
}

/// Checks that the activation, which stands under that key, is the exact GELU.
fn check_activation(key: &str, name: &str) -> std::result::Result<(), String> {
    match name {
        "gelu" => Ok(()),
        other => Err(format!("{key} `{other}` is not supported; use a model with `gelu`")),
    }
}

fn gelu() -> String {
    "gelu".to_owned()
}
