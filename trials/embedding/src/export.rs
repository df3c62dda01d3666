//! A tuned model as a directory that sentence-transformers and others can load.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::path::Path;

use hpo_protocol::embedding::ModelPrompts;
use safetensors::tensor::Dtype;
use serde_json::{Map, Value, json};

use crate::checkpoint::Trained;
use crate::error::{Error, Result};
use crate::model::{Base, Files, read_json, weights_file, write_json, write_max_length};
use crate::tensors::{self, Stored};
use crate::trial::CLASSIFIER;

/// Other forms of the base model's weights: they are not tuned, so they must not come along.
const WEIGHTS: [&str; 8] = ["safetensors", "bin", "onnx", "h5", "msgpack", "ot", "pt", "pth"];
/// Directories of such forms.
const WEIGHT_DIRECTORIES: [&str; 2] = ["onnx", "openvino"];

/// Fills `directory`, which is created, with the files of the base model, the trained weights in f32, and head and length
/// of texts as they were trained, as a directory of sentence-transformers. Tensors that are not tuned, like a pooler, stay
/// as they are there. The weights are in one file, and have the names of the base model if Transformers knows them.
pub fn export(base: &Base, trained: &Trained, directory: &Path) -> Result<()> {
    let Trained {
        weights,
        head,
        max_length,
        ..
    } = trained;
    copy(&base.directory, directory)?;
    let config = directory.join("config.json");
    write_config(&base.directory.join("config.json"), &config)?;
    if *head != base.head || !directory.join("modules.json").exists() {
        head.write(directory, base.config.hidden_size, base.config.longest())?;
    }
    if let Some(max_length) = max_length {
        write_max_length(directory, *max_length)?;
    }

    let files = Files::read(&base.directory)?;
    let known = files.tensors()?;
    let mut tuned = HashMap::new();
    for (name, tensor) in weights.split()? {
        // The layer of labels is no part of a model of embeddings.
        if CLASSIFIER.contains(&name.as_str()) {
            continue;
        }
        let (name, _) = known
            .find(&name)
            .ok_or_else(|| Error::file(known.path(), format!("weight `{name}` is no longer there")))?;
        tuned.insert(name, tensor);
    }
    let mut stored = Vec::new();
    for (name, view) in known.iter() {
        let one = match (tuned.get(name), view.dtype()) {
            (Some(tensor), _) => Stored::tensor(tensor)?,
            (None, Dtype::F16 | Dtype::BF16 | Dtype::F64) => Stored::tensor(&tensors::from_view(view)?)?,
            (None, _) => Stored::view(view),
        };
        stored.push((known.standard(name, base.config.prefix).to_owned(), one));
    }
    let metadata = BTreeMap::from([("format", "pt".to_owned())]);
    tensors::write(&weights_file(directory), stored, &metadata)?;
    match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => tensors::sync(parent),
        _ => Ok(()),
    }
}

/// Copies all but weights and hidden files.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).map_err(Error::io("create", to))?;
    for entry in std::fs::read_dir(from).map_err(Error::io("read", from))? {
        let name = entry.map_err(Error::io("read", from))?.file_name();
        let (source, target) = (from.join(&name), to.join(&name));
        let lossy = name.to_string_lossy();
        if lossy.starts_with('.') || lossy.ends_with(".index.json") {
            continue;
        }
        if source.is_dir() {
            if !WEIGHT_DIRECTORIES.contains(&lossy.as_ref()) {
                copy(&source, &target)?;
            }
        } else if !source
            .extension()
            .and_then(OsStr::to_str)
            .is_some_and(|kind| WEIGHTS.contains(&kind))
        {
            std::fs::copy(&source, &target).map_err(Error::io("copy", &source))?;
            tensors::sync(&target)?;
        }
    }
    tensors::sync(to)
}

/// Copies `config.json`; a type other than f32 named in it would make loaders round the weights.
fn write_config(from: &Path, to: &Path) -> Result<()> {
    let mut config: Value = read_json(from)?;
    let mut changed = false;
    for key in ["torch_dtype", "dtype"] {
        if let Some(kind) = config.get_mut(key) {
            *kind = Value::from("float32");
            changed = true;
        }
    }
    if changed {
        write_json(to, &config)?;
    }
    Ok(())
}

/// Makes an exported directory name these prompts in place of the base model's.
pub fn name_prompts(prompts: &ModelPrompts, directory: &Path) -> Result<()> {
    let path = directory.join(ModelPrompts::FILE);
    let mut config: Map<String, Value> = if path.exists() { read_json(&path)? } else { Map::new() };
    config.insert("prompts".to_owned(), json!(prompts.prompts()));
    config.insert("default_prompt_name".to_owned(), json!(prompts.default_name()));
    write_json(&path, &Value::Object(config))
}
