//! Text-embedding models: an encoder of the BERT and RoBERTa families, its pooling, its weights and its tokenizer.

mod config;
mod encoder;
mod files;
mod packed;
mod pooling;
mod tokenizer;
mod weights;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use tch::{Device, Tensor};

pub use self::config::{Config, Family, read_json};
pub use self::encoder::Encoder;
pub use self::files::{Files, Tensors, weights_file};
pub use self::packed::{Group, Packed, Positions};
pub use self::pooling::{Head, normalise};
pub use self::tokenizer::read_tokenizer;
pub use self::weights::{Weights, decays};
use crate::error::{Error, Result};

/// The untrained model, loaded once per worker; trials start from copies of its weights.
#[derive(Debug)]
pub struct Base {
    /// Its directory.
    pub directory: PathBuf,
    /// Its architecture.
    pub config: Config,
    /// What follows the encoder.
    pub head: Head,
    /// Its weights.
    pub weights: Weights,
    /// The digest of its weight files: [`Files::digest`].
    pub identity: String,
    /// Where the weights are, and all computation.
    pub device: Device,
}

impl Base {
    /// Loads a Hugging Face model directory. An error names the file and how to mend it.
    pub fn load(directory: &Path, device: Device) -> Result<Self> {
        if !directory.is_dir() {
            let message = "there is no such model directory; check `model` in the study, or run `make setup`";
            return Err(Error::file(directory, message));
        }
        let config = Config::read(directory)?;
        let head = Head::read(directory)?;
        let files = Files::read(directory)?;
        let weights = Weights::read(&files.tensors()?, &config, device)?;
        Ok(Self {
            directory: directory.to_owned(),
            config,
            head,
            weights,
            identity: files.digest(),
            device,
        })
    }

    /// A model over these weights, which it shares, with the head of the untrained one.
    pub fn model(&self, weights: &Weights) -> Result<Model> {
        self.model_with(weights, self.head)
    }

    /// A model over these weights, which it shares, with that head.
    pub fn model_with(&self, weights: &Weights, head: Head) -> Result<Model> {
        Ok(Model {
            encoder: Encoder::new(&self.config, weights)?,
            positions: self.config.positions(),
            head,
            device: self.device,
        })
    }
}

/// From token ids to embeddings.
#[derive(Debug)]
pub struct Model {
    encoder: Encoder,
    positions: Positions,
    head: Head,
    device: Device,
}

impl Model {
    /// Embeddings `[texts, hidden]` in the order of `texts`, each a non-empty list of token ids; with dropout if it is
    /// above 0. Scaled to length 1 only if the model does so.
    pub fn embed(&self, texts: &[&[u32]], dropout: f64) -> Result<Embedded> {
        let batch = Packed::new(texts, self.positions, self.device)?;
        let rows = self.encoder.words(&batch)?;
        let tokens = self.encoder.forward(&batch, &rows, dropout)?;
        let packed = self.head.forward(&tokens, &batch.groups)?;
        Ok(Embedded {
            embeddings: packed.f_index_select(0, &batch.rows)?,
            words: batch.words,
            rows,
        })
    }
}

/// Embeddings, and the word embeddings that they were made of.
#[derive(Debug)]
pub struct Embedded {
    /// The embeddings, `[texts, hidden]`.
    pub embeddings: Tensor,
    /// The words used, each once, ascending.
    pub words: Vec<i64>,
    /// Their rows, `[words, hidden]`: the leaf that gets the gradient in place of the whole table.
    pub rows: Tensor,
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
