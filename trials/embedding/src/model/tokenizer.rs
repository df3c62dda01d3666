//! A model's tokenizer, as sentence-transformers loads it.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokenizers::normalizers::{Lowercase, Sequence};
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

use super::files::conversion;
use super::json::{read_json, write_json};
use crate::error::{Error, Result};

/// What `tokenizer_config.json` says in place of `tokenizer.json`: the classes of Transformers build the tokenizer from
/// it and take only vocabulary and special tokens from the other.
#[derive(Debug, Default, Deserialize)]
struct Overrides {
    #[serde(default)]
    do_lower_case: Option<bool>,
    #[serde(default)]
    strip_accents: Option<bool>,
    #[serde(default)]
    tokenize_chinese_chars: Option<bool>,
    #[serde(default)]
    add_prefix_space: Option<bool>,
}

/// The settings of the `Transformer` module of sentence-transformers.
#[derive(Debug, Default, Deserialize)]
struct Sentence {
    #[serde(default)]
    do_lower_case: bool,
}

/// The names that sentence-transformers has given that file, in the order in which it looks for them.
const SENTENCE: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// The files that [`read_tokenizer`] reads, whether they are there or not.
pub fn tokenizer_files(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let names = ["tokenizer.json", "tokenizer_config.json"].into_iter().chain(SENTENCE);
    names.map(|name| directory.join(name))
}

/// Reads `tokenizer.json` of a model directory, and what `tokenizer_config.json` and sentence-transformers' own settings
/// say about case, accents and spaces. An error names the file and how to fix it.
pub fn read_tokenizer(directory: &Path) -> Result<Tokenizer> {
    let path = directory.join("tokenizer.json");
    if !path.exists() {
        let convert = conversion(directory, "AutoTokenizer");
        return Err(Error::file(
            &path,
            format!("there is no such file; if the tokenizer is there in another form, convert it: {convert}"),
        ));
    }
    let mut tokenizer =
        Tokenizer::from_file(&path).map_err(|error| Error::file(&path, format!("{error}; fetch the model again")))?;

    let config = directory.join("tokenizer_config.json");
    let overrides: Overrides = if config.exists() {
        read_json(&config)?
    } else {
        Overrides::default()
    };
    if let Some(NormalizerWrapper::BertNormalizer(mut bert)) = tokenizer.get_normalizer().cloned() {
        bert.lowercase = overrides.do_lower_case.unwrap_or(bert.lowercase);
        bert.strip_accents = overrides.strip_accents.or(bert.strip_accents);
        bert.handle_chinese_chars = overrides.tokenize_chinese_chars.unwrap_or(bert.handle_chinese_chars);
        tokenizer
            .with_normalizer(Some(bert))
            .map_err(|error| Error::file(&config, error.to_string()))?;
    }
    if let Some(PreTokenizerWrapper::ByteLevel(mut bytes)) = tokenizer.get_pre_tokenizer().cloned() {
        bytes.add_prefix_space = overrides.add_prefix_space.unwrap_or(bytes.add_prefix_space);
        tokenizer.with_pre_tokenizer(Some(bytes));
    }

    let sentence: Sentence = sentence(directory).map_or_else(|| Ok(Sentence::default()), |path| read_json(&path))?;
    if sentence.do_lower_case {
        let known = tokenizer.get_normalizer().cloned();
        let all = std::iter::once(Lowercase.into()).chain(known).collect();
        tokenizer
            .with_normalizer(Some(Sequence::new(all)))
            .map_err(|error| Error::file(&path, error.to_string()))?;
    }
    Ok(tokenizer)
}

/// The settings of the `Transformer` module in a model directory, if there are any.
fn sentence(directory: &Path) -> Option<PathBuf> {
    let paths = SENTENCE.map(|name| directory.join(name));
    paths.into_iter().find(|path| path.exists())
}

/// Makes sentence-transformers and Transformers cut texts to so many tokens when they load that directory.
pub fn write_max_length(directory: &Path, max_length: u64) -> Result<()> {
    const TOKENIZER: &str = "model_max_length";
    let path = sentence(directory).unwrap_or_else(|| directory.join(SENTENCE[0]));
    let mut settings: Map<String, Value> = if path.exists() { read_json(&path)? } else { Map::new() };
    settings.insert("max_seq_length".to_owned(), json!(max_length));
    // Where these have a length, sentence-transformers heeds no other.
    for arguments in ["tokenizer_args", "processor_kwargs"] {
        if let Some(length) = settings.get_mut(arguments).and_then(|all| all.get_mut(TOKENIZER)) {
            *length = json!(max_length);
        }
    }
    write_json(&path, &Value::Object(settings))?;
    let path = directory.join("tokenizer_config.json");
    if path.exists() {
        let mut config: Map<String, Value> = read_json(&path)?;
        config.insert(TOKENIZER.to_owned(), json!(max_length));
        write_json(&path, &Value::Object(config))?;
    }
    Ok(())
}
