//! What is not supported of a tokenizer.

use serde_json::Value;

use super::class::Class;
use super::special::File;
use super::{Object, Refusal, SENTENCE_FILES, SETTINGS, TOKENIZER};

/// Refuses a class whose model is not that of `tokenizer.json`: Transformers would read the vocabulary as one of another kind.
pub(super) fn check_model(class: Class, name: &str, json: &File) -> Result<(), Refusal> {
    match (class.model(), json.model.r#type.as_deref()) {
        (Some(needed), Some(there)) if needed != there => Err(Refusal::new(
            SETTINGS,
            format!("the tokenizer class `{name}` needs a model of type {needed}, and `{TOKENIZER}` has a {there}"),
            format!("set `tokenizer_class` to `TokenizersBackend` in `{SETTINGS}`, which takes `{TOKENIZER}` as it is"),
        )),
        (_, _) => Ok(()),
    }
}

/// Refuses a tokenizer in a file of another name.
pub(super) fn check_files(settings: &Object) -> Result<(), Refusal> {
    let files = settings.get("fast_tokenizer_files").and_then(Value::as_array);
    let other = files
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .find(|file| *file != TOKENIZER);
    match other {
        Some(other) => Err(Refusal::new(
            SETTINGS,
            format!("`fast_tokenizer_files` names `{other}`, which is not read"),
            format!("rename the one that is to be used to `{TOKENIZER}`, and remove `fast_tokenizer_files`"),
        )),
        None => Ok(()),
    }
}

/// Refuses other special tokens at the ends than those of `tokenizer.json`. Transformers heeds that only where it is
/// given as an argument.
pub(super) fn check_ends(class: Class, given: &Object) -> Result<(), Refusal> {
    let ends = ["add_bos_token", "add_eos_token"]
        .into_iter()
        .find(|key| given.contains_key(*key));
    match ends.filter(|_| class == Class::Whole) {
        Some(key) => Err(Refusal::new(
            SENTENCE_FILES[0],
            format!("`{key}` is not supported"),
            format!("remove it, and have the `post_processor` of `{TOKENIZER}` add the token"),
        )),
        None => Ok(()),
    }
}

/// Refuses texts that are cut at their beginning, and padding before the text where positions are counted from the padding.
pub(super) fn check_sides(config: &Object, settings: &Object, json: &File) -> Result<(), Refusal> {
    let family = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let shifted = matches!(family, "bert" | "distilbert");
    for (key, side, checked) in [
        ("truncation_side", &json.truncation, true),
        ("padding_side", &json.padding, shifted),
    ] {
        let stored = side.as_ref().and_then(|side| side.direction.as_deref());
        let (file, side) = match settings.get(key).and_then(Value::as_str) {
            Some(side) => (SETTINGS, Some(side)),
            None => (TOKENIZER, stored),
        };
        if checked && side.is_some_and(|side| side.eq_ignore_ascii_case("left")) {
            let message = format!("{key} `left` is not supported");
            return Err(Refusal::new(
                file,
                message,
                format!("set `{key}` to `right` in `{SETTINGS}`"),
            ));
        }
    }
    Ok(())
}
