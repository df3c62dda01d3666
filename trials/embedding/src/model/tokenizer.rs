//! A model's tokenizer, as Transformers 5 and sentence-transformers load it.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use hpo_protocol::embedding::{Rebuilt, Refusal, SENTENCE_FILES, Splits, Tokenization};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokenizers::normalizers::{BertNormalizer, Lowercase, Sequence};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{AddedToken, ModelWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer};

use super::files::conversion;
use super::json::{read_json, write_json};
use crate::error::{Error, Result};

/// The files that [`read_tokenizer`] reads, whether they are there or not.
pub fn tokenizer_files(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let names = [
        "config.json",
        "modules.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
    ];
    names.into_iter().chain(SENTENCE_FILES).map(|name| directory.join(name))
}

/// Reads the tokenizer of a model directory. An error names the file and how to fix it.
pub fn read_tokenizer(directory: &Path) -> Result<Tokenizer> {
    let path = directory.join("tokenizer.json");
    if !path.exists() {
        let convert = conversion(directory, "AutoTokenizer");
        return Err(Error::file(
            &path,
            format!("there is no such file; if the tokenizer is there in another form, convert it: {convert}"),
        ));
    }
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let read = |name: &str| match std::fs::read_to_string(directory.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    };
    let plan = Tokenization::read(&text, read)
        .map_err(|Refusal { file, message, help }| Error::file(&directory.join(file), format!("{message}; {help}")))?;
    make(&text, plan).map_err(|error| Error::file(&path, format!("{error}; download the model again")))
}

/// Makes a tokenizer of the text of `tokenizer.json`.
fn make(text: &str, plan: Tokenization) -> tokenizers::Result<Tokenizer> {
    let mut tokenizer = match &plan.rebuilt {
        Some(rebuilt) => rebuild(text, &rebuilt.splits)?,
        None => Tokenizer::from_str(text)?,
    };
    tokenizer.set_encode_special_tokens(plan.split_special_tokens);
    tokenizer.add_tokens(plan.added.into_iter().map(|token| AddedToken {
        content: token.content,
        single_word: token.single_word,
        lstrip: token.lstrip,
        rstrip: token.rstrip,
        normalized: token.normalized,
        special: token.special,
    }))?;
    if let Some(Rebuilt { first, last, .. }) = plan.rebuilt {
        let id = |token: &str| {
            tokenizer
                .token_to_id(token)
                .ok_or(format!("there is no token `{token}`"))
        };
        let ends = RobertaProcessing::new((last.clone(), id(&last)?), (first.clone(), id(&first)?));
        tokenizer.with_post_processor(Some(PostProcessorWrapper::Roberta(ends)));
    }
    if plan.lowercase {
        let known = tokenizer.get_normalizer().cloned();
        let is_lowercase = |normalizer: &NormalizerWrapper| matches!(normalizer, NormalizerWrapper::Lowercase(_));
        let does = match &known {
            Some(NormalizerWrapper::Sequence(all)) => all.as_ref().iter().any(is_lowercase),
            Some(one) => is_lowercase(one),
            None => false,
        };
        if !does {
            let all = std::iter::once(Lowercase.into()).chain(known).collect();
            tokenizer.with_normalizer(Some(Sequence::new(all)))?;
        }
    }
    Ok(tokenizer)
}

/// A tokenizer with the vocabulary, the merges and the compiled rules of SentencePiece of the text of `tokenizer.json`.
fn rebuild(text: &str, splits: &Splits) -> tokenizers::Result<Tokenizer> {
    let mut file: Map<String, Value> = serde_json::from_str(text)?;
    let mut part = |key: &str| {
        let model = file.get_mut("model").and_then(Value::as_object_mut);
        model.and_then(|model| model.remove(key)).unwrap_or_default()
    };
    let (vocabulary, merges) = (part("vocab"), part("merges"));
    let (model, normalizer, pre_tokenizer): (_, Option<NormalizerWrapper>, PreTokenizerWrapper) = match splits {
        Splits::WordPiece {
            unknown,
            lowercase,
            strip_accents,
            chinese,
        } => (
            json!({
                "type": "WordPiece", "unk_token": unknown, "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": vocabulary
            }),
            Some(BertNormalizer::new(true, *chinese, *strip_accents, *lowercase).into()),
            BertPreTokenizer.into(),
        ),
        Splits::Bytes { prefix_space } => (
            json!({
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
                "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": vocabulary, "merges": merges
            }),
            None,
            ByteLevel::new(*prefix_space, true, true).into(),
        ),
        Splits::Pieces { unknown, prefix_space } => {
            let is = |piece: &Value, name: &str| piece.get(0).and_then(Value::as_str) == Some(name);
            let number = |name: &String| vocabulary.as_array()?.iter().position(|piece| is(piece, name));
            let unknown = unknown.as_ref().map_or(3, |name| number(name).unwrap_or(0));
            let scheme = match prefix_space {
                true => PrependScheme::Always,
                false => PrependScheme::Never,
            };
            (
                json!({ "type": "Unigram", "unk_id": unknown, "byte_fallback": false, "vocab": vocabulary }),
                precompiled(file.get("normalizer"))?,
                PreTokenizers::new(vec![WhitespaceSplit.into(), Metaspace::new('▁', scheme, true).into()]).into(),
            )
        }
    };
    let mut tokenizer = Tokenizer::new(ModelWrapper::deserialize(model)?);
    tokenizer.with_normalizer(normalizer)?;
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer));
    Ok(tokenizer)
}

/// The compiled rules of SentencePiece in a normaliser of `tokenizer.json`, if there are any.
fn precompiled(normalizer: Option<&Value>) -> tokenizers::Result<Option<NormalizerWrapper>> {
    let normalizer = normalizer.unwrap_or(&Value::Null);
    let all = match normalizer.get("normalizers").and_then(Value::as_array) {
        Some(all) => all.iter().collect(),
        None => vec![normalizer],
    };
    let found = all.into_iter().find(|one| one.get("precompiled_charsmap").is_some());
    Ok(found.map(NormalizerWrapper::deserialize).transpose()?)
}

/// The settings of the `Transformer` module in a model directory, if there are any.
fn sentence(directory: &Path) -> Option<PathBuf> {
    let paths = SENTENCE_FILES.map(|name| directory.join(name));
    paths.into_iter().find(|path| path.exists())
}

/// Makes sentence-transformers and Transformers cut texts to so many tokens when they load that directory.
pub fn write_max_length(directory: &Path, max_length: u64) -> Result<()> {
    const TOKENIZER: &str = "model_max_length";
    let path = sentence(directory).unwrap_or_else(|| directory.join(SENTENCE_FILES[0]));
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
