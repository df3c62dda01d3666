//! Failures that are all alike: they come of the trainer, its data or the machine, and not of one configuration.

use std::collections::BTreeSet;

use super::Study;
use super::decide::Decider;
use super::event::Fact;
use super::pause::Pause;
use super::trial::TrialState;
use crate::ids::{SegmentId, SlotId, TrialId};

/// So many failures that are alike may pause a study.
const FAILURES: u32 = 3;

/// Of so many different trials, if none has ever reported.
const UNTRIED: usize = 2;

/// Of so many different trials once some have reported: a few configurations that can't be trained are then more likely.
const TRIED: usize = 5;

/// What has gone wrong since the last report.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Trouble {
    /// What the failures have in common.
    cause: String,
    failures: u32,
    trials: BTreeSet<TrialId>,
    slots: BTreeSet<SlotId>,
    /// Whether a trial has ever reported.
    tried: bool,
    /// How often the study was paused since the last report.
    pauses: u32,
    pub(super) paused: Option<Pause>,
}

impl Trouble {
    /// A segment of `trial` on `slot` has failed.
    pub(super) fn failed(&mut self, trial: TrialId, slot: SlotId, message: &str) {
        let cause = cause(message);
        if cause != self.cause {
            self.forget();
            self.cause = cause;
        }
        self.failures += 1;
        self.trials.insert(trial);
        self.slots.insert(slot);
    }

    /// A trial has reported.
    pub(super) fn reported(&mut self) {
        *self = Self {
            tried: true,
            ..Self::default()
        };
    }

    pub(super) fn pause(&mut self, pause: &Pause) {
        self.pauses += 1;
        self.paused = Some(pause.clone());
    }

    /// Another scheduler tries again.
    pub(super) fn resume(&mut self) {
        self.forget();
        self.paused = None;
    }

    fn forget(&mut self) {
        self.failures = 0;
        self.trials.clear();
        self.slots.clear();
    }

    /// Whether a study of so many trials is to be paused. After each pause that has changed nothing, it takes twice as many trials:
    /// whoever insists gets past configurations that really can't be trained.
    fn is_enough(&self, trials: u64) -> bool {
        let least = match (self.tried, self.pauses) {
            (false, 0) => UNTRIED.min(usize::try_from(trials).unwrap_or(usize::MAX)),
            (false, pauses) => UNTRIED << pauses.min(30),
            (true, pauses) => TRIED << pauses.min(30),
        };
        self.failures >= FAILURES && self.trials.len() >= least
    }
}

impl Study {
    /// Why the study is paused, if it is: nothing is begun before a scheduler takes it over again.
    pub fn pause(&self) -> Option<&Pause> {
        self.trouble.paused.as_ref()
    }

    /// The pause that is due if the running segment of `trial` fails now, `for_good` or not.
    pub(super) fn due_pause(&self, trial: TrialId, message: &str, for_good: bool) -> Option<Pause> {
        let mut trouble = self.trouble.clone();
        trouble.failed(trial, self.trial(trial)?.slot()?, message);
        // One that runs where nothing has failed may get through.
        let hope = |other: SlotId| !trouble.slots.contains(&other);
        if trouble.paused.is_some() || self.running().filter_map(|other| other.slot()).any(hope) {
            return None;
        }
        let is_last = for_good && self.unfinished == 1 && self.drawn >= self.spec.trials;
        let all_alike = !trouble.tried && trouble.trials.len() == self.trials.len();
        let due = trouble.is_enough(self.spec.trials) || (is_last && all_alike);
        due.then(|| Pause {
            failures: trouble.failures,
            trial,
            message: message.to_owned(),
        })
    }

    /// The trials whose failures have paused the study, as far as something can still come of them.
    pub(super) fn wronged(&self) -> Vec<TrialId> {
        let trials = self.trouble.trials.iter().filter(|_| self.pause().is_some());
        let wronged = trials
            .filter_map(|&id| self.trial(id))
            .filter(|trial| trial.failures > 0);
        wronged.map(|trial| trial.id).collect()
    }
}

impl Decider<'_> {
    /// The running segment of a trial has failed: it is tried again, or the trial is given up, or the study pauses.
    pub(super) fn fail(&mut self, segment: SegmentId, message: String, checkpoint_lost: bool) {
        let SegmentId { trial, attempt } = segment;
        let Some(failing) = self.study.trial(trial) else {
            return;
        };
        let ahead = matches!(failing.state, TrialState::Ahead { .. });
        // Neither a lost checkpoint nor a decision that has not been taken is the configuration's fault.
        let retry = checkpoint_lost || ahead || failing.failures < self.study.spec.retries;
        let due_pause = self.study.due_pause(trial, &message, !retry);
        let pause = due_pause.filter(|_| !checkpoint_lost);
        self.record(Fact::SegmentFailed {
            trial,
            attempt,
            message,
            checkpoint_lost,
            retry: retry || pause.is_some(),
        });
        match pause {
            Some(pause) => self.record(Fact::StudyPaused(pause)),
            None => self.decide(),
        }
    }
}

/// What a message says of any trial: its first and its last line (of a log, that is where the error stands), without the words that
/// have numbers or paths in them.
fn cause(message: &str) -> String {
    let varies = |word: &&str| word.contains(|c: char| c.is_ascii_digit() || c == '/');
    let ends = [message.lines().next(), message.lines().next_back()];
    let words = ends.into_iter().flatten().flat_map(str::split_whitespace);
    let words: Vec<&str> = words.filter(|word| !varies(word)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_alike_whatever_numbers_and_paths_they_name() {
        let of = |trial: u32, gib: &str| {
            cause(&format!(
                "the worker ended unexpectedly (exit status: 1)\n  the end of /s/logs/trial-{trial:04}.log:\n    step {trial}\n    \
                 RuntimeError: CUDA out of memory, tried to allocate {gib} GiB at 0x7f{trial}"
            ))
        };
        assert_eq!(of(1, "2.50"), of(22, "17"));
        assert_ne!(
            of(1, "2.50"),
            cause("the worker ended unexpectedly (exit status: 1)\n    KeyError: 'text'")
        );
    }
}
