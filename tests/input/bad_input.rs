//! Bad input ends with exit code 2, the place, the offending text and the fix, and leaves nothing behind.

use std::fs;
use std::path::Path;
use std::process::Command;

const GOOD_LINE: &str = r#"{"anchor":"cat","positive":"kitten","negative":"car"}"#;

const STUDY: &str = r#"[study]
trials = 27

[policy]
max_resource = 9

[trial]
model = "model"
train = "train.jsonl"
validation = "validation.jsonl"

[space]
learning_rate = { type = "log_uniform", low = 1e-5, high = 1e-3 }
"#;

/// A directory with a study that only a real model would make complete.
pub fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    fs::create_dir(directory.path().join("model")).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        write(&format!("model/{name}"), "{}");
    }
    write("train.jsonl", &format!("{GOOD_LINE}\n"));
    write("validation.jsonl", &format!("{GOOD_LINE}\n"));
    write("space.toml", STUDY);
    directory
}

/// Runs `hpo search space.toml` in the directory, which must refuse it with all of `parts` on standard error.
pub fn refused(directory: &Path, parts: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_hpo"))
        .args(["search", "space.toml", "--studies", "studies"])
        .current_dir(directory)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{part:?} is not in\n{stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
    let left = fs::read_dir(directory.join("studies")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "something was written into the studies directory");
}

/// The study with `old` replaced by `new` is refused.
fn refused_with(old: &str, new: &str, parts: &[&str]) {
    assert!(STUDY.contains(old));
    let directory = directory();
    fs::write(directory.path().join("space.toml"), STUDY.replacen(old, new, 1)).unwrap();
    refused(directory.path(), parts);
}

#[test]
fn a_misspelt_key() {
    let parts = ["space.toml:2:1", "trails = 27", "^^^^^^", "did you mean `trials`?"];
    refused_with("trials = 27", "trails = 27", &parts);
}

#[test]
fn an_empty_range() {
    let parts = [
        "space.toml:13:41",
        "low = 1e-5, high = 1e-6",
        "is empty",
        "swap `low` and `high`",
    ];
    refused_with("high = 1e-3", "high = 1e-6", &parts);
}

#[test]
fn a_logarithmic_range_that_touches_zero() {
    let parts = [
        "space.toml:13:47",
        "low = 0",
        "touches zero",
        "use `type = \"uniform\"`",
    ];
    refused_with("low = 1e-5", "low = 0", &parts);
}

#[test]
fn a_value_that_the_trainer_does_not_take() {
    let parts = [
        "space.toml:13:11",
        "dropout = 1.5",
        "from 0 to 0.9",
        "write a number of at most 0.9",
    ];
    refused_with("[space]", "[space]\ndropout = 1.5", &parts);
}

#[test]
fn an_unknown_parameter() {
    let parts = ["space.toml:13:1", "learning_rat", "did you mean `learning_rate`?"];
    refused_with("learning_rate", "learning_rat", &parts);
}

#[test]
fn toml_that_is_none() {
    let parts = ["space.toml:8:9", "model = model", "not TOML", "quotes"];
    refused_with("model = \"model\"", "model = model", &parts);
}

#[test]
fn a_missing_table() {
    refused_with(
        "[policy]\nmax_resource = 9\n",
        "",
        &["space.toml", "no table `[policy]`", "`max_resource = 9`"],
    );
}

#[test]
fn a_missing_study_file() {
    let directory = directory();
    fs::remove_file(directory.path().join("space.toml")).unwrap();
    refused(
        directory.path(),
        &["error: cannot read `space.toml`: No such file", "search_spaces/"],
    );
}

#[test]
fn a_directory_for_a_study_file() {
    let directory = directory();
    fs::remove_file(directory.path().join("space.toml")).unwrap();
    fs::create_dir(directory.path().join("space.toml")).unwrap();
    refused(directory.path(), &["`space.toml` is a directory"]);
}

#[test]
fn a_study_file_that_is_not_utf_8() {
    let directory = directory();
    fs::write(directory.path().join("space.toml"), b"[study]\nname = \"\xe4\"\n").unwrap();
    refused(directory.path(), &["space.toml:2:9", "not UTF-8", "save it as UTF-8"]);
}

#[test]
fn an_empty_study_file() {
    refused_with(STUDY, "", &["space.toml", "the file is empty", "search_spaces/"]);
}

#[test]
fn terminal_escapes_in_the_file_are_not_passed_on() {
    let directory = directory();
    fs::write(directory.path().join("space.toml"), "[study]\n\u{1b}[2J = 1\n").unwrap();
    refused(directory.path(), &["space.toml:2:", "␛[2J"]);
}

#[test]
fn a_missing_model() {
    let directory = directory();
    fs::remove_dir_all(directory.path().join("model")).unwrap();
    refused(
        directory.path(),
        &[
            "space.toml:8:9",
            "there is no model directory",
            "model = \"model\"",
            "config.json",
        ],
    );
}

#[test]
fn a_missing_model_of_make_setup() {
    let parts = ["space.toml:8:9", "/.cache/model/none", "run `make setup` to fetch it"];
    refused_with("\"model\"", "\".cache/model/none\"", &parts);
}

#[test]
fn a_model_without_a_tokenizer() {
    let directory = directory();
    fs::remove_file(directory.path().join("model/tokenizer.json")).unwrap();
    refused(directory.path(), &["space.toml:8:9", "has no `tokenizer.json`"]);
}

#[test]
fn missing_triplets() {
    let directory = directory();
    fs::remove_file(directory.path().join("validation.jsonl")).unwrap();
    refused(
        directory.path(),
        &["space.toml:10:14", "validation.jsonl`: No such file", "check the path"],
    );
}

#[test]
fn triplets_without_a_key() {
    let directory = directory();
    let text = format!("{GOOD_LINE}\n\n{}\n", GOOD_LINE.replace("negative", "negativ"));
    fs::write(directory.path().join("train.jsonl"), text).unwrap();
    refused(
        directory.path(),
        &[
            "train.jsonl:3:1",
            "\"negativ\":\"car\"",
            "the key `negative` is missing",
            "per line",
        ],
    );
}

#[test]
fn triplets_with_a_number_for_a_text() {
    let directory = directory();
    fs::write(
        directory.path().join("train.jsonl"),
        GOOD_LINE.replace("\"kitten\"", "7"),
    )
    .unwrap();
    let parts = [
        "train.jsonl:1:28",
        "`positive` must be a string, not a number",
        "put the text in quotes",
    ];
    refused(directory.path(), &parts);
}

#[test]
fn triplets_cut_off() {
    let directory = directory();
    fs::write(directory.path().join("validation.jsonl"), &GOOD_LINE[..30]).unwrap();
    refused(
        directory.path(),
        &["validation.jsonl:1:30", "not JSON", &GOOD_LINE[..30]],
    );
}

#[test]
fn no_triplets() {
    let directory = directory();
    fs::write(directory.path().join("train.jsonl"), "\n").unwrap();
    refused(directory.path(), &["space.toml:9:9", "has no rows"]);
}

#[test]
fn columns_that_nobody_knows() {
    let directory = directory();
    fs::write(directory.path().join("train.csv"), "frage,antwort\na,b\n").unwrap();
    let text = STUDY.replace("train.jsonl", "train.csv");
    fs::write(directory.path().join("space.toml"), text).unwrap();
    let parts = [
        "train.csv:1:1",
        "frage,antwort",
        "cannot tell what the columns are for: `frage`, `antwort`",
        "columns = {",
    ];
    refused(directory.path(), &parts);
}

#[test]
fn synonyms_that_cannot_be_used() {
    let directory = directory();
    let study = |trial: &str, space: &str| {
        let text = STUDY.replace("[space]", &format!("{trial}\n[space]\n{space}"));
        // Else all of the training data would leak.
        fs::write(
            directory.path().join("validation.jsonl"),
            GOOD_LINE.replace("cat", "dog"),
        )
        .unwrap();
        fs::write(directory.path().join("space.toml"), text).unwrap();
    };
    study("", "synonym_replacement = 0.1");
    refused(
        directory.path(),
        &[
            "`synonym_replacement` needs synonyms",
            "`synonyms = \"synonyms.tsv\"` under",
        ],
    );
    study("synonyms = \"s.tsv\"", "synonym_replacement = 0.1");
    refused(directory.path(), &["synonyms = \"s.tsv\"", "s.tsv`: No such file"]);
    fs::write(directory.path().join("s.tsv"), "big\tlarge\nsmall, little\n").unwrap();
    refused(
        directory.path(),
        &["s.tsv:2:1", "small, little", "at least two words", "separated by tabs"],
    );
    fs::write(directory.path().join("s.tsv"), "big\tlarge\n").unwrap();
    study("synonyms = \"s.tsv\"", "");
    refused(
        directory.path(),
        &["`synonyms` has no effect", "search `synonym_replacement`"],
    );
}

#[test]
fn a_quote_that_is_never_closed() {
    let directory = directory();
    fs::write(
        directory.path().join("train.csv"),
        "anchor,positive,negative\na,b,c\nd,e,\"f\ng,h,i\n",
    )
    .unwrap();
    let text = STUDY.replace("train.jsonl", "train.csv");
    fs::write(directory.path().join("space.toml"), text).unwrap();
    refused(directory.path(), &["train.csv:3:5", "d,e,\"f", "never closed"]);
}

#[test]
fn validation_data_that_is_all_in_training() {
    let parts = [
        "space.toml:9:9",
        "no rows of",
        "1 that leak into held-out rows",
        "give `train`, `validation` and `test` different rows",
    ];
    refused(directory().path(), &parts);
}

#[test]
fn too_few_rows_to_split() {
    let parts = [
        "space.toml:9:9",
        "has a single row: none can be split off to be validation data",
        "give a file with `validation",
    ];
    refused_with("validation = \"validation.jsonl\"\n", "", &parts);
}

/// What the model can't take is reported by the check and the search alike, and nothing is written.
#[test]
fn values_and_models_that_the_trainer_cannot_use() {
    let config = |key: &str, value: serde_json::Value| {
        let mut config = hpo_test_support::bert();
        config[key] = value;
        config
    };
    let usual = hpo_test_support::bert();
    let space = "[space]\nlearning_rate = 1e-5\n";
    for (config, space, parts) in [
        (
            &usual,
            "[space]\nfrozen_layers = 2\n",
            &["space.toml:14:17", "must be at most 1"][..],
        ),
        (
            &usual,
            "[space]\nfrozen_layers = { type = \"choice\", values = [0, 6, 12] }\n",
            &["space.toml:14:49", "space.toml:14:52", "the model has 2 layers"],
        ),
        (
            &usual,
            "[space]\nfrozen_layers = { type = \"log_integer\", low = 1, high = 2 }\n",
            &["space.toml:14:57", "must be at most 1"],
        ),
        (
            &config("max_position_embeddings", 31.into()),
            space,
            &["space.toml:8:14", "must be at most 31"],
        ),
        (
            &config("model_type", "t5".into()),
            space,
            &["space.toml:9:9", "model_type `t5` is not supported"],
        ),
        (
            &config("num_hidden_layers", 1.into()),
            space,
            &["space.toml:9:9", "have a layer 1, and `config.json` says 1 layers"],
        ),
        (
            &config("is_decoder", true.into()),
            space,
            &["space.toml:9:9", "is_decoder is not supported"],
        ),
        (
            &config("vocab_size", 5.into()),
            space,
            &["space.toml:9:9", "`config.json` says [5, 4]"],
        ),
    ] {
        let directory = directory();
        hpo_test_support::write_model(&directory.path().join("model"), config);
        let other = GOOD_LINE.replace("cat", "dog").replace("kitten", "puppy");
        fs::write(directory.path().join("validation.jsonl"), other + "\n").unwrap();
        let study = STUDY.replace("[trial]", "[trial]\nmax_length = 32");
        let (head, _) = study.split_once("[space]").unwrap();
        fs::write(directory.path().join("space.toml"), format!("{head}{space}")).unwrap();
        refused(directory.path(), parts);
        let check = Command::new(env!("CARGO_BIN_EXE_hpo"))
            .args(["space", "check", "space.toml"])
            .current_dir(directory.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8(check.stderr).unwrap();
        assert!(
            check.status.code() == Some(2) && parts.iter().all(|part| stderr.contains(part)),
            "{stderr}"
        );
        // Nothing twice.
        assert_eq!(
            stderr.matches("error: ").count(),
            parts.iter().filter(|part| part.starts_with("space.toml")).count()
        );
    }
}

/// What sentence-transformers makes of these is another embedding, or none.
#[test]
fn modules_in_another_order_than_the_trainer_has_them() {
    let directory = directory();
    let model = directory.path().join("model");
    hpo_test_support::write_model(&model, &hpo_test_support::bert());
    fs::create_dir(model.join("1_Pooling")).unwrap();
    fs::write(model.join("1_Pooling/config.json"), "{}").unwrap();
    let module = |kind: &&str| {
        let path = if *kind == "Pooling" { "1_Pooling" } else { "" };
        format!(r#"{{"path": "{path}", "type": "sentence_transformers.models.{kind}"}}"#)
    };
    for (modules, named) in [
        (
            &["Transformer", "Normalize", "Pooling"][..],
            "Transformer, Normalize, Pooling;",
        ),
        (&["Transformer", "Pooling", "Pooling"], "Transformer, Pooling, Pooling;"),
        (&["Transformer"], "are Transformer;"),
        (&[], "are none;"),
    ] {
        let modules: Vec<String> = modules.iter().map(module).collect();
        fs::write(model.join("modules.json"), format!("[{}]", modules.join(", "))).unwrap();
        refused(
            directory.path(),
            &["space.toml:8:9", "modules.json`: its modules", named],
        );
    }
}

#[test]
fn all_that_is_wrong_at_once() {
    let directory = directory();
    let study = STUDY
        .replace("trials = 27", "trails = 27\nseed = -1\nretries = 1e3")
        .replace("max_resource = 9", "max_resource = 0")
        .replace("train = \"train.jsonl\"", "train = 3\nvalidaton = \"x\"")
        .replace("low = 1e-5", "low = 1e-2")
        + "dropout = 2\nlr = 1\n";
    fs::write(directory.path().join("space.toml"), study).unwrap();
    let parts = [
        "unknown key `study.trails`",
        "`study.seed` must be at least 0",
        "`study.retries` must be a whole number",
        "`policy.max_resource` must be at least 1",
        "`trial.train` must be a string",
        "no setting `trial.validaton`",
        "the range of `learning_rate` is empty",
        "`dropout` must be a number from 0 to 0.9",
        "no parameter `lr`",
    ];
    refused(directory.path(), &parts);
    let output = Command::new(env!("CARGO_BIN_EXE_hpo"))
        .args(["search", "space.toml"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.matches("error: ").count(), parts.len(), "{stderr}");
}
