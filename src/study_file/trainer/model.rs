//! What a model directory holds, as far as `hpo` needs to know: its files, and whether the trainer can use them. Weights are not
//! loaded: the header of their file says what should be in it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use hpo_protocol::embedding::{FILES, ModelPrompts, PoolingKind, Sizes, Tokenization, WORD_EMBEDDINGS, pooling_mode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::shell::{command, shell_word};

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
const MODULES: &str = "modules.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const PICKLED: [&str; 2] = ["pytorch_model.bin", "pytorch_model.bin.index.json"];

/// The header of a weight file is never larger.
const MAX_HEADER: u64 = 100 << 20;

/// What is wrong with a model directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// What is wrong; names the file.
    pub message: String,
    /// How to fix it.
    pub help: String,
}

impl Flaw {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
        }
    }

    /// A file cannot be used for the reason that `message` gives.
    fn of(path: &Path, message: &str) -> Self {
        const HELP: &str = "download the model again, or use another one";
        Self::new(format!("`{}`: {message}", path.display()), HELP)
    }
}

/// The names of the files in a model directory that decide what the trainer makes of it, relative to it.
pub(super) fn files(directory: &Path) -> Vec<String> {
    let mut names: BTreeSet<String> = FILES.map(str::to_owned).into();
    let modules: Vec<Module> = json(&directory.join(MODULES)).unwrap_or_default();
    let of_modules = modules.iter().filter(|module| !module.path.is_empty());
    names.extend(of_modules.map(|module| format!("{}/{CONFIG}", module.path)));
    if directory.join(WEIGHTS).exists() {
        names.insert(WEIGHTS.to_owned());
    } else if let Ok(shards) = shards(directory) {
        names.insert(INDEX.to_owned());
        names.extend(shards);
    }
    names
        .into_iter()
        .filter(|name| directory.join(name).is_file())
        .collect()
}

/// Checks that a directory has what the trainer reads, and that it supports that.
///
/// # Errors
/// All that is wrong.
pub(super) fn check(directory: &Path) -> Result<Sizes, Vec<Flaw>> {
    let mut flaws = Vec::new();
    flaws.extend(tokenizer(directory).err());
    flaws.extend(modules(directory).err());
    flaws.extend(prompts(directory).err());
    let config = directory.join(CONFIG);
    let sizes = match fs::read_to_string(&config) {
        Ok(text) => Sizes::read(&text).map_err(|message| Flaw::of(&config, &message)),
        Err(_) => Err(Flaw::new(no_file(directory, CONFIG), FORM)),
    };
    let weights = weights(directory);
    match (sizes, weights) {
        (Ok(sizes), Ok(weights)) => {
            flaws.extend(belong(directory, sizes, &weights).err());
            flaws.extend(pooled(directory, sizes).err());
            if flaws.is_empty() {
                return Ok(sizes);
            }
        }
        (sizes, weights) => flaws.extend(sizes.err().into_iter().chain(weights.err())),
    }
    Err(flaws)
}

/// What a model directory must be.
pub(super) const FORM: &str =
    "it must be a Hugging Face model directory with `config.json`, `tokenizer.json` and `model.safetensors`";

fn no_file(directory: &Path, name: &str) -> String {
    format!("the model directory `{}` has no `{name}`", directory.display())
}

/// How to download a model whose name on Hugging Face's hub is given where its directory must be; none if it is no such name.
pub(super) fn download(name: &str, directory: &Path) -> Option<String> {
    let (owner, model) = name.split_once('/')?;
    let is_name = |part: &str| {
        !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
            && !part.is_empty()
    };
    if !is_name(owner) || !is_name(model) {
        return None;
    }
    let fetch = command(
        ["hf", "download", name, "--local-dir"]
            .map(OsStr::new)
            .into_iter()
            .chain([directory.as_os_str()]),
    );
    Some(format!("if it is a model of Hugging Face's hub, download it: {fetch}"))
}

