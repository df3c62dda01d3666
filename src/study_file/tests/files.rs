//! Files that cannot be read, and the files that they name.

use super::*;

#[test]
fn a_file_that_is_no_text_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("space.toml");
    let message = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = read(&path).unwrap_err();
        format!("{:?} {}", error.line_column(), error.message)
    };
    assert!(message(b"").ends_with("the file is empty"));
    assert!(message(b"\xff\xfe[\0").contains("is UTF-16"));
    assert!(message(&vec![b' '; (MAX_BYTES + 1) as usize]).contains("larger than 1 MiB"));
    assert_eq!(
        message(b"[study]\nname = \"\xe4\"\n"),
        "Some((2, 9)) the file is not UTF-8"
    );
    assert!(read(directory.path()).unwrap_err().message.ends_with("is a directory"));
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
        let error = check_files(&file).unwrap_err();
        (error.line_column().unwrap(), error.message, error.help.unwrap())
    };
    assert!(check().1.contains("there is no model directory"));
    fs::create_dir(here("model")).unwrap();
    fs::write(here("model/config.json"), "{}").unwrap();
    fs::write(here("model/model.safetensors"), "").unwrap();
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
    let error = check_files(&file).unwrap_err();
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
    fs::create_dir(here("model")).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::write(here("model").join(name), "{}").unwrap();
    }
    let check = |rows: &dyn Fn(u32) -> serde_json::Value, loss: &str| {
        let text: String = (0..20).map(|row| format!("{}\n", rows(row))).collect();
        fs::write(here("t.jsonl"), text).unwrap();
        let text = GOOD
            .replace("../.cache/model/m", "model")
            .replace("validation = \"v.jsonl\"", &format!("validation_loss = \"{loss}\""))
            .replace("margin = 1", "dropout = 0");
        let error = check_files(&parse(&text, &here("space.toml")).unwrap()).err()?;
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
fn what_make_setup_fetches_is_told_so() {
    let error = check_files(&parse_at(GOOD).unwrap()).unwrap_err();
    assert_eq!(error.help.as_deref(), Some("run `make setup` to fetch it"));
}
