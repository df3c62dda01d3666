//! The JSON schema (draft 7) of a study's file, for editors that complete and check TOML by it.
//!
//! It accepts every file that is right, and refuses unknown keys and most wrong values; what depends on several keys is left to
//! [`read`](super::read).

use hpo_protocol::BASE_MODEL;
use hpo_protocol::embedding::{self, Domain, PARAMETERS, Parameters};
use serde_json::{Map, Value, json};

use super::tables::{Row, rows};
use super::trainer::script::keys as script;
use super::{conditions, confirmation, distributions, notify, prior, settings, slots, study, trainer};
use crate::keys::{Fallback, Interval, Key, Kind, Takes};
use crate::study::{COMMON_KEYS, PolicyKind, SamplerSpec};

/// The schema.
pub fn schema() -> Value {
    let space: Map<String, Value> = PARAMETERS
        .iter()
        .map(|parameter| {
            let any = json!({ "description": describe(parameter), "allOf": [{ "$ref": "#/definitions/parameter" }] });
            (parameter.name.to_owned(), any)
        })
        .collect();
    let trial: Map<String, Value> = trainer::KEYS
        .iter()
        .map(|key| (key.name.to_owned(), json!({ "description": plain(key.about) })))
        .chain([&trainer::COMMAND, &trainer::DIRECTORY].map(|key| (key.name.to_owned(), property(key))))
        .chain(
            script::KEYS
                .iter()
                .map(|key| (key.name.to_owned(), json!({ "description": plain(key.about) }))),
        )
        .collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A study of hpo",
        "description": "What is trained, on what, and which values are tried.",
        "type": "object",
        "required": ["study", "policy", "trial", "space"],
        "additionalProperties": false,
        "properties": {
            "study": described(table(study::KEYS), "How much is searched."),
            "policy": described(kinds(COMMON_KEYS, PolicyKind::KINDS, Some(PolicyKind::USUAL)), "How weak trials are stopped early."),
            "sampler": described(kinds(&[], SamplerSpec::KINDS, Some(SamplerSpec::USUAL)), "How configurations are drawn."),
            "confirmation": described(table(confirmation::KEYS), "How the best configurations are confirmed."),
            "slots": described(one_or_several(table(slots::KEYS)), "Where trials run: a table for each machine, if there are several."),
            "notify": described(table(notify::KEYS), "The command to which is reported what happens."),
            "trial": { "description": "What trains a trial.", "type": "object", "properties": trial },
            "evaluation": {
                "description": "What else models are measured on: a table for each name.",
                "type": "object",
                "propertyNames": { "pattern": "^[A-Za-z0-9_-]{1,50}$" },
                "additionalProperties": evaluation(),
            },
            "space": {
                "description": "The parameters, each with a value or a distribution.",
                "type": "object",
                "minProperties": 1,
                "properties": space,
                "additionalProperties": { "$ref": "#/definitions/parameter" },
            },
            "try_first": {
                "description": "Configurations that come before those that are drawn.",
                "type": "array",
                "items": { "type": "object", "minProperties": 1, "additionalProperties": scalar() },
            },
        },
        "if": { "required": ["trial"], "properties": { "trial": { "required": [trainer::COMMAND.name] } } },
        "then": { "properties": { "evaluation": false, "trial": script_trainer() } },
        "else": embedding_trainer(),
        "definitions": { "parameter": { "anyOf": [scalar(), { "$ref": "#/definitions/distribution" }] }, "distribution": distribution() },
    })
}

/// What holds of a command that is known to be a script, whatever the parameters are.
fn script_trainer() -> Value {
    let (flag, names) = (script::SCRIPT.name, hpo_script::placeholders().collect::<Vec<_>>());
    let said = |to_be: bool| json!({ "required": [flag], "properties": { flag: { "const": to_be } } });
    let has = |key: &str| json!({ "required": [key] });
    let variables = json!({ "required": [script::ENVIRONMENT.name], "properties": { script::ENVIRONMENT.name: { "type": "object" } } });
    let placeholder = json!({ "type": "string", "pattern": format!(r"(?:^|[^{{$])\{{(?:{})\}}", names.join("|")) });
    let passes = json!({ "properties": { trainer::COMMAND.name: { "contains": placeholder } } });
    let shows =
        json!({ "anyOf": [said(true), has(script::METRICS.name), has(script::METRICS_FILE.name), variables, passes] });
    let keys = [&[trainer::COMMAND, trainer::DIRECTORY, trainer::SEED][..], script::KEYS].concat();
    json!({ "if": { "allOf": [{ "not": said(false) }, shows] }, "then": table(&keys) })
}

