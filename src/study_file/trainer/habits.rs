//! What is known of trainers, so that configurations of different spaces can be compared.

use std::collections::BTreeMap;

use hpo_protocol::embedding::{Kind, Parameters};
use hpo_protocol::{BASE_MODEL, Values};
use serde_json::json;

use super::keys::{MAX_LENGTH, PROMPTS};
use super::{prompts, settings_of_today};
use crate::study::{CommonNames, Habits, Trainer};

/// That of the embedding trainer, on data of a kind, for configurations of `there`; of another trainer nothing is known. `models` are the
/// base models that both have.
pub fn habits(there: &Trainer, trainer: &Trainer, models: CommonNames, kind: Option<Kind>) -> Habits {
    if trainer.command.is_some() {
        return Habits {
            defaults: Values::new(),
            follows_maximum: |_| false,
            names: BTreeMap::new(),
        };
    }
    let usual = json!(Parameters::default());
    let mut defaults: Values = usual.as_object().cloned().unwrap_or_default().into_iter().collect();
    // What the model or the machine decides is unknown here, and no margin is no number.
    defaults.retain(|_, value| !value.is_null());
    defaults.insert("negatives_per_row".to_owned(), json!(Parameters::NEGATIVES_PER_ROW));
    defaults.extend(prompts::usual(&trainer.settings).map(|name| (PROMPTS.to_owned(), json!(name))));
    defaults.extend(kind.map(|kind| ("loss".to_owned(), json!(kind.default_loss()))));
    let before = settings_of_today(&there.settings, kind == Some(Kind::Triplets));
    let length = trainer.settings.get(MAX_LENGTH);
    defaults.extend(length.map(|length| (MAX_LENGTH.to_owned(), length.clone())));
    Habits {
        defaults,
        names: [
            (BASE_MODEL.to_owned(), models),
            (PROMPTS.to_owned(), prompts::common(&before, &trainer.settings)),
        ]
        .into(),
        follows_maximum: |configuration| {
            let parameters = serde_json::from_value::<Parameters>(json!(configuration));
            parameters.map_or(true, |parameters| parameters.follow_maximum())
        },
    }
}
