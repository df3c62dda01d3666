//! One trial: its training steps, and the segments of them that `hpo` asks for.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hpo_protocol::embedding::{Domain, PARAMETERS, Parameters};
use hpo_protocol::{FromWorker, Run, Values};
use tch::Tensor;

use crate::checkpoint::{self, Identity, Position, State};
use crate::data::{Row, Triplets, derive, order};
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::model::{Base, Embedded, Model};
use crate::optimizer::{AdamW, Gradients};
use crate::validate::{Measured, Validation};

/// How often a sign of life is sent.
const PROGRESS: Duration = Duration::from_secs(1);

/// The purpose of [`derive`] for the randomness of a step.
const STEP: u64 = 2;

/// What all trials of a worker share.
#[derive(Debug)]
pub struct Shared {
    /// The untrained model.
    pub base: Base,
    /// The training triplets.
    pub train: Triplets,
    /// Their digest.
    pub digest: String,
    /// The validation.
    pub validation: Validation,
    /// CPU threads.
    pub threads: usize,
}

/// The other side of a segment.
pub trait Talk {
    /// Sends a line.
    fn send(&mut self, line: FromWorker);
    /// Whether the segment has been asked to stop, and if so, whether to save.
    fn stop(&mut self) -> Option<bool>;
}

/// One configuration in training.
#[derive(Debug)]
pub struct Trial<'a> {
    shared: &'a Shared,
    identity: Identity,
    state: State,
    model: Model,
    order: Vec<usize>,
}

impl<'a> Trial<'a> {
    /// A trial that has trained nothing.
    pub fn new(shared: &'a Shared, seed: u64, parameters: Parameters) -> Result<Self> {
        let mut weights = shared.base.weights.copy()?;
        weights.require_grad()?;
        let optimizer = AdamW::new(&weights, parameters.learning_rate, parameters.weight_decay)?;
        let state = State {
            weights,
            optimizer,
            position: Position::default(),
        };
        Self::build(shared, identity(shared, seed, parameters), state)
    }

    /// A trial that goes on from a checkpoint of its own.
    pub fn resume(shared: &'a Shared, seed: u64, parameters: Parameters, path: &Path) -> Result<Self> {
        let identity = identity(shared, seed, parameters);
        let state = checkpoint::read(path, &shared.base, &identity)?;
        let trial = Self::build(shared, identity, state)?;
        if trial.position().batch >= trial.batches() {
            return Err(Error::file(
                path,
                "the checkpoint is damaged: its batch is beyond the epoch",
            ));
        }
        Ok(trial)
    }

    fn build(shared: &'a Shared, identity: Identity, state: State) -> Result<Self> {
        Ok(Self {
            model: shared.base.model(&state.weights)?,
            order: order(identity.seed, state.position.epoch, shared.train.rows().len()),
            shared,
            identity,
            state,
        })
    }

