//! What happens to segments.

use super::super::event::Reported;
use super::super::trial::{Checkpoint, Report, TrialState};
use super::super::turn::Turn;
use super::Study;
use crate::ids::{SegmentId, SlotId, TrialId};

impl Study {
    /// A segment was begun, from one resource to another.
    pub(super) fn segment_started(&mut self, segment: SegmentId, slot: SlotId, (from, to): (u64, u64), ahead: bool) {
        let id = segment.trial;
        let (at, since) = (from, self.updated);
        let trial = &mut self.trials[id.0 as usize];
        trial.attempts = segment.attempt;
        self.running.insert(id);
        if !ahead {
            let waited = self.waiting.remove(&Turn::new(&self.spec.policy, trial, to));
            assert!(waited, "only a trial that waits is begun: {trial:?}");
            trial.state = TrialState::Running { to, at, slot, since };
            return;
        }
        let TrialState::Paused { rung } = trial.state else {
            unreachable!("only a trial that is paused runs ahead: {trial:?}");
        };
        self.paused.remove(&id);
        let preempted = false;
        trial.state = TrialState::Ahead {
            rung,
            to,
            at,
            slot,
            since,
            preempted,
        };
    }

    pub(super) fn segment_preempted(&mut self, id: TrialId) {
        let trial = &mut self.trials[id.0 as usize];
        let TrialState::Ahead { preempted, .. } = &mut trial.state else {
            unreachable!("only a segment that runs ahead makes room: {trial:?}");
        };
        *preempted = true;
    }

    pub(super) fn reported(&mut self, reported: &Reported) {
        let &Reported {
            trial: id,
            resource,
            loss,
            last,
            ..
        } = reported;
        let cost = reported.cost(&self.spec.objective);
        let violation = self.violation(reported);
        let report = Report {
            at: self.updated,
            cost,
            violation,
            loss,
            metrics: self.names.share(&reported.metrics),
            checkpoint: reported.checkpoint.clone().map(Box::new),
        };
        self.trouble.reported();
        let trial = &mut self.trials[id.0 as usize];
        trial.failed_on.clear();
        trial.sparse |= cost.is_some() && reported.checkpoint.is_none();
        if let TrialState::Ahead { to, at, .. } = &mut trial.state {
            *at = resource;
            let over = cost.is_none() || resource == *to || last;
            trial.ahead.stopped_at = None;
            trial.ahead.ended = last;
            trial.ahead.reports.insert(resource, report);
            if over {
                self.interrupt(id);
            }
            self.trials[id.0 as usize].release_checkpoints(true);
            return;
        }
        let TrialState::Running { to, at, .. } = &mut trial.state else {
            unreachable!("only a trial that runs reports: {trial:?}");
        };
        *at = resource;
        let to = *to;
        self.count(id, to, resource, report, last);
    }

    /// By how much what a trial has reported so far, this report included, breaks what the study requires.
    fn violation(&self, reported: &Reported) -> f64 {
        let trial = &self.trials[reported.trial.0 as usize];
        let before = |name: &str| trial.value_before(reported.resource, name);
        self.spec
            .violation(|name| reported.value(name).or_else(|| before(name)))
    }

    pub(super) fn segment_stopped(&mut self, id: TrialId, checkpoint: Option<&Checkpoint>) {
        let trial = &mut self.trials[id.0 as usize];
        if let Some(checkpoint) = checkpoint {
            let stopped = |at| Some((at, Box::new(checkpoint.clone())));
            match trial.state {
                TrialState::Ahead { at, .. } => trial.ahead.stopped_at = stopped(at),
                TrialState::Running { at, .. } => trial.stopped_at = stopped(at),
                TrialState::Waiting { .. }
                | TrialState::Paused { .. }
                | TrialState::Pruned { .. }
                | TrialState::Completed
                | TrialState::Diverged { .. }
                | TrialState::Failed { .. } => unreachable!("only a trial that runs is stopped: {trial:?}"),
            }
        }
        self.interrupt(id);
    }

    pub(super) fn segment_failed(&mut self, id: TrialId, message: &str, checkpoint_lost: bool, retry: bool) {
        let trial = &mut self.trials[id.0 as usize];
        let slot = trial.slot().expect("only a segment that runs fails");
        if checkpoint_lost {
            trial.lose_checkpoint();
        } else {
            trial.failed_on.insert(slot);
            self.trouble.failed(id, slot, message);
        }
        if let TrialState::Ahead { .. } = trial.state {
            trial.ahead.failed = true;
            return self.interrupt(id);
        }
        let TrialState::Running { to, .. } = trial.state else {
            unreachable!("a trial on a slot runs: {trial:?}");
        };
        trial.failures += 1;
        if retry {
            return self.interrupt(id);
        }
        let message = message.to_owned();
        trial.state = TrialState::Failed { message };
        self.end(id, to, false);
    }

    /// A segment has ended, and its trial goes back to where it was before.
    fn interrupt(&mut self, id: TrialId) {
        self.running.remove(&id);
        let trial = &mut self.trials[id.0 as usize];
        if let TrialState::Ahead { rung, .. } = trial.state {
            trial.state = TrialState::Paused { rung };
            self.paused.insert(id);
            return;
        }
        let TrialState::Running { to, .. } = trial.state else {
            unreachable!("only a trial that runs is interrupted: {trial:?}");
        };
        trial.state = TrialState::Waiting { to };
        self.waiting.insert(Turn::new(&self.spec.policy, trial, to));
    }

    pub(super) fn interrupt_all(&mut self) {
        for id in std::mem::take(&mut self.running) {
            self.interrupt(id);
        }
    }
}
