//! The weight files of a model directory, and how they name the weights.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::json::read_json;
use crate::error::{Error, Result};
use crate::hex::hex;

const WORDS: &str = "embeddings.word_embeddings.weight";

/// The bytes of `model.safetensors`, or of the shards that `model.safetensors.index.json` names.
#[derive(Debug)]
pub struct Files {
    files: Vec<(PathBuf, Vec<u8>)>,
}

/// The tensors in [`Files`].
#[derive(Debug)]
pub struct Tensors<'a> {
    views: BTreeMap<String, TensorView<'a>>,
    prefix: String,
    path: PathBuf,
}

/// The file of a model directory that holds the weights, if they are in one file.
pub fn weights_file(directory: &Path) -> PathBuf {
    directory.join("model.safetensors")
}

impl Files {
    /// Reads the weight files of a model directory. An error names the file and how to fix it.
    pub fn read(directory: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        let (single, index) = (weights_file(directory), directory.join("model.safetensors.index.json"));
        let paths = if single.exists() {
            vec![single]
        } else if index.exists() {
            let shards: BTreeSet<String> = read_json::<Index>(&index)?.weight_map.into_values().collect();
            if let Some(shard) = shards.iter().find(|shard| !is_plain(shard)) {
                let message = format!("it names a file outside of its directory: `{}`", shard.escape_debug());
                return Err(Error::file(&index, message));
            }
            shards.into_iter().map(|shard| directory.join(shard)).collect()
        } else {
            return Err(Error::file(directory, missing(directory)));
        };
        let files = paths.into_iter().map(|path| {
            let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
            Ok((path, bytes))
        });
        Ok(Self {
            files: files.collect::<Result<_>>()?,
        })
    }

    /// The SHA-256 of all bytes, shard after shard in the order of their names, in hexadecimal.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (_, bytes) in &self.files {
            hash.update(bytes);
        }
        hex(&hash.finalize())
    }

    /// Their tensors; a file that is damaged is an error.
    pub fn tensors(&self) -> Result<Tensors<'_>> {
        let mut views = BTreeMap::new();
        for (path, bytes) in &self.files {
            let file = SafeTensors::deserialize(bytes).map_err(|error| {
                let message = format!("not a safetensors file ({error}); fetch the model again");
                Error::file(path, message)
            })?;
            views.extend(file.tensors());
        }
        // What stands before the name of a weight that every encoder has: `bert.`, `roberta.` or nothing from
        // Transformers, `0.auto_model.` or `model.` from programs that saved a module around the encoder.
        let path = self.files.first().map(|(path, _)| path.clone()).unwrap_or_default();
        let prefixes: Vec<&str> = views.keys().filter_map(|name| name.strip_suffix(WORDS)).collect();
        let prefix = match prefixes.as_slice() {
            [] => "",
            [prefix] => prefix,
            several => {
                let message = format!("it holds several encoders ({}); use a model of one", several.join(", "));
                return Err(Error::file(&path, message));
            }
        };
        Ok(Tensors {
            prefix: prefix.to_owned(),
            path,
            views,
        })
    }
}

/// Whether a name is that of a file beside the one that has it.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

fn missing(directory: &Path) -> String {
    let other = ["pytorch_model.bin", "pytorch_model.bin.index.json"];
    if other.iter().any(|name| directory.join(name).exists()) {
        let convert = conversion(directory, "AutoModel");
        format!("the weights are in `pytorch_model.bin` only; convert them to `model.safetensors`: {convert}")
    } else {
        "there is neither model.safetensors nor model.safetensors.index.json; fetch the model again".to_owned()
    }
}

/// The command that has a class of Transformers write what is in a directory in the form that is read here.
pub(super) fn conversion(directory: &Path, class: &str) -> String {
    let place = directory.to_string_lossy().replace('\'', r"'\''");
    format!(
        "python -c 'import sys; from transformers import {class}; d = sys.argv[1]; {class}.from_pretrained(d).save_pretrained(d)' \
         '{place}'"
    )
}

impl<'a> Tensors<'a> {
    /// The file to name in an error: the first of several.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All tensors by their names in the files.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &TensorView<'a>)> {
        self.views.iter().map(|(name, view)| (name.as_str(), view))
    }

    /// A weight of the encoder by its plain name, as in [`Weights::split`](super::Weights::split); none if it is not
    /// there.
    pub fn find(&self, name: &str) -> Option<(&str, &TensorView<'a>)> {
        let plain = format!("{}{name}", self.prefix);
        // Files converted from the first TensorFlow releases.
        let old = plain
            .replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta");
        let found = self
            .views
            .get_key_value(&plain)
            .or_else(|| self.views.get_key_value(&old));
        found.map(|(name, view)| (name.as_str(), view))
    }

    /// The name that Transformers looks for in place of a name in the files, if `prefix` is that of the family's larger
    /// models.
    pub fn standard<'n>(&self, name: &'n str, prefix: &str) -> &'n str {
        if self.prefix == prefix {
            return name;
        }
        name.strip_prefix(&self.prefix).unwrap_or(name)
    }
}
