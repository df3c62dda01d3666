//! A tiny random model with its data, and the worker behind its pipes.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use hpo_protocol::{FromWorker, Run, SegmentId, Start, ToWorker, TrialId, Unit, VERSION, Values};
use hpo_trial_embedding::data::derive;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

pub const HIDDEN: usize = 32;
pub const INNER: usize = 64;
pub const LAYERS: usize = 2;
pub const HEADS: i64 = 4;
pub const POSITIONS: usize = 24;
const WORDS: usize = 60;

/// An empty directory for one test.
pub fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("embedding-{name}"));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// The real model; `make setup` fetches it.
pub fn minilm() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/model/all-MiniLM-L6-v2");
    assert!(path.is_dir(), "{} is missing: run make setup", path.display());
    path
}

/// A number from -1 to 1.
fn random(seed: u64, count: usize) -> f32 {
    (derive(seed, 77, count as u64) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// Writes a BERT of two layers, random but always the same.
pub fn tiny_model(path: &Path, prefix: &str) {
    let hidden = HIDDEN;
    let mut shapes = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![5 + WORDS, hidden]),
        (
            "embeddings.position_embeddings.weight".to_owned(),
            vec![POSITIONS, hidden],
        ),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, hidden]),
        ("embeddings.LayerNorm.weight".to_owned(), vec![hidden]),
        ("embeddings.LayerNorm.bias".to_owned(), vec![hidden]),
        ("pooler.dense.weight".to_owned(), vec![hidden, hidden]),
        ("pooler.dense.bias".to_owned(), vec![hidden]),
    ];
    for layer in 0..LAYERS {
        for (name, output, input) in [
            ("attention.self.query", hidden, hidden),
            ("attention.self.key", hidden, hidden),
            ("attention.self.value", hidden, hidden),
            ("attention.output.dense", hidden, hidden),
            ("intermediate.dense", INNER, hidden),
            ("output.dense", hidden, INNER),
        ] {
            shapes.push((format!("encoder.layer.{layer}.{name}.weight"), vec![output, input]));
            shapes.push((format!("encoder.layer.{layer}.{name}.bias"), vec![output]));
        }
        for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
            shapes.push((format!("encoder.layer.{layer}.{name}.weight"), vec![hidden]));
            shapes.push((format!("encoder.layer.{layer}.{name}.bias"), vec![hidden]));
        }
    }
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (seed, (name, shape)) in shapes.into_iter().enumerate() {
        let centre = if name.ends_with("LayerNorm.weight") { 1.0 } else { 0.0 };
        let count = shape.iter().product();
        let data = (0..count).flat_map(|place| (centre + 0.3 * random(seed as u64, place)).to_le_bytes());
        tensors.push((format!("{prefix}{name}"), Dtype::F32, shape, data.collect()));
    }
    let positions = (0..POSITIONS as i64).flat_map(i64::to_le_bytes).collect();
    tensors.push((
        format!("{prefix}embeddings.position_ids"),
        Dtype::I64,
        vec![1, POSITIONS],
        positions,
    ));
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, data)| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(metadata), &path.join("model.safetensors")).unwrap();

    write_json(
        &path.join("config.json"),
        &json!({
            "model_type": "bert", "vocab_size": 5 + WORDS, "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS, "intermediate_size": INNER, "max_position_embeddings": POSITIONS,
            "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "torch_dtype": "float16"
        }),
    );
    write_json(
        &path.join("modules.json"),
        &json!([
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
        ]),
    );
    std::fs::create_dir_all(path.join("1_Pooling")).unwrap();
    write_json(
        &path.join("1_Pooling/config.json"),
        &json!({"pooling_mode_mean_tokens": true}),
    );
    write_json(&path.join("tokenizer.json"), &tokenizer());
}

/// A WordPiece tokenizer of whole words, with a truncation and a padding that the trainer must not heed.
fn tokenizer() -> Value {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let words = (0..WORDS).map(|word| format!("w{word}"));
    let vocabulary: serde_json::Map<String, Value> = special
        .map(String::from)
        .into_iter()
        .chain(words)
        .zip(0..)
        .map(|(word, id)| (word, json!(id)))
        .collect();
    let added: Vec<Value> = special
        .iter()
        .zip(0..)
        .map(|(word, id)| {
            json!({"id": id, "content": word, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": true})
        })
        .collect();
    let token = |id: &str| json!({"SpecialToken": {"id": id, "type_id": 0}});
    let sequence = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
    json!({
        "version": "1.0",
        "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": {"strategy": {"Fixed": 20}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                    "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": added, "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "decoder": null,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [token("[CLS]"), sequence("A"), token("[SEP]")],
            "pair": [token("[CLS]"), sequence("A"), token("[SEP]"), sequence("B"), token("[SEP]")],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}
            }
        },
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary}
    })
}

/// Writes triplets of random words: the first word of the anchor is the first of the positive.
pub fn triplets(path: &Path, seed: u64, rows: usize) {
    let mut text = String::new();
    for row in 0..rows {
        let draw = |part: u64, below: u64| derive(seed, 100 + part, row as u64) % below;
        let words = |part: u64, first: u64| -> String {
            let rest = (0..1 + draw(part, 6)).map(|word| format!(" w{}", draw(10 * part + word, WORDS as u64)));
            format!("w{first}{}", rest.collect::<String>())
        };
        let first = draw(9, 20);
        let triplet = json!({
            "anchor": words(1, first), "positive": words(2, first), "negative": words(3, (first + 7) % 20),
        });
        text += &format!("{triplet}\n");
    }
    std::fs::write(path, text).unwrap();
}

