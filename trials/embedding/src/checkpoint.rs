//! Checkpoints: everything a trial needs to continue as if it had never stopped.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use hpo_protocol::embedding::{Parameters, PrecisionKind};
use safetensors::SafeTensors;

use crate::error::{Error, Result};
use crate::model::{Base, Head, Weights};
use crate::optimizer::{self, Optimizer};
use crate::precision::Scaler;
use crate::schedule::Track;
use crate::tensors::{self, Stored};

const FORMAT: &str = "hpo-trial-embedding 1";

/// What must be equal for a trial to continue with the same bits.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// [`Base::identity`] of the base model.
    pub model: String,
    /// [`crate::examples::Examples::digest`] of the training examples.
    pub data: String,
    /// CPU threads.
    pub threads: usize,
    /// The trial's seed.
    pub seed: u64,
    /// The trial's parameters.
    pub parameters: Parameters,
}

/// How far a trial has come.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Position {
    /// Whole epochs done.
    pub epoch: u64,
    /// Batches done of the running epoch.
    pub batch: u64,
    /// Sum of training loss times examples since the validation before the last step.
    pub loss_sum: f64,
    /// Examples in `loss_sum`.
    pub loss_count: u64,
}

/// A trial's weights and optimizer at a position.
#[derive(Debug)]
pub struct State {
    /// The weights.
    pub weights: Weights,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The position.
    pub position: Position,
    /// How its validations have gone.
    pub track: Track,
    /// Rows that are embedded at a time. It may have shrunk for lack of memory, and another number gives other bits.
    pub micro_batch: usize,
    /// The precision, which is that of its first segment if it is chosen by the device: another gives other bits.
    pub precision: PrecisionKind,
    /// The scale of its losses.
    pub scaler: Scaler,
}

/// Writes a checkpoint; when this returns it is whole and durable.
pub fn write(path: &Path, state: &State, identity: &Identity) -> Result<()> {
    let mut stored = Vec::new();
    let mut store = |prefix: &str, weights: &Weights| -> Result<()> {
        for (name, tensor) in weights.iter() {
            stored.push((format!("{prefix}{name}"), Stored::tensor(tensor)?));
        }
        Ok(())
    };
    store("", &state.weights)?;
    let names = optimizer::moments(&identity.parameters);
    for (name, moments) in names.iter().zip(state.optimizer.moments()) {
        store(&format!("{name}."), moments)?;
    }
    let position = &state.position;
    let metadata = identity_fields(identity).into_iter().chain([
        ("format", FORMAT.to_owned()),
        ("step", state.optimizer.steps().to_string()),
        ("epoch", position.epoch.to_string()),
        ("batch", position.batch.to_string()),
        ("loss_sum", bits(position.loss_sum)),
        ("loss_count", position.loss_count.to_string()),
        ("best", bits(state.track.best)),
        ("since_best", state.track.since_best.to_string()),
        ("since_reduction", state.track.since_reduction.to_string()),
        ("share", bits(state.track.share)),
        ("micro_batch", state.micro_batch.to_string()),
        ("precision", serde_json::json!(state.precision).to_string()),
        ("loss_scale", bits(state.scaler.scale)),
        ("loss_scale_age", state.scaler.good.to_string()),
    ]);
    tensors::write(path, stored, &metadata.collect())
}

/// The bits of a number: a decimal one might not come back the same.
fn bits(number: f64) -> String {
    format!("{:016x}", number.to_bits())
}

