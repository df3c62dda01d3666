//! Whether a record of somebody else's making fits those before it.

use super::event::{Fact, Record, Reported};
use super::trial::{Trial, TrialState};
use super::{OpenBracket, Study};
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
        let known = self.trials.len() as u64;
        let fact = &record.fact;
        let sound = match fact {
            Fact::TrialCreated { trial, bracket, .. } => {
                if trial.0 != known {
                    return Err(Misfit::UnknownTrial { trial: *trial, known });
                }
                self.brackets.get(*bracket as usize).is_some()
            }
            Fact::ConfirmationCreated { trial, confirms, .. } => {
                if trial.0 != known {
                    return Err(Misfit::UnknownTrial { trial: *trial, known });
                }
                self.trial(*confirms).is_some_and(|of| of.confirms().is_none())
            }
            Fact::ConfirmationRaised { confirmation } => {
                let runs = confirmation.configurations.checked_mul(confirmation.seeds);
                let before = self.spec.confirmation;
                runs.is_some_and(|runs| runs <= MOST_TRIALS) && before.is_none_or(|before| confirmation.covers(before))
            }
            Fact::BracketOpened { first, trials, rungs } => {
                let most = self.spec.policy.max_resource;
                let ascends = rungs
                    .iter()
                    .zip(&rungs[1.min(rungs.len())..])
                    .all(|(rung, next)| rung < next);
                let bounded =
                    rungs.first().is_some_and(|rung| *rung > 0) && rungs.last().is_some_and(|rung| *rung <= most);
                let counted = first.checked_add(*trials).is_some_and(|end| end <= self.spec.trials);
                ascends && bounded && counted
            }
            Fact::TrialsRaised { trials } => (self.spec.trials..=MOST_TRIALS).contains(trials),
            _ => true,
        };
        if !sound {
            return Err(Misfit::Study);
        }
        let is_new = matches!(fact, Fact::TrialCreated { .. } | Fact::ConfirmationCreated { .. });
        let of = fact.trial().filter(|_| !is_new);
        let Some(trial) = of else { return Ok(()) };
        let Some(found) = self.trial(trial) else {
            return Err(Misfit::UnknownTrial { trial, known });
        };
        let bracket = found.bracket().and_then(|bracket| self.brackets.get(bracket));
        match can_follow(found, bracket, self.spec.policy.max_resource, fact) {
            true => Ok(()),
            false => Err(Misfit::Impossible {
                trial,
                state: found.state.word(),
            }),
        }
    }
}

/// Whether a fact can be true of a trial.
fn can_follow(trial: &Trial, bracket: Option<&OpenBracket>, most: u64, fact: &Fact) -> bool {
    let is_rung = |resource: u64| bracket.is_some_and(|open| open.bracket.rungs().contains(&resource));
    let running = matches!(trial.state, TrialState::Running { .. } | TrialState::Ahead { .. });
    match *fact {
        Fact::SegmentStarted { to, ahead, .. } => match trial.state {
            TrialState::Waiting { to: due } => !ahead && to == due,
            TrialState::Paused { rung } => ahead && to > rung && to <= most,
            _ => false,
        },
        Fact::Reported(Reported { resource, .. }) => running && (1..=most).contains(&resource),
        Fact::SegmentStopped { .. } | Fact::SegmentFailed { .. } | Fact::SegmentPreempted { .. } => running,
        Fact::TrialPromoted { rung, to, .. } => !trial.state.is_final() && is_rung(rung) && is_rung(to) && rung < to,
        Fact::TrialPruned { .. } | Fact::TrialCompleted { .. } => !trial.state.is_final(),
        _ => true,
    }
}
