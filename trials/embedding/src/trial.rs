//! One trial: its state and its training steps.

use std::path::Path;

use hpo_data::Rows;
use hpo_protocol::Metrics;
use hpo_protocol::embedding::{Every, Parameters, PrecisionKind};
use tch::{Device, Tensor};

use crate::augment::Augment;
use crate::checkpoint::{self, Identity, Position, State};
use crate::error::{Error, Result};
use crate::gradient::Pass;
use crate::layers;
use crate::loss::{Classifier, Loss};
use crate::model::{Gradients, Model, Weights};
use crate::negatives;
use crate::optimizer::Optimizer;
use crate::precision::{self, Scaler};
use crate::resource::{Course, Goal};
use crate::schedule::{Schedule, Track};
use crate::seed::{derive, order};
use crate::shared::Shared;
use crate::validate::Measured;

/// The purpose of [`derive`] for the randomness of a step.
const STEP: u64 = 2;
/// That for the changes of texts in an epoch.
const AUGMENT: u64 = 3;

/// That for the negatives of an epoch.
const NEGATIVES: u64 = 4;

/// Steps after which losses are read from a device that must be waited for.
const READ_EVERY: usize = 32;

/// The names of the weights of [`Classifier`].
pub const CLASSIFIER: [&str; 2] = ["classifier.weight", "classifier.bias"];

/// One configuration in training.
#[derive(Debug)]
pub struct Trial<'a> {
    shared: &'a Shared,
    identity: Identity,
    state: State,
    model: Model,
    classifier: Option<Classifier>,
    loss: Loss,
    /// Tokens per text.
    max_length: usize,
    order: Vec<usize>,
    course: Course,
    schedule: Schedule,
    /// Losses of steps, with their rows, that have not been read yet.
    losses: Vec<(Tensor, usize)>,
}

impl<'a> Trial<'a> {
    /// A trial that has trained nothing.
    pub fn new(shared: &'a Shared, seed: u64, parameters: Parameters, goal: Goal) -> Result<Self> {
        let mut weights = shared.base.weights.copy()?;
        let shares = prepare(shared, &parameters, &mut weights)?;
        let precision = match parameters.precision {
            PrecisionKind::Auto => *shared.precision.get_or_init(|| precision::auto(shared.base.device)),
            chosen @ (PrecisionKind::Fp32 | PrecisionKind::Bf16 | PrecisionKind::Fp16) => chosen,
        };
        let state = State {
            optimizer: Optimizer::new(&weights, &parameters, shares)?,
            weights,
            position: Position::default(),
            track: Track::default(),
            micro_batch: micro_batch(&parameters, shared.fits.get()),
            precision,
            scaler: Scaler::new(precision),
        };
        Self::build(shared, identity(shared, seed, parameters), state, goal)
    }

    /// A trial that continues from a checkpoint of its own.
    pub fn resume(shared: &'a Shared, seed: u64, parameters: Parameters, goal: Goal, path: &Path) -> Result<Self> {
        let identity = identity(shared, seed, parameters);
        let state = checkpoint::read(path, &shared.base, &identity, |weights| {
            prepare(shared, &identity.parameters, weights)
        })?;
        let trial = Self::build(shared, identity, state, goal)?;
        if trial.position().batch >= trial.course.batches() {
            return Err(Error::file(
                path,
                "the checkpoint is damaged: its batch is beyond the epoch",
            ));
        }
        Ok(trial)
    }

