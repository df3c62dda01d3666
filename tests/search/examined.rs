//! What the trainer would find wrong with base models and prompts only when a worker starts is reported before there is a study, and by
//! `hpo space check`, with its line.

use std::fs;

use hpo_test_support::{Place, write_whole_model};
use serde_json::{Map, Value, json};

const STUDY: &str = "[study]\ntrials = 1\n[policy]\ntype = \"none\"\nmax_resource = 1\n[slots]\ndevices = \"cpu\"\n\
                     trials_per_device = 1\nthreads_per_trial = 1\n[trial]\nmodel = \"model\"\ntrain = \"train.jsonl\"\n\
                     validation = \"validation.jsonl\"\nmax_length = 24\n[space]\nlearning_rate = 1e-4\nbatch_size = 4\n";

fn place() -> Place {
    let place = Place::new();
    write_whole_model(&place.path("model"), "bert", 2, 32);
    place.triplets("train.jsonl", 0..60);
    place.triplets("validation.jsonl", 60..80);
    fs::write(place.path("s.toml"), STUDY).unwrap();
    place
}

/// Changes a JSON file of the model.
fn edit(place: &Place, file: &str, change: impl FnOnce(&mut Value)) {
    let path = place.path("model").join(file);
    let mut json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, json.to_string()).unwrap();
}

