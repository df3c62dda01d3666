//! The worker: takes orders from standard input, and answers on standard output.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use hpo_protocol::{Feature, FromWorker, Metrics, Start, ToWorker, VERSION, Values};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::directory::copy_tree;
use crate::names::CHECKPOINT_DIR;
use crate::process::Sign;
use crate::segment;
use crate::settings::Script;
use crate::template::Template;

/// A script that prints faster than its output is read has to wait.
const AHEAD: usize = 64;

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

/// Works until its standard input ends.
pub fn work() -> ExitCode {
    let (sender, events) = sync_channel(AHEAD);
    let orders = sender.clone();
    thread::spawn(move || read_orders(&orders));
    match serve(events, sender) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hpo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(events: Receiver<Event>, sender: SyncSender<Event>) -> io::Result<()> {
    let Ok(Event::Order(ToWorker::Start(start))) = events.recv() else {
        return Ok(());
    };
    let mut worker = match Worker::new(start, events, sender) {
        Ok(worker) => worker,
        Err(message) => return send(&FromWorker::Fatal { message }),
    };
    worker.report_ready()?;
    while let Ok(event) = worker.events.recv() {
        let next = match event {
            Event::Order(ToWorker::Run(run)) => segment::train(&mut worker, run)?,
            Event::Order(ToWorker::Export { checkpoint, directory }) => {
                export(&checkpoint, &directory)?;
                Next::Order
            }
            // A segment that has ended in the meantime is not stopped.
            Event::Order(ToWorker::Stop { .. } | ToWorker::Start(_) | ToWorker::Evaluate) | Event::Sign(..) => {
                Next::Order
            }
            Event::Closed => Next::End,
        };
        if next == Next::End {
            break;
        }
    }
    Ok(())
}

impl Worker {
    fn new(start: Start, events: Receiver<Event>, sender: SyncSender<Event>) -> Result<Self, String> {
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

    fn report_ready(&self) -> io::Result<()> {
        // Only what is known to be filled is worth exporting.
        let fills = self
            .command
            .iter()
            .any(|argument| argument.names().any(|name| name == CHECKPOINT_DIR));
        send(&FromWorker::Ready {
            protocol: VERSION,
            trainer: "script".to_owned(),
            features: fills.then_some(Feature::Export).into_iter().collect(),
        })
    }

    /// Says what the user should know, once.
    pub fn remark(&mut self, about: &str, text: String) -> io::Result<()> {
        if !self.remarks.insert(about.to_owned()) {
            return Ok(());
        }
        let about = about.to_owned();
        send(&FromWorker::Remark { about, text })
    }
}

/// Copies what a script has left to a new directory.
fn export(checkpoint: &Path, directory: &Path) -> io::Result<()> {
    if !checkpoint.is_dir() {
        return Err(io::Error::other(
            "the script has left nothing in its `checkpoint_dir`, so there is nothing to export",
        ));
    }
    std::fs::create_dir(directory)?;
    copy_tree(checkpoint, directory)?;
    send(&FromWorker::Exported {
        directory: directory.to_owned(),
        test: None,
        untrained: None,
        evaluations: Metrics::new(),
        untrained_evaluations: Metrics::new(),
    })
}

/// Sends a message.
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

/// Passes orders on until there are none any more.
fn read_orders(events: &SyncSender<Event>) {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        match serde_json::from_str(&line) {
            Ok(order) => {
                if events.send(Event::Order(order)).is_err() {
                    return;
                }
            }
            Err(error) => eprintln!("hpo: an order can't be understood: {error}"),
        }
    }
    // Nobody listens any more if it fails.
    let _ = events.send(Event::Closed);
}
