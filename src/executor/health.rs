//! Telling a slot that is broken from trials that are.

use std::collections::BTreeSet;

use crate::ids::TrialId;

/// So many different trials failing one after the other on a slot are its fault rather than theirs.
const DIFFERENT_TRIALS: usize = 5;

/// What has failed on a slot since something last went well there.
#[derive(Debug, Default)]
pub struct Health {
    failed: BTreeSet<TrialId>,
}

impl Health {
    /// A segment has reported.
    pub fn went_well(&mut self) {
        self.failed.clear();
    }

    /// A segment of `trial` has failed; `elsewhere` says whether the trial has failed on another slot too, which makes it
    /// the trial's own fault. Whether the slot has to be set aside: a GPU that is lost fails every trial at once, and would in a
    /// moment have used up all their retries.
    pub fn failed(&mut self, trial: TrialId, elsewhere: bool) -> bool {
        if !elsewhere {
            self.failed.insert(trial);
        }
        self.failed.len() >= DIFFERENT_TRIALS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_on_which_everything_fails_is_at_fault() {
        let mut health = Health::default();
        let verdicts: Vec<bool> = (0..5).map(|trial| health.failed(TrialId(trial), false)).collect();
        assert_eq!(verdicts, [false, false, false, false, true]);
    }

    #[test]
    fn a_trial_that_always_fails_is_not_held_against_the_slot() {
        let mut health = Health::default();
        assert!((0..100).all(|_| !health.failed(TrialId(7), false)));
        assert!((0..100).all(|trial| !health.failed(TrialId(trial), true)));
    }

    #[test]
    fn one_success_clears_the_slot() {
        let mut health = Health::default();
        for trial in 0..20 {
            if trial % 4 == 3 {
                health.went_well();
            }
            assert!(!health.failed(TrialId(trial), false));
        }
    }
}
