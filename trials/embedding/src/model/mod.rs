//! Text-embedding models: an encoder of one of the families, its pooling, its weights and its tokenizer.

mod dropout;
mod family;
mod files;
mod frozen;
mod gradients;
mod json;
mod native;
mod packed;
mod pooling;
mod portable;
mod post_norm;
mod tokenizer;
mod weights;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use hpo_protocol::embedding::ModelPrompts;
use tch::{Device, Kind, Tensor};

pub use self::dropout::{Dropout, Mask, Site};
pub use self::family::{Config, Encoder, FAMILIES, Family, parse_encoder, read_encoder};
pub use self::files::{Files, Tensors, weights_file};
pub use self::frozen::Frozen;
pub use self::gradients::Gradients;
pub use self::json::{read_json, write_json};
pub use self::native::{Native, instructions};
pub use self::packed::{Below, Group, Packed, Positions};
pub use self::pooling::{Head, normalise};
pub use self::portable::{Drops, Layers, Portable};
pub use self::tokenizer::{read_tokenizer, tokenizer_files, write_max_length};
pub use self::weights::{Weight, Weights, decays};
use crate::error::{Error, Result};
use crate::tokens::Text;

/// The untrained model, loaded once per worker; trials start from copies of its weights.
#[derive(Debug)]
pub struct Base {
    /// Its directory.
    pub directory: PathBuf,
    /// What it computes.
    pub encoder: Box<dyn Encoder>,
    /// The sizes of that.
    pub config: Config,
    /// What follows the encoder.
    pub head: Head,
    /// The prompts that it names.
    pub prompts: ModelPrompts,
    /// Its weights.
    pub weights: Weights,
    /// The digest of its weight files: [`Files::digest`].
    pub identity: String,
    /// Where the weights are, and all computation.
    pub device: Device,
}

impl Base {
    /// Loads a Hugging Face model directory. An error names the file and how to fix it.
    pub fn load(directory: &Path, device: Device) -> Result<Self> {
        if !directory.is_dir() {
            let message = "there is no such model directory; check `model` in the study, or run `make setup`";
            return Err(Error::file(directory, message));
        }
        let encoder = read_encoder(directory)?;
        let head = Head::read(directory)?;
        let files = Files::read(directory)?;
        let weights = Weights::read(&files.tensors()?, encoder.layout(), device)?;
        Ok(Self {
            directory: directory.to_owned(),
            config: *encoder.config(),
            encoder,
            head,
            prompts: read_prompts(directory)?,
            weights,
            identity: files.digest(),
            device,
        })
    }

    /// The error that its embeddings are not finite.
    pub fn not_finite(&self) -> Error {
        Error::file(
            &self.directory,
            "the embeddings of this model are not finite; use another one",
        )
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
        let native = if self.device == Device::Cpu {
            self.encoder.native(weights)?
        } else {
            None
        };
        Ok(match native {
            Some(native) => Engine::Native(Box::new(native)),
            None => Engine::Portable(self.portable(weights, Kind::Float)?),
        })
    }

    /// The encoder by tensor operations, with matrix products in `kind`.
    fn portable(&self, weights: &Weights, kind: Kind) -> Result<Portable> {
        Ok(Portable::new(weights.words(), self.encoder.layers(weights, kind)?))
    }

    /// The same model by tensor operations, as it is used on other devices than the CPU.
    pub fn model_by_tensors(&self, weights: &Weights, head: Head) -> Result<Model> {
        let portable = self.portable(weights, Kind::Float)?;
        Ok(self.build(Engine::Portable(portable), weights, head))
    }

    /// A model that trains with matrix products in `kind`. In evaluation it computes in f32, as whoever loads it will.
    pub fn model_mixed(&self, weights: &Weights, head: Head, kind: Kind) -> Result<Model> {
        let mut model = self.model_with(weights, head)?;
        if kind != Kind::Float {
            model.mixed = Some(self.portable(weights, kind)?);
        }
        Ok(model)
    }

    fn build(&self, engine: Engine, weights: &Weights, head: Head) -> Model {
        let mut all = weights.iter().map(|(_, weight)| weight.shallow_clone());
        let encoder: Vec<Tensor> = all.by_ref().take(self.encoder.layout().len()).collect();
        Model {
            engine,
            mixed: None,
            frozen: None,
            words: weights.words().shallow_clone(),
            // The first are the words.
            encoder: encoder.into_iter().skip(1).collect(),
            top: all.collect(),
            positions: self.config.positions,
            head,
            device: self.device,
        }
    }
}

/// From token ids to embeddings.
#[derive(Debug)]
pub struct Model {
    engine: Engine,
    /// Trains in its place, if the precision is not f32.
    mixed: Option<Portable>,
    /// Its lowest layers, if they are not trained.
    frozen: Option<Rc<Frozen>>,
    /// The word embeddings.
    words: Tensor,
    /// All other weights of the encoder, in their order.
    encoder: Vec<Tensor>,
    /// Those of what follows the encoder.
    top: Vec<Tensor>,
    positions: Positions,
    head: Head,
    device: Device,
}

#[derive(Debug)]
enum Engine {
    /// On the CPU.
    Native(Box<Native>),
    /// On any device.
    Portable(Portable),
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
    Portable(Vec<i64>, Tensor),
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

