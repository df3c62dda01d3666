//! Prompts: what stands before a text, by what the text is for.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::columns::Kind;
use super::declare::{Choice, Key, choices, keys};

keys! {
    /// A set of prompts: what stands before each text, by what it is for. The prompt and the text make one text, without anything in
    /// between.
    #[derive(Default, Eq)]
    #[serde(deny_unknown_fields, default)]
    Prompts {
        /// Before anchors, such as `"query: "`; if not given, nothing.
        #[serde(skip_serializing_if = "Option::is_none")]
        anchor: Option<String>,
        /// Before positives, such as `"passage: "`; if not given, nothing.
        #[serde(skip_serializing_if = "Option::is_none")]
        positive: Option<String>,
        /// Before negatives; if not given, what stands before positives.
        #[serde(skip_serializing_if = "Option::is_none")]
        negative: Option<String>,
        /// Before texts that have a label; if not given, what stands before anchors.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    }
}

choices! {
    /// Prompts that are not written in the study's file.
    PromptSource {
        /// Those that the model's directory names.
        Model = "model",
    }
}

/// The prompts of a study or a trial, as its file has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PromptSet {
    /// Those of another place.
    Of(PromptSource),
    /// These.
    Own(Prompts),
}

impl PromptSet {
    /// What stands before each text if the model's directory names those prompts.
    pub fn roles(&self, model: &ModelPrompts) -> RolePrompts {
        match self {
            Self::Of(PromptSource::Model) => model.roles(),
            Self::Own(prompts) => prompts.roles(),
        }
    }
}

/// What stands before a text, by what it is for; nothing if it is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RolePrompts {
    /// Before anchors, and before queries of a retrieval.
    pub anchor: String,
    /// Before positives, and before the texts that are searched.
    pub positive: String,
    /// Before negatives.
    pub negative: String,
    /// Before texts that are neither asked nor searched for, such as those with a label.
    pub text: String,
    /// Before the texts of a scored pair.
    pub scored: [String; 2],
}

impl RolePrompts {
    /// What stands before the texts of each column of rows, as [`Columns`](super::Columns) orders them.
    pub fn columns(&self, kind: Kind) -> Vec<&str> {
        match kind {
            Kind::Triplets => vec![&self.anchor, &self.positive, &self.negative],
            Kind::Pairs => vec![&self.anchor, &self.positive],
            Kind::Scored => self.scored.iter().map(String::as_str).collect(),
            Kind::Labelled => vec![&self.text],
        }
    }

    /// What a query and a text that is searched have before them for a model that was made of such rows.
    fn sides(&self, kind: Kind) -> [&str; 2] {
        match self.columns(kind).as_slice() {
            [one, other, ..] => [one, other],
            [one] => [one, one],
            [] => ["", ""],
        }
    }
}

impl Prompts {
    fn roles(&self) -> RolePrompts {
        let text = |prompt: &Option<String>| prompt.clone().unwrap_or_default();
        let (anchor, positive) = (text(&self.anchor), text(&self.positive));
        RolePrompts {
            negative: self.negative.clone().unwrap_or_else(|| positive.clone()),
            text: self.text.clone().unwrap_or_else(|| anchor.clone()),
            scored: [anchor.clone(), positive.clone()],
            anchor,
            positive,
        }
    }
}

/// The prompts that a model's directory names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelPrompts {
    prompts: BTreeMap<String, String>,
    default: Option<String>,
}

/// The name of the prompt that `SentenceTransformer.encode_query` takes.
const QUERY: &str = "query";
/// That of `encode_document`, and others that models have for the same, the first one that is not empty.
const DOCUMENT: [&str; 3] = ["document", "passage", "corpus"];

impl ModelPrompts {
    /// The file of a model's directory that names them.
    pub const FILE: &str = "config_sentence_transformers.json";

