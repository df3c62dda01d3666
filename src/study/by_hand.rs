//! Trials that the user ends, or gives new attempts.

use super::decide::Decider;
use super::event::Fact;
use super::trial::TrialState;
use crate::ids::TrialId;

impl Decider<'_> {
    /// Ends a trial, if it has not come to its end by itself.
    pub(super) fn stop(&mut self, trial: TrialId) {
        if self.study.trial(trial).is_none_or(|trial| trial.state.is_final()) {
            return;
        }
        self.stop_segment(trial);
        self.record(Fact::TrialStopped { trial });
        self.decide();
    }

    /// Gives those of the trials that have failed for good all their attempts again.
    pub(super) fn retry_failed(&mut self, trials: &[TrialId]) {
        for &trial in trials {
            let state = self.study.trial(trial).map(|trial| &trial.state);
            if matches!(state, Some(TrialState::Failed { .. })) {
                self.record(Fact::TrialRetried { trial });
            }
        }
        self.decide();
    }

    /// Takes back the failures that have paused the study.
    pub(super) fn retry_wronged(&mut self) {
        for trial in self.study.wronged() {
            self.record(Fact::TrialRetried { trial });
        }
    }
}
