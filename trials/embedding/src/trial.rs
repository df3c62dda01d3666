//! One trial: its state and its training steps.

use std::path::Path;

use hpo_protocol::embedding::Parameters;
use tch::Tensor;

use crate::checkpoint::{self, Identity, Position, State};
use crate::data::{Row, Triplets, derive, order};
use crate::error::{Error, Result};
use crate::layers;
use crate::loss::Loss;
use crate::model::{Base, Embedded, Model, Weights};
use crate::optimizer::{Gradients, Optimizer};
use crate::schedule::{Schedule, Track};
use crate::validate::{Measured, Validation};

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

/// One configuration in training.
#[derive(Debug)]
pub struct Trial<'a> {
    shared: &'a Shared,
    identity: Identity,
    state: State,
    model: Model,
    order: Vec<usize>,
    schedule: Schedule,
}

impl<'a> Trial<'a> {
    /// A trial that has trained nothing; `epochs` are what it trains if it is never stopped.
    pub fn new(shared: &'a Shared, seed: u64, parameters: Parameters, epochs: u64) -> Result<Self> {
        let mut weights = shared.base.weights.copy()?;
        let shares = prepare(shared, &parameters, &mut weights)?;
        let state = State {
            optimizer: Optimizer::new(&weights, &parameters, shares)?,
            weights,
            position: Position::default(),
            track: Track::default(),
        };
        Self::build(shared, identity(shared, seed, parameters), state, epochs)
    }

    /// A trial that goes on from a checkpoint of its own.
    pub fn resume(shared: &'a Shared, seed: u64, parameters: Parameters, epochs: u64, path: &Path) -> Result<Self> {
        let identity = identity(shared, seed, parameters);
        let state = checkpoint::read(path, &shared.base, &identity, |weights| {
            prepare(shared, &identity.parameters, weights)
        })?;
        let trial = Self::build(shared, identity, state, epochs)?;
        if trial.position().batch >= trial.batches() {
            return Err(Error::file(
                path,
                "the checkpoint is damaged: its batch is beyond the epoch",
            ));
        }
        Ok(trial)
    }

    fn build(shared: &'a Shared, identity: Identity, state: State, epochs: u64) -> Result<Self> {
        let head = shared.base.head.chosen(&identity.parameters);
        let mut trial = Self {
            model: shared.base.model_with(&state.weights, head)?,
            order: order(identity.seed, state.position.epoch, shared.train.rows().len()),
            schedule: Schedule::new(&identity.parameters, 0),
            shared,
            identity,
            state,
        };
        let steps = trial.batches().saturating_mul(epochs);
        trial.schedule = Schedule::new(&trial.identity.parameters, steps);
        Ok(trial)
    }

    /// How far it has come.
    pub fn position(&self) -> Position {
        self.state.position
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Optimizer steps done.
    pub fn steps(&self) -> u64 {
        self.state.optimizer.steps()
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
        let embedded = self.model.embed(&texts, parameters.dropout)?;
        let loss = Loss {
            margin: parameters.margin,
            batch_negatives: parameters.batch_negatives,
        }
        .of(&embedded.embeddings, &batch, &self.shared.train)?;
        let value = loss.f_double_value(&[])?;
        if value.is_finite() {
            let gradients = self.gradients(&loss, embedded)?;
            let rate = self.learning_rate();
            let State { weights, optimizer, .. } = &mut self.state;
            optimizer.step(weights, &gradients, rate)?;
        }
        let position = &mut self.state.position;
        position.batch += 1;
        position.loss_sum += value * batch.len() as f64;
        position.loss_count += batch.len() as u64;
        Ok(value)
    }

    /// The learning rate of the next step.
    pub fn learning_rate(&self) -> f64 {
        let State { optimizer, track, .. } = &self.state;
        self.identity.parameters.learning_rate * self.schedule.share(optimizer.steps()) * track.share
    }

    /// The gradients of a loss over the embeddings of a batch.
    fn gradients(&self, loss: &Tensor, embedded: Embedded) -> Result<Gradients> {
        let Embedded { words, rows, .. } = embedded;
        let weights = &self.state.weights;
        let words_trained = weights.words().requires_grad();
        let others = weights.iter().skip(1).map(|(_, weight)| weight);
        let leaves: Vec<&Tensor> = words_trained
            .then_some(&rows)
            .into_iter()
            .chain(others.filter(|weight| weight.requires_grad()))
            .collect();
        let mut tensors = Tensor::f_run_backward(&[loss], &leaves, false, false)?;
        let words = words_trained.then(|| (words, tensors.remove(0)));
        Ok(Gradients { words, tensors })
    }

    /// Measures the model at the end of an epoch, and remembers how it has gone.
    pub fn validate(&mut self) -> Result<Measured> {
        let measured = self.shared.validation.measure(&self.model)?;
        self.state.track.observe(&self.identity.parameters, measured.loss);
        Ok(measured)
    }

    /// Whether it has not improved for as long as its patience lasts.
    pub fn is_exhausted(&self) -> bool {
        self.state.track.is_exhausted(&self.identity.parameters)
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
