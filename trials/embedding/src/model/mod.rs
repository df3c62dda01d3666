//! Text-embedding models: an encoder of the BERT and RoBERTa families, its pooling, its weights and its tokenizer.

mod config;
mod dropout;
mod encoder;
mod files;
mod frozen;
mod native;
mod packed;
mod pooling;
mod tokenizer;
mod weights;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use tch::{Device, Kind, Tensor};

pub use self::config::{Config, Family, read_json, write_json};
pub use self::dropout::{Dropout, Mask, Site};
pub use self::encoder::Encoder;
pub use self::files::{Files, Tensors, weights_file};
pub use self::frozen::{Below, Frozen};
pub use self::native::Native;
pub use self::packed::{Group, Packed, Positions};
pub use self::pooling::{Head, normalise};
pub use self::tokenizer::{read_tokenizer, tokenizer_files, write_max_length};
pub use self::weights::{Weights, decays};
use crate::error::{Error, Result};
use crate::optimizer::Gradients;

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

    /// A model over these weights, which it shares, with that head. Which weights require a gradient must not change
    /// any more.
    pub fn model_with(&self, weights: &Weights, head: Head) -> Result<Model> {
        Ok(self.build(self.engine(weights)?, weights, head))
    }

    /// The engine for the device.
    fn engine(&self, weights: &Weights) -> Result<Engine> {
        Ok(if self.device == Device::Cpu {
            Engine::Native(Native::new(&self.config, weights))
        } else {
            Engine::Tensors(Encoder::new(&self.config, weights, Kind::Float)?)
        })
    }

    /// The same model by tensor operations, as it is used on other devices than the CPU.
    pub fn model_by_tensors(&self, weights: &Weights, head: Head) -> Result<Model> {
        let encoder = Encoder::new(&self.config, weights, Kind::Float)?;
        Ok(self.build(Engine::Tensors(encoder), weights, head))
    }

    /// A model that trains with matrix products in `kind`. In evaluation it computes in f32, as whoever loads it will.
    pub fn model_mixed(&self, weights: &Weights, head: Head, kind: Kind) -> Result<Model> {
        let mut model = self.model_with(weights, head)?;
        if kind != Kind::Float {
            model.mixed = Some(Encoder::new(&self.config, weights, kind)?);
        }
        Ok(model)
    }

    fn build(&self, encoder: Engine, weights: &Weights, head: Head) -> Model {
        Model {
            encoder,
            mixed: None,
            frozen: None,
            weights: weights.iter().map(|(_, weight)| weight.shallow_clone()).collect(),
            positions: self.config.positions(),
            head,
            device: self.device,
        }
    }
}

/// From token ids to embeddings.
#[derive(Debug)]
pub struct Model {
    encoder: Engine,
    /// Trains in its place, if the precision is not f32.
    mixed: Option<Encoder>,
    /// Its lowest layers, if they are not trained.
    frozen: Option<Rc<Frozen>>,
    /// All weights in the order of the layout, and after them those of what follows the encoder.
    weights: Vec<Tensor>,
    positions: Positions,
    head: Head,
    device: Device,
}

#[derive(Debug)]
enum Engine {
    /// On the CPU.
    Native(Native),
    /// On any device.
    Tensors(Encoder),
}

/// The embeddings of a training batch, and what is needed to take a gradient through them.
#[derive(Debug)]
pub struct Embedded {
    /// The embeddings, `[texts, hidden]`.
    pub embeddings: Tensor,
    trace: Trace,
}

#[derive(Debug)]
enum Trace {
    /// The token vectors, a leaf of gradients, and the pass that they came of.
    Native(Tensor, Box<native::Pass>),
    /// The words used and a copy of their rows, a leaf of gradients in place of the whole table.
    Tensors(Vec<i64>, Tensor),
}

impl Model {
    /// The model whose lowest layers are those, which its own equal and stay equal to.
    pub fn over(self, frozen: Rc<Frozen>) -> Self {
        Self {
            frozen: Some(frozen),
            ..self
        }
    }

    /// What the layers that are not trained make of the texts of a batch.
    fn below(&self, texts: &[&[u32]], batch: &Packed) -> Result<Option<Below>> {
        let frozen = self.frozen.as_ref();
        frozen.map(|frozen| frozen.below(texts, batch)).transpose()
    }

