//! Special and added tokens: what the files say, in the order in which Transformers heeds them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::class::Class;
use super::{AddedToken, Object, Refusal, SETTINGS};

/// The special tokens that every class knows, in the order in which they are added.
const NAMED: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

/// What matters of a `tokenizer.json` beside its vocabulary.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) truncation: Option<Side>,
    pub(super) padding: Option<Side>,
    pub(super) added_tokens: Vec<Stored>,
    pub(super) model: Model,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Model {
    pub(super) r#type: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Side {
    pub(super) direction: Option<String>,
    pub(super) pad_token: Option<String>,
}

/// An added token as the files have it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Stored {
    #[serde(default)]
    pub(super) id: i64,
    pub(super) content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    /// If not said, it is if the token is not special.
    #[serde(default)]
    normalized: Option<bool>,
    #[serde(default)]
    special: bool,
}

impl Stored {
    fn special(content: &str) -> Self {
        Self {
            id: 0,
            content: content.to_owned(),
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: None,
            special: true,
        }
    }

    /// A token that is written as its text or as an object; none for null.
    fn read(file: &'static str, key: &str, value: &Value) -> Result<Option<Self>, Refusal> {
        match value {
            Value::Null => Ok(None),
            Value::String(content) => Ok(Some(Self::special(content))),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                let read = Self::deserialize(value);
                read.map(Some).map_err(|error| {
                    let help = "write a token's text, or download the model again";
                    Refusal::new(file, format!("`{key}` is no token: {error}"), help)
                })
            }
        }
    }
}

/// The text of a token that is written as that or as an object.
fn content(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}

/// The added tokens by their numbers, as Transformers 4 wrote them into `tokenizer_config.json`.
pub(super) fn numbered(all: &Value) -> Result<BTreeMap<i64, Stored>, Refusal> {
    let mut decoder = BTreeMap::new();
    for (id, token) in all.as_object().into_iter().flatten() {
        let place = format!("added_tokens_decoder.{id}");
        if let (Ok(id), Some(token)) = (id.parse(), Stored::read(SETTINGS, &place, token)?) {
            decoder.insert(id, token);
        }
    }
    Ok(decoder)
}

/// The same where it has none: those of `added_tokens.json`, and over them those of `tokenizer.json`.
pub(super) fn older(settings: &Object, added: Object, json: &File) -> BTreeMap<i64, Stored> {
    let named = NAMED.iter().filter_map(|key| settings.get(*key));
    let extra = settings.get("extra_special_tokens").and_then(Value::as_array);
    let special: Vec<&str> = named.chain(extra.into_iter().flatten()).filter_map(content).collect();
    let numbered = added.into_iter().map(|(token, id)| {
        let special = special.contains(&token.as_str());
        let stored = Stored {
            normalized: Some(!special),
            special,
            ..Stored::special(&token)
        };
        (id.as_i64().unwrap_or_default(), stored)
    });
    let whole = json.added_tokens.iter().map(|token| (token.id, token.clone()));
    numbered.chain(whole).collect()
}

/// Takes the special tokens with names of the model's own, and gives the additional ones their newer name.
pub(super) fn take_specific(settings: &mut Object) -> Object {
    const ADDITIONAL: &str = "additional_special_tokens";
    const EXTRA: &str = "extra_special_tokens";
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if settings.get(EXTRA).is_none_or(is_empty)
        && let Some(additional) = settings.remove(ADDITIONAL)
    {
        settings.insert(EXTRA.to_owned(), additional);
    }
    let is_own = |key: &str| key.ends_with("_token") && !NAMED.contains(&key);
    let own: Vec<String> = settings
        .iter()
        .filter(|(key, value)| is_own(key) && value.is_string())
        .map(|(key, _)| key.clone())
        .collect();
    let mut specific: Object = own.into_iter().filter_map(|key| settings.remove_entry(&key)).collect();
    if settings.get(EXTRA).is_some_and(Value::is_object)
        && let Some(Value::Object(extra)) = settings.remove(EXTRA)
    {
        specific.extend(extra);
    }
    specific
}

