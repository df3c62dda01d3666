//! What trials of the same base model share.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use hpo_protocol::embedding::{PrecisionKind, RolePrompts};

use crate::error::{Error, Result};
use crate::evaluate::Evaluations;
use crate::examples::Examples;
use crate::model::{Base, Frozen};
use crate::validate::Validation;

/// What all trials of a worker that begin with the same base model and have the same prompts share.
#[derive(Debug)]
pub struct Shared {
    /// The untrained model.
    pub base: Rc<Base>,
    /// What stands before each text.
    pub prompts: RolePrompts,
    /// Tokens per text of a trial that says no other number.
    pub max_length: usize,
    /// The training examples.
    pub train: Examples,
    /// Their digest.
    pub digest: String,
    /// The validation.
    pub validation: Validation,
    /// What the exported model alone is measured on.
    pub test: Option<Validation>,
    /// The user's own evaluations.
    pub evaluations: Evaluations,
    /// CPU threads.
    pub threads: usize,
    /// The largest part of a batch that has been found to fit into memory, in rows.
    pub fits: Cell<usize>,
    /// The precision that `auto` is on this device, once it is known.
    pub precision: Rc<OnceCell<PrecisionKind>>,
    /// The lowest layers that some trial has not trained, by their number.
    pub frozen: Rc<RefCell<BTreeMap<u64, Rc<Frozen>>>>,
    /// How many bytes they may still keep.
    pub room: Rc<Cell<usize>>,
}

impl Shared {
    /// Bytes that the output of the frozen layers of all base models may take up in a worker.
    pub const ROOM: usize = 512 << 20;

    /// Tokens per text of a trial, or of the model that became of one. `chosen` is the parameter.
    ///
    /// # Errors
    /// If texts are not kept that long, or special tokens would leave no room for others.
    pub fn max_length(&self, chosen: Option<u64>) -> Result<usize> {
        let Some(chosen) = chosen else {
            return Ok(self.max_length);
        };
        let (first, last) = self.train.edges();
        let prompts = [self.train.longest_prompt(), self.evaluations.longest_prompt()];
        let first = prompts.into_iter().fold(first, usize::max);
        let (least, most) = (3.max(first + last + 1), self.max_length);
        let length = usize::try_from(chosen).unwrap_or(usize::MAX);
        if (least..=most).contains(&length) {
            return Ok(length);
        }
        Err(Error::Invalid(format!(
            "`max_length` is {chosen}; it must be a whole number from {least} to {most}, the `max_length` under `[trial]`"
        )))
    }

    /// The lowest layers of the untrained model, if there are any to be frozen, for a trial with so many tokens per text.
    pub fn lowest(&self, layers: u64, max_length: usize) -> Result<Option<Rc<Frozen>>> {
        if layers == 0 {
            return Ok(None);
        }
        let known = [&self.train, self.validation.examples()];
        let known = known.into_iter().flat_map(|examples| examples.all(max_length));
        let mut all = self.frozen.borrow_mut();
        if let Some(frozen) = all.get(&layers) {
            frozen.know(known);
            return Ok(Some(Rc::clone(frozen)));
        }
        // Not more than the model has, as checked.
        let frozen = Rc::new(Frozen::new(&self.base, layers as usize, known, &self.room)?);
        all.insert(layers, Rc::clone(&frozen));
        Ok(Some(frozen))
    }
}
