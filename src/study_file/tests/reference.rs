//! The tables of keys in `docs/` are made from the keys.

use std::fmt::Write;

use hpo_protocol::embedding::{self, Domain, PARAMETERS, Parameters};

use super::super::tables::rows;
use super::super::{conditions, distributions, prior, trainer};
use super::*;
use crate::keys::{Fallback, Key, Kind, Takes};
use crate::study::{COMMON_KEYS, PolicyKind};

/// Set to write the tables instead of comparing them.
const BLESS: &str = "HPO_BLESS";

/// The tables that stand in a file, by the name in their marker.
fn blocks() -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let sampler_keys = |name: &str| {
        let kind = SamplerSpec::KINDS.iter().find(|kind| kind.about.name == name).unwrap();
        keys(kind.about.keys)
    };
    let about_parameters = [prior::KEYS, &[conditions::KEY]].concat();
    vec![
        (
            "docs/study-file.md",
            vec![
                ("study", keys(study::KEYS)),
                ("policy", kinds(COMMON_KEYS, PolicyKind::KINDS, Some(PolicyKind::USUAL))),
                ("sampler", kinds(&[], SamplerSpec::KINDS, Some(SamplerSpec::USUAL))),
                ("confirmation", keys(confirmation::KEYS)),
                ("slots", keys(slots::KEYS)),
                ("notify", keys(notify::KEYS)),
                ("trial", keys(trainer::KEYS)),
                (
                    "trial of another trainer",
                    keys(&[trainer::COMMAND, trainer::DIRECTORY]),
                ),
                ("script", keys(trainer::script::keys::KEYS)),
                (
                    "evaluation",
                    kinds(trainer::EVALUATION_KEYS, trainer::EVALUATION_KINDS, None),
                ),
                ("types of evaluations", evaluations()),
                ("distributions", drawn()),
                ("keys of distributions", keys_of_distributions()),
                ("keys of parameters", keys(&about_parameters)),
                ("parameters", parameters()),
            ],
        ),
        ("docs/data.md", vec![("columns", keys(trainer::COLUMNS))]),
        ("docs/models.md", vec![("prompts", keys(trainer::ROLES))]),
        (
            "docs/samplers.md",
            vec![
                ("samplers", choices(SamplerSpec::KINDS)),
                ("gaussian_process", sampler_keys("gaussian_process")),
                ("tpe", sampler_keys("tpe")),
            ],
        ),
        ("docs/policies.md", vec![("policies", choices(PolicyKind::KINDS))]),
    ]
}

#[test]
fn the_reference_in_the_docs_is_that_of_the_keys() {
    for (file, blocks) in blocks() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = fs::read_to_string(&path).unwrap();
        let mut whole = text.clone();
        for (name, table) in &blocks {
            let begin = format!("<!-- keys: {name} -->\n");
            let start = whole.find(&begin).unwrap_or_else(|| panic!("{file} has no {begin}")) + begin.len();
            let length = whole[start..].find("<!-- end -->").unwrap();
            whole.replace_range(start..start + length, table);
        }
        if std::env::var_os(BLESS).is_some() {
            fs::write(&path, whole).unwrap();
        } else {
            let behind = text.lines().zip(whole.lines()).find(|(old, new)| old != new);
            assert!(
                text == whole,
                "{file} is behind the keys: {behind:?}. Write its tables by running this test with {BLESS}=1"
            );
        }
    }
}

fn keys(keys: &[Key]) -> String {
    let mut table = "| key | default | meaning |\n|---|---|---|\n".to_owned();
    for key in keys {
        row(&mut table, key, "");
    }
    table
}

fn row(table: &mut String, key: &Key, of: &str) {
    writeln!(
        table,
        "| `{}` | {} | {of}{}{} |",
        key.name,
        default(key),
        key.about,
        words(key)
    )
    .unwrap();
}

fn default(key: &Key) -> String {
    match key.default {
        Fallback::Required(_) => "required".to_owned(),
        Fallback::Integer(number) => number.to_string(),
        Fallback::Number(number) => number.to_string(),
        Fallback::Flag(flag) => format!("`{flag}`"),
        Fallback::Word(word) => format!("`\"{word}\"`"),
        Fallback::Nothing => "none".to_owned(),
        Fallback::Described(text) => text.to_owned(),
    }
}

