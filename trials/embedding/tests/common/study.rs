//! A study of the tiny model with its data, and the worker behind its pipes.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use hpo_protocol::{FromWorker, Run, SegmentId, Start, ToWorker, TrialId, Unit, VERSION, Values};
use hpo_trial_embedding::seed::derive;
use serde_json::{Value, json};

use crate::tiny_model::{WORDS, directory, tiny_model};

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

    pub fn start(command: &mut Command) -> Self {
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
