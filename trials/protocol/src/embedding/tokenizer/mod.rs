//! The tokenizer that Transformers 5 and sentence-transformers make of a model directory.
//!
//! `tokenizer.json` is not all of it. The class that `tokenizer_config.json`, `config.json` or the family names may take
//! only the vocabulary and the merges from it and build the rest anew (`TokenizersBackend.convert_to_native_format` and the
//! classes' `__init__` in Transformers 5.23), by what `tokenizer_config.json` says or by defaults of its own.

mod checks;
mod class;
mod special;

use serde_json::{Map, Value};

use self::checks::{check_ends, check_files, check_model, check_sides};
use self::class::Class;
use self::special::{File, Stored, extra, merge_special, named, numbered, older, take_specific, to_add};

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
const SETTINGS: &str = "tokenizer_config.json";
const SPECIAL: &str = "special_tokens_map.json";
const ADDED: &str = "added_tokens.json";
const MODULES: &str = "modules.json";

/// The names that sentence-transformers has given the settings of its `Transformer`, in the order in which it looks for them.
pub const SENTENCE_FILES: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// How a directory's tokenizer is made from `tokenizer.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokenization {
    /// What is built around its vocabulary; none if it is used as it is.
    pub rebuilt: Option<Rebuilt>,
    /// The tokens to add, in that order; they override those that are there.
    pub added: Vec<AddedToken>,
    /// Whether special tokens that stand in a text are text.
    pub split_special_tokens: bool,
    /// Whether sentence-transformers converts texts to lower case first.
    pub lowercase: bool,
}

/// A tokenizer of which only vocabulary, merges and the compiled rules of SentencePiece are those of `tokenizer.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// How it splits texts.
    pub splits: Splits,
    /// The special token that every text begins with.
    pub first: String,
    /// The special token that every text ends with.
    pub last: String,
}

/// How a rebuilt tokenizer splits texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Splits {
    /// BERT's WordPiece.
    WordPiece {
        /// The token of unknown words.
        unknown: String,
        /// Whether texts are converted to lower case.
        lowercase: bool,
        /// Whether accents are removed; if not said, as `lowercase`.
        strip_accents: Option<bool>,
        /// Whether each Chinese character is a word.
        chinese: bool,
    },
    /// RoBERTa's byte-level BPE.
    Bytes {
        /// Whether a text begins with a space.
        prefix_space: bool,
    },
    /// XLM-RoBERTa's Unigram.
    Pieces {
        /// The piece of unknown characters; the one with number 3 if not said.
        unknown: Option<String>,
        /// Whether words begin with a space.
        prefix_space: bool,
    },
}

/// A token that is looked for in texts before they are split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedToken {
    /// Its text.
    pub content: String,
    /// Whether it is found as a whole word only.
    pub single_word: bool,
    /// Whether it takes the spaces on its left.
    pub lstrip: bool,
    /// Whether it takes the spaces on its right.
    pub rstrip: bool,
    /// Whether it is looked for in the normalised text.
    pub normalized: bool,
    /// Whether it is special.
    pub special: bool,
}

/// Why a directory's tokenizer can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The file of the directory that is at fault.
    pub file: &'static str,
    /// What is wrong in it.
    pub message: String,
    /// How to fix it.
    pub help: String,
}

impl Refusal {
    fn new(file: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            file,
            message: message.into(),
            help: help.into(),
        }
    }

    fn damaged(file: &'static str, message: impl Into<String>) -> Self {
        Self::new(file, message, "download the model again")
    }
}

type Object = Map<String, Value>;

