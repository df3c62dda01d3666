//! What the user does to a study: ends trials or gives them new attempts, pauses the search, and has it go farther or elsewhere.

use hpo_protocol::Values;

use super::Study;
use super::decide::Decider;
use super::event::Fact;
use super::spec::Limits;
use super::trial::TrialState;
use crate::ids::{MAX_TRIALS, TrialId};

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

    /// Begins nothing until it is released; what runs is saved.
    pub(super) fn hold(&mut self) {
        if self.study.held || self.study.finished {
            return;
        }
        self.save_all();
        self.record(Fact::SearchHeld);
    }

    /// Has a search that was held go on.
    pub(super) fn release(&mut self) {
        if self.study.held {
            self.record(Fact::SearchReleased);
        }
    }

    /// Takes over the limits of the study's file. Those that the user has changed meanwhile hold until the file's change.
    pub(super) fn set_limits(&mut self, limits: Limits) {
        let (recorded, filed) = (self.study.spec.limits(), self.study.filed_limits());
        let by_hand = false;
        if limits.trials > recorded.trials {
            let trials = limits.trials;
            self.record(Fact::TrialsRaised { trials, by_hand });
        }
        if let Some(confirmation) = limits.confirmation
            && limits.confirmation != recorded.confirmation
            && recorded.confirmation.is_none_or(|has| confirmation.covers(has))
        {
            self.record(Fact::ConfirmationRaised { confirmation });
        }
        if limits.stop != filed.stop {
            let stop = limits.stop;
            self.record(Fact::StopChanged { stop, by_hand });
        }
        self.decide();
    }

    /// Takes over the limits that the user sets while the search is under way.
    pub(super) fn set_limits_by_hand(&mut self, limits: Limits) {
        let recorded = self.study.spec.limits();
        let by_hand = true;
        if limits.trials > recorded.trials && limits.trials <= MAX_TRIALS {
            let trials = limits.trials;
            self.record(Fact::TrialsRaised { trials, by_hand });
        }
        if limits.stop != recorded.stop {
            let stop = limits.stop;
            self.record(Fact::StopChanged { stop, by_hand });
        }
        self.decide();
    }

    /// Has a configuration tried next, as a further trial if all have been drawn. Nothing follows if it can't be one of the space, or was
    /// enqueued before.
    pub(super) fn enqueue(&mut self, parameters: Values) {
        let study = &self.study;
        let number = study.next_free_number();
        let spec = &study.spec;
        // Whoever asks may ask again if the process that was asked has died.
        let known = study.has_enqueued(&parameters) || spec.sampler.covers_all();
        if known || number >= MAX_TRIALS || !spec.space.can_have(&parameters) {
            return;
        }
        self.record(Fact::Enqueued { number, parameters });
        self.decide();
    }

    /// Takes back the failures that have paused the study.
    pub(super) fn retry_wronged(&mut self) {
        for trial in self.study.wronged() {
            self.record(Fact::TrialRetried { trial });
        }
    }
}

impl Study {
    /// Whether the user has paused the search.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// The limits by the study's file, as it was when a scheduler last took the study over.
    pub fn filed_limits(&self) -> Limits {
        let (trials, stop) = self.filed;
        Limits {
            trials,
            stop,
            ..self.spec.limits()
        }
    }

    /// Whether the trial of the search of this number, from 0, is there by the user's wish.
    pub fn is_enqueued(&self, number: u64) -> bool {
        self.enqueued.contains_key(&number)
    }

    /// Whether this configuration was enqueued.
    pub fn has_enqueued(&self, parameters: &Values) -> bool {
        self.enqueued.values().any(|enqueued| enqueued == parameters)
    }

    /// How many trials the search has.
    pub fn drawn(&self) -> u64 {
        self.drawn
    }

    /// The number of the trial of the search that a configuration can have which is tried next.
    fn next_free_number(&self) -> u64 {
        let after = self.enqueued.last_key_value().map_or(0, |(last, _)| last + 1);
        let given = self.spec.space.try_first.len() as u64;
        self.drawn.max(given).max(after)
    }
}
