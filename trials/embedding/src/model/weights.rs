//! The weights of an encoder by name.

use tch::{Device, Kind, Tensor};

use super::config::Config;
use super::files::Tensors;
use crate::error::{Error, Result};
use crate::tensors;

/// The three weights that stand in one fused tensor `[3 hidden, ..]`, in its order.
const FUSED: [&str; 3] = ["query", "key", "value"];

/// Named f32 tensors in a fixed order: embeddings, then layer by layer.
#[derive(Debug)]
pub struct Weights {
    entries: Vec<(String, Tensor)>,
}

/// Names and shapes of all weights of an encoder. The names are those of Hugging Face, without a prefix, but query,
/// key and value are one `qkv`.
pub fn layout(config: &Config) -> Vec<(String, Vec<i64>)> {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let mut layout = vec![
        (
            "embeddings.word_embeddings.weight".to_owned(),
            vec![config.vocab_size, hidden],
        ),
        (
            "embeddings.position_embeddings.weight".to_owned(),
            vec![config.max_position_embeddings, hidden],
        ),
        (
            "embeddings.token_type_embeddings.weight".to_owned(),
            vec![config.type_vocab_size, hidden],
        ),
        ("embeddings.LayerNorm.weight".to_owned(), vec![hidden]),
        ("embeddings.LayerNorm.bias".to_owned(), vec![hidden]),
    ];
    for layer in 0..config.num_hidden_layers {
        let dense = |name, output, input| {
            [
                (format!("encoder.layer.{layer}.{name}.weight"), vec![output, input]),
                (format!("encoder.layer.{layer}.{name}.bias"), vec![output]),
            ]
        };
        let norm = |name| {
            [
                (format!("encoder.layer.{layer}.{name}.weight"), vec![hidden]),
                (format!("encoder.layer.{layer}.{name}.bias"), vec![hidden]),
            ]
        };
        layout.extend(dense("attention.self.qkv", 3 * hidden, hidden));
        layout.extend(dense("attention.output.dense", hidden, hidden));
        layout.extend(norm("attention.output.LayerNorm"));
        layout.extend(dense("intermediate.dense", inner, hidden));
        layout.extend(dense("output.dense", hidden, inner));
        layout.extend(norm("output.LayerNorm"));
    }
    layout
}

/// Whether weight decay applies: not to biases and LayerNorm.
pub fn decays(name: &str) -> bool {
    !name.ends_with(".bias") && !name.contains("LayerNorm")
}

impl Weights {
    /// Takes each weight of the layout, in its order, from `get`; a wrong shape or kind is an error.
    pub fn from_fn(config: &Config, mut get: impl FnMut(&str, &[i64]) -> Result<Tensor>) -> Result<Self> {
        let entries = layout(config)
            .into_iter()
            .map(|(name, shape)| {
                let tensor = get(&name, &shape)?;
                check(&name, &shape, &tensor)?;
                Ok((name, tensor))
            })
            .collect::<Result<_>>()?;
        Ok(Self { entries })
    }

    /// Reads the weights of a model's files, in any float type; they become f32.
    pub fn read(files: &Tensors<'_>, config: &Config, device: Device) -> Result<Self> {
        let load = |name: &str| -> Result<Tensor> {
            let (_, view) = files.find(name).ok_or_else(|| {
                Error::file(
                    files.path(),
                    format!("weight `{name}` is missing; is config.json of another model?"),
                )
            })?;
            Ok(tensors::from_view(view)?.f_to_kind(Kind::Float)?.f_to_device(device)?)
        };
        Self::from_fn(config, |name, _| match parts(name) {
            Some(parts) => Ok(Tensor::f_cat(
                &[load(&parts[0])?, load(&parts[1])?, load(&parts[2])?],
                0,
            )?),
            None => load(name),
        })
        .map_err(|error| match error {
            Error::Invalid(message) => {
                Error::file(files.path(), format!("{message}; is config.json of another model?"))
            }
            other => other,
        })
    }

    /// A copy with storage of its own.
    pub fn copy(&self) -> Result<Self> {
        let copy = |(name, tensor): &(String, Tensor)| Ok((name.clone(), tensor.f_detach_copy()?));
        let entries = self.entries.iter().map(copy).collect::<Result<_>>()?;
        Ok(Self { entries })
    }

    /// Weights of the same names and shapes, all 0.
    pub fn zeros_like(&self) -> Result<Self> {
        let zeros = |(name, tensor): &(String, Tensor)| Ok((name.clone(), tensor.f_zeros_like()?));
        let entries = self.entries.iter().map(zeros).collect::<Result<_>>()?;
        Ok(Self { entries })
    }

    /// Makes those that `trained` says leaves of gradients.
    pub fn require_grad(&mut self, trained: impl Fn(&str) -> bool) -> Result<()> {
        for (name, tensor) in &mut self.entries {
            *tensor = tensor.f_set_requires_grad(trained(name))?;
        }
        Ok(())
    }

    /// Those that are leaves of gradients: handles on the same storage.
    pub fn trained(&self) -> Self {
        let trained = self.entries.iter().filter(|(_, tensor)| tensor.requires_grad());
        let entries = trained.map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
        Self {
            entries: entries.collect(),
        }
    }

    /// Names and tensors, in the order of the layout.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.entries.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Weights of the same names and shapes, each from `get`; a wrong shape or kind is an error.
    pub fn like(&self, mut get: impl FnMut(&str) -> Result<Tensor>) -> Result<Self> {
        let entries = self.entries.iter().map(|(name, tensor)| {
            let found = get(name)?;
            check(name, &tensor.size(), &found)?;
            Ok((name.clone(), found))
        });
        Ok(Self {
            entries: entries.collect::<Result<_>>()?,
        })
    }

    /// Adds a weight that is not of the encoder, after all others.
    pub fn push(&mut self, name: &str, tensor: Tensor) {
        self.entries.push((name.to_owned(), tensor));
    }

    /// The tensor at a place in the order of the layout.
    pub fn tensor(&self, place: usize) -> &Tensor {
        &self.entries[place].1
    }

    /// The word embeddings `[vocabulary, hidden]`: the first weight of the layout.
    pub fn words(&self) -> &Tensor {
        &self.entries[0].1
    }

    /// The weight of that name: another handle on the same storage.
    pub fn get(&self, name: &str) -> Result<Tensor> {
        let found = self.entries.iter().find(|(known, _)| known == name);
        let (_, tensor) = found.ok_or_else(|| Error::Invalid(format!("there is no weight `{name}`")))?;
        Ok(tensor.shallow_clone())
    }

    /// The weights under Hugging Face names, without a prefix: `qkv` is split. Handles on the same storage.
    pub fn split(&self) -> Result<Vec<(String, Tensor)>> {
        let mut all = Vec::new();
        for (name, tensor) in self.iter() {
            match parts(name) {
                Some(parts) => all.extend(parts.into_iter().zip(tensor.f_chunk(3, 0)?)),
                None => all.push((name.to_owned(), tensor.shallow_clone())),
            }
        }
        Ok(all)
    }
}

fn check(name: &str, shape: &[i64], tensor: &Tensor) -> Result<()> {
    if tensor.size() == shape && tensor.f_kind()? == Kind::Float {
        return Ok(());
    }
    let found = tensor.size();
    Err(Error::Invalid(format!(
        "weight `{name}` has shape {found:?}, not {shape:?}"
    )))
}

fn parts(name: &str) -> Option<[String; 3]> {
    let (before, after) = name.split_once(".qkv.")?;
    Some(FUSED.map(|part| format!("{before}.{part}.{after}")))
}