/// What holds where no command makes it another trainer.
fn embedding_trainer() -> Value {
    let names: Vec<&str> = PARAMETERS.iter().map(|parameter| parameter.name).collect();
    let own = |parameter: &embedding::Parameter| {
        let either = json!({ "anyOf": [domain(parameter.domain), { "$ref": "#/definitions/distribution" }] });
        (parameter.name.to_owned(), either)
    };
    let parameters: Map<String, Value> = PARAMETERS.iter().map(own).collect();
    json!({
        "properties": {
            "trial": table(trainer::KEYS),
            "space": { "propertyNames": { "enum": names }, "properties": parameters },
        },
        "if": { "properties": { "space": { "required": [BASE_MODEL] } } },
        "then": { "properties": { "trial": { "properties": { BASE_MODEL: false } } } },
        "else": { "properties": { "trial": { "required": [BASE_MODEL] } } },
    })
}

/// A table `[evaluation.NAME]`.
fn evaluation() -> Value {
    let about = "An evaluation. Its metrics are called `NAME.METRIC`, and any of them may be the objective.";
    described(kinds(trainer::EVALUATION_KEYS, trainer::EVALUATION_KINDS, None), about)
}

/// A table with these keys alone.
fn table(keys: &[Key]) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    json!({ "type": "object", "properties": properties, "required": required(keys), "additionalProperties": false })
}

/// A table of this kind, or an array of them.
fn one_or_several(table: Value) -> Value {
    json!({ "anyOf": [table, { "type": "array", "items": table, "minItems": 1 }] })
}

fn required(keys: &[Key]) -> Vec<&'static str> {
    let required = keys.iter().filter(|key| matches!(key.default, Fallback::Required(_)));
    required.map(|key| key.name).collect()
}

/// A table that names one of several kinds, or else is the usual one, if there is one.
fn kinds<T, G>(common: &[Key], kinds: &'static [Kind<T, G>], usual: Option<&str>) -> Value {
    let mut required_keys = required(common);
    let names: Vec<&str> = kinds.iter().map(|kind| kind.about.name).collect();
    let lines = kinds
        .iter()
        .map(|kind| format!("`{}`: {}", kind.about.name, plain(kind.about.in_short)));
    let lines: Vec<String> = lines.collect();
    let mut kind = json!({ "description": lines.join("\n\n"), "enum": names });
    match usual {
        Some(usual) => kind["default"] = json!(usual),
        None => required_keys.push(settings::TYPE),
    }
    let mut properties = Map::from_iter([(settings::TYPE.to_owned(), kind)]);
    properties.extend(common.iter().map(|key| (key.name.to_owned(), property(key))));
    let rows = rows(kinds);
    for Row { key, kinds } in &rows {
        let of: Vec<String> = kinds.iter().map(|name| format!("`{name}`")).collect();
        let about = format!("Of {}: {}", of.join(", "), plain(key.about));
        match properties
            .get_mut(key.name)
            .and_then(|known| known.get_mut("description"))
        {
            Some(Value::String(other)) => *other += &format!("\n\n{about}"),
            _ => {
                properties.insert(key.name.to_owned(), described(property(key), &about));
            }
        }
    }
    let own = |kind: &Kind<T, G>| {
        let has = |name: &str| {
            let own = kind.about.keys.iter().chain(kind.about.keys_if_learning);
            own.into_iter().any(|key| key.name == name)
        };
        let others = rows.iter().filter(|row| !has(row.key.name));
        let refused: Map<String, Value> = others.map(|row| (row.key.name.to_owned(), json!(false))).collect();
        let named = json!({ "properties": { "type": { "const": kind.about.name } }, "required": ["type"] });
        let condition = match Some(kind.about.name) == usual {
            true => json!({ "anyOf": [named, { "not": { "required": ["type"] } }] }),
            false => named,
        };
        json!({ "if": condition, "then": { "properties": refused, "required": required(kind.about.keys) } })
    };
    json!({
        "type": "object",
        "properties": properties,
        "required": required_keys,
        "additionalProperties": false,
        "allOf": kinds.iter().map(own).collect::<Vec<_>>(),
    })
}

/// How a parameter can be drawn.
fn distribution() -> Value {
    let all = || distributions::KINDS.iter().flat_map(|kind| kind.keys);
    let names: Vec<&str> = distributions::KINDS.iter().map(|kind| kind.name).collect();
    let lines = distributions::KINDS
        .iter()
        .map(|kind| format!("`{}`: {}", kind.name, plain(kind.draws)));
    let lines: Vec<String> = lines.collect();
    let kind = json!({ "description": lines.join("\n\n"), "enum": names });
    let mut properties = Map::from_iter([(settings::TYPE.to_owned(), kind)]);
    for key in all().chain(prior::KEYS).chain([&conditions::KEY]) {
        properties.insert(key.name.to_owned(), property(key));
    }
    let own = |kind: &distributions::Kind| {
        let has = |name: &str| kind.all_keys().any(|key| key.name == name);
        let others = all().chain(prior::KEYS).filter(|key| !has(key.name));
        let refused: Map<String, Value> = others.map(|key| (key.name.to_owned(), json!(false))).collect();
        json!({
            "if": { "properties": { "type": { "const": kind.name } } },
            "then": { "properties": refused, "required": required(kind.keys) },
        })
    };
    json!({
        "type": "object",
        "properties": properties,
        "required": [settings::TYPE],
        "additionalProperties": false,
        "allOf": distributions::KINDS.iter().map(own).collect::<Vec<_>>(),
    })
}

