//! Behind a prompt, texts have the embeddings that sentence-transformers gives them.
//!
//! The reference numbers are made by `make_prompts.py`.

use std::path::{Path, PathBuf};

use crate::tiny_model::directory;
use hpo_protocol::embedding::{Kind, PromptSet, Prompts};
use hpo_trial_embedding::export::name_prompts;
use hpo_trial_embedding::kept_tokens::KeptTokens;
use hpo_trial_embedding::model::{Base, Dropout, Model};
use hpo_trial_embedding::tokens::{Prompted, Text};
use serde::Deserialize;
use serde_json::{Value, json};
use tch::{Device, Tensor};

#[derive(Deserialize)]
struct Case {
    fixture: String,
    config: Value,
    include_prompt: bool,
    encode: Vec<Vec<f32>>,
    query: Vec<Vec<f32>>,
    document: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Reference {
    max_length: usize,
    texts: Vec<String>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A copy of a fixture that names these prompts.
fn model(name: &str, case: &Case) -> PathBuf {
    let target = directory(name);
    let from = fixtures().join(&case.fixture);
    for entry in std::fs::read_dir(&from)
        .unwrap()
        .chain(std::fs::read_dir(from.join("1_Pooling")).into_iter().flatten())
    {
        let path = entry.unwrap().path();
        let to = target.join(path.strip_prefix(&from).unwrap());
        if path.is_file() {
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(&path, &to).unwrap();
        }
    }
    std::fs::write(
        target.join("config_sentence_transformers.json"),
        case.config.to_string(),
    )
    .unwrap();
    if !case.include_prompt {
        let path = target.join("1_Pooling/config.json");
        let mut pooling: Value = read(&path);
        pooling["include_prompt"] = json!(false);
        std::fs::write(&path, pooling.to_string()).unwrap();
    }
    target
}

/// The embeddings of texts behind a prompt, in each way that there is to compute them.
fn embed(base: &Base, prompt: &str, reference: &Reference) -> Vec<Tensor> {
    let tokens = KeptTokens::new(&base.directory, reference.max_length, base.config.vocab_size, None);
    let texts: Vec<&str> = reference.texts.iter().map(String::as_str).collect();
    let behind = tokens.behind(prompt, &texts).unwrap();
    let cut = |place: usize| behind.cut(place, reference.max_length);
    let texts: Vec<Prompted<'_>> = (0..texts.len()).map(cut).collect();
    assert!(texts.iter().all(|text| text.prompt() < text.tokens().len()));
    let ways = |model: Model| {
        [
            model.embed(&texts).unwrap(),
            model.embed_with(&texts, Dropout::NONE).unwrap(),
            model.train(&texts, Dropout::NONE).unwrap().embeddings.detach(),
        ]
    };
    let mut all = Vec::from(ways(base.model(&base.weights).unwrap()));
    all.extend(ways(base.model_by_tensors(&base.weights, base.head).unwrap()));
    all
}

fn near(found: &[Tensor], theirs: &[Vec<f32>], what: &str) {
    for found in found {
        let difference = (found - Tensor::from_slice2(theirs)).abs().max().double_value(&[]);
        assert!(difference < 5e-6, "{what}: {difference:e}");
    }
}

#[test]
fn embeddings_behind_prompts_are_those_of_sentence_transformers() {
    let cases: Vec<Case> = read(&fixtures().join("prompts.json"));
    assert!(cases.len() > 10);
    for (number, case) in cases.iter().enumerate() {
        let what = format!("{} {} {}", case.fixture, case.config, case.include_prompt);
        let base = Base::load(&model(&format!("prompts-{number}"), case), Device::Cpu).unwrap();
        let reference: Reference = read(&fixtures().join(&case.fixture).join("reference.json"));
        let roles = base.prompts.roles();
        let embed = |prompt: &str| embed(&base, prompt, &reference);
        near(&embed(&roles.text), &case.encode, &what);
        // Without it, the library does not look for prompts.
        let has_modules = base.directory.join("modules.json").exists();
        let prompt = |name: &str| match has_modules {
            true => case.config["prompts"][name].as_str().unwrap().to_owned(),
            false => String::new(),
        };
        near(&embed(&prompt("query")), &case.query, &what);
        near(&embed(&prompt("document")), &case.document, &what);
        // By default: with a default prompt all have that.
        let of_roles = match case.config["default_prompt_name"].is_null() {
            true => [&case.query, &case.document],
            false => [&case.encode; 2],
        };
        near(&embed(&roles.anchor), of_roles[0], &what);
        near(&embed(&roles.positive), of_roles[1], &what);
        assert_eq!(has_modules, case.query != case.encode && case.query != case.document);
    }
}

#[test]
fn an_exported_directory_names_the_prompts_of_the_trial_and_keeps_the_others() {
    let cases: Vec<Case> = read(&fixtures().join("prompts.json"));
    let directory = model("prompts-named", &cases[1]);
    let base = Base::load(&directory, Device::Cpu).unwrap();
    let own = PromptSet::Own(Prompts {
        anchor: Some("x: ".to_owned()),
        positive: Some("y: ".to_owned()),
        ..Prompts::default()
    });
    let roles = own.roles(&base.prompts);
    name_prompts(&base.prompts.renamed(&roles, Kind::Pairs).unwrap(), &directory).unwrap();
    let config: Value = read(&directory.join("config_sentence_transformers.json"));
    let prompts = json!({"query": "x: ", "document": "y: ", "other": cases[1].config["prompts"]["other"]});
    assert_eq!(
        config,
        json!({"prompts": prompts, "default_prompt_name": null, "similarity_fn_name": "cosine"})
    );
    let exported = Base::load(&directory, Device::Cpu).unwrap().prompts.roles();
    assert_eq!((&exported.anchor, &exported.positive), (&roles.anchor, &roles.positive));
}

#[test]
fn a_prompt_that_leaves_no_room_is_refused() {
    let base = Base::load(&fixtures().join("bert-mean"), Device::Cpu).unwrap();
    let tokens = KeptTokens::new(&base.directory, 5, base.config.vocab_size, None);
    assert!(tokens.behind("the cat ", &["sat"]).is_ok());
    let error = tokens.behind("the cat in the sun ", &["sat"]).unwrap_err().to_string();
    assert!(
        error.starts_with("the prompt \"the cat in the sun \" alone has 5 tokens or more"),
        "{error}"
    );
}