fn identity_fields(identity: &Identity) -> [(&'static str, String); 5] {
    [
        ("model", identity.model.clone()),
        ("data", identity.data.clone()),
        ("threads", identity.threads.to_string()),
        ("seed", identity.seed.to_string()),
        ("parameters", serde_json::json!(identity.parameters).to_string()),
    ]
}

/// Reads a checkpoint to continue from; one that is damaged or of another identity is an error. `prepare` marks the weights
/// that are trained and returns the learning rate of each, as a share of the whole.
pub fn read(
    path: &Path,
    base: &Base,
    identity: &Identity,
    prepare: impl FnOnce(&mut Weights) -> Result<Vec<f64>>,
) -> Result<State> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let file = File::open(path, &bytes)?;
    for (key, ours) in identity_fields(identity) {
        let theirs = file.text(key)?;
        if theirs != ours {
            let message = format!("this checkpoint has another `{key}` ({theirs}) than the trial ({ours})");
            return Err(Error::file(path, message));
        }
    }
    let parameters = &identity.parameters;
    let mut weights = file.weights(&base.weights, "", base)?;
    let shares = prepare(&mut weights)?;
    let trained = weights.trained();
    let moments = optimizer::moments(parameters)
        .iter()
        .map(|name| file.weights(&trained, &format!("{name}."), base))
        .collect::<Result<_>>()?;
    Ok(State {
        optimizer: Optimizer::resume(&weights, parameters, shares, moments, file.number("step", 10)?)?,
        weights,
        position: Position {
            epoch: file.number("epoch", 10)?,
            batch: file.number("batch", 10)?,
            loss_sum: f64::from_bits(file.number("loss_sum", 16)?),
            loss_count: file.number("loss_count", 10)?,
        },
        track: Track {
            best: f64::from_bits(file.number("best", 16)?),
            since_best: file.number("since_best", 10)?,
            since_reduction: file.number("since_reduction", 10)?,
            share: f64::from_bits(file.number("share", 16)?),
        },
        micro_batch: usize::try_from(file.number("micro_batch", 10)?).unwrap_or(usize::MAX),
        precision: serde_json::from_str(file.text("precision")?)
            .map_err(|_| Error::file(path, "the checkpoint is damaged: `precision` is unknown"))?,
        scaler: Scaler {
            scale: f64::from_bits(file.number("loss_scale", 16)?),
            good: file.number("loss_scale_age", 10)?,
        },
    })
}

/// The model that has become of a trial.
#[derive(Debug)]
pub struct Trained {
    /// Its weights.
    pub weights: Weights,
    /// What follows the encoder.
    pub head: Head,
    /// Tokens per text, if the trial has its own number.
    pub max_length: Option<u64>,
}

/// A checkpoint of which only the trained model is wanted.
#[derive(Debug)]
pub struct Saved {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Saved {
    /// Reads it.
    pub fn read(path: &Path) -> Result<Self> {
        Ok(Self {
            bytes: std::fs::read(path).map_err(Error::io("read", path))?,
            path: path.to_owned(),
        })
    }

    /// The parameters of its trial.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn parameters(&self) -> Result<Parameters> {
        self.file()?.parameters()
    }

    /// The trained model.
    ///
    /// # Errors
    /// If it is damaged, or its trial did not begin with that base model.
    pub fn model(&self, base: &Base) -> Result<Trained> {
        let file = self.file()?;
        if file.text("model")? != base.identity {
            let message = format!("this checkpoint is not of the model `{}`", base.directory.display());
            return Err(Error::file(&self.path, message));
        }
        let parameters = file.parameters()?;
        Ok(Trained {
            weights: file.weights(&base.weights, "", base)?,
            head: base.head.chosen(&parameters),
            max_length: parameters.max_length,
        })
    }

    fn file(&self) -> Result<File<'_>> {
        File::open(&self.path, &self.bytes)
    }
}

struct File<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
    metadata: HashMap<String, String>,
}

impl<'a> File<'a> {
    fn open(path: &'a Path, bytes: &'a [u8]) -> Result<Self> {
        let damaged = |error| Error::file(path, format!("this is not a checkpoint, or a damaged one: {error}"));
        let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let metadata = metadata.metadata().clone().unwrap_or_default();
        let file = Self {
            path,
            tensors,
            metadata,
        };
        match file.text("format")? {
            FORMAT => Ok(file),
            other => Err(Error::file(
                path,
                format!("this checkpoint has the format `{other}`, not `{FORMAT}`"),
            )),
        }
    }

    fn text(&self, key: &str) -> Result<&str> {
        let missing = || {
            Error::file(
                self.path,
                format!("this is not a checkpoint of this trainer: it has no `{key}`"),
            )
        };
        self.metadata.get(key).map(String::as_str).ok_or_else(missing)
    }

    fn parameters(&self) -> Result<Parameters> {
        serde_json::from_str(self.text("parameters")?)
            .map_err(|error| Error::file(self.path, format!("the checkpoint is damaged: `parameters`: {error}")))
    }

    fn number(&self, key: &str, radix: u32) -> Result<u64> {
        let wrong = |_| Error::file(self.path, format!("the checkpoint is damaged: `{key}` is not a number"));
        u64::from_str_radix(self.text(key)?, radix).map_err(wrong)
    }

    /// Weights of the names and shapes of `like`.
    fn weights(&self, like: &Weights, prefix: &str, base: &Base) -> Result<Weights> {
        like.like(|name| {
            let view = self
                .tensors
                .tensor(&format!("{prefix}{name}"))
                .map_err(|error| Error::Invalid(error.to_string()))?;
            Ok(tensors::from_view(&view)?.f_to_device(base.device)?)
        })
        .map_err(|error| Error::file(self.path, format!("the checkpoint is damaged: {error}")))
    }
}