    /// Those that the text of this file names.
    ///
    /// # Errors
    /// A part of a sentence that says what is wrong.
    pub fn read(config: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Config {
            #[serde(default)]
            prompts: Option<BTreeMap<String, Option<String>>>,
            #[serde(default)]
            default_prompt_name: Option<String>,
        }
        let config: Config = serde_json::from_str(config).map_err(|error| error.to_string())?;
        let prompts = config.prompts.unwrap_or_default().into_iter();
        let prompts: BTreeMap<String, String> = prompts
            .map(|(name, prompt)| (name, prompt.unwrap_or_default()))
            .collect();
        if let Some(default) = &config.default_prompt_name
            && !prompts.contains_key(default)
        {
            return Err(format!(
                "`default_prompt_name` is `{default}`, which is none of its `prompts`"
            ));
        }
        Ok(Self {
            prompts,
            default: config.default_prompt_name,
        })
    }

    fn named(&self, name: &str) -> &str {
        self.prompts.get(name).map_or("", String::as_str)
    }

    fn document(&self) -> &str {
        let named = DOCUMENT.into_iter().map(|name| self.named(name));
        named.into_iter().find(|prompt| !prompt.is_empty()).unwrap_or_default()
    }

    /// What stands before each text if nothing else is said: the default prompt before all, as `SentenceTransformer.encode` puts it;
    /// without one, before anchors what `encode_query` puts there and before positives and negatives what `encode_document` does, as
    /// the library's evaluator of retrieval takes them, and nothing before other texts.
    pub fn roles(&self) -> RolePrompts {
        let all = self.default.as_deref().map(|name| self.named(name));
        let own = |prompt: &str| all.unwrap_or(prompt).to_owned();
        RolePrompts {
            anchor: own(self.named(QUERY)),
            positive: own(self.document()),
            negative: own(self.document()),
            text: own(""),
            scored: [own(""), own("")],
        }
    }

    /// What must be named instead, so that a model that was made of rows of a kind with these prompts is used with them: by
    /// `encode_query` and `encode_document`, and by `encode` if both take the same. None if that is so already.
    pub fn renamed(&self, roles: &RolePrompts, kind: Kind) -> Option<Self> {
        let [query, document] = roles.sides(kind);
        let plain = query.is_empty() && document.is_empty();
        let by_encode = self.default.is_some() || matches!(kind, Kind::Scored | Kind::Labelled);
        if by_encode && *roles == self.roles() {
            return None;
        }
        let mut all = self.clone();
        let asks_or_answers = matches!(kind, Kind::Triplets | Kind::Pairs);
        if !plain || asks_or_answers && !(self.named(QUERY).is_empty() && self.document().is_empty()) {
            all.prompts.insert(QUERY.to_owned(), query.to_owned());
            all.prompts.insert(DOCUMENT[0].to_owned(), document.to_owned());
        }
        all.default = (query == document && !plain).then(|| QUERY.to_owned());
        (all != *self).then_some(all)
    }

    /// All of them by their names.
    pub fn prompts(&self) -> &BTreeMap<String, String> {
        &self.prompts
    }

