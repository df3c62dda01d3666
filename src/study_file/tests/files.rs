//! Files that cannot be read, and the files that they name.

use super::*;

/// As without a trainer.
fn check_files(file: &StudyFile) -> std::result::Result<Option<hpo_data::Report>, Diagnostics> {
    crate::study_file::check_files(file, |_| Vec::new())
}

#[test]
fn a_file_that_is_no_text_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("space.toml");
    let message = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = read(&path).unwrap_err().0.remove(0);
        format!("{:?} {}", error.line_column(), error.message)
    };
    assert!(message(b"").ends_with("the file is empty"));
    assert!(message(b"\xff\xfe[\0").contains("is UTF-16"));
    assert!(message(&vec![b' '; (MAX_BYTES + 1) as usize]).contains("larger than 1 MiB"));
    assert_eq!(
        message(b"[study]\nname = \"\xe4\"\n"),
        "Some((2, 9)) the file is not UTF-8"
    );
    assert!(
        read(directory.path())
            .unwrap_err()
            .to_string()
            .contains("is a directory")
    );
    let missing = read(Path::new("missing.toml")).unwrap_err().to_string();
    assert!(
        missing.starts_with("error: cannot read `missing.toml`: No such file"),
        "{missing}"
    );
}

#[test]
fn the_files_of_a_study_are_checked_in_turn() {
    let directory = tempfile::tempdir().unwrap();
    let here = |name: &str| directory.path().join(name);
    let text = GOOD.replace("../.cache/model/m", "model");
    let file = parse(&text, &here("space.toml")).unwrap();
    let check = || {
        let error = check_files(&file).unwrap_err().0.remove(0);
        (error.line_column().unwrap(), error.message, error.help.unwrap())
    };
    assert!(check().1.contains("there is no model directory"));
    let mut config = hpo_test_support::bert();
    config["max_position_embeddings"] = json!(128);
    hpo_test_support::write_model(&here("model"), &config);
    fs::remove_file(here("model/tokenizer.json")).unwrap();
    let (place, message, _) = check();
    assert!(
        place == (8, 9) && message.ends_with("has no `tokenizer.json`"),
        "{place:?} {message}"
    );
    fs::write(here("model/tokenizer.json"), "{}").unwrap();
    let (place, message, _) = check();
    assert!(
        place == (9, 9) && message.contains("t.jsonl`: No such file"),
        "{place:?} {message}"
    );
    fs::write(here("t.jsonl"), "\n").unwrap();
    assert!(check().1.ends_with("has no rows"));
    let good = "{\"anchor\":\"a\",\"positive\":\"b\",\"negative\":\"c\"}\n";
    fs::write(here("t.jsonl"), good).unwrap();
    fs::write(here("v.jsonl"), format!("{good}\n{}", good.replace("\"c\"", "7"))).unwrap();
    let error = check_files(&file).unwrap_err().0.remove(0);
    assert_eq!(
        (error.line_column(), error.file.file_name().unwrap()),
        (Some((3, 41)), "v.jsonl".as_ref())
    );
    assert_eq!(error.message, "`negative` must be a string, not a number");
    fs::write(here("v.jsonl"), good).unwrap();
    let (place, message, _) = check();
    assert!(
        place == (9, 9) && message.ends_with("of 1 dropped 1 that leak into held-out rows"),
        "{place:?} {message}"
    );
    fs::write(here("v.jsonl"), good.replace("\"a\"", "\"d\"")).unwrap();
    let report = check_files(&file).unwrap().unwrap();
    assert_eq!((report.train.rows, report.validation.rows), (1, 1));
}