fn write_json(path: &Path, value: &Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

pub fn values(json: Value) -> Values {
    serde_json::from_value(json).unwrap()
}

/// A study's directory with the tiny model and data in it.
pub struct Study {
    pub path: PathBuf,
    pub start: Start,
}

impl Study {
    pub fn new(name: &str) -> Self {
        let path = directory(name);
        let model = path.join("model");
        std::fs::create_dir_all(&model).unwrap();
        tiny_model(&model, "bert.");
        triplets(&path.join("train.jsonl"), 1, 50);
        triplets(&path.join("validation.jsonl"), 2, 30);
        let settings = json!({
            "model": model, "train": path.join("train.jsonl"), "validation": path.join("validation.jsonl"),
            "max_length": 16,
        });
        let start = Start {
            protocol: VERSION,
            study: name.to_owned(),
            threads: 1,
            settings: values(settings),
            cache: None,
        };
        Self { path, start }
    }

    /// Gives it synonyms, of pairs of neighbours: `w0` and `w1`, `w2` and `w3` …
    pub fn synonyms(&mut self) {
        let path = self.path.join("synonyms.tsv");
        let groups = (0..WORDS / 2).map(|pair| format!("w{}\tw{}\n", 2 * pair, 2 * pair + 1));
        std::fs::write(&path, groups.collect::<String>()).unwrap();
        self.start.settings.insert("synonyms".to_owned(), json!(path));
    }

    /// A worker that has answered `start`.
    pub fn worker(&self) -> Worker {
        self.ready(Worker::spawn())
    }

    /// A worker that has answered `start`.
    pub fn ready(&self, mut worker: Worker) -> Worker {
        worker.say(&ToWorker::Start(self.start.clone()));
        let answer = worker.next();
        assert!(matches!(answer, Some(FromWorker::Ready { .. })), "{answer:?}");
        worker
    }

    /// The message of a worker that cannot start.
    pub fn fatal(&self) -> String {
        let mut worker = Worker::spawn();
        worker.say(&ToWorker::Start(self.start.clone()));
        match worker.next() {
            Some(FromWorker::Fatal { message }) => message,
            other => panic!("{other:?}"),
        }
    }

    /// A segment; its checkpoints go to a directory of that name.
    pub fn run(&self, name: &str, parameters: Value, from: u64, to: u64, checkpoint: Option<PathBuf>) -> Run {
        let checkpoints = self.path.join(name);
        std::fs::create_dir_all(&checkpoints).unwrap();
        Run {
            segment: of(from as u32 + 1),
            seed: 12345,
            parameters: values(parameters),
            unit: Unit::Epochs,
            report_every: 1,
            from,
            to,
            max: 9,
            checkpoint,
            checkpoints,
        }
    }
}

/// A segment of the trial that [`Study::run`] trains.
pub fn of(attempt: u32) -> SegmentId {
    SegmentId {
        trial: TrialId(5),
        attempt,
    }
}

/// A running worker.
pub struct Worker {
    pub child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    pub fn spawn() -> Self {
        Self::start(&mut Command::new(env!("CARGO_BIN_EXE_hpo-trial-embedding")))
    }

    /// A worker that can have no more than so many KiB of address space.
    #[cfg(unix)]
    pub fn with_memory(kilobytes: u64) -> Self {
        let limited = format!("ulimit -v {kilobytes}; exec \"$0\"");
        Self::start(Command::new("sh").args(["-c", &limited, env!("CARGO_BIN_EXE_hpo-trial-embedding")]))
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    pub fn say(&mut self, line: &ToWorker) {
        let line = serde_json::to_string(line).unwrap() + "\n";
        self.input.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    }

    /// Ends its standard input.
    pub fn close(&mut self) {
        self.input = None;
    }

    /// The next line that is not a sign of life; none at the end.
    pub fn next(&mut self) -> Option<FromWorker> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match serde_json::from_str(&line).unwrap() {
                FromWorker::Progress { .. } => {}
                line => return Some(line),
            }
        }
    }

    /// Trains a segment to its end; all its lines.
    pub fn train(&mut self, run: &Run) -> Vec<FromWorker> {
        self.say(&ToWorker::Run(run.clone()));
        self.rest()
    }

    /// All lines up to the end of the segment.
    pub fn rest(&mut self) -> Vec<FromWorker> {
        let mut lines = Vec::new();
        loop {
            let line = self.next().expect("the worker has ended");
            let last = !matches!(line, FromWorker::Report { last: false, .. });
            lines.push(line);
            if last {
                return lines;
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.close();
        let _ = self.child.wait();
    }
}

/// Loss, metrics and checkpoint of a report.
pub fn report(line: &FromWorker) -> (u64, f64, hpo_protocol::Metrics, PathBuf) {
    match line {
        FromWorker::Report {
            resource,
            loss: Some(loss),
            metrics,
            checkpoint: Some(checkpoint),
            ..
        } => (*resource, *loss, metrics.clone(), checkpoint.clone()),
        other => panic!("not a report: {other:?}"),
    }
}