impl Tokenization {
    /// Reads that of a directory. `tokenizer` is the text of its `tokenizer.json`; `file` gives the text of another file
    /// by its name, none if there is no such file, or why it can't be read.
    ///
    /// # Errors
    /// Why the trainer would not have the tokens that Transformers has.
    pub fn read(
        tokenizer: &str,
        file: impl Fn(&'static str) -> Result<Option<String>, String>,
    ) -> Result<Self, Refusal> {
        let object = |name| object(name, file(name));
        let config = object(CONFIG)?;
        let mut settings = object(SETTINGS)?;
        let (class, name) = Class::of(&config, &settings)?;
        let json: File =
            serde_json::from_str(tokenizer).map_err(|error| Refusal::damaged(TOKENIZER, error.to_string()))?;
        check_model(class, &name, &json)?;

        // Settings of sentence-transformers are read only where it has listed its modules.
        let mut sentence = Object::new();
        if file(MODULES).is_ok_and(|text| text.is_some()) {
            for name in SENTENCE_FILES {
                sentence = object(name)?;
                if !sentence.is_empty() {
                    break;
                }
            }
        }
        let given = ["tokenizer_args", "processor_kwargs"]
            .into_iter()
            .find_map(|key| sentence.get(key));
        let given = given.and_then(Value::as_object).cloned().unwrap_or_default();
        check_files(&settings)?;
        check_ends(class, &given)?;
        settings.extend(given.clone());
        check_sides(&config, &settings, &json)?;

        let specific = take_specific(&mut settings);
        let decoder = match settings.get("added_tokens_decoder") {
            Some(all) => numbered(all)?,
            None => {
                merge_special(&mut settings, object(SPECIAL)?, &given);
                older(&settings, object(ADDED)?, &json)
            }
        };
        let named = named(class, &settings, &specific, &decoder, &json)?;
        let extra = extra(class, &settings)?;
        let flag = |key: &str, default: bool| flag(&settings, key).map(|value| value.unwrap_or(default));
        Ok(Self {
            rebuilt: rebuilt(class, &settings, &named)?,
            split_special_tokens: flag("split_special_tokens", false)?,
            lowercase: sentence.get("do_lower_case") == Some(&Value::Bool(true)),
            added: to_add(class, decoder, &named, extra, &json),
        })
    }
}

fn object(name: &'static str, text: Result<Option<String>, String>) -> Result<Object, Refusal> {
    match text {
        Ok(None) => Ok(Object::new()),
        Ok(Some(text)) => serde_json::from_str(&text).map_err(|error| Refusal::damaged(name, error.to_string())),
        Err(message) => Err(Refusal::damaged(name, message)),
    }
}

/// A setting that is true or false; none if it is absent.
fn flag(settings: &Object, key: &str) -> Result<Option<bool>, Refusal> {
    match settings.get(key) {
        None => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(other) => {
            let help = format!("set it to true or false in `{SETTINGS}`, or remove it");
            Err(Refusal::new(
                SETTINGS,
                format!("`{key}` must be true or false, not {other}"),
                help,
            ))
        }
    }
}

fn rebuilt(class: Class, settings: &Object, named: &[(String, Stored)]) -> Result<Option<Rebuilt>, Refusal> {
    let token = |key: &str| {
        let found = named.iter().find(|(name, _)| name == key);
        found.map(|(_, token)| token.content.clone()).ok_or_else(|| {
            let help = format!("write the token in `{SETTINGS}`, or remove the key");
            Refusal::new(SETTINGS, format!("`{key}` must be a token"), help)
        })
    };
    let flag = |key: &str, default: bool| flag(settings, key).map(|value| value.unwrap_or(default));
    let splits = match class {
        Class::Whole => return Ok(None),
        Class::Bert | Class::Mpnet => Splits::WordPiece {
            unknown: token("unk_token")?,
            lowercase: flag("do_lower_case", true)?,
            strip_accents: match settings.get("strip_accents") {
                Some(Value::Null) => None,
                _ => self::flag(settings, "strip_accents")?,
            },
            chinese: flag("tokenize_chinese_chars", true)?,
        },
        Class::Roberta => Splits::Bytes {
            prefix_space: flag("add_prefix_space", false)?,
        },
        Class::XlmRoberta => Splits::Pieces {
            unknown: None,
            prefix_space: flag("add_prefix_space", true)?,
        },
        Class::Camembert => Splits::Pieces {
            unknown: Some(token("unk_token")?),
            prefix_space: flag("add_prefix_space", true)?,
        },
    };
    let (first, last) = match class {
        Class::XlmRoberta | Class::Camembert => ("bos_token", "eos_token"),
        Class::Whole | Class::Bert | Class::Roberta | Class::Mpnet => ("cls_token", "sep_token"),
    };
    Ok(Some(Rebuilt {
        splits,
        first: token(first)?,
        last: token(last)?,
    }))
}