/// Changes the header of the weights and their numbers, which `change` is given with where those of a tensor begin.
fn weights(place: &Place, change: impl FnOnce(&mut Map<String, Value>, &mut Vec<u8>)) {
    let path = place.path("model/model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let mut data = bytes[8 + length..].to_vec();
    change(&mut header, &mut data);
    let header = Value::Object(header).to_string();
    let length = (header.len() as u64).to_le_bytes();
    fs::write(path, [&length[..], header.as_bytes(), &data].concat()).unwrap();
}

/// Puts a number into a tensor of the model.
fn number(place: &Place, tensor: &str, number: f32) {
    weights(place, |header, data| {
        let begin = header[tensor]["data_offsets"][0].as_u64().unwrap() as usize + 4;
        data[begin..begin + 4].copy_from_slice(&number.to_le_bytes());
    });
}

/// Checks that both verbs report that, and that there is no study.
#[track_caller]
fn refused(place: &Place, parts: &[&str]) {
    for verb in ["space check", "search"] {
        place.shell(&format!("hpo {verb} s.toml")).fails(2, parts);
    }
    assert!(!place.path("studies").exists());
}

#[test]
fn models_that_cannot_be_used() {
    type Change = fn(&Place);
    const MODEL: &str = "s.toml:11:9";
    const BIAS: &str = "bert.encoder.layer.1.output.dense.bias";
    let cases: [(Change, &[&str]); 10] = [
        (
            |place| number(place, "bert.encoder.layer.1.output.dense.weight", f32::NAN),
            &["model.safetensors`: weight `encoder.layer.1.output.dense.weight` has numbers that are not finite"],
        ),
        (
            |place| number(place, "bert.embeddings.position_embeddings.weight", f32::INFINITY),
            &["`embeddings.position_embeddings.weight` has numbers that are not finite"],
        ),
        (
            |place| number(place, "bert.embeddings.LayerNorm.weight", 3e38),
            &["the embeddings of this model are not finite"],
        ),
        (
            |place| {
                weights(place, |header, _| {
                    header[BIAS]["shape"] = json!([4, 4]);
                });
            },
            &["weight `encoder.layer.1.output.dense.bias` has shape [4, 4], not [16]"],
        ),
        (
            |place| {
                weights(place, |header, _| {
                    header[BIAS]["dtype"] = json!("I32");
                });
            },
            &["weight `encoder.layer.1.output.dense.bias` can't be used: a tensor of type I32 is not supported"],
        ),
        (
            |place| edit(place, "config.json", |config| config["intermediate_size"] = json!(48)),
            &["`encoder.layer.0.intermediate.dense.weight` has shape [32, 16], not [48, 16]"],
        ),
        (
            |place| {
                edit(place, "tokenizer.json", |tokenizer| {
                    let vocabulary = tokenizer["model"]["vocab"].as_object_mut().unwrap();
                    vocabulary.insert("hello".to_owned(), json!(vocabulary.len()));
                });
            },
            &["tokenizer.json`: the token \"hello\" has the number 76, and the model has embeddings of 76 tokens"],
        ),
        (
            |place| {
                edit(place, "tokenizer.json", |tokenizer| {
                    tokenizer["model"]["vocab"] = json!(7)
                })
            },
            &["tokenizer.json`: invalid type"],
        ),
        (
            |place| edit(place, "config.json", |config| config["layer_norm_eps"] = json!("1e-12")),
            &["config.json`: `layer_norm_eps` must be a number"],
        ),
        (
            |place| {
                edit(place, "1_Pooling/config.json", |pooling| {
                    pooling["word_embedding_dimension"] = json!(768);
                });
            },
            &[
                "1_Pooling/config.json`: `word_embedding_dimension` is 768, and the vectors of the encoder have 16 numbers",
            ],
        ),
    ];
    for (change, parts) in cases {
        let place = place();
        change(&place);
        refused(&place, &[&[MODEL], parts].concat());
    }
}

#[test]
fn prompts_that_leave_no_room_and_texts_that_are_alike() {
    let study = |lines: &str, space: &str| {
        let place = place();
        let text = STUDY.replace("max_length = 24\n", &format!("max_length = 24\n{lines}\n"));
        fs::write(place.path("s.toml"), format!("{text}{space}\n")).unwrap();
        place
    };
    // A token for each letter, and one at either end.
    let place = study(
        "prompts = { anchor = \"to be found: it is a question about \", positive = \"p\" }",
        "",
    );
    refused(
        &place,
        &[
            "s.toml:15:11",
            "the prompt \"to be found: it is a question about \" alone has all of the 24 tokens of `max_length`",
        ],
    );
    let sets = "prompt_sets = { plain = {}, long = { positive = \"abcdefghijklmnopqrstuvwx\" } }";
    let place = study(sets, "prompts = { type = \"choice\", values = [\"plain\", \"long\"] }");
    refused(
        &place,
        &[
            "s.toml:15:36",
            "the prompt \"abcdefghijklmnopqrstuvwx\"",
            "shorten it, or raise `max_length`",
        ],
    );
    let place = study("", "");
    let prompts = json!({ "prompts": { "document": "abcdefghijklmnopqrstuvwx" }, "default_prompt_name": null });
    fs::write(
        place.path("model/config_sentence_transformers.json"),
        prompts.to_string(),
    )
    .unwrap();
    refused(&place, &["s.toml:11:9", "the prompt \"abcdefghijklmnopqrstuvwx\""]);
    // All begin alike.
    let place = study("", "");
    let text = fs::read_to_string(place.path("s.toml")).unwrap();
    fs::write(place.path("s.toml"), text.replace("max_length = 24", "max_length = 4")).unwrap();
    refused(
        &place,
        &[
            "s.toml:11:9",
            "of the validation data are the same tokens to the model",
            "help: use a model that knows these words",
        ],
    );
}

#[test]
fn each_of_several_models_is_examined() {
    let place = place();
    write_whole_model(&place.path("other"), "distilbert", 1, 32);
    number(&place, "bert.encoder.layer.0.output.dense.bias", f32::NAN);
    let text = STUDY.replace("model = \"model\"\n", "");
    let text = text + "model = { type = \"choice\", values = [\"other\", \"model\"] }\n";
    fs::write(place.path("s.toml"), text).unwrap();
    refused(
        &place,
        &[
            "s.toml:17:47",
            "`encoder.layer.0.output.dense.bias` has numbers that are not finite",
        ],
    );
}

#[test]
fn a_machine_without_the_trainer_says_that_it_has_not_examined() {
    let place = place();
    let run = place.shell("mkdir bin && cp $(command -v hpo) bin && PATH=/usr/bin:/bin bin/hpo space check s.toml");
    let note =
        "note: the trainer has not examined the base model: hpo-trial-embedding is neither beside hpo nor on the PATH";
    assert!(run.ok().stderr().contains(note));
}
