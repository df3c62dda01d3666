//! Studies of before there was a choice of `validation_loss`: triplets had the triplet loss, and the margin was always there. And
//! those of before there were `prompts`: nothing stood before any text. And those of before several negatives could stay together: each
//! made a row of its own.

use hpo_protocol::Values;
use hpo_protocol::embedding::{Negatives, Prompts, Settings, ValidationLoss};
use serde_json::json;

use super::super::StudyFile;
use super::keys::{NEGATIVES, PROMPTS, VALIDATION_LOSS, VALIDATION_MARGIN};
use super::places::{place, place_text};

/// The settings of the embedding trainer in a file, as they were when a study with those recorded was made: as long as the file
/// names no other validation loss, no prompts and no `negatives` but that, such a study goes on as it was.
pub fn settings_of_then(file: &StudyFile, recorded: &Values) -> Values {
    let mut settings = file.study.trainer.settings.clone();
    let named = place_text(&file.text, VALIDATION_LOSS.name);
    let goes_on = named.is_none_or(|loss| loss == ValidationLoss::Triplet.name());
    if goes_on && !recorded.contains_key(VALIDATION_LOSS.name) {
        settings.remove(VALIDATION_LOSS.name);
        let margin = settings.entry(VALIDATION_MARGIN.name.to_owned());
        margin.or_insert_with(|| json!(Settings::VALIDATION_MARGIN));
    }
    let none = settings.get(PROMPTS) == Some(&json!(Prompts::default()));
    if !recorded.contains_key(PROMPTS) && (none || place(&file.text, PROMPTS).is_none()) {
        settings.remove(PROMPTS);
    }
    let named = place_text(&file.text, NEGATIVES.name);
    let apart = named.is_none_or(|negatives| negatives == Negatives::Apart.name());
    if apart && !recorded.contains_key(NEGATIVES.name) {
        settings.remove(NEGATIVES.name);
    }
    settings
}

/// The recorded settings of the embedding trainer as a file of today has them. `triplets` if its data are.
pub fn settings_of_today(recorded: &Values, triplets: bool) -> Values {
    let mut settings = recorded.clone();
    settings
        .entry(PROMPTS.to_owned())
        .or_insert_with(|| json!(Prompts::default()));
    if triplets {
        let negatives = settings.entry(NEGATIVES.name.to_owned());
        negatives.or_insert_with(|| json!(Negatives::Apart));
    }
    if recorded.contains_key(VALIDATION_MARGIN.name) && !recorded.contains_key(VALIDATION_LOSS.name) {
        if triplets {
            settings.insert(VALIDATION_LOSS.name.to_owned(), json!(ValidationLoss::Triplet));
        } else {
            settings.remove(VALIDATION_MARGIN.name);
        }
    }
    settings
}