    fn build(shared: &'a Shared, identity: Identity, state: State, goal: Goal) -> Result<Self> {
        let max_length = shared.max_length(identity.parameters.max_length)?;
        let head = shared.base.head.chosen(&identity.parameters);
        let kind = precision::kind(state.precision);
        let model = shared.base.model_mixed(&state.weights, head, kind)?;
        let course = Course::new(goal, shared.train.rows().len(), identity.parameters.batch_size);
        Ok(Self {
            model: match shared.lowest(identity.parameters.frozen_layers, max_length)? {
                Some(frozen) => model.over(frozen),
                None => model,
            },
            classifier: classifier(&state.weights)?,
            loss: Loss::new(&identity.parameters, &shared.train)?,
            max_length,
            order: order(identity.seed, state.position.epoch, shared.train.rows().len()),
            course,
            schedule: Schedule::new(&identity.parameters, course.all_steps()),
            losses: Vec::new(),
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

    /// How many tokens of a text it sees.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// Its way through the data.
    pub fn course(&self) -> Course {
        self.course
    }

    /// Steps done, with those that the scale of the losses has made void.
    pub fn steps(&self) -> u64 {
        let Position { epoch, batch, .. } = self.state.position;
        epoch.saturating_mul(self.course.batches()).saturating_add(batch)
    }

    /// The tokens of the texts of so many steps of this epoch, from this one on.
    pub fn tokens(&self, from: u64, count: u64) -> u64 {
        let size = self.batch_size();
        let end = |step: u64| (step as usize).saturating_mul(size).min(self.order.len());
        let rows = self.rows(&self.order[end(from)..end(from.saturating_add(count))]);
        let tokens = |place| self.shared.train.cut(place, self.max_length).tokens.len() as u64;
        rows.texts().into_iter().map(tokens).sum()
    }

    /// These examples, with the negatives that they have in this epoch.
    fn rows(&self, order: &[usize]) -> Rows {
        let most = self.identity.parameters.negatives_per_row;
        let most = most.unwrap_or(Parameters::NEGATIVES_PER_ROW);
        negatives::drawn(
            self.shared.train.rows(),
            order,
            usize::try_from(most).unwrap_or(usize::MAX),
            derive(self.identity.seed, NEGATIVES, self.state.position.epoch),
        )
    }

    fn batch_size(&self) -> usize {
        // At least 1, as checked; more than all examples is all examples.
        usize::try_from(self.identity.parameters.batch_size).unwrap_or(usize::MAX)
    }

    /// One optimizer step, on the next batch. Whether training can continue, as far as is known: it can't if the loss or its
    /// gradient is not finite, and then no weight moves.
    pub fn step(&mut self) -> Result<bool> {
        if self.course.is_validated(self.steps()) {
            // The training loss is reported from one validation to the next.
            self.read_losses()?;
            self.state.position.loss_sum = 0.0;
            self.state.position.loss_count = 0;
        }
        let position = self.state.position;
        let size = self.batch_size();
        let from = (position.batch as usize).saturating_mul(size).min(self.order.len());
        let to = from.saturating_add(size).min(self.order.len());
        let batch = self.rows(&self.order[from..to]);
        let (loss, gradients) = self.gradients(&batch)?;
        let on_cpu = self.shared.base.device == Device::Cpu;
        let known = on_cpu.then(|| loss.f_double_value(&[])).transpose()?;
        let mut goes_on = known.is_none_or(f64::is_finite);
        if goes_on {
            let rate = self.learning_rate();
            let State {
                weights,
                optimizer,
                scaler,
                precision,
                ..
            } = &mut self.state;
            let taken = optimizer.step(weights, &gradients, rate)?;
            goes_on = scaler.observe(*precision, taken);
        }
        self.model.give_back(gradients);
        self.state.position.batch += 1;
        self.state.position.loss_count += batch.len() as u64;
        self.losses.push((loss, batch.len()));
        if on_cpu || self.losses.len() >= READ_EVERY {
            goes_on &= self.read_losses()?;
        }
        self.turn_over();
        Ok(goes_on)
    }

    /// The loss of a batch and its gradients, in smaller parts if memory is lacking.
    fn gradients(&mut self, batch: &Rows) -> Result<(Tensor, Gradients)> {
        loop {
            let pass = Pass {
                model: &self.model,
                classifier: self.classifier.as_ref(),
                loss: &self.loss,
                data: &self.shared.train,
                max_length: self.max_length,
                dropout: self.identity.parameters.dropout,
                seed: derive(self.identity.seed, STEP, self.state.optimizer.steps()),
                augment: Augment::new(
                    &self.identity.parameters,
                    derive(self.identity.seed, AUGMENT, self.state.position.epoch),
                ),
                scale: self.state.scaler.scale,
            };
            let micro_batch = self.state.micro_batch;
            match pass.gradients(batch, micro_batch) {
                Err(error) if error.is_out_of_memory() && micro_batch > 1 && batch.len() > 1 => {
                    let smaller = micro_batch.min(batch.len()).div_ceil(2);
                    eprintln!("out of memory with {micro_batch} rows at a time: continuing with {smaller}");
                    self.state.micro_batch = smaller;
                    self.shared.fits.set(smaller.min(self.shared.fits.get()));
                }
                other => return other,
            }
        }
    }

    /// Takes the losses that are still on the device into the position; whether all are finite.
    fn read_losses(&mut self) -> Result<bool> {
        let mut finite = true;
        let position = &mut self.state.position;
        // One at a time and in order, so that the sum does not depend on when they are read. The first waits for the
        // device, the others are there by then.
        for (loss, rows) in self.losses.drain(..) {
            let value = loss.f_double_value(&[])?;
            finite &= value.is_finite();
            position.loss_sum += value * rows as f64;
        }
        Ok(finite)
    }

    /// The learning rate of the next step.
    pub fn learning_rate(&self) -> f64 {
        let State { optimizer, track, .. } = &self.state;
        self.identity.parameters.learning_rate * self.schedule.share(optimizer.steps()) * track.share
    }

    /// Rows that are embedded at a time, if fewer than was asked for because no more go into memory.
    pub fn shrunk(&self) -> Option<usize> {
        let asked = micro_batch(&self.identity.parameters, usize::MAX);
        Some(self.state.micro_batch).filter(|&rows| rows < asked)
    }

    /// Begins the next epoch if all batches of this one are done.
    fn turn_over(&mut self) {
        let position = &mut self.state.position;
        if position.batch == self.course.batches() {
            position.epoch += 1;
            position.batch = 0;
            self.order = order(self.identity.seed, position.epoch, self.order.len());
        }
    }

    /// Measures the model.
    pub fn measure(&self) -> Result<Measured> {
        let classifier = self.classifier.as_ref();
        self.shared.validation.measure(&self.model, classifier, self.max_length)
    }

    /// Adds what those evaluations measure that are due and not there yet; whether all embeddings were finite.
    pub fn evaluate(&self, due: impl Fn(Every) -> bool, metrics: &mut Metrics) -> Result<bool> {
        let evaluations = &self.shared.evaluations;
        evaluations.measure(&self.model, self.max_length, due, metrics)
    }

    /// Remembers a validation loss.
    pub fn observe(&mut self, loss: f64) {
        self.state.track.observe(&self.identity.parameters, loss);
    }

    /// Whether it has not improved for as long as its patience lasts.
    pub fn is_exhausted(&self) -> bool {
        self.state.track.is_exhausted(&self.identity.parameters)
    }

    /// The mean training loss since the validation before this one; not finite if training has gone wrong.
    pub fn train_loss(&mut self) -> Result<f64> {
        self.read_losses()?;
        let Position {
            loss_sum, loss_count, ..
        } = self.state.position;
        Ok(loss_sum / loss_count as f64)
    }

    /// Writes a checkpoint of this moment.
    pub fn save(&mut self, path: &Path) -> Result<()> {
        self.read_losses()?;
        checkpoint::write(path, &self.state, &self.identity)
    }
}

/// The layer of labels, if there is one among the weights, which it shares.
pub fn classifier(weights: &Weights) -> Result<Option<Classifier>> {
    if !weights.iter().any(|(name, _)| name == CLASSIFIER[0]) {
        return Ok(None);
    }
    Ok(Some(Classifier {
        weight: weights.get(CLASSIFIER[0])?,
        bias: weights.get(CLASSIFIER[1])?,
    }))
}

/// How many rows a trial embeds at a time, if no more than `fits` go into memory.
fn micro_batch(parameters: &Parameters, fits: usize) -> usize {
    let rows = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let wanted = rows(parameters.micro_batch_size.unwrap_or(parameters.batch_size));
    wanted.min(rows(parameters.batch_size)).min(fits)
}

/// Marks the weights that are trained; the learning rate of each as a share of the whole.
fn prepare(shared: &Shared, parameters: &Parameters, weights: &mut Weights) -> Result<Vec<f64>> {
    let shares = layers::shares(parameters, weights, shared.base.config.num_hidden_layers)?;
    weights.require_grad(|name| layers::is_trained(parameters, name))?;
    Ok(shares)
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