/// A command that has Transformers write the model or the tokenizer in the form that is read here.
fn python(directory: &Path, class: &str) -> String {
    let script = format!(
        "import sys; from transformers import {class}; d = sys.argv[1]; {class}.from_pretrained(d).save_pretrained(d)"
    );
    command(["python", "-c", &script]) + " " + &shell_word(directory)
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, Flaw> {
    let text = fs::read_to_string(path).map_err(|error| Flaw::of(path, &error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| Flaw::of(path, &error.to_string()))
}

/// Checks that the trainer has the tokens that Transformers has.
fn tokenizer(directory: &Path) -> Result<(), Flaw> {
    let path = directory.join(TOKENIZER);
    if !path.is_file() {
        let convert = python(directory, "AutoTokenizer");
        let help = format!("if the tokenizer is there in another form, convert it: {convert}");
        return Err(Flaw::new(no_file(directory, TOKENIZER), help));
    }
    let text = fs::read_to_string(&path).map_err(|error| Flaw::of(&path, &error.to_string()))?;
    let read = |name: &str| match fs::read_to_string(directory.join(name)) {
        // That of the model is checked by itself.
        Ok(text) if name == CONFIG && serde_json::from_str::<Map<String, Value>>(&text).is_err() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    };
    match Tokenization::read(&text, read) {
        Ok(_) => Ok(()),
        Err(refusal) => {
            let path = directory.join(refusal.file);
            Err(Flaw::new(
                format!("`{}`: {}", path.display(), refusal.message),
                refusal.help,
            ))
        }
    }
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    r#type: String,
}

impl Module {
    /// The name of its class; the package it is in has changed over time.
    fn kind(&self) -> &str {
        self.r#type.rsplit('.').next().unwrap_or_default()
    }
}

/// The modules that the trainer has.
const SUPPORTED: &str = "use a model of a Transformer (at the top), a Pooling and at most a Normalize, in this order";

/// Checks that the modules of a directory of sentence-transformers are those that the trainer has.
fn modules(directory: &Path) -> Result<(), Flaw> {
    let path = directory.join(MODULES);
    if !path.exists() {
        return Ok(());
    }
    let modules = json::<Vec<Module>>(&path)?;
    let kinds: Vec<&str> = modules.iter().map(Module::kind).collect();
    for module in &modules {
        match module.kind() {
            "Transformer" if module.path.is_empty() => {}
            "Normalize" => {}
            "Pooling" => {
                let path = directory.join(&module.path).join(CONFIG);
                let config: Map<String, Value> = json(&path)?;
                let mode = pooling_mode(&config);
                if !PoolingKind::CHOICES.iter().any(|choice| Some(choice.name) == mode) {
                    let message = "this pooling is not supported; use a model with mean, cls or max pooling";
                    return Err(Flaw::of(&path, message));
                }
            }
            _ => {
                let Module { path: place, r#type } = module;
                let message = format!("module `{type}` at `{place}` is not supported; {SUPPORTED}");
                return Err(Flaw::of(&path, &message));
            }
        }
    }
    match kinds.as_slice() {
        ["Transformer", "Pooling"] | ["Transformer", "Pooling", "Normalize"] => Ok(()),
        others => {
            let found = if others.is_empty() {
                "none".to_owned()
            } else {
                others.join(", ")
            };
            Err(Flaw::of(&path, &format!("its modules are {found}; {SUPPORTED}")))
        }
    }
}

/// Checks that the pooling is of vectors as wide as those of the encoder, if it says so. What can't be read of the modules is reported
/// elsewhere.
fn pooled(directory: &Path, sizes: Sizes) -> Result<(), Flaw> {
    let modules: Vec<Module> = json(&directory.join(MODULES)).unwrap_or_default();
    for module in modules.iter().filter(|module| module.kind() == "Pooling") {
        let path = directory.join(&module.path).join(CONFIG);
        let config: Map<String, Value> = json(&path).unwrap_or_default();
        let widths = ["embedding_dimension", "word_embedding_dimension"]
            .into_iter()
            .filter_map(|key| Some((key, config.get(key)?)));
        let mut wrong = widths.filter(|(_, width)| width.as_u64() != Some(sizes.hidden));
        if let Some((key, width)) = wrong.next() {
            let message = format!(
                "`{key}` is {width}, and the vectors of the encoder have {} numbers",
                sizes.hidden
            );
            return Err(Flaw::of(&path, &message));
        }
    }
    Ok(())
}

/// The prompts that a directory names.
///
/// # Errors
/// If they can't be read.
pub(super) fn prompts(directory: &Path) -> Result<ModelPrompts, Flaw> {
    let path = directory.join(ModelPrompts::FILE);
    // Without modules nobody looks for them.
    if !path.exists() || !directory.join(MODULES).exists() {
        return Ok(ModelPrompts::default());
    }
    let text = fs::read_to_string(&path).map_err(|error| Flaw::of(&path, &error.to_string()))?;
    ModelPrompts::read(&text).map_err(|message| Flaw::of(&path, &message))
}

/// The shapes of all tensors by their names in the weight files.
type Shapes = BTreeMap<String, Vec<u64>>;

/// What the headers of the weight files say, which must fit the files.
fn weights(directory: &Path) -> Result<Shapes, Flaw> {
    let names = match (directory.join(WEIGHTS).exists(), directory.join(INDEX).exists()) {
        (true, _) => vec![WEIGHTS.to_owned()],
        (false, true) => shards(directory)?,
        (false, false) => {
            let pickled = PICKLED.iter().any(|name| directory.join(name).exists());
            let help = match pickled {
                true => format!("convert `pytorch_model.bin`: {}", python(directory, "AutoModel")),
                false => FORM.to_owned(),
            };
            return Err(Flaw::new(no_file(directory, WEIGHTS), help));
        }
    };
    let mut all = Shapes::new();
    for name in names {
        let path = directory.join(name);
        all.extend(header(&path).map_err(|message| Flaw::of(&path, &message))?);
    }
    Ok(all)
}

/// How many weights a directory has; 0 if that can't be read.
pub(super) fn count(directory: &Path) -> u64 {
    let shapes = weights(directory).unwrap_or_default();
    shapes.values().map(|shape| shape.iter().product::<u64>()).sum()
}

/// The weight files that the index names, each once.
fn shards(directory: &Path) -> Result<Vec<String>, Flaw> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let path = directory.join(INDEX);
    let names: BTreeSet<String> = json::<Index>(&path)?.weight_map.into_values().collect();
    let is_plain = |name: &&String| {
        let mut parts = Path::new(name.as_str()).components();
        matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
    };
    match names.iter().find(|name| !is_plain(name)) {
        Some(name) => {
            let message = format!("it names a file outside of its directory: `{}`", name.escape_debug());
            Err(Flaw::of(&path, &message))
        }
        None => Ok(names.into_iter().collect()),
    }
}

/// A tensor in the header of a safetensors file.
#[derive(Deserialize)]
struct Stored {
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The shapes in a file of the format safetensors: the length of the header in 8 bytes, the header as JSON, and the data, which it
/// says to be as long as they are.
fn header(path: &PathBuf) -> Result<Shapes, String> {
    let words = |error: std::io::Error| error.to_string();
    let mut file = File::open(path).map_err(words)?;
    let bytes = file.metadata().map_err(words)?.len();
    let mut length = [0; 8];
    let cut = "it is no whole safetensors file: it is cut short or damaged";
    file.read_exact(&mut length).map_err(|_| cut.to_owned())?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER || length > bytes.saturating_sub(8) {
        return Err(cut.to_owned());
    }
    let mut text = Vec::new();
    file.take(length).read_to_end(&mut text).map_err(words)?;
    let entries: Map<String, Value> =
        serde_json::from_slice(&text).map_err(|error| format!("{cut} (its header: {error})"))?;
    let mut shapes = Shapes::new();
    let mut end = 0;
    for (name, entry) in entries.into_iter().filter(|(name, _)| name != "__metadata__") {
        let stored: Stored =
            serde_json::from_value(entry).map_err(|error| format!("{cut} (`{name}` in its header: {error})"))?;
        end = end.max(stored.data_offsets[1]);
        shapes.insert(name, stored.shape);
    }
    match bytes - 8 - length == end {
        true => Ok(shapes),
        false => Err(format!("{cut} ({} bytes of weights, not {end})", bytes - 8 - length)),
    }
}

/// Checks that the weights are those of an encoder of these sizes.
fn belong(directory: &Path, sizes: Sizes, weights: &Shapes) -> Result<(), Flaw> {
    let foreign = |message: String| {
        let help = format!("`{CONFIG}` and the weights must be of the same model: download it again");
        Flaw::new(format!("the weights in `{}` {message}", directory.display()), help)
    };
    let encoders: Vec<&str> = weights
        .keys()
        .filter_map(|name| name.strip_suffix(WORD_EMBEDDINGS))
        .collect();
    let [prefix] = encoders.as_slice() else {
        return Err(match encoders.as_slice() {
            [] => foreign(format!("have no `{WORD_EMBEDDINGS}`")),
            several => Flaw::new(
                format!(
                    "the weights in `{}` are of several encoders ({})",
                    directory.display(),
                    several.join(", ")
                ),
                "use a model of one",
            ),
        });
    };
    let words = weights.get(&format!("{prefix}{WORD_EMBEDDINGS}"));
    if words.is_none_or(|shape| *shape != [sizes.vocabulary, sizes.hidden]) {
        return Err(foreign(format!(
            "have {:?} numbers in `{WORD_EMBEDDINGS}`, and `{CONFIG}` says {:?}",
            words.unwrap_or(&Vec::new()),
            [sizes.vocabulary, sizes.hidden]
        )));
    }
    let has = |layer: u64| {
        let begins = format!("{prefix}{}{layer}.", sizes.family.layer);
        weights
            .range(begins.clone()..)
            .next()
            .is_some_and(|(name, _)| name.starts_with(&begins))
    };
    let says = format!("and `{CONFIG}` says {} layers", sizes.layers);
    match (0..sizes.layers).find(|&layer| !has(layer)) {
        Some(layer) => Err(foreign(format!("have no layer {layer}, {says}"))),
        None if has(sizes.layers) => Err(foreign(format!("have a layer {}, {says}", sizes.layers))),
        None => Ok(()),
    }
}
