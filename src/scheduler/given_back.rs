//! Slots whose places are left to others while there is nothing for them to do.

use std::time::Duration;

use super::export::Export;
use super::{Clock, Scheduler, Slots, Storage};
use crate::executor::Order;
use crate::ids::SlotId;

/// How long a slot may have nothing to do before its place is given back. Ray's autoscaler waits as long.
const IDLE: Duration = Duration::from_secs(5 * 60);

impl<S: Slots, J: Storage, C: Clock> Scheduler<'_, S, J, C> {
    /// Gives back the places of slots that have nothing to do: at once where no trial is left for them, and else after a while. As many
    /// as are needed again come back.
    pub(super) async fn adjust_places(&mut self) {
        let waits = self.evaluating.is_some() || self.pause.is_some() || self.stopping.is_some();
        if self.shared.is_empty() || waits {
            return;
        }
        let running = self.study.running().count();
        let present = self.places.keys().filter(|&&slot| !self.is_aside(slot)).count() - self.given_back.len();
        // Those with nothing to do, those that are about to have nothing, and those that are on their way.
        let free = present.saturating_sub(running);
        if self.study.is_at_rest() {
            let is_lacking = matches!(self.export, Export::Unasked) && free == 0;
            return self.call_back(usize::from(is_lacking)).await;
        }
        self.call_back(self.study.unserved().saturating_sub(free)).await;
        let of_use = self.study.most_at_once().saturating_sub(running);
        let (mut surplus, now) = (self.idle.len().saturating_sub(of_use), self.clock.elapsed());
        let shared = self.idle.iter().rev().filter(|(slot, _)| self.shared.contains(slot));
        let given_back = shared.filter_map(|(&slot, &since)| {
            let useless = surplus > 0;
            surplus -= usize::from(useless);
            (useless || now.saturating_sub(since) >= IDLE).then_some((slot, useless))
        });
        let given_back: Vec<(SlotId, bool)> = given_back.collect();
        for (slot, useless) in given_back {
            self.give_back(slot, useless).await;
        }
    }

    async fn give_back(&mut self, slot: SlotId, useless: bool) {
        let why = match useless {
            true => "no trial is left for it".to_owned(),
            false => format!("it has had nothing to do for {} minutes", IDLE.as_secs() / 60),
        };
        self.idle.remove(&slot);
        self.given_back.insert(slot);
        if let Some(place) = self.places.get(&slot) {
            self.observer
                .note(&format!("slot {slot} ({}) is given back: {why}", place.name));
        }
        self.slots.order(slot, Order::GiveBack).await;
    }

    /// Has so many of the slots come back whose places were given back.
    async fn call_back(&mut self, count: usize) {
        let called: Vec<SlotId> = self.given_back.iter().copied().take(count).collect();
        for slot in called {
            self.given_back.remove(&slot);
            if let Some(place) = self.places.get_mut(&slot) {
                place.away = true;
            }
            self.slots.order(slot, Order::ComeBack).await;
        }
    }
}
