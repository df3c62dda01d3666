//! Layers that are not trained: what they make of a text is computed once.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use tch::{Kind, Tensor};

use super::packed::{Below, Packed, Positions};
use super::{Base, Engine};
use crate::error::Result;

/// The embeddings and the lowest layers of the untrained model, without dropout, and what they have made of known texts.
///
/// Known texts are computed each on its own, so that the numbers do not depend on the batch in which a text comes first,
/// nor on whether there was room to keep them.
#[derive(Debug)]
pub struct Frozen {
    layers: usize,
    engine: Engine,
    positions: Positions,
    /// Bytes of a token's vector.
    width: usize,
    known: RefCell<HashMap<Box<[u32]>, Option<Tensor>>>,
    /// Of texts that were known before and may be again: looking one up here would make a text known or not by what has
    /// been trained before.
    past: RefCell<HashMap<Box<[u32]>, Tensor>>,
    room: Rc<Cell<usize>>,
}

impl Frozen {
    /// The lowest `layers` of a model. `known` are the texts that come again, as [`know`](Self::know) takes them; others are
    /// computed again each time. `room` is how many bytes may be kept, by all that share it.
    pub fn new<'a>(
        base: &Base,
        layers: usize,
        known: impl Iterator<Item = Cow<'a, [u32]>>,
        room: &Rc<Cell<usize>>,
    ) -> Result<Self> {
        let frozen = Self {
            layers,
            engine: base.engine(&base.weights)?,
            positions: base.config.positions,
            // Positive, as has been checked.
            width: base.config.hidden_size as usize * size_of::<f32>(),
            known: RefCell::default(),
            past: RefCell::default(),
            room: Rc::clone(room),
        };
        frozen.know(known);
        Ok(frozen)
    }

    /// Makes these the known texts. What is kept of others serves when they are known again; if these need its room, it
    /// goes. Models over these layers that were made for other texts must not be used any more.
    pub fn know<'a>(&self, texts: impl Iterator<Item = Cow<'a, [u32]>>) {
        let (mut known, mut past) = (self.known.borrow_mut(), self.past.borrow_mut());
        past.extend(known.drain().filter_map(|(text, kept)| Some((text, kept?))));
        for text in texts {
            if !known.contains_key(text.as_ref()) {
                let (text, kept) = match past.remove_entry(text.as_ref()) {
                    Some((text, kept)) => (text, Some(kept)),
                    None => (text.into_owned().into(), None),
                };
                known.insert(text, kept);
            }
        }
        let missing = known.iter().filter(|(_, kept)| kept.is_none());
        let needed: usize = missing.map(|(text, _)| text.len() * self.width).sum();
        if needed > self.room.get() {
            let freed: usize = past.drain().map(|(text, _)| text.len() * self.width).sum();
            self.room.set(self.room.get() + freed);
        }
    }

    /// The same by tensor operations, as on other devices than the CPU.
    pub fn by_tensors(self, base: &Base) -> Result<Self> {
        let engine = Engine::Portable(base.portable(&base.weights, Kind::Float)?);
        Ok(Self { engine, ..self })
    }

    /// What the layers make of the texts of a batch.
    pub fn below(&self, texts: &[&[u32]], batch: &Packed) -> Result<Below> {
        let _no_grad = tch::no_grad_guard();
        let mut known = self.known.borrow_mut();
        let (mut alone, mut together) = (Vec::new(), Vec::new());
        let mut states: Vec<Option<Tensor>> = (0..texts.len()).map(|_| None).collect();
        for (place, &text) in texts.iter().enumerate() {
            match known.get(text) {
                Some(Some(state)) => states[place] = Some(state.shallow_clone()),
                Some(None) => alone.push(place),
                None => together.push(place),
            }
        }
        let of = |places: &[usize]| -> Vec<&[u32]> { places.iter().map(|&place| texts[place]).collect() };
        for (&place, state) in alone.iter().zip(self.each(&of(&alone))?) {
            let bytes = texts[place].len() * self.width;
            if let (Some(kept @ None), Some(room)) = (known.get_mut(texts[place]), self.room.get().checked_sub(bytes)) {
                self.room.set(room);
                *kept = Some(state.shallow_clone());
            }
            states[place] = Some(state);
        }
        for (&place, state) in together.iter().zip(self.all(&of(&together))?) {
            states[place] = Some(state);
        }
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_unstable_by_key(|&text| batch.rows[text]);
        Ok(Below {
            layers: self.layers,
            states: order.into_iter().filter_map(|text| states[text].take()).collect(),
        })
    }

    /// How many texts are kept.
    pub fn kept(&self) -> usize {
        self.known.borrow().values().flatten().count()
    }

    /// Token vectors of each text, computed on its own.
    fn each(&self, texts: &[&[u32]]) -> Result<Vec<Tensor>> {
        let batches: Vec<Packed> = texts.iter().map(|text| Packed::new(&[text], self.positions)).collect();
        match &self.engine {
            Engine::Native(native) => native.lower_each(&batches, self.layers),
            Engine::Portable(portable) => {
                let lower = |batch| portable.lower(batch, self.layers);
                batches.iter().map(lower).collect()
            }
        }
    }

    /// The same, computed together.
    fn all(&self, texts: &[&[u32]]) -> Result<Vec<Tensor>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let batch = Packed::new(texts, self.positions);
        let tokens = match &self.engine {
            Engine::Native(native) => native.lower(&batch, self.layers)?,
            Engine::Portable(portable) => portable.lower(&batch, self.layers)?,
        };
        let lengths = batch
            .groups
            .iter()
            .flat_map(|group| (0..group.texts).map(|_| group.length));
        let packed = tokens.f_split_with_sizes(lengths.collect::<Vec<_>>(), 0)?;
        Ok(batch
            .rows
            .iter()
            .map(|&row| packed[row as usize].shallow_clone())
            .collect())
    }
}