    /// Embeddings `[texts, hidden]` in the order of `texts`, each a non-empty list of token ids, in evaluation mode.
    /// Scaled to length 1 only if the model does so.
    pub fn embed(&self, texts: &[&[u32]]) -> Result<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let batch = Packed::new(texts, self.positions);
        let below = self.below(texts, &batch)?;
        let tokens = match &self.encoder {
            Engine::Native(native) => native.embed(&batch, &Dropout::NONE, below.as_ref())?,
            Engine::Tensors(encoder) => encode(encoder, &batch, &Dropout::NONE, below.as_ref())?.0,
        };
        self.pool(&tokens, &batch)
    }

    /// The same as [`Model::train`], without the means for a gradient.
    pub fn embed_with(&self, texts: &[&[u32]], dropout: Dropout) -> Result<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let batch = Packed::new(texts, self.positions);
        let below = self.below(texts, &batch)?;
        let tokens = match (&self.mixed, &self.encoder) {
            (None, Engine::Native(native)) => native.embed(&batch, &dropout, below.as_ref())?,
            (Some(encoder), _) | (None, Engine::Tensors(encoder)) => {
                encode(encoder, &batch, &dropout, below.as_ref())?.0
            }
        };
        self.pool(&tokens, &batch)
    }

    /// The same for training, with dropout and in the precision of training: [`Model::gradients`] can follow.
    pub fn train(&self, texts: &[&[u32]], dropout: Dropout) -> Result<Embedded> {
        let batch = Packed::new(texts, self.positions);
        let below = self.below(texts, &batch)?;
        match (&self.mixed, &self.encoder) {
            (None, Engine::Native(native)) => {
                let (tokens, pass) = native.train(batch, dropout, below.as_ref())?;
                let tokens = tokens.f_set_requires_grad(true)?;
                Ok(Embedded {
                    embeddings: self.pool(&tokens, pass.batch())?,
                    trace: Trace::Native(tokens, Box::new(pass)),
                })
            }
            (Some(encoder), _) | (None, Engine::Tensors(encoder)) => {
                let (tokens, rows) = encode(encoder, &batch, &dropout, below.as_ref())?;
                Ok(Embedded {
                    embeddings: self.pool(&tokens, &batch)?,
                    trace: Trace::Tensors(batch.words, rows),
                })
            }
        }
    }

    fn pool(&self, tokens: &Tensor, batch: &Packed) -> Result<Tensor> {
        let packed = self.head.forward(tokens, &batch.groups)?;
        let rows = Tensor::f_from_slice(&batch.rows)?.f_to_device(self.device)?;
        Ok(packed.f_index_select(0, &rows)?)
    }

    /// The gradients of all weights that require one, from a scalar loss over the embeddings of a batch.
    pub fn gradients(&self, loss: &Tensor, embedded: Embedded) -> Result<Gradients> {
        let trained = |weights: &'_ [Tensor]| -> Vec<Tensor> {
            let trained = weights.iter().filter(|weight| weight.requires_grad());
            trained.map(Tensor::shallow_clone).collect()
        };
        match (&self.encoder, embedded.trace) {
            (Engine::Native(native), Trace::Native(tokens, pass)) => {
                let mut leaves = trained(&self.weights[native.weights()..]);
                leaves.push(tokens);
                let mut after = Tensor::f_run_backward(&[loss], &leaves, false, false)?;
                // The last one is that of the tokens.
                let from = after.remove(leaves.len() - 1);
                let mut gradients = native.gradients(*pass, &from)?;
                gradients.tensors.extend(after);
                Ok(gradients)
            }
            (_, Trace::Tensors(words, rows)) => {
                let words_trained = self.weights[0].requires_grad();
                let mut leaves = trained(&self.weights[1..]);
                if words_trained {
                    leaves.insert(0, rows);
                }
                let mut tensors = Tensor::f_run_backward(&[loss], &leaves, false, false)?;
                let words = words_trained.then(|| (words, tensors.remove(0)));
                Ok(Gradients {
                    words,
                    tensors,
                    scale: 1.0,
                })
            }
            _ => Err(Error::Invalid("the embeddings are of another model".to_owned())),
        }
    }

    /// Takes gradients back when they have been used, so that their memory serves the next ones.
    pub fn give_back(&self, gradients: Gradients) {
        if let Engine::Native(native) = &self.encoder {
            native.give_back(gradients);
        }
    }
}

/// Token vectors, and the copy of the word embeddings that they were made of.
fn encode(encoder: &Encoder, batch: &Packed, dropout: &Dropout, below: Option<&Below>) -> Result<(Tensor, Tensor)> {
    // For libtorch's dropout, which draws from the generator of the process.
    tch::manual_seed(dropout.seed as i64);
    let rows = encoder.words(batch)?;
    Ok((encoder.forward(batch, &rows, dropout, below)?, rows))
}
