//! Models and checkpoints that were damaged or made to do harm are reported, with no panic and no more memory than they are large.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::study::{Study, report};
use crate::with_memory;
use hpo_protocol::ToWorker;
use hpo_trial_embedding::checkpoint::Saved;
use hpo_trial_embedding::model::Base;
use proptest::prelude::*;
use serde_json::json;
use tch::Device;

/// What is put into headers: sizes that no file has, and what breaks JSON.
const WORDS: &[&str] = &[
    "",
    "0",
    "-1",
    "9",
    "18446744073709551615",
    "9223372036854775807",
    "4294967296",
    "1e999",
    "null",
    "[]",
    "{}",
    "\"",
    "F64",
    "F16",
    "I64",
    ",",
    "]",
    "}",
    "..",
    "\u{0}",
    "bert",
    "data_offsets",
    "shape",
];

/// A small file with a header: text in it is replaced, its length is changed, or it is cut.
fn damage(
    bytes: &[u8],
    header: usize,
    at: f64,
    length: usize,
    word: &str,
    lengths: Option<u64>,
    cut: Option<f64>,
) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    let begin = 8 + (at * (header - 8) as f64) as usize;
    let end = (begin + length).min(header);
    // As long as before, so that the header still ends where it is said to.
    let mut word: Vec<u8> = word.bytes().collect();
    if length >= word.len() {
        word.resize(end - begin, b' ');
    }
    damaged.splice(begin..end, word);
    if let Some(length) = lengths {
        damaged[..8].copy_from_slice(&length.to_le_bytes());
    }
    if let Some(cut) = cut {
        damaged.truncate((cut * damaged.len() as f64) as usize);
    }
    damaged
}

fn header(bytes: &[u8]) -> usize {
    8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}

/// A study, and a checkpoint of it.
static MADE: LazyLock<(Study, Vec<u8>)> = LazyLock::new(|| {
    let study = Study::new("hostile");
    let lines = study.worker().train(&study.run("runs", json!({}), 0, 1, None));
    let bytes = std::fs::read(report(&lines[0]).3).unwrap();
    (study, bytes)
});

fn copy(model: &Path, name: &str) -> PathBuf {
    let to = model.with_file_name(name);
    std::fs::create_dir_all(to.join("1_Pooling")).unwrap();
    for file in [
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "modules.json",
        "1_Pooling/config.json",
    ] {
        std::fs::copy(model.join(file), to.join(file)).unwrap();
    }
    to
}

#[test]
fn a_header_of_absurd_length_takes_no_memory() {
    let (study, bytes) = &*MADE;
    let path = study.path.join("absurd.safetensors");
    for length in [0, 1, u64::from(u32::MAX), 1 << 40, u64::MAX] {
        let mut absurd = bytes.clone();
        absurd[..8].copy_from_slice(&length.to_le_bytes());
        std::fs::write(&path, &absurd).unwrap();
        // With so little address space, room for what the header claims could not be had.
        let mut worker = study.ready(with_memory(4 << 20));
        let lines = worker.train(&study.run("runs", json!({}), 1, 2, Some(path.clone())));
        let said = format!("{lines:?}");
        assert!(
            said.contains("Failed") && said.contains("absurd.safetensors"),
            "{length}: {said}"
        );
        worker.say(&ToWorker::Evaluate);
        assert!(worker.next().is_some(), "the worker goes on");
    }
}

#[test]
fn an_index_that_names_files_elsewhere_is_refused() {
    let model = copy(&MADE.0.path.join("model"), "indexed");
    let weights = model.join("model.safetensors");
    std::fs::rename(&weights, model.join("part-1.safetensors")).unwrap();
    let index = model.join("model.safetensors.index.json");
    let write = |name: &str| std::fs::write(&index, json!({"weight_map": {"a": name}}).to_string()).unwrap();
    write("part-1.safetensors");
    assert!(Base::load(&model, Device::Cpu).is_ok());
    for name in ["../indexed/part-1.safetensors", "/etc/hostname", "..", ".", ""] {
        write(name);
        let error = Base::load(&model, Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("outside of its directory"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_checkpoint_that_was_changed_is_read_or_refused(
        at in 0.0..1.0f64, length in 0..30usize, word in prop::sample::select(WORDS),
        lengths in prop::option::weighted(0.1, any::<u64>()), cut in prop::option::weighted(0.1, 0.0..1.0f64),
    ) {
        let (study, bytes) = &*MADE;
        let base = Base::load(&study.path.join("model"), Device::Cpu).unwrap();
        let path = study.path.join("changed.safetensors");
        std::fs::write(&path, damage(bytes, header(bytes), at, length, word, lengths, cut)).unwrap();
        if let Err(error) = Saved::read(&path).and_then(|saved| saved.model(&base)) {
            prop_assert!(error.to_string().contains("changed.safetensors"), "{}", error);
        }
    }

    #[test]
    fn a_model_that_was_changed_is_read_or_refused(
        at in 0.0..1.0f64, length in 0..30usize, word in prop::sample::select(WORDS),
        lengths in prop::option::weighted(0.1, any::<u64>()), cut in prop::option::weighted(0.1, 0.0..1.0f64), config: bool,
    ) {
        let model = copy(&MADE.0.path.join("model"), "changed");
        if config {
            let path = model.join("config.json");
            let text = std::fs::read(&path).unwrap();
            let begin = (at * text.len() as f64) as usize;
            let end = (begin + length).min(text.len());
            std::fs::write(&path, [&text[..begin], word.as_bytes(), &text[end..]].concat()).unwrap();
        } else {
            let path = model.join("model.safetensors");
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, damage(&bytes, header(&bytes), at, length, word, lengths, cut)).unwrap();
        }
        if let Err(error) = Base::load(&model, Device::Cpu) {
            prop_assert!(error.to_string().contains("changed"), "{}", error);
        }
    }
}