#[test]
fn a_validation_loss_is_refused_for_data_that_it_is_not_made_for() {
    let directory = tempfile::tempdir().unwrap();
    let here = |name: &str| directory.path().join(name);
    let mut config = hpo_test_support::bert();
    config["max_position_embeddings"] = json!(128);
    hpo_test_support::write_model(&here("model"), &config);
    let check = |rows: &dyn Fn(u32) -> serde_json::Value, loss: &str| {
        let text: String = (0..20).map(|row| format!("{}\n", rows(row))).collect();
        fs::write(here("t.jsonl"), text).unwrap();
        let text = GOOD
            .replace("../.cache/model/m", "model")
            .replace("validation = \"v.jsonl\"", &format!("validation_loss = \"{loss}\""))
            .replace("margin = 1", "dropout = 0");
        let mut errors = check_files(&parse(&text, &here("space.toml")).unwrap()).err()?.0;
        let error = errors.remove(0);
        assert_eq!(errors, []);
        Some((error.line_column().unwrap(), error.message, error.help.unwrap()))
    };
    let triplets =
        |n: u32| json!({"anchor": format!("a{n}"), "positive": format!("b{n}"), "negative": format!("c{n}")});
    let pairs = |n: u32| json!({"anchor": format!("a{n}"), "positive": format!("b{n}")});
    let scored = |n: u32| json!({"sentence1": format!("a{n}"), "sentence2": format!("b{n}"), "score": n % 2});
    let labelled = |n: u32| json!({"text": format!("a{n}"), "label": n % 2});
    let refused = |message: &str, help: &str| Some(((10, 19), message.to_owned(), help.to_owned()));
    for loss in ["auto", "log_rank", "cross_entropy", "triplet"] {
        assert_eq!(check(&triplets, loss), None);
    }
    for loss in ["auto", "log_rank", "cross_entropy"] {
        assert_eq!(check(&pairs, loss), None);
    }
    for loss in ["auto", "cross_entropy"] {
        assert_eq!(check(&labelled, loss), None);
    }
    assert_eq!(check(&scored, "auto"), None);
    assert_eq!(
        check(&pairs, "triplet"),
        refused(
            "the validation loss `triplet` can't be computed for pairs",
            "write `\"auto\"` or `\"log_rank\"` or `\"cross_entropy\"`, or remove it"
        )
    );
    assert_eq!(
        check(&labelled, "triplet"),
        refused(
            "the validation loss `triplet` can't be computed for labelled texts",
            "write `\"auto\"` or `\"cross_entropy\"`, or remove it"
        )
    );
    for loss in ["log_rank", "cross_entropy", "triplet"] {
        assert_eq!(
            check(&scored, loss),
            refused(
                &format!("the validation loss `{loss}` can't be computed for scored pairs"),
                "write `\"auto\"`, or remove it"
            )
        );
    }
}

#[test]
fn prompts_that_no_trial_has_and_those_that_a_model_cannot_have_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let here = |name: &str| directory.path().join(name);
    let mut config = hpo_test_support::bert();
    config["max_position_embeddings"] = json!(128);
    hpo_test_support::write_model(&here("model"), &config);
    let row = |n: u32| json!({"anchor": format!("a{n}"), "positive": format!("b{n}")});
    let rows: String = (0..20).map(|n| format!("{}\n", row(n))).collect();
    fs::write(here("t.jsonl"), rows).unwrap();
    let check = |space: &str| {
        let sets = "prompt_sets = { plain = {}, e5 = { anchor = \"query: \" } }";
        let text = GOOD
            .replace("../.cache/model/m", "model")
            .replace("validation = \"v.jsonl\"", sets)
            .replace("margin = 1", space);
        let errors = check_files(&parse(&text, &here("space.toml")).unwrap()).err()?.0;
        let said = errors
            .iter()
            .map(|error| (error.line_column().unwrap().0, error.message.clone()));
        Some(said.collect::<Vec<_>>())
    };
    let choice = "prompts = { type = \"choice\", values = [\"plain\", \"e5\"] }";
    assert_eq!(check(choice), None);
    let unused = "`prompt_sets` has no effect: no trial names one of them";
    assert_eq!(check("dropout = 0"), Some(vec![(10, unused.to_owned())]));
    let modules = r#"[{"type": "models.Transformer"}, {"type": "models.Pooling"}]"#;
    fs::write(here("model/modules.json"), modules).unwrap();
    let path = here("model/config_sentence_transformers.json");
    fs::write(
        &path,
        r#"{"prompts": {"query": "q: "}, "default_prompt_name": "search"}"#,
    )
    .unwrap();
    let said = check(choice).unwrap().remove(0);
    assert!(
        said.0 == 8 && said.1.contains("`default_prompt_name` is `search`"),
        "{said:?}"
    );
}

#[test]
fn what_make_setup_fetches_is_told_so() {
    let error = check_files(&parse_at(GOOD).unwrap()).unwrap_err().0.remove(0);
    assert_eq!(error.help.as_deref(), Some("run `make setup` to fetch it"));
}