    /// The name of the one that stands before every text if none is asked for.
    pub fn default_name(&self) -> Option<&str> {
        self.default.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn model(config: Value) -> ModelPrompts {
        ModelPrompts::read(&config.to_string()).unwrap()
    }

    fn columns(roles: &RolePrompts, kind: Kind) -> Vec<&str> {
        roles.columns(kind)
    }

    #[test]
    fn a_default_prompt_stands_before_every_text() {
        let prompts = json!({"query": "q: ", "document": "d: ", "sts": "s: "});
        let roles = model(json!({"prompts": prompts, "default_prompt_name": "sts"})).roles();
        for kind in [Kind::Triplets, Kind::Pairs, Kind::Scored, Kind::Labelled] {
            assert!(columns(&roles, kind).iter().all(|prompt| *prompt == "s: "), "{kind}");
        }
    }

    #[test]
    fn without_a_default_queries_and_documents_have_their_own() {
        for document in DOCUMENT {
            let roles = model(json!({"prompts": {"query": "q: ", document: "d: "}})).roles();
            assert_eq!(columns(&roles, Kind::Triplets), ["q: ", "d: ", "d: "]);
            assert_eq!(columns(&roles, Kind::Scored), ["", ""]);
            assert_eq!(columns(&roles, Kind::Labelled), [""]);
        }
        let both = json!({"prompts": {"document": "", "passage": "p: "}, "default_prompt_name": null});
        assert_eq!(columns(&model(both).roles(), Kind::Pairs), ["", "p: "]);
        for nothing in [json!({}), json!({"prompts": null}), json!({"prompts": {"query": null}})] {
            assert_eq!(model(nothing).roles(), RolePrompts::default());
        }
        let wrong = ModelPrompts::read(&json!({"default_prompt_name": "x"}).to_string());
        assert!(wrong.is_err_and(|message| message.contains("`x`")));
    }

    #[test]
    fn what_is_not_written_is_that_of_another_role_or_nothing() {
        let own = |set: Value| -> RolePrompts {
            let set: PromptSet = serde_json::from_value(set).unwrap();
            set.roles(&model(json!({"prompts": {"query": "m: "}})))
        };
        assert_eq!(own(json!({})), RolePrompts::default());
        assert_eq!(own(json!("model")).anchor, "m: ");
        let roles = own(json!({"anchor": "q: ", "positive": "d: "}));
        assert_eq!(columns(&roles, Kind::Triplets), ["q: ", "d: ", "d: "]);
        assert_eq!(columns(&roles, Kind::Scored), ["q: ", "d: "]);
        assert_eq!(columns(&roles, Kind::Labelled), ["q: "]);
        assert_eq!(own(json!({"positive": "d: ", "negative": ""})).negative, "");
        assert!(serde_json::from_value::<PromptSet>(json!("none")).is_err());
        assert!(serde_json::from_value::<PromptSet>(json!({"query": "q: "})).is_err());
    }

    #[test]
    fn an_exported_model_names_what_it_was_trained_with() {
        let own = |anchor: &str, positive: &str| {
            let prompts = Prompts {
                anchor: Some(anchor.to_owned()),
                positive: Some(positive.to_owned()),
                ..Prompts::default()
            };
            prompts.roles()
        };
        let named = |model: &ModelPrompts, roles: &RolePrompts, kind| {
            let renamed = model.renamed(roles, kind)?;
            Some((json!(renamed.prompts()), json!(renamed.default_name())))
        };
        let plain = model(json!({"prompts": {"query": "", "document": ""}}));
        let both = json!({"query": "q: ", "document": "d: "});
        let asked = model(json!({"prompts": both, "default_prompt_name": null}));
        let always = model(json!({"prompts": {"query": "q: "}, "default_prompt_name": "query"}));
        // What the directory says already.
        for kind in [Kind::Triplets, Kind::Pairs, Kind::Scored, Kind::Labelled] {
            for model in [&plain, &asked, &always] {
                assert_eq!(named(model, &model.roles(), kind), None, "{model:?}");
            }
        }
        assert_eq!(
            named(&plain, &own("q: ", "d: "), Kind::Pairs),
            Some((both.clone(), json!(null)))
        );
        let same = json!({"query": "x: ", "document": "x: "});
        for kind in [Kind::Triplets, Kind::Scored, Kind::Labelled] {
            assert_eq!(
                named(&plain, &own("x: ", "x: "), kind),
                Some((same.clone(), json!("query")))
            );
        }
        // Without prompts.
        let none = json!({"query": "", "document": ""});
        assert_eq!(
            named(&asked, &own("", ""), Kind::Pairs),
            Some((none.clone(), json!(null)))
        );
        assert_eq!(named(&always, &own("", ""), Kind::Pairs), Some((none, json!(null))));
        assert_eq!(named(&asked, &own("", ""), Kind::Labelled), None);
        assert_eq!(named(&plain, &own("", ""), Kind::Pairs), None);
        let passage = model(json!({"prompts": {"passage": "p: "}}));
        let (prompts, _) = named(&passage, &passage.roles(), Kind::Pairs).unwrap();
        assert_eq!(prompts["document"], "p: ");
    }
}
