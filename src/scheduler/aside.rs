//! Slots on which nothing can be trained.

use super::{Export, Scheduler, SchedulerError};
use crate::executor::{Health, Slot};
use crate::ids::SlotId;
use crate::study::{Fact, Record};

/// A slot as the user knows it, and how it has fared.
pub(super) struct Place {
    name: String,
    health: Health,
}

impl Place {
    pub(super) fn new(slot: &Slot) -> Self {
        Self {
            name: slot.name(),
            health: Health::default(),
        }
    }
}

impl Scheduler<'_> {
    /// Why a slot has to be set aside after what is recorded of it, if so.
    pub(super) fn judge(&mut self, slot: SlotId, records: &[Record]) -> Option<String> {
        let health = &mut self.places.get_mut(&slot)?.health;
        let mut failure = None;
        for record in records {
            match &record.fact {
                Fact::Reported(_) => health.went_well(),
                Fact::SegmentFailed {
                    trial,
                    message,
                    checkpoint_lost: false,
                    ..
                } => {
                    let elsewhere = self
                        .store
                        .study
                        .trial(*trial)
                        .is_some_and(|trial| trial.failed_on.len() > 1);
                    if health.failed(*trial, elsewhere) {
                        failure = Some(format!(
                            "one trial after the other has failed here; the last one: {message}"
                        ));
                    }
                }
                _ => {}
            }
        }
        failure
    }

    /// Does without a slot on which nothing can be trained.
    pub(super) fn set_aside(&mut self, slot: SlotId, why: String) -> Result<(), SchedulerError> {
        if self.workers.remove(&slot).is_none() {
            return Ok(());
        }
        self.idle.remove(&slot);
        self.evaluating = self.evaluating.filter(|&busy| busy != slot);
        let exporting = matches!(self.export, Export::Asked(busy, _) if busy == slot);
        if self.store.study.is_finished() {
            // What can't be written any more takes nothing from the answer.
            if self.workers.is_empty() {
                self.export = Export::Done(Err(why));
            } else if exporting {
                self.export_failed(why);
            }
            return Ok(());
        }
        let name = self.places.get(&slot).map_or("", |place| &place.name);
        tracing::error!(slot, name, why, "slot set aside");
        if self.workers.is_empty() {
            return Err(SchedulerError::Fatal(why));
        }
        let left = self.workers.len();
        self.observer.note(&format!(
            "slot {slot} ({name}) is set aside, and the study goes on without it on {left} of {}: {why}",
            self.places.len()
        ));
        Ok(())
    }
}
