//! The segments of a trial that `hpo` asks for.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hpo_protocol::embedding::{PARAMETERS, Parameters};
use hpo_protocol::{FromWorker, Run, Values};

use crate::error::{Error, Result};
use crate::trial::{Shared, Trial};
use crate::validate::Measured;

/// How often a sign of life is sent.
const PROGRESS: Duration = Duration::from_secs(1);

/// The other side of a segment.
pub trait Talk {
    /// Sends a line.
    fn send(&mut self, line: FromWorker);
    /// Whether the segment has been asked to stop, and if so, whether to save.
    fn stop(&mut self) -> Option<bool>;
}

/// Parameters from the values of a [`Run`]; one that is unknown or out of its domain is an error.
pub fn parameters(values: &Values) -> Result<Parameters> {
    let parameters: Parameters = serde_json::from_value(serde_json::json!(values))
        .map_err(|error| Error::Invalid(format!("wrong parameters: {error}")))?;
    let checked = serde_json::json!(parameters);
    for parameter in PARAMETERS {
        let value = &checked[parameter.name];
        // A null is a parameter that was not given and has no default of its own.
        if !value.is_null() && !parameter.domain.contains(value) {
            let (name, domain) = (parameter.name, parameter.domain);
            return Err(Error::Invalid(format!("`{name}` is {value}; it must be {domain}")));
        }
    }
    Ok(parameters)
}

/// Trains one segment and tells of it, up to and including its last line; an error is left to the caller.
pub fn segment(shared: &Shared, run: &Run, talk: &mut impl Talk) -> Result<()> {
    let parameters = parameters(&run.parameters)?;
    let mut trial = match &run.checkpoint {
        Some(path) => Trial::resume(shared, run.seed, parameters, run.max, path)?,
        None => Trial::new(shared, run.seed, parameters, run.max)?,
    };
    if trial.position().epoch != run.from {
        let (found, from) = (trial.position().epoch, run.from);
        return Err(Error::Invalid(format!(
            "the segment begins at epoch {from}, but its checkpoint is of epoch {found}"
        )));
    }
    let mut pace = Pace::new();
    while trial.position().epoch < run.to {
        if let Some(save) = talk.stop() {
            let checkpoint = if save { Some(save_here(&mut trial, run)?) } else { None };
            let (trial, attempt) = (run.trial, run.attempt);
            talk.send(FromWorker::Stopped {
                trial,
                attempt,
                checkpoint,
            });
            return Ok(());
        }
        let before = trial.position();
        if !trial.step()? {
            talk.send(diverged(run, before.epoch + 1));
            return Ok(());
        }
        let after = trial.position();
        if let Some(examples_per_second) = pace.tick(after.loss_count - before.loss_count) {
            talk.send(FromWorker::Progress {
                trial: run.trial,
                attempt: run.attempt,
                resource: after.epoch as f64 + after.batch as f64 / trial.batches() as f64,
                examples_per_second: Some(examples_per_second),
            });
        }
        if let Some(train_loss) = trial.end_epoch()? {
            if !train_loss.is_finite() {
                talk.send(diverged(run, trial.position().epoch));
                return Ok(());
            }
            if !report(&mut trial, run, train_loss, talk)? {
                return Ok(());
            }
            pace = Pace::new();
        }
    }
    let (trial, attempt) = (run.trial, run.attempt);
    talk.send(FromWorker::Done { trial, attempt });
    Ok(())
}

/// Validates at a whole epoch and reports; whether the trial goes on.
fn report(trial: &mut Trial<'_>, run: &Run, train_loss: f64, talk: &mut impl Talk) -> Result<bool> {
    let resource = trial.position().epoch;
    let Measured { loss, mut metrics } = trial.validate()?;
    if !loss.is_finite() {
        talk.send(diverged(run, resource));
        return Ok(false);
    }
    metrics.insert("train_loss".to_owned(), train_loss);
    if let Some(micro_batch) = trial.shrunk() {
        metrics.insert("micro_batch".to_owned(), micro_batch as f64);
    }
    let path = run
        .checkpoints
        .join(format!("a{}-e{resource}.safetensors", run.attempt));
    trial.save(&path)?;
    let last = trial.is_exhausted();
    eprintln!(
        "trial {}: epoch {resource}, loss {loss:.4}, training loss {train_loss:.4}",
        run.trial
    );
    talk.send(FromWorker::Report {
        trial: run.trial,
        attempt: run.attempt,
        resource,
        loss: Some(loss),
        metrics,
        checkpoint: Some(path),
        last,
    });
    Ok(!last)
}

fn diverged(run: &Run, resource: u64) -> FromWorker {
    eprintln!("trial {}: diverged in epoch {resource}", run.trial);
    FromWorker::Report {
        trial: run.trial,
        attempt: run.attempt,
        resource,
        loss: None,
        metrics: hpo_protocol::Metrics::new(),
        checkpoint: None,
        last: true,
    }
}

fn save_here(trial: &mut Trial<'_>, run: &Run) -> Result<PathBuf> {
    let path = run
        .checkpoints
        .join(format!("a{}-s{}.safetensors", run.attempt, trial.steps()));
    trial.save(&path)?;
    Ok(path)
}

/// Training speed since the last sign of life.
struct Pace {
    since: Instant,
    examples: u64,
}

impl Pace {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            examples: 0,
        }
    }

    /// Examples per second, when a sign of life is due.
    fn tick(&mut self, examples: u64) -> Option<f64> {
        self.examples += examples;
        let elapsed = self.since.elapsed();
        if elapsed < PROGRESS {
            return None;
        }
        let speed = self.examples as f64 / elapsed.as_secs_f64();
        *self = Self::new();
        Some(speed)
    }
}
