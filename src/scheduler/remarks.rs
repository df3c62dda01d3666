//! What the user should know once, however often it happens.

use hpo_protocol::{Baseline, Measurement};

use super::{Clock, Scheduler, Slots, Storage};
use crate::study::{Event, LOSS, Reported};

impl<S: Slots, J: Storage, C: Clock> Scheduler<'_, S, J, C> {
    /// Passes a remark on, unless there was one about the same before.
    pub(super) fn remark(&mut self, about: &str, text: &str) {
        if self.remarks.insert(about.to_owned()) {
            self.observer.note(text);
        }
    }

    /// Leaves out what is not finite, with a remark, but for the objective of a report, which ends its trial. Returns whether the event
    /// is worth anything without.
    pub(super) fn leave_out(&mut self, event: &mut Event) -> bool {
        match event {
            Event::Reported(Reported { metrics, .. }) => {
                let spec = self.study.spec();
                let is_objective = |name: &String| spec.objectives().any(|objective| objective.metric == *name);
                let infinite = metrics
                    .iter()
                    .filter(|(name, value)| !value.is_finite() && !is_objective(name));
                let infinite: Vec<String> = infinite.map(|(name, _)| name.clone()).collect();
                infinite.iter().for_each(|name| self.remark_on_infinite(name));
                true
            }
            Event::Evaluated(Baseline::One(measurement)) => self.leave_out_of_untrained(measurement),
            Event::Evaluated(Baseline::Models { models }) => {
                models.retain(|_, measurement| self.leave_out_of_untrained(measurement));
                !models.is_empty()
            }
            Event::Opened { .. }
            | Event::Idle { .. }
            | Event::Tested(_)
            | Event::Stopped { .. }
            | Event::Failed { .. }
            | Event::TrialStopped { .. }
            | Event::Retried { .. }
            | Event::Held
            | Event::Released
            | Event::LimitsSet(_)
            | Event::Enqueued { .. }
            | Event::Ticked
            | Event::Closed => true,
        }
    }

    /// The same of an untrained model, which is worth nothing without its objective.
    fn leave_out_of_untrained(&mut self, measurement: &mut Measurement) -> bool {
        let measured = self.study.spec().objective.measured(measurement);
        self.leave_out_of(measurement);
        measured.is_none_or(f64::is_finite)
    }

    /// Leaves out what is not finite, with a remark.
    pub(super) fn leave_out_of(&mut self, measurement: &mut Measurement) {
        if measurement.loss.take_if(|loss| !loss.is_finite()).is_some() {
            self.remark_on_infinite(LOSS);
        }
        let infinite = measurement.metrics.iter().filter(|(_, value)| !value.is_finite());
        let infinite: Vec<String> = infinite.map(|(name, _)| name.clone()).collect();
        measurement.metrics.retain(|_, value| value.is_finite());
        infinite.iter().for_each(|name| self.remark_on_infinite(name));
    }

    fn remark_on_infinite(&mut self, name: &str) {
        let text = format!("{name} is not finite as the trainer reports it: wherever it is not, it is left out");
        self.remark(&format!("metric {name}"), &text);
    }
}