    /// Embeddings `[texts, hidden]` in the order of `texts`, in evaluation mode. Scaled to length 1 only if the model does so.
    pub fn embed<T: Text>(&self, texts: &[T]) -> Result<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let (texts, prompts) = self.split(texts);
        let texts = texts.as_slice();
        let batch = Packed::new(texts, self.positions);
        let below = self.below(texts, &batch)?;
        let tokens = match &self.engine {
            Engine::Native(native) => native.embed(&batch, &Dropout::NONE, below.as_ref())?,
            Engine::Portable(portable) => encode(portable, &batch, &Dropout::NONE, below.as_ref())?.0,
        };
        self.pool(&tokens, &batch, &prompts)
    }

    /// The same as [`Model::train`], without the means for a gradient.
    pub fn embed_with<T: Text>(&self, texts: &[T], dropout: Dropout) -> Result<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let (texts, prompts) = self.split(texts);
        let texts = texts.as_slice();
        let batch = Packed::new(texts, self.positions);
        let below = self.below(texts, &batch)?;
        let tokens = match (&self.mixed, &self.engine) {
            (None, Engine::Native(native)) => native.embed(&batch, &dropout, below.as_ref())?,
            (Some(portable), _) | (None, Engine::Portable(portable)) => {
                encode(portable, &batch, &dropout, below.as_ref())?.0
            }
        };
        self.pool(&tokens, &batch, &prompts)
    }

    /// The same for training, with dropout and in the precision of training: [`Model::gradients`] can follow.
    pub fn train<T: Text>(&self, texts: &[T], dropout: Dropout) -> Result<Embedded> {
        let (texts, prompts) = self.split(texts);
        let texts = texts.as_slice();
        // The kernels draw from no generator of the process, but what follows them may: the dropout of a layer of labels.
        tch::manual_seed(dropout.seed as i64);
        let batch = Packed::new(texts, self.positions);
        let below = self.below(texts, &batch)?;
        match (&self.mixed, &self.engine) {
            (None, Engine::Native(native)) => {
                let (tokens, pass) = native.train(batch, dropout, below.as_ref())?;
                let tokens = tokens.f_set_requires_grad(true)?;
                Ok(Embedded {
                    embeddings: self.pool(&tokens, pass.batch(), &prompts)?,
                    trace: Trace::Native(tokens, Box::new(pass)),
                })
            }
            (Some(portable), _) | (None, Engine::Portable(portable)) => {
                let (tokens, rows) = encode(portable, &batch, &dropout, below.as_ref())?;
                Ok(Embedded {
                    embeddings: self.pool(&tokens, &batch, &prompts)?,
                    trace: Trace::Portable(batch.words, rows),
                })
            }
        }
    }

    /// The token ids of texts, and how many of each from the first one are not pooled; none if all are.
    fn split<'a, T: Text>(&self, texts: &'a [T]) -> (Vec<&'a [u32]>, Vec<usize>) {
        let mut prompts = Vec::new();
        if !self.head.include_prompt && texts.iter().any(|text| text.prompt() > 0) {
            prompts = texts.iter().map(Text::prompt).collect();
        }
        (texts.iter().map(Text::tokens).collect(), prompts)
    }

    /// The embeddings of a batch; `prompts` is as [`split`](Self::split) has them.
    fn pool(&self, tokens: &Tensor, batch: &Packed, prompts: &[usize]) -> Result<Tensor> {
        let mut left_out = vec![0; prompts.len()];
        for (&row, &prompt) in batch.rows.iter().zip(prompts) {
            left_out[row as usize] = prompt as i64;
        }
        let packed = self.head.forward(tokens, &batch.groups, &left_out)?;
        let rows = Tensor::f_from_slice(&batch.rows)?.f_to_device(self.device)?;
        Ok(packed.f_index_select(0, &rows)?)
    }

    /// The gradients of all weights that require one, from a scalar loss over the embeddings of a batch.
    pub fn gradients(&self, loss: &Tensor, embedded: Embedded) -> Result<Gradients> {
        let trained = |weights: &[Tensor]| -> Vec<Tensor> {
            let trained = weights.iter().filter(|weight| weight.requires_grad());
            trained.map(Tensor::shallow_clone).collect()
        };
        let mut leaves = trained(&self.top);
        match (&self.engine, embedded.trace) {
            (Engine::Native(native), Trace::Native(tokens, pass)) => {
                leaves.push(tokens);
                let mut after = Tensor::f_run_backward(&[loss], &leaves, false, false)?;
                // The last one is that of the tokens.
                let from = after.remove(leaves.len() - 1);
                let mut gradients = native.gradients(*pass, &from)?;
                gradients.tensors.extend(after);
                Ok(gradients)
            }
            (Engine::Native(_) | Engine::Portable(_), Trace::Portable(words, rows)) => {
                leaves.splice(0..0, trained(&self.encoder));
                let words_trained = self.words.requires_grad();
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
            (Engine::Portable(_), Trace::Native(..)) => {
                Err(Error::Invalid("the embeddings are of another model".to_owned()))
            }
        }
    }

    /// Takes gradients back when they have been used, so that their memory serves the next ones.
    pub fn give_back(&self, gradients: Gradients) {
        if let Engine::Native(native) = &self.engine {
            native.give_back(gradients);
        }
    }
}

/// Token vectors, and the copy of the word embeddings that they were made of.
fn encode(portable: &Portable, batch: &Packed, dropout: &Dropout, below: Option<&Below>) -> Result<(Tensor, Tensor)> {
    // For libtorch's dropout, which draws from the generator of the process.
    tch::manual_seed(dropout.seed as i64);
    let rows = portable.words(batch)?;
    Ok((portable.forward(batch, &rows, dropout, below)?, rows))
}

/// The prompts that a model's directory names. Where it has no `modules.json`, sentence-transformers does not look for them.
pub fn read_prompts(directory: &Path) -> Result<ModelPrompts> {
    let path = directory.join(ModelPrompts::FILE);
    if !directory.join("modules.json").exists() {
        return Ok(ModelPrompts::default());
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => ModelPrompts::read(&text).map_err(|message| Error::file(&path, message)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(ModelPrompts::default()),
        Err(error) => Err(Error::io("read", &path)(error)),
    }
}
