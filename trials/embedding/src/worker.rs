//! The protocol loop: lines in, work, lines out.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use hpo_protocol::embedding::{Parameters, release};
use hpo_protocol::{Baseline, Evaluated, Feature, FromWorker, Measurement, Metrics, Run, SegmentId, ToWorker, VERSION};

use crate::checkpoint::Saved;
use crate::error::{Error, Result};
use crate::export::{export, name_prompts};
use crate::measure::measure;
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
        features: vec![
            Feature::Evaluate,
            Feature::Export,
            Feature::Measure,
            Feature::Heartbeats,
        ],
        release: Some(release()),
    });
    loop {
        match lines.next() {
            ToWorker::Run(run) => {
                let mut talk = Conversation {
                    lines: &mut lines,
                    run: &run,
                };
                if let Err(message) = guarded(|| train(&prepared, &run, &mut talk)) {
                    failed(run.segment, message);
                }
            }
            ToWorker::Measure(asked) => {
                let segment = asked.run.segment;
                match guarded(|| measure(&prepared, &asked)) {
                    Ok(cost) => say(&FromWorker::Measured { segment, cost }),
                    Err(message) => failed(segment, message),
                }
            }
            ToWorker::Evaluate => match guarded(|| evaluate(&prepared)) {
                Ok(baseline) => say(&FromWorker::Evaluated(baseline)),
                Err(message) => fatal(&message),
            },
            ToWorker::Export {
                checkpoint,
                directory,
                known,
            } => match guarded(|| exported(&prepared, &checkpoint, directory, known)) {
                Ok(line) => say(&line),
                Err(message) => fatal(&message),
            },
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

/// Measures all untrained models.
fn evaluate(prepared: &Prepared) -> Result<Baseline> {
    let mut models = BTreeMap::new();
    for model in prepared.models() {
        let shared = prepared.shared(model, None)?;
        let measured = untrained(&shared)?;
        match model {
            None => return Ok(Baseline::One(measured)),
            Some(name) => models.insert(name.to_owned(), measured),
        };
    }
    Ok(Baseline::Models { models })
}

fn untrained(shared: &Shared) -> Result<Measurement> {
    let model = shared.base.model(&shared.base.weights)?;
    let classifier = classifier(&shared.base.weights)?;
    let measured = shared
        .validation
        .measure(&model, classifier.as_ref(), shared.max_length)?;
    let Measured { loss, mut metrics } = measured;
    let evaluations = &shared.evaluations;
    if !loss.is_finite() || !evaluations.measure(&model, shared.max_length, |_| true, &mut metrics)? {
        return Err(shared.base.not_finite());
    }
    Ok(Measurement {
        loss: Some(loss),
        metrics,
    })
}

/// Exports the model of a checkpoint, and measures what is not `known` of it and the untrained one.
fn exported(prepared: &Prepared, checkpoint: &Path, directory: PathBuf, known: Evaluated) -> Result<FromWorker> {
    let saved = Saved::read(checkpoint)?;
    let Parameters { model, prompts, .. } = saved.parameters()?;
    let shared = prepared.shared(model.as_deref(), prompts.as_deref())?;
    let base = &shared.base;
    let mut trained = saved.model(base)?;
    let max_length = shared.max_length(trained.max_length)?;
    // What was measured is what whoever loads the model gets.
    trained.max_length = Some(max_length as u64);
    export(base, &trained, &directory)?;
    let named = read_prompts(&directory)?.renamed(&shared.prompts, shared.train.rows().kind());
    if let Some(named) = named {
        name_prompts(&named, &directory)?;
    }
    let weights = (&trained.weights, trained.head);
    let (test, evaluations) = measure_exported(&shared, weights, max_length, known.evaluations)?;
    let shared = prepared.shared(model.as_deref(), None)?;
    let (weights, known) = ((&base.weights, base.head), known.untrained_evaluations);
    let (untrained, untrained_evaluations) = measure_exported(&shared, weights, shared.max_length, known)?;
    Ok(FromWorker::Exported {
        directory,
        test,
        untrained,
        evaluations,
        untrained_evaluations,
    })
}

/// Measures a model on the test data, if there are any, and by those evaluations of which `evaluations` has no metrics yet.
fn measure_exported(
    shared: &Shared,
    (weights, head): (&Weights, Head),
    max_length: usize,
    mut evaluations: Metrics,
) -> Result<(Option<Measurement>, Metrics)> {
    let model = shared.base.model_with(weights, head)?;
    shared
        .evaluations
        .measure(&model, max_length, |_| true, &mut evaluations)?;
    let Some(test) = &shared.test else {
        return Ok((None, evaluations));
    };
    let Measured { loss, metrics } = test.measure(&model, classifier(weights)?.as_ref(), max_length)?;
    let test = loss.is_finite().then_some(Measurement {
        loss: Some(loss),
        metrics,
    });
    Ok((test, evaluations))
}

/// Runs `work`; an error or a panic, which libtorch's operators may cause, becomes a message.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> std::result::Result<T, String> {
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

/// Trains a segment of a trial with its base model and its prompts.
fn train(prepared: &Prepared, run: &Run, talk: &mut Conversation<'_>) -> Result<()> {
    let Parameters { model, prompts, .. } = parameters(&run.parameters)?;
    let shared = prepared.shared(model.as_deref(), prompts.as_deref())?;
    segment(&shared, run, talk)
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
                ToWorker::Start(_)
                | ToWorker::Evaluate
                | ToWorker::Run(_)
                | ToWorker::Measure(_)
                | ToWorker::Export { .. } => {
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

fn failed(segment: SegmentId, message: String) {
    eprintln!("trial {}: failed: {message}", segment.trial);
    say(&FromWorker::Failed { segment, message });
}

fn fatal(message: &str) -> ! {
    eprintln!("{message}");
    say(&FromWorker::Fatal {
        message: message.to_owned(),
        release: Some(release()),
    });
    exit()
}

/// Ends the process at once, from any thread.
///
/// `std::process::exit` runs the destructors of libtorch's globals, under the feet of a thread that still computes
/// with them: four of six workers then ended by a signal.
pub(crate) fn exit() -> ! {
    // SAFETY: the signature is that of C, and ending the process is sound in any state; all output is flushed.
    unsafe extern "C" {
        safe fn _exit(status: std::ffi::c_int) -> !;
    }
    _exit(0)
}
