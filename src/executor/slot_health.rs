//! Telling a slot on which nothing can be trained from trials that fail wherever they run.

use std::collections::BTreeSet;

use crate::ids::TrialId;

/// So many different trials failing one after the other on a slot are its fault rather than theirs.
const DIFFERENT_TRIALS: usize = 5;

/// What has failed on a slot since its last success.
#[derive(Debug, Default)]
pub struct SlotHealth {
    failed: BTreeSet<TrialId>,
}

impl SlotHealth {
    /// A segment has reported.
    pub fn record_success(&mut self) {
        self.failed.clear();
    }

    /// A segment of `trial` has failed; `elsewhere` says whether the trial has failed on another slot too, which makes it
    /// the trial's own fault. Returns whether the slot has to be set aside: a GPU that is lost fails every trial at once, and
    /// would soon have used up all their retries.
    pub fn record_failure(&mut self, trial: TrialId, elsewhere: bool) -> bool {
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
        let mut health = SlotHealth::default();
        let verdicts: Vec<bool> = (0..5)
            .map(|trial| health.record_failure(TrialId(trial), false))
            .collect();
        assert_eq!(verdicts, [false, false, false, false, true]);
    }

    #[test]
    fn a_trial_that_always_fails_is_not_held_against_the_slot() {
        let mut health = SlotHealth::default();
        assert!((0..100).all(|_| !health.record_failure(TrialId(7), false)));
        assert!((0..100).all(|trial| !health.record_failure(TrialId(trial), true)));
    }

    #[test]
    fn one_success_clears_the_slot() {
        let mut health = SlotHealth::default();
        for trial in 0..20 {
            if trial % 4 == 3 {
                health.record_success();
            }
            assert!(!health.record_failure(TrialId(trial), false));
        }
    }
}
