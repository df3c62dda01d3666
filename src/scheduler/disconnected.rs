//! Slots whose connections are lost.

use super::export::Export;
use super::{Clock, Scheduler, Slots, Storage};
use crate::ids::{SegmentId, SlotId};
use crate::study::Event;

/// So often in a row a trial may lose its connection before that counts as a failure: it may be what the trial does to the machine.
const CUT_OFF: u32 = 3;

impl<S: Slots, J: Storage, C: Clock> Scheduler<'_, S, J, C> {
    /// The connection to a slot is lost, and what it was given can be given to others; `excused` if that can't be its doing. Returns the
    /// event for the core, if any.
    pub(super) fn disconnected(
        &mut self,
        slot: SlotId,
        segment: Option<SegmentId>,
        message: String,
        excused: bool,
    ) -> Option<Event> {
        self.idle.remove(&slot);
        self.given_back.remove(&slot);
        if self.evaluating == Some(slot) {
            self.evaluating = None;
            self.evaluations -= 1;
        }
        if matches!(self.export, Export::Asked(busy, _) if busy == slot) {
            self.storage.discard_model();
            self.export = Export::Unasked;
        }
        let place = self.places.get_mut(&slot)?;
        if !std::mem::replace(&mut place.away, true) {
            let goes_on = match segment {
                Some(segment) => format!("; trial {} goes on from where it was saved last", segment.trial),
                None => String::new(),
            };
            self.observer.note(&format!(
                "slot {slot} ({}) is away until it can be reached again{goes_on}: {message}",
                place.name
            ));
        }
        let segment = segment?;
        let times = self.cut_off.entry(segment.trial).or_default();
        *times += u32::from(!excused);
        Some(match *times > CUT_OFF {
            true => Event::Failed {
                segment,
                message,
                checkpoint_lost: false,
            },
            false => Event::Stopped {
                segment,
                checkpoint: None,
            },
        })
    }

    /// A slot has a worker.
    pub(super) fn connected(&mut self, slot: SlotId) {
        let place = self.places.get_mut(&slot).filter(|place| place.away);
        if let Some(place) = place {
            place.away = false;
            self.observer.note(&format!("slot {slot} ({}) is back", place.name));
        }
    }
}
