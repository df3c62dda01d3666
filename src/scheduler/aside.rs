//! Slots on which nothing can be trained.

use super::export::Export;
use super::{Clock, Scheduler, SchedulerError, Slots, Storage};
use crate::executor::SlotHealth;
use crate::ids::SlotId;
use crate::study::{Fact, Record};

/// A slot as the user knows it, and its record so far.
pub(super) struct Place {
    pub(super) name: String,
    health: SlotHealth,
    /// Whether it has been set aside.
    aside: bool,
    /// Whether its connection is lost.
    pub(super) away: bool,
}

impl Place {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            health: SlotHealth::default(),
            aside: false,
            away: false,
        }
    }
}

impl<S: Slots, J: Storage, C: Clock> Scheduler<'_, S, J, C> {
    /// Whether a slot has been set aside.
    pub(super) fn is_aside(&self, slot: SlotId) -> bool {
        self.places.get(&slot).is_none_or(|place| place.aside)
    }

    /// Why a slot must be set aside, given what is recorded of it, if so.
    pub(super) fn judge(&mut self, slot: SlotId, records: &[Record]) -> Option<String> {
        let health = &mut self.places.get_mut(&slot)?.health;
        let mut failure = None;
        for record in records {
            if let Fact::Reported(_) = record.fact {
                health.record_success();
            }
            if let Fact::SegmentFailed {
                trial,
                message,
                checkpoint_lost: false,
                ..
            } = &record.fact
            {
                let elsewhere = self.study.trial(*trial).is_some_and(|trial| trial.failed_on.len() > 1);
                if health.record_failure(*trial, elsewhere) {
                    failure = Some(format!(
                        "one trial after another has failed here; the last one: {message}"
                    ));
                }
            }
        }
        failure
    }

    /// Sets aside a slot on which nothing can be trained.
    pub(super) fn set_aside(&mut self, slot: SlotId, why: String) -> Result<(), SchedulerError> {
        let Some(place) = self.places.get_mut(&slot).filter(|place| !place.aside) else {
            return Ok(());
        };
        place.aside = true;
        let name = place.name.clone();
        let left = self.places.values().filter(|place| !place.aside).count();
        self.slots.remove(slot);
        self.idle.remove(&slot);
        self.given_back.remove(&slot);
        self.evaluating = self.evaluating.filter(|&busy| busy != slot);
        let exporting = matches!(self.export, Export::Asked(busy, _) if busy == slot);
        if self.study.is_finished() {
            // A model that can no longer be written does not affect the search's result.
            if left == 0 {
                self.export = Export::Done(Err(why));
            } else if exporting {
                self.export_failed(why);
            }
            return Ok(());
        }
        tracing::error!(slot = slot.0, name, why, "slot set aside");
        if left == 0 {
            return Err(SchedulerError::Fatal(why));
        }
        self.observer.note(&format!(
            "slot {slot} ({name}) is set aside, and the study continues without it on {left} of {}: {why}",
            self.places.len()
        ));
        Ok(())
    }
}
