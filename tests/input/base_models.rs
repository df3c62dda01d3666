//! Base models among which trials choose are checked before anything is written, each at its place.

use std::fs;

use hpo_test_support::{bert, hpo_alone, write_model};
use serde_json::Value;

use crate::bad_input::{directory, refused};

fn config(key: &str, value: Value) -> Value {
    let mut config = bert();
    config[key] = value;
    config
}

/// The study with two models, `a` with 2 layers and 32 positions and `b` as `config` says, and these lines in the place of `max_length`
/// and of further parameters.
fn study(config: &Value, max_length: &str, space: &str) -> tempfile::TempDir {
    let directory = directory();
    let path = directory.path();
    write_model(&path.join("a"), &bert());
    write_model(&path.join("b"), config);
    fs::write(
        path.join("validation.jsonl"),
        r#"{"anchor":"dog","positive":"puppy","negative":"car"}"#.to_owned() + "\n",
    )
    .unwrap();
    let text = format!(
        "[study]\ntrials = 27\n[policy]\nmax_resource = 9\n[trial]\ntrain = \"train.jsonl\"\nvalidation = \"validation.jsonl\"\n{max_length}\n\
         [space]\nmodel = {{ type = \"choice\", values = [\"a\", \"b\"] }}\n{space}\n"
    );
    fs::write(path.join("space.toml"), text).unwrap();
    directory
}

#[test]
fn what_one_of_them_cannot_take_names_it() {
    const LENGTH: &str = "max_length = 32";
    for (config, max_length, space, parts) in [
        (
            config("max_position_embeddings", 20.into()),
            LENGTH,
            "batch_size = 4",
            &[
                "space.toml:8:14",
                "must be at most 20, which is as many tokens as the model `b` has positions for",
            ][..],
        ),
        (
            config("max_position_embeddings", 200.into()),
            "",
            "batch_size = 4",
            &[
                "`trial.max_length` is 128 by default, and the model `a` takes 32 tokens at most",
                "max_length = 32",
            ],
        ),
        (
            bert(),
            LENGTH,
            "frozen_layers = { type = \"choice\", values = [0, 2] }",
            &[
                "space.toml:11:49",
                "must be at most 1: the model `a` has 2 layers",
                "`constraints` or `when`",
            ],
        ),
        (
            bert(),
            LENGTH,
            "frozen_layers = { type = \"choice\", values = [0, 2], when = { model = \"b\" } }",
            &["space.toml:11:49", "the model `b` has 2 layers"],
        ),
        (
            config("model_type", "t5".into()),
            LENGTH,
            "",
            &["space.toml:10:43", "model_type `t5` is not supported"],
        ),
        (
            config("vocab_size", 5.into()),
            LENGTH,
            "",
            &["space.toml:10:43", "`config.json` says [5, 4]"],
        ),
    ] {
        refused(study(&config, max_length, space).path(), parts);
    }
    let directory = study(&bert(), LENGTH, "batch_size = 4");
    let text = fs::read_to_string(directory.path().join("space.toml")).unwrap();
    fs::write(
        directory.path().join("space.toml"),
        text.replace("\"b\"]", "\"b\", \"some/model\"]"),
    )
    .unwrap();
    refused(
        directory.path(),
        &[
            "space.toml:10:48",
            "there is no model directory",
            "hf download some/model --local-dir ",
        ],
    );
}

#[test]
fn frozen_layers_that_a_model_is_kept_from_are_no_mistake() {
    let deeper = config("num_hidden_layers", 3.into());
    let text = |constraint: &str, space: &str| {
        let directory = study(&deeper, "max_length = 32", space);
        // One more layer, by its name alone.
        let path = directory.path().join("b/model.safetensors");
        let weights = fs::read(&path).unwrap();
        let of = |bytes: &[u8]| u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: Value = serde_json::from_slice(&weights[8..8 + of(&weights)]).unwrap();
        let mut layers = header.clone();
        layers["bert.encoder.layer.2.output.dense.bias"] = header["bert.encoder.layer.1.output.dense.bias"].clone();
        let header = layers.to_string();
        let bytes = [
            &(header.len() as u64).to_le_bytes(),
            header.as_bytes(),
            &weights[8 + of(&weights)..],
        ]
        .concat();
        fs::write(path, bytes).unwrap();
        let file = directory.path().join("space.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(
            &file,
            text.replace("trials = 27", &format!("trials = 27\n{constraint}")),
        )
        .unwrap();
        directory
    };
    let check = |directory: &tempfile::TempDir| {
        let output = std::process::Command::new(hpo_alone(directory.path()))
            .args(["space", "check", "space.toml"])
            .current_dir(directory.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let layers = "frozen_layers = { type = \"choice\", values = [0, 2]";
    let (code, stderr) = check(&text("", &format!("{layers} }}")));
    assert!(
        code == Some(2) && stderr.contains("the model `a` has 2 layers"),
        "{stderr}"
    );
    for (constraint, space) in [
        ("", format!("{layers}, when = {{ model = \"b\" }} }}")),
        (
            "constraints = [\"model == 'b' or frozen_layers < 2\"]",
            format!("{layers} }}"),
        ),
    ] {
        let (code, stderr) = check(&text(constraint, &space));
        assert_eq!(code, Some(0), "{stderr}");
    }
}
