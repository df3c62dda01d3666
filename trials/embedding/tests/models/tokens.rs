//! Every tokenizer class with every override gives the tokens of Transformers.
//!
//! The cases are made by `make_tokens.py`, which compares many more.

use std::collections::BTreeMap;
use std::path::Path;

use hpo_trial_embedding::tokens::Tokens;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::families::{copy, edit, fixture};

#[derive(Deserialize)]
struct Fixture {
    max_length: usize,
    texts: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    base: String,
    #[serde(rename = "override")]
    name: String,
    edits: Vec<Edit>,
    /// Of the texts by their places; of the others they are those of the last case that has all.
    ids: BTreeMap<usize, Vec<u32>>,
}

/// What stands at a place in a file; an empty path is the file, and no value removes what is there.
#[derive(Deserialize)]
struct Edit {
    file: String,
    path: Vec<String>,
    #[serde(default, deserialize_with = "some")]
    value: Option<Value>,
}

/// A null is a value too.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Edit {
    fn apply(&self, directory: &Path) {
        let file = directory.join(&self.file);
        let Some((last, path)) = self.path.split_last() else {
            match &self.value {
                Some(value) => std::fs::write(&file, value.to_string()).unwrap(),
                None => drop(std::fs::remove_file(&file)),
            }
            return;
        };
        if !file.exists() {
            std::fs::write(&file, "{}").unwrap();
        }
        edit(&file, |document| {
            let place = path.iter().fold(document, |place, key| &mut place[key]);
            match &self.value {
                Some(value) => place[last] = value.clone(),
                None => drop(place.as_object_mut().unwrap().remove(last)),
            }
        });
    }
}

#[test]
fn every_class_and_override_gives_the_tokens_of_transformers() {
    let fixture: Fixture = serde_json::from_slice(&std::fs::read(fixture("tokens.json")).unwrap()).unwrap();
    let texts: Vec<&str> = fixture.texts.iter().map(String::as_str).collect();
    let mut plain = BTreeMap::new();
    let (mut wrong, mut refused) = (Vec::new(), Vec::new());
    for case in fixture.cases {
        if case.ids.len() == texts.len() && case.name == "plain" {
            plain = case.ids.clone();
        }
        let path = copy("tokens", &case.base);
        case.edits.iter().for_each(|edit| edit.apply(&path));
        let place = format!("{}, {}", case.base, case.name);
        let tokens = match Tokens::read(&path, fixture.max_length, i64::MAX) {
            Ok(tokens) => tokens,
            Err(error) => {
                refused.push(format!("{place}: {error}"));
                continue;
            }
        };
        for (number, ours) in tokens.encode(&texts).unwrap().iter().enumerate() {
            let theirs = case.ids.get(&number).unwrap_or_else(|| &plain[&number]);
            if ours.as_ref() != theirs {
                wrong.push(format!("{place}: {:?} is {ours:?}, not {theirs:?}", texts[number]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let known = |message: &String| {
        ["truncation_side `left`", "add_eos_token", "fast_tokenizer_files"]
            .iter()
            .any(|part| message.contains(part))
    };
    assert!(refused.iter().all(known), "{}", refused.join("\n"));
}

#[test]
fn a_tokenizer_that_would_give_other_tokens_is_refused_with_the_fix() {
    const SETTINGS: &str = "tokenizer_config.json";
    let refusal = |base: &str, key: &str, value: Value| {
        let path = copy("tokens-refused", base);
        edit(&path.join(SETTINGS), |document| document[key] = value);
        Tokens::read(&path, 16, 1000).unwrap_err().to_string()
    };
    for (base, key, value, said, fix) in [
        (
            "bert-mean",
            "tokenizer_class",
            json!("BertJapaneseTokenizer"),
            "`BertJapaneseTokenizer` is not supported",
            "use a model with one of `BertTokenizer`",
        ),
        (
            "xlm-roberta",
            "tokenizer_class",
            json!("BertTokenizer"),
            "needs a model of type WordPiece",
            "`TokenizersBackend`",
        ),
        (
            "roberta",
            "truncation_side",
            json!("left"),
            "truncation_side `left`",
            "to `right`",
        ),
        (
            "bert-mean",
            "padding_side",
            json!("left"),
            "padding_side `left`",
            "to `right`",
        ),
        (
            "roberta",
            "add_prefix_space",
            json!("yes"),
            "`add_prefix_space` must be true or false",
            "remove it",
        ),
        (
            "mpnet",
            "unk_token",
            Value::Null,
            "`unk_token` must be a token",
            "write the token",
        ),
        (
            "mpnet",
            "fast_tokenizer_files",
            json!(["tokenizer.4.0.json"]),
            "`tokenizer.4.0.json`",
            "rename",
        ),
    ] {
        let message = refusal(base, key, value);
        assert!(
            message.contains(said) && message.contains(fix) && message.contains(SETTINGS),
            "{message}"
        );
    }
}
