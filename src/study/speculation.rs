//! Which paused trial a slot with nothing else to do trains on.

use super::Study;
use super::bracket::{Bracket, Decision};
use super::decide::Due;
use super::trial::{Trial, TrialState};
use crate::ids::TrialId;

impl Study {
    /// A decision that is due.
    pub(super) fn next_decision(&self) -> Option<Due> {
        self.undecided.iter().find_map(|(&id, &decision)| {
            let trial = self.trial(id)?;
            let rung = match trial.state {
                TrialState::Paused { rung } | TrialState::Ahead { rung, .. } => rung,
                // Its bracket decides in passing.
                TrialState::Running { .. } | TrialState::Waiting { .. } if decision == Decision::Prune => {
                    trial.resource()
                }
                TrialState::Running { .. }
                | TrialState::Waiting { .. }
                | TrialState::Pruned { .. }
                | TrialState::Completed
                | TrialState::Diverged { .. }
                | TrialState::Failed { .. } => return None,
            };
            Some(Due {
                trial: id,
                rung,
                decision,
            })
        })
    }

    /// How likely a trial that is paused at a rung will go on: comparable among trials, above 0 if it most likely will.
    pub(super) fn promise(&self, trial: TrialId, rung: u64) -> Option<f64> {
        let open = self.brackets.get(self.trial(trial)?.bracket()?)?;
        match &open.bracket {
            Bracket::Halving(halving) => halving.promise(trial, rung),
            Bracket::Asha(_) | Bracket::Median(_) => None,
        }
    }

    /// The paused trial that will most likely go on and can be trained before that is decided, and the resource of its next
    /// rung.
    pub(super) fn most_promising(&self) -> Option<(TrialId, u64)> {
        // Others promise nothing, however many are paused.
        if !self.spec.policy.speculation || !self.spec.policy.is_synchronous() {
            return None;
        }
        let candidates = self.paused.iter().filter_map(|&id| {
            let trial = self.trial(id)?;
            let to = self.next_rung(trial)?;
            Some((self.promise(id, trial.resource())?, id, to))
        });
        let best = candidates.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        best.map(|(_, id, to)| (id, to))
    }

    /// The resource to which a paused trial can run ahead.
    pub(super) fn next_rung(&self, trial: &Trial) -> Option<u64> {
        let TrialState::Paused { rung } = trial.state else {
            return None;
        };
        if trial.exhausted || trial.ahead.failed || trial.ahead.ended {
            return None;
        }
        let rungs = self.brackets.get(trial.bracket()?)?.bracket.rungs();
        let to = rungs.into_iter().find(|&next| next > rung)?;
        let came = trial.ahead.reports.last_key_value();
        let over = came.is_some_and(|(&at, report)| at >= to || report.cost.is_none());
        // Without the checkpoint of its rung it would have to begin anew.
        (!over && trial.resume_point().0 >= rung).then_some(to)
    }
}
