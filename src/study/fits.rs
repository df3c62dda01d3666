//! Whether a record of somebody else's making fits those before it.

use hpo_protocol::Values;

use super::Study;
use super::event::{Fact, Record, Reported, Tested};
use super::spec::ConfirmationSpec;
use super::trial::{Trial, TrialState};
use crate::ids::TrialId;
use crate::words::counted;

/// No study has more trials.
const MOST_TRIALS: u64 = 1_000_000;

/// A record that does not fit those before it: the journal has been changed, or was not written by hpo.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// It speaks of a trial that no earlier record has created.
    #[error("a record speaks of trial {trial}, but the study has {} at that point", counted(*known, "trial"))]
    UnknownTrial {
        /// The trial.
        trial: TrialId,
        /// How many trials there are.
        known: u64,
    },
    /// It says of a trial what can't happen to it.
    #[error("a record says of trial {trial} what cannot be: it is {state} at that point")]
    Impossible {
        /// The trial.
        trial: TrialId,
        /// What it is.
        state: &'static str,
    },
    /// It opens a bracket that the study can't have, or raises the trials to a number that it can't have.
    #[error("a record says of the study what cannot be")]
    Study,
}

impl Study {
    /// Checks that a record can follow those before it. What the study itself decides always can.
    ///
    /// # Errors
    /// If it can't.
    pub(super) fn fits(&self, record: &Record) -> Result<(), Misfit> {
        match record.fact {
            Fact::StudyCreated { .. }
            | Fact::SchedulerStarted { .. }
            | Fact::SchedulerStopped
            | Fact::StopChanged { .. }
            | Fact::LimitReached { .. }
            | Fact::SearchHeld
            | Fact::SearchReleased
            | Fact::BaselineMeasured(_)
            | Fact::StudyFinished { .. } => Ok(()),
            Fact::EarlierStudy(ref earlier) => of_study(self.can_know(earlier)),
            Fact::EarlierResult(ref result) => of_study(self.can_have(result)),
            Fact::Enqueued { number, ref parameters } => of_study(self.can_enqueue(number, parameters)),
            Fact::TrialsRaised { trials, .. } => of_study((self.spec.trials..=MOST_TRIALS).contains(&trials)),
            Fact::ConfirmationRaised { confirmation } => of_study(self.can_confirm(confirmation)),
            Fact::BracketOpened {
                first,
                trials,
                ref rungs,
            } => of_study(self.can_open(first, trials, rungs)),
            Fact::TrialCreated { trial, bracket, .. } => {
                self.is_next(trial)?;
                let open = self.brackets.get(bracket as usize);
                of_study(open.is_some_and(|open| open.trials == 0 || open.drawn < open.trials))
            }
            Fact::ConfirmationCreated { trial, confirms, .. } => {
                self.is_next(trial)?;
                of_study(self.trial(confirms).is_some_and(|of| of.confirms().is_none()))
            }
            Fact::SegmentStarted { trial, to, ahead, .. } => self.of_trial(trial, |trial| match ahead {
                false => trial.state == TrialState::Waiting { to },
                true => self.next_rung(trial) == Some(to),
            }),
            Fact::SegmentPreempted { trial, .. } => {
                self.of_trial(trial, |trial| matches!(trial.state, TrialState::Ahead { .. }))
            }
            Fact::Reported(Reported { trial, resource, .. }) => {
                let bounded = (1..=self.spec.policy.max_resource).contains(&resource);
                self.of_trial(trial, |trial| bounded && trial.slot().is_some())
            }
            Fact::SegmentStopped { trial, .. } | Fact::SegmentFailed { trial, .. } => {
                self.of_trial(trial, |trial| trial.slot().is_some())
            }
            Fact::CheckpointLost { trial, .. } | Fact::ModelTested(Tested { trial, .. }) => {
                self.of_trial(trial, |_| true)
            }
            Fact::TrialPromoted { trial, rung, to } => self.of_trial(trial, |trial| self.can_promote(trial, rung, to)),
            Fact::StudyPaused(_) => Ok(()),
            Fact::TrialRetried { trial } => self.of_trial(trial, |trial| self.next_stop(trial).is_some()),
            Fact::TrialPruned { trial, .. } | Fact::TrialStopped { trial } => {
                self.of_trial(trial, |trial| !trial.state.is_final())
            }
            Fact::TrialCompleted { trial, rung } => {
                self.of_trial(trial, |trial| trial.state == TrialState::Paused { rung })
            }
        }
    }

    fn can_enqueue(&self, number: u64, parameters: &Values) -> bool {
        let is_known = |name: &String| self.spec.space.parameters.iter().any(|one| one.name == *name);
        (self.drawn..=self.spec.trials).contains(&number) && number < MOST_TRIALS && parameters.keys().all(is_known)
    }

    fn can_confirm(&self, confirmation: ConfirmationSpec) -> bool {
        let runs = confirmation.configurations.checked_mul(confirmation.seeds);
        let before = self.spec.confirmation;
        runs.is_some_and(|runs| runs <= MOST_TRIALS) && before.is_none_or(|before| confirmation.covers(before))
    }

    fn can_open(&self, first: u64, trials: u64, rungs: &[u64]) -> bool {
        let most = self.spec.policy.max_resource;
        let ascends = rungs.is_sorted_by(|rung, next| rung < next);
        let bounded = rungs.first().is_some_and(|rung| *rung > 0) && rungs.last().is_some_and(|rung| *rung <= most);
        let counted = first.checked_add(trials).is_some_and(|end| end <= self.spec.trials);
        ascends && bounded && counted
    }

    fn can_promote(&self, trial: &Trial, rung: u64, to: u64) -> bool {
        let bracket = trial.bracket().and_then(|bracket| self.brackets.get(bracket));
        let is_rung = |resource: u64| bracket.is_some_and(|open| open.bracket.rungs().contains(&resource));
        let stands = match trial.state {
            TrialState::Paused { rung: at } | TrialState::Ahead { rung: at, .. } => at == rung,
            TrialState::Waiting { .. }
            | TrialState::Running { .. }
            | TrialState::Pruned { .. }
            | TrialState::Completed
            | TrialState::Diverged { .. }
            | TrialState::Failed { .. } => false,
        };
        stands && is_rung(rung) && is_rung(to) && rung < to
    }

    /// Trials are numbered as they come.
    fn is_next(&self, trial: TrialId) -> Result<(), Misfit> {
        let known = self.trials.len() as u64;
        match trial.0 == known {
            true => Ok(()),
            false => Err(Misfit::UnknownTrial { trial, known }),
        }
    }

    /// Whether something can be true of a trial, which has to be there.
    fn of_trial(&self, trial: TrialId, can_be: impl FnOnce(&Trial) -> bool) -> Result<(), Misfit> {
        let known = self.trials.len() as u64;
        let found = self.trial(trial).ok_or(Misfit::UnknownTrial { trial, known })?;
        match can_be(found) {
            true => Ok(()),
            false => Err(Misfit::Impossible {
                trial,
                state: found.state.word(),
            }),
        }
    }
}

fn of_study(can_be: bool) -> Result<(), Misfit> {
    match can_be {
        true => Ok(()),
        false => Err(Misfit::Study),
    }
}