/// A file beside which there are this model and good data, and what is wrong with them.
fn wrong(edit: impl FnOnce(&Path), from: &str, to: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let here = |name: &str| directory.path().join(name);
    hpo_test_support::write_model(&here("model"), &hpo_test_support::bert());
    let row = |n: u32| format!("{{\"anchor\":\"a{n}\",\"positive\":\"b{n}\",\"negative\":\"c{n}\"}}\n");
    fs::write(here("t.jsonl"), row(1) + &row(2)).unwrap();
    fs::write(here("v.jsonl"), row(3) + &row(4)).unwrap();
    edit(&here("model"));
    let text = GOOD.replace("../.cache/model/m", "model");
    let text = text.replace("[trial]", "[trial]\nmax_length = 32");
    assert!(text.contains(from));
    let text = text.replacen(from, to, 1);
    let file = parse(&text, &here("space.toml")).unwrap();
    let errors = check_files(&file).err().map_or(Vec::new(), |errors| errors.0);
    let shown = errors.iter().map(|error| {
        let (line, column) = error.line_column().unwrap();
        let message = error.message.replace(directory.path().to_str().unwrap(), "");
        format!(
            "{line}:{column} {message}; {}",
            error.help.as_deref().unwrap_or_default()
        )
    });
    shown.collect()
}

#[test]
fn values_that_the_model_does_not_take_are_reported_at_their_places() {
    let values = |from: &str, to: &str| wrong(|_| {}, from, to);
    assert_eq!(values("margin = 1", "margin = 1"), [""; 0]);
    assert_eq!(values("margin = 1", "frozen_layers = 1"), [""; 0]);
    let most = "must be at most 1: the model has 2 layers, of which some must be trained; write 1 or less";
    assert_eq!(
        values("margin = 1", "frozen_layers = 2"),
        [format!("14:17 `frozen_layers` {most}")]
    );
    assert_eq!(
        values(
            "margin = 1",
            "frozen_layers = { type = \"choice\", values = [0, 2, 1, 7] }"
        ),
        [
            format!("14:49 `frozen_layers.values[1]` {most}"),
            format!("14:55 `frozen_layers.values[3]` {most}")
        ]
    );
    assert_eq!(
        values(
            "margin = 1",
            "frozen_layers = { type = \"integer\", low = 0, high = 3 }"
        ),
        [format!("14:53 `frozen_layers.high` {most}")]
    );
    let longest = "must be at most 32, which is as many tokens as the model has positions for; write 32 or less";
    assert_eq!(
        values("max_length = 32", "max_length = 33"),
        [format!("8:14 `trial.max_length` {longest}")]
    );
    assert_eq!(
        values("max_length = 32\n", ""),
        ["7:1 `trial.max_length` is 128 by default, and the model takes 32 tokens at most; add `max_length = 32`"]
    );
    // All at once.
    let both = wrong(
        |model| fs::remove_file(model.join("../t.jsonl")).unwrap(),
        "margin = 1",
        "frozen_layers = 9",
    );
    assert!(
        both.len() == 2 && both[0].contains("t.jsonl`: No such file") && both[1].starts_with("14:17"),
        "{both:?}"
    );
}

