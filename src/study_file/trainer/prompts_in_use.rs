//! What stands before texts in a study, whoever says so.

use hpo_data::Kind;
use hpo_protocol::embedding::{ModelPrompts, PromptSet, Settings};
use serde::Serialize;
use serde_json::{Value, json};

use super::keys::PROMPTS;
use super::model;
use crate::study_file::StudyFile;

/// What stands before the texts of trials that have the same set of prompts and, where that decides, the same base model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PromptsInUse {
    /// The name of the set, if trials choose among sets.
    pub set: Option<String>,
    /// The value of the parameter that chooses the base model, if trials choose and the prompts are the model's.
    pub model: Option<String>,
    /// Who says what they are.
    pub from: PromptOrigin,
    /// What texts are for, as far as the study has such texts, and what stands before them: nothing if it is empty.
    pub texts: Vec<(&'static str, String)>,
}

/// Who says what stands before texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptOrigin {
    /// The study's file.
    File,
    /// The directory of the base model.
    Model,
}

/// All that trials of a study can have, whose data are of a kind and whose files were checked.
pub fn prompts_in_use(file: &StudyFile, kind: Kind) -> Vec<PromptsInUse> {
    let Ok(settings) = serde_json::from_value::<Settings>(json!(file.study.trainer.settings)) else {
        return Vec::new();
    };
    let evaluations = settings.evaluations.values();
    let kinds = evaluations.filter_map(|evaluation| evaluation.r#type.rows().first().copied());
    let kinds: Vec<Kind> = std::iter::once(kind).chain(kinds).collect();
    let mut all = Vec::new();
    for (name, set) in sets(file, &settings) {
        let of = |model: Option<&str>, from, texts| PromptsInUse {
            set: name.map(str::to_owned),
            model: model.map(str::to_owned),
            from,
            texts,
        };
        match set {
            PromptSet::Own(_) => {
                let texts = texts(set, &kinds, &ModelPrompts::default());
                all.push(of(None, PromptOrigin::File, texts));
            }
            PromptSet::Of(_) => {
                let models = settings.model.each().into_iter();
                all.extend(models.map(|(model, directory)| {
                    let named = model::prompts(directory).unwrap_or_default();
                    of(model, PromptOrigin::Model, texts(set, &kinds, &named))
                }));
            }
        }
    }
    all
}

/// The sets that trials can have; those that they choose by a name with it.
fn sets<'a>(file: &'a StudyFile, settings: &'a Settings) -> Vec<(Option<&'a str>, &'a PromptSet)> {
    let mut parameters = file.study.space.parameters.iter();
    let parameter = parameters.find(|parameter| parameter.name == PROMPTS);
    let named = parameter
        .and_then(|parameter| parameter.distribution.listed())
        .into_iter()
        .flatten();
    let named = named.filter_map(Value::as_str);
    let chosen = named.filter_map(|name| Some((Some(name), settings.prompt_sets.get(name)?)));
    let always = parameter.is_some_and(|parameter| parameter.when.is_empty());
    let usual = settings.prompts.iter().filter(|_| !always).map(|set| (None, set));
    usual.chain(chosen).collect()
}

fn texts(set: &PromptSet, kinds: &[Kind], model: &ModelPrompts) -> Vec<(&'static str, String)> {
    let roles = set.roles(model);
    let mut texts: Vec<(&str, String)> = Vec::new();
    for kind in kinds {
        let names: &[&str] = match (kind, set) {
            (Kind::Triplets, _) => &["anchor", "positive", "negative"],
            (Kind::Pairs, _) | (Kind::Scored, PromptSet::Own(_)) => &["anchor", "positive"],
            (Kind::Scored, PromptSet::Of(_)) => &["scored pair"],
            (Kind::Labelled, _) => &["text"],
        };
        for (&name, prompt) in names.iter().zip(roles.columns(*kind)) {
            if !texts.iter().any(|(known, _)| *known == name) {
                texts.push((name, prompt.to_owned()));
            }
        }
    }
    texts
}
