//! The worker: takes orders from standard input, and answers on standard output.

use std::io::{self, BufRead};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use hpo_protocol::{FromWorker, Metrics, ToWorker};

use crate::context::{Event, Next, Worker, send};
use crate::directory::copy_tree;
use crate::segment;

/// A script that prints faster than its output is read has to wait.
const AHEAD: usize = 64;

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
        Err(message) => return send(&FromWorker::Fatal { message, release: None }),
    };
    worker.report_ready()?;
    while let Ok(event) = worker.events.recv() {
        let next = match event {
            Event::Order(ToWorker::Run(run)) => segment::train(&mut worker, run)?,
            Event::Order(ToWorker::Export {
                checkpoint, directory, ..
            }) => {
                export(&checkpoint, &directory)?;
                Next::Order
            }
            // A segment that has ended in the meantime is not stopped.
            Event::Order(ToWorker::Stop { .. } | ToWorker::Start(_) | ToWorker::Evaluate | ToWorker::Measure(_))
            | Event::Sign(..) => Next::Order,
            Event::Closed => Next::End,
        };
        if next == Next::End {
            break;
        }
    }
    Ok(())
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
