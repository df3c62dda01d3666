//! Whether a study agrees with itself: what is kept beside the trials, so that it need not be computed each time, is computed from
//! them and compared.

use std::collections::{BTreeMap, BTreeSet};

use super::Study;
use super::bracket::Rank;
use super::earlier::Earlier;
use super::trial::{Trial, TrialState};
use super::turn::Turn;
use crate::ids::{SlotId, TrialId};

/// What of a study does not agree with its trials. It is a bug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {details}")]
pub struct Contradiction {
    /// What is wrong.
    pub what: &'static str,
    /// The values that should be the same, or the trial at fault.
    pub details: String,
}

fn same<T: PartialEq + std::fmt::Debug>(what: &'static str, kept: &T, computed: &T) -> Result<(), Contradiction> {
    ensure(kept == computed, what, || {
        format!("{kept:?} is kept, but the trials say {computed:?}")
    })
}

fn ensure(holds: bool, what: &'static str, details: impl FnOnce() -> String) -> Result<(), Contradiction> {
    match holds {
        true => Ok(()),
        false => Err(Contradiction {
            what,
            details: details(),
        }),
    }
}

impl Study {
    /// Computes all that is derived from the trials and compares it with what is kept. It takes as long as the study is large.
    ///
    /// # Errors
    /// If they differ, or the trials contradict each other.
    pub fn check(&self) -> Result<(), Contradiction> {
        self.check_counts()?;
        let taken = self.earlier.as_ref().map_or(0, Earlier::taken);
        ensure(
            self.earlier_results.len() as u64 <= taken,
            "no more results of an earlier study than were taken",
            || format!("{}, of {taken}", self.earlier_results.len()),
        )?;
        self.check_sets()?;
        self.check_brackets()?;
        self.check_checkpoints()?;
        self.check_slots()
    }

    fn check_counts(&self) -> Result<(), Contradiction> {
        let count = |trials: &mut dyn Iterator<Item = &Trial>| trials.count() as u64;
        let open = |trial: &&Trial| !trial.state.is_final();
        same("trials of the search", &self.drawn, &count(&mut self.search_trials()))?;
        let searching = count(&mut self.search_trials().filter(open));
        same("trials of the search that can change", &self.searching, &searching)?;
        let unfinished = count(&mut self.trials.iter().filter(open));
        same("trials that can change", &self.unfinished, &unfinished)?;
        ensure(
            !self.finished || unfinished == 0,
            "a finished study has nothing left to train",
            || format!("{unfinished} trials can change"),
        )
    }

    pub(super) fn check_sets(&self) -> Result<(), Contradiction> {
        let (mut waiting, mut running, mut paused) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut completed = BTreeSet::new();
        let mut confirmed: BTreeMap<TrialId, Vec<TrialId>> = BTreeMap::new();
        for (number, trial) in (0..).map(TrialId).zip(&self.trials) {
            same("the number of a trial", &trial.id, &number)?;
            match trial.state {
                TrialState::Waiting { to } => {
                    waiting.insert(Turn::new(&self.spec.policy, trial, to));
                }
                TrialState::Running { .. } | TrialState::Ahead { .. } => {
                    running.insert(trial.id);
                }
                TrialState::Paused { .. } => {
                    paused.insert(trial.id);
                }
                TrialState::Completed if trial.confirms().is_none() => {
                    completed.extend(Rank::of(trial));
                }
                TrialState::Completed
                | TrialState::Pruned { .. }
                | TrialState::Diverged { .. }
                | TrialState::Failed { .. } => {}
            }
            if let Some(of) = trial.confirms() {
                confirmed.entry(of).or_default().push(trial.id);
            }
        }
        same("trials that wait", &self.waiting, &waiting)?;
        same("trials that run", &self.running, &running)?;
        same("trials that are paused", &self.paused, &paused)?;
        same("completed trials", &self.completed, &completed)?;
        let decided = self.search_trials().filter(|trial| trial.state.is_final());
        let decided: BTreeSet<TrialId> = decided.map(|trial| trial.id).collect();
        same("decided trials", &self.decided, &decided)?;
        same("the lowest cost", &self.lowest, &self.lowest_of_all())?;
        let trained = self.trials.iter().map(Trial::resource).sum();
        same("the resource trained", &self.trained, &trained)?;
        same("trials that confirm", &self.confirmed, &confirmed)?;
        let over = |id: &TrialId| self.trial(*id).is_none_or(|trial| trial.state.is_final());
        ensure(
            !self.undecided.keys().any(over),
            "only a trial that can change has a decision to come",
            || format!("{:?}", self.undecided),
        )
    }

