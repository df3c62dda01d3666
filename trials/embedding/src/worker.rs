//! The protocol loop: lines in, work, lines out.

use std::any::Any;
use std::collections::VecDeque;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use hpo_protocol::{Feature, FromWorker, Measurement, Run, ToWorker, VERSION};

use crate::checkpoint;
use crate::error::{Error, Result};
use crate::export::{export, name_prompts};
use crate::model::{Head, Weights, read_prompts};
use crate::prepare::{Prepared, prepare};
use crate::segment::{Talk, parameters, segment};
use crate::shared::Shared;
use crate::trial::classifier;
use crate::validate::Measured;

/// Serves `hpo` on standard input and output until the input ends, which ends the process.
pub fn serve() -> ! {
    let mut lines = Lines::listen();
    let first = lines.next();
    let ToWorker::Start(start) = first else {
        fatal("the first line must be of type `start`; this worker is started by `hpo`, not by hand");
    };
    let prepared = match guarded(|| limit_threads(start.threads).and_then(|()| prepare(&start))) {
        Ok(prepared) => prepared,
        Err(message) => fatal(&message),
    };
    say(&FromWorker::Ready {
        protocol: VERSION,
        trainer: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
        features: vec![Feature::Evaluate, Feature::Export, Feature::Heartbeats],
    });
    loop {
        match lines.next() {
            ToWorker::Run(run) => {
                let mut talk = Conversation {
                    lines: &mut lines,
                    run: &run,
                };
                if let Err(message) = guarded(|| train(&prepared, &run, &mut talk)) {
                    eprintln!("trial {}: failed: {message}", run.segment.trial);
                    say(&FromWorker::Failed {
                        segment: run.segment,
                        message,
                    });
                }
            }
            ToWorker::Evaluate => match guarded(|| evaluate(prepared.shared())) {
                Ok(line) => say(&line),
                Err(message) => fatal(&message),
            },
            ToWorker::Export { checkpoint, directory } => {
                let done = guarded(|| write_model(&prepared, &checkpoint, &directory));
                match done {
                    Ok([test, untrained]) => say(&FromWorker::Exported {
                        directory,
                        test,
                        untrained,
                    }),
                    Err(message) => fatal(&message),
                }
            }
            // Its segment has ended in the meantime.
            ToWorker::Stop { .. } => {}
            ToWorker::Start(_) => fatal("a worker can be started only once"),
        }
    }
}

/// Has this process compute with so many threads: at least 1, and at most once, before it computes anything.
///
/// # Errors
/// If there are none, or the process has begun to compute.
pub fn limit_threads(threads: usize) -> Result<()> {
    if threads == 0 {
        return Err(Error::Invalid("threads is 0; it must be at least 1".to_owned()));
    }
    // All work that is worth it is divided among the threads of one pool. Threads of libtorch's own beside them would
    // only be in their way.
    tch::set_num_threads(1);
    tch::set_num_interop_threads(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    pool.map_err(|error| Error::Invalid(format!("cannot start {threads} threads: {error}")))
}

fn train(prepared: &Prepared, run: &Run, talk: &mut Conversation<'_>) -> Result<()> {
    let prompts = parameters(&run.parameters)?.prompts;
    segment(&*prepared.of(prompts.as_deref())?, run, talk)
}

fn evaluate(shared: &Shared) -> Result<FromWorker> {
    let model = shared.base.model(&shared.base.weights)?;
    let classifier = classifier(&shared.base.weights)?;
    let measured = shared
        .validation
        .measure(&model, classifier.as_ref(), shared.max_length)?;
    if !measured.loss.is_finite() {
        return Err(Error::file(
            &shared.base.directory,
            "the validation loss of this model is not finite; use another one",
        ));
    }
    Ok(FromWorker::Evaluated(Measurement {
        loss: Some(measured.loss),
        metrics: measured.metrics,
    }))
}

/// Writes the model of a checkpoint, and measures it and the untrained one on the test data, if there are any.
fn write_model(prepared: &Prepared, checkpoint: &Path, directory: &Path) -> Result<[Option<Measurement>; 2]> {
    let untrained = prepared.shared();
    let base = &untrained.base;
    let mut trained = checkpoint::read_model(checkpoint, base)?;
    let shared = &*prepared.of(trained.prompts.as_deref())?;
    let max_length = shared.max_length(trained.max_length)?;
    // What was measured is what whoever loads the model gets.
    trained.max_length = Some(max_length as u64);
    export(base, &trained, directory)?;
    let prompts = read_prompts(directory)?.renamed(&shared.prompts, shared.train.rows().kind());
    if let Some(prompts) = prompts {
        name_prompts(&prompts, directory)?;
    }
    Ok([
        test(shared, (&trained.weights, trained.head), max_length)?,
        test(untrained, (&base.weights, base.head), untrained.max_length)?,
    ])
}

/// Measures a model on the test data, if there are any.
fn test(shared: &Shared, (weights, head): (&Weights, Head), max_length: usize) -> Result<Option<Measurement>> {
    let Some(test) = &shared.test else {
        return Ok(None);
    };
    let model = shared.base.model_with(weights, head)?;
    let classifier = classifier(weights)?;
    let Measured { loss, metrics } = test.measure(&model, classifier.as_ref(), max_length)?;
    Ok(loss.is_finite().then_some(Measurement {
        loss: Some(loss),
        metrics,
    }))
}

/// Runs `work`; an error or a panic, which libtorch's operators may cause, becomes a message.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> std::result::Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(panic) => Err(panic_message(panic.as_ref())),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("the trainer panicked");
    text.lines().next().unwrap_or_default().to_owned()
}