fn property(key: &Key) -> Value {
    let mut about = plain(key.about);
    let default = match key.default {
        Fallback::Integer(number) => Some(json!(number)),
        Fallback::Number(number) => Some(json!(number)),
        Fallback::Flag(flag) => Some(json!(flag)),
        Fallback::Word(word) => Some(json!(word)),
        Fallback::Described(text) => {
            about += &format!("\n\nDefault: {}", plain(text));
            None
        }
        Fallback::Required(_) | Fallback::Nothing => None,
    };
    let mut schema = described(values(key.takes), &about);
    if let Some(default) = default {
        schema["default"] = default;
    }
    schema
}

fn described(mut schema: Value, about: &str) -> Value {
    schema["description"] = json!(about);
    schema
}

fn values(takes: Takes) -> Value {
    let text = || json!({ "type": "string", "minLength": 1 });
    let numbers =
        |schema: Value, count: usize| json!({ "type": "array", "items": schema, "minItems": count, "maxItems": count });
    match takes {
        Takes::Integer { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Takes::Number(interval, _) => number(interval),
        Takes::Flag => json!({ "type": "boolean" }),
        Takes::Word(words, _) => json!({ "enum": words }),
        Takes::WordOrWords(words, _) => {
            json!({ "anyOf": [{ "enum": words }, { "type": "array", "items": { "enum": words }, "minItems": 1 }] })
        }
        Takes::Text | Takes::Path => text(),
        Takes::Texts => json!({ "type": "array", "items": text() }),
        Takes::TextOrTexts => json!({ "anyOf": [text(), { "type": "array", "items": text(), "minItems": 1 }] }),
        Takes::Devices => {
            let number = json!({ "type": "integer", "minimum": 0, "maximum": 1023 });
            json!({ "anyOf": [text(), { "type": "array", "items": number, "minItems": 1 }] })
        }
        Takes::Range => numbers(json!({ "type": "number" }), 2),
        Takes::Scalar => scalar(),
        Takes::Scalars => json!({ "type": "array", "items": scalar(), "minItems": 1 }),
        Takes::Conditions => {
            let some = json!({ "type": "array", "items": scalar(), "minItems": 1 });
            json!({ "type": "object", "minProperties": 1, "additionalProperties": { "anyOf": [scalar(), some] } })
        }
        Takes::Table(keys) => table(keys),
        Takes::AnyText => json!({ "type": "string" }),
        Takes::WordOrTable(words, keys) => json!({ "anyOf": [{ "enum": words }, table(keys)] }),
        Takes::Named(of) => {
            json!({ "type": "object", "propertyNames": text(), "additionalProperties": values(*of) })
        }
    }
}

fn scalar() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn number(interval: Interval) -> Value {
    let mut schema = json!({ "type": "number" });
    if interval.low.is_finite() {
        let key = if interval.low_included {
            "minimum"
        } else {
            "exclusiveMinimum"
        };
        schema[key] = json!(interval.low);
    }
    if interval.high.is_finite() {
        let key = if interval.high_included {
            "maximum"
        } else {
            "exclusiveMaximum"
        };
        schema[key] = json!(interval.high);
    }
    schema
}

/// The values of a parameter of the embedding trainer.
fn domain(domain: Domain) -> Value {
    match domain {
        Domain::Float {
            low,
            low_included,
            high,
        } => number(Interval {
            low: if low > f64::MIN { low } else { f64::NEG_INFINITY },
            low_included,
            high: if high < f64::MAX { high } else { f64::INFINITY },
            high_included: true,
        }),
        Domain::Integer { low } => json!({ "type": "integer", "minimum": low }),
        Domain::Bool => json!({ "type": "boolean" }),
        Domain::Name | Domain::Directory => json!({ "type": "string", "minLength": 1 }),
        Domain::Choice(choices) => json!({ "enum": choices.iter().map(|choice| choice.name).collect::<Vec<_>>() }),
    }
}

/// What a parameter of the embedding trainer is.
fn describe(parameter: &embedding::Parameter) -> String {
    let mut about = parameter.about.to_owned();
    if let Domain::Choice(choices) = parameter.domain {
        for choice in choices {
            about += &format!("\n\n`\"{}\"`: {}", choice.name, choice.about);
        }
    }
    if !parameter.advice.is_empty() {
        about += &format!("\n\nWhen to change it: {}", parameter.advice);
    }
    let default = &json!(Parameters::default())[parameter.name];
    if !default.is_null() {
        about += &format!("\n\nDefault: {default}");
    }
    about
}

/// A text without its links, which lead nowhere outside of `docs/`.
fn plain(markdown: &str) -> String {
    let mut plain = markdown.to_owned();
    while let Some(middle) = plain.find("](") {
        let (Some(start), Some(length)) = (plain[..middle].rfind('['), plain[middle..].find(')')) else {
            break;
        };
        plain.replace_range(middle..=middle + length, "");
        plain.remove(start);
    }
    plain
}
