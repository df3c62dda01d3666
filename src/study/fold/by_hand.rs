//! What the user does to trials.

use hpo_protocol::Values;

use super::super::stop::StopSpec;
use super::super::trial::{Trial, TrialState};
use super::super::turn::Turn;
use super::Study;
use crate::ids::TrialId;

impl Study {
    /// The study has more trials, as its file says or by the user's wish.
    pub(super) fn trials_raised(&mut self, trials: u64, by_hand: bool) {
        self.spec.trials = trials;
        self.finished = false;
        if !by_hand {
            self.filed.0 = trials;
        }
    }

    /// The search ends elsewhere, as its file says or by the user's wish.
    pub(super) fn stop_changed(&mut self, stop: StopSpec, by_hand: bool) {
        self.spec.stop = stop;
        if !by_hand {
            self.filed.1 = stop;
        }
    }

    /// A configuration is to be tried; if all trials have been drawn, there is one more.
    pub(super) fn configuration_enqueued(&mut self, number: u64, parameters: &Values) {
        self.enqueued.insert(number, parameters.clone());
        if number >= self.spec.trials {
            self.trials_raised(number + 1, true);
        }
    }

    /// The user has ended a trial. Whoever is compared with it learns that it was lost.
    pub(super) fn trial_stopped(&mut self, id: TrialId) {
        let trial = &mut self.trials[id.0 as usize];
        let (to, rung) = match trial.state {
            TrialState::Waiting { to } | TrialState::Running { to, .. } => (to, trial.resource()),
            TrialState::Paused { rung } | TrialState::Ahead { rung, .. } => {
                if let Some(bracket) = self.bracket_of(id) {
                    bracket.abandon(id, rung);
                }
                return self.trial_pruned(id, rung);
            }
            TrialState::Pruned { .. }
            | TrialState::Completed
            | TrialState::Diverged { .. }
            | TrialState::Failed { .. } => unreachable!("only a trial that can change is stopped: {trial:?}"),
        };
        if let TrialState::Waiting { to } = trial.state {
            self.waiting.remove(&Turn::new(&self.spec.policy, trial, to));
        }
        trial.state = TrialState::Pruned { rung };
        self.end(id, to, false);
    }

    /// A trial has all its attempts again.
    pub(super) fn trial_retried(&mut self, id: TrialId) {
        let trial = &self.trials[id.0 as usize];
        let lost = self.next_rung_of(trial);
        let to = self
            .next_stop(trial)
            .expect("only a trial that can go on is tried again");
        let trial = &mut self.trials[id.0 as usize];
        trial.failures = 0;
        trial.failed_on.clear();
        if !matches!(trial.state, TrialState::Failed { .. }) {
            return;
        }
        trial.state = TrialState::Waiting { to };
        self.waiting.insert(Turn::new(&self.spec.policy, trial, to));
        self.unfinished += 1;
        self.finished = false;
        let Some(bracket) = trial.bracket() else { return };
        self.searching += 1;
        self.decided.remove(&id);
        let open = &mut self.brackets[bracket];
        open.unfinished += 1;
        if let Some(rung) = lost {
            open.bracket.revive(rung);
        }
    }

    /// Where a trial that can go on, or that has failed, stops next.
    pub(in crate::study) fn next_stop(&self, trial: &Trial) -> Option<u64> {
        match trial.state {
            TrialState::Waiting { to } | TrialState::Running { to, .. } | TrialState::Ahead { to, .. } => Some(to),
            TrialState::Paused { rung } => Some(rung),
            TrialState::Failed { .. } => match trial.bracket().and_then(|bracket| self.brackets.get(bracket)) {
                Some(open) if open.bracket.decides_in_passing() => {
                    Some(open.bracket.first_stop()).filter(|stop| *stop > trial.resource())
                }
                Some(_) => self.next_rung_of(trial),
                None => Some(self.spec.policy.max_resource).filter(|max| *max > trial.resource()),
            },
            TrialState::Pruned { .. } | TrialState::Completed | TrialState::Diverged { .. } => None,
        }
    }

    /// The rung of its bracket that a trial has not come to yet.
    fn next_rung_of(&self, trial: &Trial) -> Option<u64> {
        let open = self.brackets.get(trial.bracket()?)?;
        open.bracket.rungs().into_iter().find(|rung| *rung > trial.resource())
    }
}
