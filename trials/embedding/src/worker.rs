//! The protocol loop: lines in, work, lines out.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use hpo_protocol::embedding::{Settings, ValidationLoss};
use hpo_protocol::{Feature, FromWorker, Measurement, Metrics, Run, Start, ToWorker, VERSION};
use tch::{Device, Kind, Tensor};

use crate::cache::Cache;
use crate::checkpoint;
use crate::error::{Error, Result};
use crate::evaluate::{Evaluations, Source};
use crate::examples::Examples;
use crate::export::export;
use crate::kept_tokens::KeptTokens;
use crate::model::{Base, Head, Weights};
use crate::segment::{Talk, segment};
use crate::trial::{CLASSIFIER, Shared, classifier};
use crate::validate::{Measured, RankingLoss, Validation};

/// Serves `hpo` on standard input and output until the input ends, which ends the process.
pub fn serve() -> ! {
    let mut lines = Lines::listen();
    let first = lines.next();
    let ToWorker::Start(start) = first else {
        fatal("the first line must be of type `start`; this worker is started by `hpo`, not by hand");
    };
    let shared = match guarded(|| limit_threads(start.threads).and_then(|()| prepare(&start))) {
        Ok(shared) => shared,
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
                if let Err(message) = guarded(|| segment(&shared, &run, &mut talk)) {
                    eprintln!("trial {}: failed: {message}", run.segment.trial);
                    say(&FromWorker::Failed {
                        segment: run.segment,
                        message,
                    });
                }
            }
            ToWorker::Evaluate => match guarded(|| evaluate(&shared)) {
                Ok(line) => say(&line),
                Err(message) => fatal(&message),
            },
            ToWorker::Export { checkpoint, directory } => match guarded(|| exported(&shared, &checkpoint, directory)) {
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

/// What all trials of a study share.
///
/// # Errors
/// Names the file or setting that is wrong, and the fix.
pub fn prepare(start: &Start) -> Result<Shared> {
    if start.protocol != VERSION {
        let theirs = start.protocol;
        return Err(Error::Invalid(format!(
            "hpo speaks version {theirs} of the worker protocol, this worker version {VERSION}; install both from one release"
        )));
    }
    let settings: Settings = serde_json::from_value(serde_json::json!(start.settings))
        .map_err(|error| Error::Invalid(format!("wrong settings under `[trial]`: {error}")))?;
    let gpu = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
    let device = device(&gpu, tch::Cuda::is_available(), is_built_for_cuda())?;
    let mut base = Base::load(&settings.model, device)?;
    let longest = base.config.longest();
    if i64::try_from(settings.max_length).map_or(true, |length| length > longest) {
        let length = settings.max_length;
        return Err(Error::Invalid(format!(
            "max_length is {length}; this model takes at most {longest}"
        )));
    }
    let cache = start.cache.clone().map(Cache::new);
    let tokens = KeptTokens::new(&settings.model, settings.max_length, base.config.vocab_size, cache);
    let sets = hpo_data::load(&settings)?;
    let mut train = Examples::of(&sets.train, &tokens)?;
    let validation = Examples::of(&sets.validation, &tokens)?;
    let test = sets.test.as_ref().map(|test| Examples::of(test, &tokens)).transpose()?;
    let evaluations = Evaluations::of(&Source::all(&settings.evaluations)?, &tokens)?;
    let loss = ranking_loss(&settings, sets.report.kind)?;
    if let Some(synonyms) = sets.synonyms {
        train = train.with_synonyms(sets.train, synonyms, tokens.into_tokens()?);
    }
    eprintln!(
        "{} training examples, {} validation examples",
        train.rows().len(),
        validation.rows().len()
    );
    add_classifier(&mut base, train.labels())?;
    Ok(Shared {
        base,
        max_length: settings.max_length,
        digest: train.digest(),
        train,
        validation: Validation::new(validation, loss),
        test: test.map(|test| Validation::new(test, loss)),
        evaluations,
        threads: start.threads,
        fits: Cell::new(usize::MAX),
        precision: OnceCell::new(),
        frozen: RefCell::default(),
        room: Rc::new(Cell::new(Shared::ROOM)),
    })
}

/// The validation loss of triplets and pairs.
fn ranking_loss(settings: &Settings, kind: hpo_data::Kind) -> Result<RankingLoss> {
    let margin = settings.validation_margin.unwrap_or(Settings::VALIDATION_MARGIN);
    if !(margin > 0.0 && margin.is_finite()) {
        return Err(Error::Invalid(format!(
            "validation_margin is {margin}; it must be above 0"
        )));
    }
    let of_triplets = kind == hpo_data::Kind::Triplets;
    let loss = match settings.validation_loss {
        Some(loss) => loss,
        None if of_triplets => ValidationLoss::Triplet,
        None => ValidationLoss::Auto,
    };
    if !loss.is_for(kind) {
        return Err(Error::Invalid(format!(
            "the validation_loss `{loss}` can't be computed for {kind}; leave it out"
        )));
    }
    Ok(match loss {
        ValidationLoss::Auto if of_triplets => RankingLoss::LogRank,
        ValidationLoss::LogRank => RankingLoss::LogRank,
        ValidationLoss::Auto | ValidationLoss::CrossEntropy => RankingLoss::CrossEntropy,
        ValidationLoss::Triplet => RankingLoss::Triplet { margin },
    })
}

/// The device of a slot to which `hpo` has given this GPU, or none. A GPU that is lost must not be made up for by a CPU, on which
/// a trial would take a hundred times as long; a libtorch without CUDA can only use the CPU.
fn device(gpu: &str, available: bool, built_for_cuda: bool) -> Result<Device> {
    match (available, built_for_cuda && !gpu.is_empty()) {
        (true, _) => Ok(Device::Cuda(0)),
        (false, false) => Ok(Device::Cpu),
        (false, true) => Err(Error::Invalid(format!(
            "the GPU {gpu} can't be used: nvidia-smi may show why; to train on the CPU, give `--devices cpu`"
        ))),
    }
}

/// Whether this libtorch can use GPUs at all.
fn is_built_for_cuda() -> bool {
    std::fs::read_to_string("/proc/self/maps").is_ok_and(|maps| maps.contains("libtorch_cuda"))
}

/// Adds the layer of labels to the untrained model: zeros, so that it begins by finding all labels equally likely.
fn add_classifier(base: &mut Base, labels: usize) -> Result<()> {
    if labels > 0 {
        let options = (Kind::Float, base.device);
        let shape = [labels as i64, base.config.hidden_size];
        base.weights.push(CLASSIFIER[0], Tensor::f_zeros(shape, options)?);
        base.weights
            .push(CLASSIFIER[1], Tensor::f_zeros([labels as i64], options)?);
    }
    Ok(())
}

fn evaluate(shared: &Shared) -> Result<FromWorker> {
    let model = shared.base.model(&shared.base.weights)?;
    let classifier = classifier(&shared.base.weights)?;
    let measured = shared
        .validation
        .measure(&model, classifier.as_ref(), shared.max_length)?;
    let Measured { loss, mut metrics } = measured;
    let evaluations = &shared.evaluations;
    if !loss.is_finite() || !evaluations.measure(&model, shared.max_length, |_| true, &mut metrics)? {
        return Err(Error::file(
            &shared.base.directory,
            "the embeddings of this model are not finite; use another one",
        ));
    }
    Ok(FromWorker::Evaluated(Measurement {
        loss: Some(loss),
        metrics,
    }))
}

/// Exports the model of a checkpoint, and measures it and the untrained one.
fn exported(shared: &Shared, checkpoint: &Path, directory: PathBuf) -> Result<FromWorker> {
    let mut trained = checkpoint::read_model(checkpoint, &shared.base)?;
    let max_length = shared.max_length(trained.max_length)?;
    // What was measured is what whoever loads the model gets.
    trained.max_length = Some(max_length as u64);
    export(&shared.base, &trained, &directory)?;
    let (test, evaluations) = measure_exported(shared, &trained.weights, trained.head, max_length)?;
    let base = &shared.base;
    let (untrained, untrained_evaluations) = measure_exported(shared, &base.weights, base.head, shared.max_length)?;
    Ok(FromWorker::Exported {
        directory,
        test,
        untrained,
        evaluations,
        untrained_evaluations,
    })
}

/// Measures a model on the test data, if there are any, and by all evaluations.
fn measure_exported(
    shared: &Shared,
    weights: &Weights,
    head: Head,
    max_length: usize,
) -> Result<(Option<Measurement>, Metrics)> {
    let model = shared.base.model_with(weights, head)?;
    let mut evaluations = Metrics::new();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_gpu_is_reported_and_not_replaced_by_the_cpu() {
        assert_eq!(device("GPU-1", true, true).ok(), Some(Device::Cuda(0)));
        assert_eq!(device("", false, true).ok(), Some(Device::Cpu));
        assert_eq!(device("GPU-1", false, false).ok(), Some(Device::Cpu));
        let lost = device("GPU-1", false, true).map_err(|error| error.to_string());
        assert!(lost.is_err_and(|message| message.starts_with("the GPU GPU-1 can't be used")));
    }
}
