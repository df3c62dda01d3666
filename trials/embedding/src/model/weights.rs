//! The weights of an encoder by name.

use tch::{Device, Kind, Tensor};

use super::files::Tensors;
use crate::error::{Error, Result};
use crate::tensors;

/// A weight of an encoder.
///
/// Its name is the one that it has in a BERT of Hugging Face, without a prefix, whatever the family, but query, key and
/// value are one `qkv`. A name that begins with `embeddings.` stands below all layers, one that begins with
/// `encoder.layer.<number>.` in that layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// The names of its family's files: of one tensor, or of several that are stacked along the first dimension.
    pub sources: Vec<String>,
}

/// Named f32 tensors in a fixed order: embeddings, words first, then layer by layer.
#[derive(Debug)]
pub struct Weights {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    sources: Vec<String>,
    tensor: Tensor,
}

impl Entry {
    fn with(&self, tensor: Tensor) -> Self {
        Self {
            name: self.name.clone(),
            sources: self.sources.clone(),
            tensor,
        }
    }
}

/// Whether weight decay applies: not to biases, those of attention included, and LayerNorm. It is what the trainer of
/// Transformers does.
pub fn decays(name: &str) -> bool {
    !name.contains("bias") && !name.contains("LayerNorm")
}

impl Weights {
    /// Takes each weight of a layout, in its order, from `get`; a wrong shape or kind is an error.
    pub fn from_fn(layout: Vec<Weight>, mut get: impl FnMut(&Weight) -> Result<Tensor>) -> Result<Self> {
        let entries = layout
            .into_iter()
            .map(|weight| {
                let tensor = get(&weight)?;
                check(&weight.name, &weight.shape, &tensor)?;
                Ok(Entry {
                    name: weight.name,
                    sources: weight.sources,
                    tensor,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { entries })
    }

    /// Reads the weights of a layout from a model's files, in any float type; they become f32.
    pub fn read(files: &Tensors<'_>, layout: Vec<Weight>, device: Device) -> Result<Self> {
        let load = |name: &String| -> Result<Tensor> {
            let wrong = |message: String| Error::file(files.path(), format!("weight `{name}` {message}"));
            let (_, view) = files
                .find(name)
                .ok_or_else(|| wrong("is missing; is config.json of another model?".to_owned()))?;
            let read = tensors::from_view(view).map_err(|error| wrong(format!("can't be used: {error}")))?;
            let weight = read.f_to_kind(Kind::Float)?.f_contiguous()?;
            match tensors::is_finite(&weight)? {
                true => Ok(weight.f_to_device(device)?),
                // All that is computed from it would be no number either.
                false => Err(wrong("has numbers that are not finite".to_owned())),
            }
        };
        Self::from_fn(layout, |weight| {
            let parts = weight.sources.iter().map(load).collect::<Result<Vec<_>>>()?;
            match parts.as_slice() {
                [whole] => Ok(whole.shallow_clone()),
                several => Ok(Tensor::f_cat(several, 0)?),
            }
        })
        .map_err(|error| {
            if let Error::Invalid(message) = &error {
                Error::file(files.path(), format!("{message}; is config.json of another model?"))
            } else {
                error
            }
        })
    }

    /// A copy with storage of its own.
    pub fn copy(&self) -> Result<Self> {
        self.each(|tensor| Ok(tensor.f_detach_copy()?))
    }

    /// Weights of the same names and shapes, all 0.
    pub fn zeros_like(&self) -> Result<Self> {
        self.each(|tensor| Ok(tensor.f_zeros_like()?))
    }

    fn each(&self, make: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        let entries = self.entries.iter().map(|entry| Ok(entry.with(make(&entry.tensor)?)));
        Ok(Self {
            entries: entries.collect::<Result<_>>()?,
        })
    }

    /// Makes those that `trained` says leaves of gradients.
    pub fn require_grad(&mut self, trained: impl Fn(&str) -> bool) -> Result<()> {
        for Entry { name, tensor, .. } in &mut self.entries {
            *tensor = tensor.f_set_requires_grad(trained(name))?;
        }
        Ok(())
    }

    /// Those that are leaves of gradients: handles on the same storage.
    pub fn trained(&self) -> Self {
        let trained = self.entries.iter().filter(|entry| entry.tensor.requires_grad());
        let entries = trained.map(|entry| entry.with(entry.tensor.shallow_clone()));
        Self {
            entries: entries.collect(),
        }
    }

    /// Names and tensors, in the order of the layout.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.entries.iter().map(|entry| (entry.name.as_str(), &entry.tensor))
    }

    /// Weights of the same names and shapes, each from `get`; a wrong shape or kind is an error.
    pub fn like(&self, mut get: impl FnMut(&str) -> Result<Tensor>) -> Result<Self> {
        let entries = self.entries.iter().map(|entry| {
            let found = get(&entry.name)?;
            check(&entry.name, &entry.tensor.size(), &found)?;
            Ok(entry.with(found))
        });
        Ok(Self {
            entries: entries.collect::<Result<_>>()?,
        })
    }

    /// The bytes that they take up.
    pub fn bytes(&self) -> usize {
        self.iter()
            .map(|(_, tensor)| tensor.numel() * tensor.kind().elt_size_in_bytes())
            .sum()
    }

    /// Adds a weight that is not of the encoder, after all others.
    pub fn push(&mut self, name: &str, tensor: Tensor) {
        self.entries.push(Entry {
            name: name.to_owned(),
            sources: vec![name.to_owned()],
            tensor,
        });
    }

    /// The tensor at a place in the order of the layout.
    pub fn tensor(&self, place: usize) -> &Tensor {
        &self.entries[place].tensor
    }

    /// The word embeddings `[vocabulary, hidden]`: the first weight of the layout.
    pub fn words(&self) -> &Tensor {
        &self.entries[0].tensor
    }

    /// The weight of that name: another handle on the same storage.
    pub fn get(&self, name: &str) -> Result<Tensor> {
        let found = self.entries.iter().find(|entry| entry.name == name);
        let entry = found.ok_or_else(|| Error::Invalid(format!("there is no weight `{name}`")))?;
        Ok(entry.tensor.shallow_clone())
    }

    /// The weights under the names of the family's files, without a prefix: `qkv` is split. Handles on the same storage.
    pub fn split(&self) -> Result<Vec<(String, Tensor)>> {
        let mut all = Vec::new();
        for Entry { sources, tensor, .. } in &self.entries {
            if sources.len() == 1 {
                all.extend(sources.iter().map(|name| (name.clone(), tensor.shallow_clone())));
            } else {
                let parts = tensor.f_chunk(sources.len() as i64, 0)?;
                all.extend(sources.iter().cloned().zip(parts));
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