    /// How far it has come.
    pub fn position(&self) -> Position {
        self.state.position
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    fn batch_size(&self) -> usize {
        // At least 1, as checked; more than all triplets is all triplets.
        usize::try_from(self.identity.parameters.batch_size).unwrap_or(usize::MAX)
    }

    /// Batches of an epoch; the last one may be smaller.
    pub fn batches(&self) -> u64 {
        self.order.len().div_ceil(self.batch_size()) as u64
    }

    /// One optimizer step, on the next batch; the loss before it. A loss that is not finite moves no weight.
    pub fn step(&mut self) -> Result<f64> {
        let position = self.state.position;
        let size = self.batch_size();
        let batch: Vec<Row> = self
            .order
            .iter()
            .skip((position.batch as usize).saturating_mul(size))
            .take(size)
            .map(|&row| self.shared.train.rows()[row])
            .collect();
        // Dropout draws from the generator of the process: seeded here, it is the same after a restart.
        tch::manual_seed(derive(self.identity.seed, STEP, self.state.optimizer.steps()) as i64);
        let parameters = &self.identity.parameters;
        let texts: Vec<&[u32]> = (0..3)
            .flat_map(|part| batch.iter().map(move |row| row[part]))
            .map(|place| self.shared.train.text(place))
            .collect();
        let Embedded {
            embeddings,
            words,
            rows,
        } = self.model.embed(&texts, parameters.dropout)?;
        let loss = Loss {
            margin: parameters.margin,
            batch_negatives: parameters.batch_negatives,
        }
        .of(&embeddings, &batch, &self.shared.train)?;
        let value = loss.f_double_value(&[])?;
        if value.is_finite() {
            let mut leaves = self.state.weights.tensors();
            leaves[0] = &rows;
            let tensors = Tensor::f_run_backward(&[&loss], &leaves, false, false)?;
            self.state
                .optimizer
                .step(&mut self.state.weights, &Gradients { words, tensors })?;
        }
        let position = &mut self.state.position;
        position.batch += 1;
        position.loss_sum += value * batch.len() as f64;
        position.loss_count += batch.len() as u64;
        Ok(value)
    }

    /// Ends the epoch if all its batches are done; then its mean training loss.
    pub fn end_epoch(&mut self) -> Option<f64> {
        let batches = self.batches();
        let position = &mut self.state.position;
        if position.batch < batches {
            return None;
        }
        let mean = position.loss_sum / position.loss_count as f64;
        *position = Position {
            epoch: position.epoch + 1,
            ..Position::default()
        };
        self.order = order(self.identity.seed, position.epoch, self.order.len());
        Some(mean)
    }

    /// Writes a checkpoint of this moment.
    pub fn save(&self, path: &Path) -> Result<()> {
        checkpoint::write(path, &self.state, &self.identity)
    }
}

fn identity(shared: &Shared, seed: u64, parameters: Parameters) -> Identity {
    Identity {
        model: shared.base.identity.clone(),
        data: shared.digest.clone(),
        threads: shared.threads,
        seed,
        parameters,
    }
}

/// Parameters from the values of a [`Run`]; one that is unknown or out of its domain is an error.
pub fn parameters(values: &Values) -> Result<Parameters> {
    let parameters: Parameters = serde_json::from_value(serde_json::json!(values))
        .map_err(|error| Error::Invalid(format!("wrong parameters: {error}")))?;
    let checked = serde_json::json!(parameters);
    for parameter in PARAMETERS {
        let value = checked[parameter.name].as_f64().unwrap_or(f64::NAN);
        let (inside, domain) = match parameter.domain {
            Domain::Integer { low } => (value >= low as f64, format!("at least {low}")),
            Domain::Float {
                low,
                low_included,
                high,
            } => (
                (value > low || low_included && value == low) && value <= high,
                format!(
                    "{} {low} and at most {high}",
                    if low_included { "at least" } else { "above" }
                ),
            ),
        };
        if !inside {
            return Err(Error::Invalid(format!(
                "`{}` is {value}; it must be {domain}",
                parameter.name
            )));
        }
    }
    Ok(parameters)
}

/// Trains one segment and tells of it, up to and including its last line; an error is left to the caller.
pub fn segment(shared: &Shared, run: &Run, talk: &mut impl Talk) -> Result<()> {
    let parameters = parameters(&run.parameters)?;
    let mut trial = match &run.checkpoint {
        Some(path) => Trial::resume(shared, run.seed, parameters, path)?,
        None => Trial::new(shared, run.seed, parameters)?,
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
            let checkpoint = if save { Some(trial.save_here(run)?) } else { None };
            let (trial, attempt) = (run.trial, run.attempt);
            talk.send(FromWorker::Stopped {
                trial,
                attempt,
                checkpoint,
            });
            return Ok(());
        }
        let before = trial.position();
        if !trial.step()?.is_finite() {
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
        if let Some(train_loss) = trial.end_epoch() {
            if !report(&trial, run, train_loss, talk)? {
                return Ok(());
            }
            pace = Pace::new();
        }
    }
    let (trial, attempt) = (run.trial, run.attempt);
    talk.send(FromWorker::Done { trial, attempt });
    Ok(())
}

/// Validates at a whole epoch and reports; whether the trial can go on.
fn report(trial: &Trial<'_>, run: &Run, train_loss: f64, talk: &mut impl Talk) -> Result<bool> {
    let resource = trial.position().epoch;
    let Measured { loss, mut metrics } = trial.shared.validation.measure(trial.model())?;
    if !loss.is_finite() {
        talk.send(diverged(run, resource));
        return Ok(false);
    }
    if train_loss.is_finite() {
        metrics.insert("train_loss".to_owned(), train_loss);
    }
    let path = run
        .checkpoints
        .join(format!("a{}-e{resource}.safetensors", run.attempt));
    trial.save(&path)?;
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
    });
    Ok(true)
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
    }
}

impl Trial<'_> {
    fn save_here(&self, run: &Run) -> Result<PathBuf> {
        let step = self.state.optimizer.steps();
        let path = run.checkpoints.join(format!("a{}-s{step}.safetensors", run.attempt));
        self.save(&path)?;
        Ok(path)
    }
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
