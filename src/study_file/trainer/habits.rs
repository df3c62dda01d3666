//! What is known of a trainer, so that configurations of different spaces can be compared.

use hpo_protocol::Values;
use hpo_protocol::embedding::{Kind, Parameters};
use serde_json::json;

use super::keys::{MAX_LENGTH, PROMPTS};
use super::prompts;
use crate::study::{Habits, Trainer};

/// That of the embedding trainer, on data of a kind; of another trainer nothing is known.
pub fn habits(trainer: &Trainer, kind: Option<Kind>) -> Habits {
    if trainer.command.is_some() {
        return Habits {
            defaults: Values::new(),
            follows_maximum: |_| false,
        };
    }
    let usual = json!(Parameters::default());
    let mut defaults: Values = usual.as_object().cloned().unwrap_or_default().into_iter().collect();
    // What the model or the machine decides is unknown here, and no margin is no number.
    defaults.retain(|_, value| !value.is_null());
    defaults.insert("negatives_per_row".to_owned(), json!(Parameters::NEGATIVES_PER_ROW));
    defaults.extend(prompts::usual(&trainer.settings).map(|name| (PROMPTS.to_owned(), json!(name))));
    defaults.extend(kind.map(|kind| ("loss".to_owned(), json!(kind.default_loss()))));
    let length = trainer.settings.get(MAX_LENGTH);
    defaults.extend(length.map(|length| (MAX_LENGTH.to_owned(), length.clone())));
    Habits {
        defaults,
        follows_maximum: |configuration| {
            let parameters = serde_json::from_value::<Parameters>(json!(configuration));
            parameters.map_or(true, |parameters| parameters.follow_maximum())
        },
    }
}