/// What `special_tokens_map.json` says goes before `tokenizer_config.json`, and after what is given as an argument.
pub(super) fn merge_special(settings: &mut Object, special: Object, given: &Object) {
    for (key, mut value) in special {
        if given.get(&key).is_some_and(|value| !value.is_null()) {
            continue;
        }
        if let Value::Object(token) = &mut value
            && key != "extra_special_tokens"
        {
            token.insert("special".to_owned(), json!(true));
        }
        settings.insert(key, value);
    }
}

/// The special tokens with names, in the order in which they are added.
pub(super) fn named(
    class: Class,
    settings: &Object,
    specific: &Object,
    decoder: &BTreeMap<i64, Stored>,
    json: &File,
) -> Result<Vec<(String, Stored)>, Refusal> {
    let mut all = Vec::new();
    let padding = json.padding.as_ref().and_then(|padding| padding.pad_token.clone());
    for key in NAMED {
        let default = match class == Class::Whole && key == "pad_token" {
            true => padding.clone(),
            false => class.token(key).map(str::to_owned),
        };
        let written = settings.contains_key(key);
        let value = settings
            .get(key)
            .cloned()
            .or(default.map(Value::String))
            .unwrap_or_default();
        let Some(mut token) = Stored::read(SETTINGS, key, &value)? else {
            continue;
        };
        let known = decoder.values().find(|known| written && known.content == token.content);
        match known {
            Some(known) => token = known.clone(),
            // These two have the mask take the space before it, as if it were a word.
            None if key == "mask_token" && value.is_string() => {
                token.lstrip = matches!(class, Class::Mpnet | Class::Camembert);
            }
            None => {}
        }
        all.push((key.to_owned(), token));
    }
    let own = settings.iter().filter(|(key, value)| {
        key.ends_with("_token") && !NAMED.contains(&key.as_str()) && (value.is_string() || content(value).is_some())
    });
    for (key, value) in own.chain(specific) {
        all.extend(Stored::read(SETTINGS, key, value)?.map(|token| (key.clone(), token)));
    }
    Ok(all)
}

/// The special tokens without names.
pub(super) fn extra(class: Class, settings: &Object) -> Result<Vec<Stored>, Refusal> {
    let none = Value::Null;
    let value = match (
        settings.get("extra_special_tokens"),
        settings.get("additional_special_tokens"),
    ) {
        (Some(extra), _) => extra,
        (None, Some(additional)) if !additional.is_null() => additional,
        (None, _) if class == Class::Camembert => {
            let unused = ["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"];
            return Ok(unused.map(Stored::special).to_vec());
        }
        (None, _) => &none,
    };
    let mut all = Vec::new();
    for token in value.as_array().into_iter().flatten() {
        all.extend(Stored::read(SETTINGS, "extra_special_tokens", token)?);
    }
    Ok(all)
}

/// All tokens that are added to the tokenizer once it is built.
pub(super) fn to_add(
    class: Class,
    decoder: BTreeMap<i64, Stored>,
    named: &[(String, Stored)],
    extra: Vec<Stored>,
    json: &File,
) -> Vec<AddedToken> {
    let mut there: Vec<String> = decoder.values().map(|token| token.content.clone()).collect();
    if class == Class::Whole {
        there.extend(json.added_tokens.iter().map(|token| token.content.clone()));
    }
    let mut all: Vec<Stored> = decoder.into_values().collect();
    for token in named.iter().map(|(_, token)| token.clone()).chain(extra) {
        if !there.contains(&token.content) {
            all.push(token);
        }
    }
    let is_named = |content: &str| named.iter().any(|(_, token)| token.content == content);
    let added = all.into_iter().map(|token| {
        let special = token.special || is_named(&token.content);
        AddedToken {
            special,
            normalized: token.normalized.unwrap_or(!special),
            content: token.content,
            single_word: token.single_word,
            lstrip: token.lstrip,
            rstrip: token.rstrip,
        }
    });
    added.collect()
}