#[test]
fn a_model_that_cannot_be_used_is_reported_once_and_at_its_line() {
    let config = |change: fn(&mut serde_json::Value)| {
        move |model: &Path| {
            let mut config = hpo_test_support::bert();
            change(&mut config);
            fs::write(model.join("config.json"), config.to_string()).unwrap();
        }
    };
    let write = |name: &'static str, text: &'static str| {
        move |model: &Path| {
            fs::create_dir_all(model.join(name).parent().unwrap()).unwrap();
            fs::write(model.join(name), text).unwrap();
        }
    };
    let cut = |length: u64| {
        move |model: &Path| {
            let file = fs::OpenOptions::new()
                .write(true)
                .open(model.join("model.safetensors"))
                .unwrap();
            file.set_len(length).unwrap();
        }
    };
    let modules = |kind: &str| {
        format!(
            r#"[{{"path": "", "type": "sentence_transformers.models.Transformer"}}, {{"path": "2_X", "type": "a.{kind}"}}]"#
        )
    };
    let dense = modules("Dense");
    let pooling = modules("Pooling");
    type Edit = Box<dyn FnOnce(&Path)>;
    let cases: Vec<(Edit, &str)> = vec![
        (
            Box::new(config(|config| config["model_type"] = json!("t5"))),
            "/model/config.json`: model_type `t5` is not supported",
        ),
        (
            Box::new(config(|config| config["num_hidden_layers"] = json!(3))),
            "have no layer 2, and `config.json` says 3 layers",
        ),
        (
            Box::new(config(|config| config["vocab_size"] = json!(8))),
            "have [7, 4] numbers in `embeddings.word_embeddings.weight`",
        ),
        (
            Box::new(config(|config| config["hidden_act"] = json!("relu"))),
            "hidden_act `relu` is not supported",
        ),
        (Box::new(write("config.json", "{")), "/model/config.json`: EOF"),
        (
            Box::new(move |model| fs::write(model.join("modules.json"), dense).unwrap()),
            "module `a.Dense` at `2_X` is not supported",
        ),
        (
            Box::new(move |model| {
                fs::write(model.join("modules.json"), pooling).unwrap();
                write("2_X/config.json", r#"{"pooling_mode": "lasttoken"}"#)(model);
            }),
            "2_X/config.json`: this pooling is not supported",
        ),
        (
            Box::new(write("tokenizer.json", "{\"a\"")),
            "/model/tokenizer.json`: EOF",
        ),
        (
            Box::new(write(
                "tokenizer_config.json",
                r#"{"tokenizer_class": "BertJapaneseTokenizer"}"#,
            )),
            "/model/tokenizer_config.json`: tokenizer_class `BertJapaneseTokenizer` is not supported; use a model with one of",
        ),
        (
            Box::new(write("tokenizer_config.json", r#"{"truncation_side": "left"}"#)),
            "/model/tokenizer_config.json`: truncation_side `left` is not supported; set `truncation_side` to `right`",
        ),
        (
            Box::new(write("tokenizer.json", r#"{"model": {"type": "Unigram"}}"#)),
            "needs a model of type WordPiece, and `tokenizer.json` has a Unigram; set `tokenizer_class`",
        ),
        (Box::new(cut(0)), "model.safetensors`: it is no whole safetensors file"),
        (Box::new(cut(7)), "no whole safetensors file"),
        (Box::new(cut(60)), "no whole safetensors file"),
        (Box::new(cut(400)), "no whole safetensors file"),
        (
            Box::new(write("model.safetensors", "\x01\x00\x00\x00\x00\x00\x00\x00{")),
            "no whole safetensors file",
        ),
        (
            Box::new(write(
                "model.safetensors",
                "version https://git-lfs.github.com/spec/v1\n",
            )),
            "no whole safetensors file",
        ),
    ];
    for (edit, expected) in cases {
        let errors = wrong(edit, "margin = 1", "margin = 1");
        assert!(
            errors.len() == 1 && errors[0].starts_with("9:9 ") && errors[0].contains(expected),
            "{expected}: {errors:?}"
        );
    }
    let pickled = wrong(
        |model| fs::rename(model.join("model.safetensors"), model.join("pytorch_model.bin")).unwrap(),
        "margin = 1",
        "margin = 1",
    );
    assert!(
        pickled.len() == 1
            && pickled[0].contains("convert `pytorch_model.bin`: python -c 'import sys; from transformers"),
        "{pickled:?}"
    );
}

#[test]
fn how_to_download_a_model_is_reported_where_its_name_is_one_of_the_hub() {
    let help = |model: &str| {
        let text = GOOD.replace("../.cache/model/m", model);
        check_files(&parse_at(&text).unwrap())
            .unwrap_err()
            .0
            .remove(0)
            .help
            .unwrap()
    };
    assert_eq!(
        help("sentence-transformers/all-MiniLM-L6-v2"),
        "if it is a model of Hugging Face's hub, download it: hf download sentence-transformers/all-MiniLM-L6-v2 --local-dir \
         /here/sub/sentence-transformers/all-MiniLM-L6-v2"
    );
    assert!(help("./models/mine").starts_with("it must be a Hugging Face model directory"));
    assert!(help("/models/mine").starts_with("it must be"));
}