struct Conversation<'a> {
    lines: &'a mut Lines,
    run: &'a Run,
}

impl Talk for Conversation<'_> {
    fn send(&mut self, line: FromWorker) {
        say(&line);
    }

    fn stop(&mut self) -> Option<bool> {
        self.lines.stop(self.run)
    }
}

/// Lines from `hpo`.
struct Lines {
    receiver: Receiver<ToWorker>,
    early: VecDeque<ToWorker>,
}

impl Lines {
    /// Reads standard input in a thread of its own, so that its end is seen at once, whatever else is going on.
    fn listen() -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { break };
                let message = serde_json::from_str(&line)
                    .unwrap_or_else(|error| fatal(&format!("cannot understand the line {line:?}: {error}")));
                if sender.send(message).is_err() {
                    break;
                }
            }
            exit()
        });
        Self {
            receiver,
            early: VecDeque::new(),
        }
    }

    fn next(&mut self) -> ToWorker {
        match self.early.pop_front() {
            Some(line) => line,
            // The reader is gone only if the process is about to be.
            None => self.receiver.recv().unwrap_or_else(|_| exit()),
        }
    }

    fn stop(&mut self, run: &Run) -> Option<bool> {
        while let Ok(line) = self.receiver.try_recv() {
            match &line {
                ToWorker::Stop { segment, save } if *segment == run.segment => {
                    return Some(*save);
                }
                ToWorker::Stop { .. } => {}
                ToWorker::Start(_) | ToWorker::Evaluate | ToWorker::Run(_) | ToWorker::Export { .. } => {
                    self.early.push_back(line);
                }
            }
        }
        None
    }
}

fn say(line: &FromWorker) {
    let mut out = std::io::stdout().lock();
    let written = serde_json::to_writer(&mut out, line).map_err(std::io::Error::from);
    // Nobody listens any more: the same as the end of the input.
    if written
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
        .is_err()
    {
        exit();
    }
}

fn fatal(message: &str) -> ! {
    eprintln!("{message}");
    say(&FromWorker::Fatal {
        message: message.to_owned(),
    });
    exit()
}

/// Ends the process at once, from any thread.
///
/// `std::process::exit` runs the destructors of libtorch's globals, under the feet of a thread that still computes
/// with them: four of six workers then ended by a signal.
fn exit() -> ! {
    // SAFETY: the signature is that of C, and ending the process is sound in any state; all output is flushed.
    unsafe extern "C" {
        safe fn _exit(status: std::ffi::c_int) -> !;
    }
    _exit(0)
}
