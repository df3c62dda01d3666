//! What all segments of a worker share, and what it hears and says.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender};

use hpo_protocol::{Feature, FromWorker, Start, ToWorker, VERSION, Values};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::names::CHECKPOINT_DIR;
use crate::process::Sign;
use crate::settings::Script;
use crate::template::Template;

/// What a worker is told when it begins.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    command: Vec<String>,
    objective: String,
    script: Script,
}

/// The settings of a worker that trains with a command, compares by an objective, and has a script's settings.
pub fn settings(command: &[String], objective: &str, script: &Values) -> Values {
    let all = [
        ("command", json!(command)),
        ("objective", json!(objective)),
        ("script", json!(script)),
    ];
    all.map(|(key, value)| (key.to_owned(), value)).into()
}

/// What a worker hears.
pub(crate) enum Event {
    /// An order.
    Order(ToWorker),
    /// There will be no orders any more.
    Closed,
    /// What becomes of the script of a segment, by its number.
    Sign(u64, Sign),
}

/// A worker that is ready.
pub(crate) struct Worker {
    pub study: String,
    pub threads: usize,
    pub objective: String,
    pub script: Script,
    pub command: Vec<Template>,
    pub environment: BTreeMap<String, Template>,
    pub metrics_file: Option<Template>,
    pub events: Receiver<Event>,
    pub sender: SyncSender<Event>,
    /// How many segments were begun.
    pub segments: u64,
    /// Whether any of them has reported.
    pub has_reported: bool,
    /// What there were remarks about.
    remarks: BTreeSet<String>,
}

/// What comes after an order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next order.
    Order,
    /// Nothing.
    End,
}

impl Worker {
    /// The worker that was started like this, which hears what comes from `events`.
    ///
    /// # Errors
    /// If its settings can't be understood.
    pub fn new(start: Start, events: Receiver<Event>, sender: SyncSender<Event>) -> Result<Self, String> {
        let job: Job = serde_json::from_value(Value::from_iter(start.settings)).map_err(|error| error.to_string())?;
        let parse = |text: &String| Template::parse(text).map_err(|error| format!("`{text}` {error}"));
        let environment = job.script.environment.iter();
        Ok(Self {
            study: start.study,
            threads: start.threads,
            objective: job.objective,
            command: job.command.iter().map(parse).collect::<Result<_, _>>()?,
            environment: environment
                .map(|(name, text)| Ok((name.clone(), parse(text)?)))
                .collect::<Result<_, String>>()?,
            metrics_file: job.script.metrics_file.as_ref().map(parse).transpose()?,
            script: job.script,
            events,
            sender,
            segments: 0,
            has_reported: false,
            remarks: BTreeSet::new(),
        })
    }

    /// Says that it is ready.
    ///
    /// # Errors
    /// If nobody reads it.
    pub fn report_ready(&self) -> io::Result<()> {
        // Only what is known to be filled is worth exporting.
        let fills = self
            .command
            .iter()
            .any(|argument| argument.names().any(|name| name == CHECKPOINT_DIR));
        send(&FromWorker::Ready {
            protocol: VERSION,
            trainer: "script".to_owned(),
            features: fills.then_some(Feature::Export).into_iter().collect(),
            release: None,
        })
    }

    /// Says what the user should know, once.
    ///
    /// # Errors
    /// If nobody reads it.
    pub fn remark(&mut self, about: &str, text: String) -> io::Result<()> {
        if !self.remarks.insert(about.to_owned()) {
            return Ok(());
        }
        let about = about.to_owned();
        send(&FromWorker::Remark { about, text })
    }
}

/// Sends a message.
///
/// # Errors
/// If nobody reads it.
pub(crate) fn send(message: &FromWorker) -> io::Result<()> {
    let mut value = serde_json::to_value(message)?;
    if let (FromWorker::Report { loss: None, .. }, Some(report)) = (message, value.as_object_mut()) {
        // Null would mean that it is not finite.
        report.remove("loss");
    }
    let mut line = serde_json::to_vec(&value)?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()
}