    fn check_brackets(&self) -> Result<(), Contradiction> {
        let mut drawn = vec![0; self.brackets.len()];
        let mut over = vec![0; self.brackets.len()];
        for trial in self.search_trials() {
            let bracket = trial.bracket().filter(|bracket| *bracket < drawn.len());
            let Some(bracket) = bracket else {
                return ensure(false, "a trial is in a bracket", || format!("{trial:?}"));
            };
            drawn[bracket] += 1;
            over[bracket] += u64::from(trial.state.is_final());
        }
        for ((open, drawn), over) in self.brackets.iter().zip(drawn).zip(over) {
            same("trials drawn for a bracket", &open.drawn, &drawn)?;
            let size = if open.trials > 0 { open.trials } else { drawn };
            same(
                "trials of a bracket that can change",
                &open.unfinished,
                &size.saturating_sub(over),
            )?;
        }
        Ok(())
    }

    fn check_checkpoints(&self) -> Result<(), Contradiction> {
        for trial in self.trials.iter().filter(|trial| trial.state.is_final()) {
            let keeps = trial.checkpoints().next().is_some();
            ensure(
                !keeps || self.holders.contains(&trial.id),
                "a trial that is over keeps no checkpoint unless it may be exported",
                || format!("{trial:?}"),
            )?;
        }
        ensure(
            self.holders.iter().all(|&id| self.may_hold(id)),
            "only trials that may be exported keep their models",
            || format!("{:?}", self.holders),
        )
    }

    fn check_slots(&self) -> Result<(), Contradiction> {
        let mut busy: BTreeSet<SlotId> = BTreeSet::new();
        for trial in self.running() {
            let (TrialState::Running { to, at, slot, .. } | TrialState::Ahead { to, at, slot, .. }) = trial.state
            else {
                continue;
            };
            ensure(busy.insert(slot), "a slot trains one trial at a time", || {
                format!("slot {slot} has trial {} and another", trial.id)
            })?;
            ensure(at < to, "a running trial has not come to its rung", || {
                format!("{trial:?}")
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::finished;

    #[test]
    fn what_does_not_follow_from_the_trials_is_found() {
        let sound = finished();
        assert_eq!(sound.check(), Ok(()));
        let found = |spoil: &dyn Fn(&mut super::Study)| {
            let mut study = sound.clone();
            spoil(&mut study);
            study.check().unwrap_err().what
        };
        assert_eq!(found(&|study| study.drawn += 1), "trials of the search");
        assert_eq!(found(&|study| study.unfinished += 1), "trials that can change");
        assert_eq!(found(&|study| study.completed.clear()), "completed trials");
        assert_eq!(found(&|study| study.decided.clear()), "decided trials");
        assert_eq!(found(&|study| study.lowest = None), "the lowest cost");
        assert_eq!(found(&|study| study.trained += 1), "the resource trained");
        assert_eq!(
            found(&|study| study.running.extend([crate::ids::TrialId(0)])),
            "trials that run"
        );
        assert_eq!(
            found(&|study| study.brackets[0].unfinished += 1),
            "trials of a bracket that can change"
        );
        assert_eq!(
            found(&|study| study.holders.clear()),
            "a trial that is over keeps no checkpoint unless it may be exported"
        );
    }
}