/// The words that a key takes.
fn words(key: &Key) -> String {
    let (Takes::Word(words, _) | Takes::WordOrWords(words, _)) = key.takes else {
        return String::new();
    };
    let end = if key.about.ends_with('.') { "" } else { "." };
    format!("{end} One of {}", quoted(words.iter().copied()).join(", "))
}

fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    words.map(|word| format!("`\"{word}\"`")).collect()
}

/// Names in a row: "`a`, `b` and `c`".
fn all_of(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.split_last().unwrap() {
        (last, []) => last.clone(),
        (last, others) => format!("{} and {last}", others.join(", ")),
    }
}

fn kinds<T, G>(common: &[Key], kinds: &'static [Kind<T, G>], usual: Option<&str>) -> String {
    let others = kinds
        .iter()
        .map(|kind| kind.about.name)
        .filter(|name| Some(*name) != usual);
    let others = quoted(others).join(", ");
    let mut table = "| key | default | meaning |\n|---|---|---|\n".to_owned();
    match usual {
        Some(usual) => writeln!(table, "| `type` | `\"{usual}\"` | or {others} |").unwrap(),
        None => writeln!(table, "| `type` | required | one of {others} |").unwrap(),
    }
    for key in common {
        row(&mut table, key, "");
    }
    for of in rows(kinds) {
        row(&mut table, of.key, &format!("of {}: ", all_of(&of.kinds)));
    }
    table
}

fn choices<T, G>(kinds: &[Kind<T, G>]) -> String {
    let mut table = "| `type` | in short | when to use it |\n|---|---|---|\n".to_owned();
    for Kind { about, .. } in kinds {
        writeln!(table, "| `{}` | {} | {} |", about.name, about.in_short, about.choose).unwrap();
    }
    table
}

fn evaluations() -> String {
    let mut table = "| `type` | what it measures | when to use it | metrics |\n|---|---|---|---|\n".to_owned();
    for kind in trainer::EVALUATION_KINDS {
        let metrics = (kind.read)(&()).metrics().iter().map(|metric| format!("`{metric}`"));
        let metrics: Vec<String> = metrics.collect();
        let about = kind.about;
        let (name, in_short, choose) = (about.name, about.in_short, about.choose);
        writeln!(table, "| `{name}` | {in_short} | {choose} | {} |", metrics.join(", ")).unwrap();
    }
    table
}

fn drawn() -> String {
    let mut table = "| `type` | keys | draws |\n|---|---|---|\n".to_owned();
    for kind in distributions::KINDS {
        let name = |key: &Key| match key.default {
            Fallback::Required(_) => format!("`{}`", key.name),
            _ => format!("`{}`?", key.name),
        };
        let keys: Vec<String> = kind.keys.iter().map(name).collect();
        writeln!(table, "| `{}` | {} | {} |", kind.name, keys.join(", "), kind.draws).unwrap();
    }
    table
}

fn keys_of_distributions() -> String {
    let mut known: Vec<&str> = Vec::new();
    let mut table = "| key | meaning |\n|---|---|\n".to_owned();
    for key in distributions::KINDS.iter().flat_map(|kind| kind.keys) {
        if !known.contains(&key.name) {
            known.push(key.name);
            writeln!(table, "| `{}` | {} |", key.name, key.about).unwrap();
        }
    }
    table
}

fn parameters() -> String {
    let defaults = json!(Parameters::default());
    let mut table = "| parameter | default | meaning | when to change it |\n|---|---|---|---|\n".to_owned();
    for parameter in PARAMETERS {
        let default = match &defaults[parameter.name] {
            serde_json::Value::Null => "not given".to_owned(),
            serde_json::Value::String(word) => format!("`\"{word}\"`"),
            value => match value.as_f64() {
                Some(number) if number > 0.0 && number < 1e-3 => format!("{number:e}"),
                _ => value.to_string(),
            },
        };
        let (name, about, advice) = (parameter.name, meaning(parameter), parameter.advice);
        writeln!(table, "| `{name}` | {default} | {about} | {advice} |").unwrap();
    }
    table
}

fn meaning(parameter: &embedding::Parameter) -> String {
    let mut about = parameter.about.to_owned();
    for needs in parameter.needs {
        let with = quoted(needs.values.iter().copied()).join(", ");
        about += &format!(" Only with `{}` = {with}.", needs.parameter);
    }
    if let Domain::Choice(choices) = parameter.domain {
        for choice in choices {
            about += &format!(" `\"{}\"`: {}", choice.name, choice.about);
        }
    }
    about
}
