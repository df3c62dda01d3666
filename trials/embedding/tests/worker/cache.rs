//! Tokenised texts are kept on disk, and change no result.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use crate::study::{Study, report};
use crate::tiny_model::{directory, tiny_model};
use hpo_trial_embedding::cache::Cache;
use hpo_trial_embedding::kept_tokens::KeptTokens;
use hpo_trial_embedding::tokens::Tokens;
use serde_json::{Value, json};

const TEXTS: [&str; 3] = ["w0 w1 w2 w3 w4 w5 w6", "W1 w2", " w59 "];

fn files(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_second_worker_takes_what_the_first_has_kept_and_comes_to_the_same_bits() {
    let mut study = Study::new("kept");
    let checkpoint = |study: &Study, name: &str| {
        let parameters = json!({"learning_rate": 1e-3, "batch_size": 8});
        let lines = study.worker().train(&study.run(name, parameters, 0, 1, None));
        std::fs::read(report(&lines[0]).3).unwrap()
    };
    let without = checkpoint(&study, "without");
    let place = study.path.join("new/cache");
    study.start.cache = Some(place.clone());
    let first = checkpoint(&study, "first");
    let kept = files(&place);
    assert_eq!(kept.len(), 2, "training and validation texts: {kept:?}");
    let whole: Vec<_> = kept.iter().map(|file| std::fs::read(file).unwrap()).collect();
    let second = checkpoint(&study, "second");
    std::fs::write(&kept[0], &whole[0][..whole[0].len() - 1]).unwrap();
    std::fs::write(&kept[1], "something else").unwrap();
    let damaged = checkpoint(&study, "damaged");
    for other in [first, second, damaged] {
        assert!(without == other);
    }
    assert_eq!(files(&place), kept);
    for (file, whole) in kept.iter().zip(whole) {
        assert!(std::fs::read(file).unwrap() == whole, "not repaired");
    }
    // A file in the way of the directory.
    study.start.cache = Some(study.path.join("train.jsonl"));
    assert!(without == checkpoint(&study, "unwritable"));
}

#[test]
fn a_kept_text_needs_no_tokenizer_and_any_change_of_what_it_was_made_from_tells() {
    let path = directory("cache-key");
    tiny_model(&path, "");
    // A `BertTokenizer` would take only the vocabulary from `tokenizer.json`.
    let whole = |class: &str| {
        std::fs::write(
            path.join("tokenizer_config.json"),
            json!({ "tokenizer_class": class }).to_string(),
        )
    };
    whole("TokenizersBackend").unwrap();
    let place = path.join("cache");
    let seen = Cell::new(0);
    let tokens =
        |max_length, vocabulary| KeptTokens::new(&path, max_length, vocabulary, Some(Cache::new(place.clone())));
    let new_file = |what: &str| {
        let before = seen.replace(files(&place).len());
        assert_eq!(seen.get(), before + 1, "{what}");
    };
    let plain = Tokens::read(&path, 16, 65).unwrap();
    let kept = tokens(16, 65);
    let made = kept.encode(&TEXTS).unwrap();
    assert_eq!(made.texts, plain.encode(&TEXTS).unwrap());
    assert_eq!(made.edges, (1, 1));
    new_file("first");
    assert_eq!(tokens(16, 65).encode(&TEXTS).unwrap(), made);
    assert_eq!(files(&place).len(), 1);

    tokens(5, 65).encode(&TEXTS).unwrap();
    new_file("max_length");
    tokens(16, 66).encode(&TEXTS).unwrap();
    new_file("vocabulary");
    // The same letters in other texts.
    tokens(16, 65)
        .encode(&["w0 w1 w2 w3 w4 w5 w6W1 w2", "", " w59 "])
        .unwrap();
    new_file("texts");
    std::fs::write(path.join("sentence_bert_config.json"), r#"{"do_lower_case": true}"#).unwrap();
    let lower = tokens(16, 65).encode(&TEXTS).unwrap();
    new_file("lower case");
    assert_ne!(lower, made);
    whole("PreTrainedTokenizerFast").unwrap();
    tokens(16, 65).encode(&TEXTS).unwrap();
    new_file("tokenizer_config.json");

    let file = path.join("tokenizer.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    json["post_processor"]["single"].as_array_mut().unwrap().pop();
    std::fs::write(&file, json.to_string()).unwrap();
    let changed = tokens(16, 65).encode(&TEXTS).unwrap();
    new_file("tokenizer.json");
    assert_eq!(changed.edges, (1, 0));
    assert_ne!(changed, lower);

    // Nothing is kept of what is wrong.
    let refused = tokens(16, 10).encode(&TEXTS).unwrap_err().to_string();
    assert!(refused.contains("outside the model's vocabulary of 10"), "{refused}");
    assert_eq!(files(&place).len(), seen.get());
    std::fs::remove_file(&file).unwrap();
    let missing = tokens(16, 65).encode(&TEXTS).unwrap_err().to_string();
    assert!(missing.contains("there is no such file"), "{missing}");
}
