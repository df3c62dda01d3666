//! What follows from an event.

use std::cmp::Reverse;

use super::Study;
use super::bracket::{Decision, Promotion};
use super::compared::missing;
use super::event::{Event, Fact, Record, Reported};
use super::spec::StudySpec;
use super::step::{Command, Step};
use super::stop::Limit;
use super::trial::{Checkpoint, Trial, TrialState};
use super::turn::Turn;
use crate::ids::{SegmentId, SlotId, Timestamp, TrialId};

impl Study {
    /// Decides what follows from an event, and takes the records of it in.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Step {
        let mut decider = Decider {
            study: self,
            now,
            step: Step::default(),
        };
        decider.handle(event);
        decider.step
    }
}

/// A decision about a trial at a rung.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub trial: TrialId,
    /// The rung's resource.
    pub rung: u64,
    pub decision: Decision,
}

pub(super) struct Decider<'a> {
    pub(super) study: &'a mut Study,
    now: Timestamp,
    step: Step,
}

impl Decider<'_> {
    fn handle(&mut self, event: Event) {
        self.react(event);
        let study = &self.study;
        if study.halted.is_none()
            && !study.finished
            && !study.spec.stop.is_none()
            && let Some(limit) = study.reached(&study.spec.stop, self.now)
        {
            self.halt(limit);
        }
    }

    /// Ends the search for now.
    fn halt(&mut self, limit: Limit) {
        self.save_all();
        self.record(Fact::LimitReached { limit });
    }

    /// Has running segments saved where they are.
    pub(super) fn save_all(&mut self) {
        let running: Vec<Segment> = self.study.running.iter().filter_map(|&id| self.running(id)).collect();
        for segment in running {
            self.step.commands.push(Command::Stop {
                slot: segment.slot,
                segment: segment.id,
                save: true,
            });
        }
    }

    fn react(&mut self, event: Event) {
        match event {
            Event::Opened { process, slots, limits } => {
                self.retry_wronged();
                self.record(Fact::SchedulerStarted { process, slots });
                self.set_limits(limits);
            }
            Event::Idle { slots } => self.start_segments(slots),
            Event::Evaluated(baseline) => {
                if self.study.baseline.is_none() {
                    self.record(Fact::BaselineMeasured(baseline));
                }
            }
            Event::Tested(tested) => self.record(Fact::ModelTested(tested)),
            Event::Reported(reported) => self.report(reported),
            Event::Stopped { segment, checkpoint } => {
                if self.segment(segment).is_none() {
                    return self.drop_checkpoint(checkpoint);
                }
                let SegmentId { trial, attempt } = segment;
                self.record(Fact::SegmentStopped {
                    trial,
                    attempt,
                    checkpoint,
                });
            }
            Event::Failed {
                segment,
                message,
                checkpoint_lost,
            } => {
                if self.segment(segment).is_some() {
                    self.fail(segment, message, checkpoint_lost);
                }
            }
            Event::TrialStopped { trial } => self.stop(trial),
            Event::Retried { trials } => self.retry_failed(&trials),
            Event::Held => self.hold(),
            Event::Released => self.release(),
            Event::LimitsSet(limits) => self.set_limits_by_hand(limits),
            Event::Enqueued { parameters } => self.enqueue(parameters),
            Event::Ticked => {}
            Event::Closed => self.record(Fact::SchedulerStopped),
        }
    }

    /// Has the segment of a trial stopped, if there is one, whose checkpoint nothing will need.
    pub(super) fn stop_segment(&mut self, trial: TrialId) {
        if let Some(segment) = self.running(trial) {
            self.step.commands.push(Command::Stop {
                slot: segment.slot,
                segment: segment.id,
                save: false,
            });
        }
    }

    fn report(&mut self, mut report: Reported) {
        let id = report.segment();
        let Some(segment) = self.segment(id) else {
            return self.drop_checkpoint(report.checkpoint);
        };
        let unfinished = !report.diverged;
        report.settle(self.study.spec.objectives());
        let due = self.study.spec.policy.next_report(segment.at, segment.to);
        let known = self.study.trial(id.trial).map(Trial::checkpoints).into_iter().flatten();
        let reused = known
            .map(|known| &known.file)
            .find(|&file| report.checkpoint.as_ref().is_some_and(|new| new.file == *file));
        let reused = reused.map(|file| format!("the worker wrote a checkpoint over an older one: {file}"));
        let lacking = self.study.lacking(&report);
        let objection = segment.objection(due, &report, &self.study.spec).or(lacking);
        if let Some(message) = objection.or(reused) {
            self.step.commands.push(Command::Replace { slot: segment.slot });
            self.drop_checkpoint(report.checkpoint);
            self.fail(id, message, false);
            return;
        }
        // Its trainer takes it to be on its way still.
        if unfinished && report.diverged {
            self.stop_segment(id.trial);
        }
        self.record(Fact::Reported(report));
        self.decide();
    }

    /// Adds a record, takes it in, and has the checkpoints deleted that nothing can need after it.
    pub(super) fn record(&mut self, fact: Fact) {
        let mut touched = self.study.holders.clone();
        touched.extend(fact.trial());
        let files = |study: &Study| -> Vec<String> {
            let trials = touched.iter().filter_map(|&id| study.trial(id));
            trials
                .flat_map(|trial| trial.checkpoints().map(|c| c.file.clone()))
                .collect()
        };
        let mut dropped = files(self.study);
        if let Fact::Reported(Reported {
            checkpoint: Some(checkpoint),
            ..
        }) = &fact
        {
            dropped.push(checkpoint.file.clone());
        }
        let record = Record { at: self.now, fact };
        debug_assert_eq!(
            self.study.fits(&record),
            Ok(()),
            "a study decides what can be: {record:?}"
        );
        self.study.apply(&record);
        self.step.records.push(record);

        let kept = files(self.study);
        dropped.retain(|file| !kept.contains(file));
        dropped.sort_unstable();
        dropped.dedup();
        if !dropped.is_empty() {
            self.step.commands.push(Command::Delete { files: dropped });
        }
    }

    /// Has a checkpoint deleted that came too late: its trial has been stopped meanwhile.
    fn drop_checkpoint(&mut self, checkpoint: Option<Checkpoint>) {
        if let Some(checkpoint) = checkpoint
            && !self.study.checkpoint_files().contains(checkpoint.file.as_str())
        {
            let files = vec![checkpoint.file];
            self.step.commands.push(Command::Delete { files });
        }
    }

    /// Records the decisions that are due, opens the brackets that can be, begins to confirm, and ends the study.
    pub(super) fn decide(&mut self) {
        loop {
            while let Some(due) = self.study.next_decision() {
                self.carry_out(due);
            }
            if self.study.halted.is_some() || (!self.open_bracket() && !self.close_brackets()) {
                break;
            }
        }
        if self.study.finished || !self.study.is_search_over() {
            return;
        }
        self.confirm();
        let study = &self.study;
        if study.unfinished == 0 {
            let best = study.choose().or_else(|| Some(study.best()?.id));
            self.record(Fact::StudyFinished { best });
        }
    }

    fn carry_out(&mut self, due: Due) {
        let Due { trial, rung, decision } = due;
        if decision == Decision::Prune {
            self.stop_segment(trial);
        }
        self.record(match decision {
            Decision::Promote { to } => Fact::TrialPromoted { trial, rung, to },
            Decision::Prune => Fact::TrialPruned { trial, rung },
            Decision::Complete => Fact::TrialCompleted { trial, rung },
        });
    }

    /// Once no trial of an asynchronous bracket can come to any rung any more, decides about those that are paused; whether
    /// there was something to decide.
    fn close_brackets(&mut self) -> bool {
        let study = &self.study;
        let more = study.drawn < study.spec.trials;
        if study.spec.policy.is_synchronous() || more || !study.waiting.is_empty() || !study.running.is_empty() {
            return false;
        }
        if study.brackets.iter().any(|open| open.bracket.promotion().is_some()) {
            return false;
        }
        let paused = study.paused.iter().filter_map(|&id| {
            let trial = study.trial(id)?;
            let TrialState::Paused { rung } = trial.state else {
                return None;
            };
            let decision = study.brackets.get(trial.bracket()?)?.bracket.close(id, rung);
            Some(Due {
                trial: id,
                rung,
                decision,
            })
        });
        let decided: Vec<Due> = paused.collect();
        let promoted = decided
            .iter()
            .find(|due| matches!(due.decision, Decision::Promote { .. }));
        // What comes of it may change the others.
        let now = promoted.map_or(decided.as_slice(), std::slice::from_ref);
        for &due in now {
            self.carry_out(due);
        }
        !now.is_empty()
    }

    /// Gives slots work: first to trials that wait, then to those that a free slot promotes, to new ones, and last to those
    /// that most likely will go on.
    fn start_segments(&mut self, slots: Vec<SlotId>) {
        if self.study.halted.is_some() || self.study.held || self.study.pause().is_some() {
            return;
        }
        for slot in slots {
            // A promoted trial may have ended by itself before, and then needs no slot.
            while self.study.waiting.is_empty() && (self.promote_one() || self.add_trial()) {}
            if !self.start_waiting(slot) && !self.start_ahead(slot) {
                return;
            }
        }
        self.preempt();
    }

    fn start_waiting(&mut self, slot: SlotId) -> bool {
        let waiting = &self.study.waiting;
        // A trial that has failed is better tried on another slot: it may be this one that is broken.
        let failed_here = |id: TrialId| {
            self.study
                .trial(id)
                .is_some_and(|trial| trial.failed_on.contains(&slot))
        };
        let unhurt = waiting.iter().find(|turn| !failed_here(turn.trial));
        let Some(&Turn { to, trial, .. }) = unhurt.or(waiting.first()) else {
            return false;
        };
        self.start(slot, trial, to.0, false);
        true
    }

    fn promote_one(&mut self) -> bool {
        let promotions = self.study.brackets.iter().filter_map(|open| open.bracket.promotion());
        // The one that is nearest to the end.
        match promotions.max_by_key(|promotion| (promotion.rung, Reverse(promotion.trial))) {
            Some(Promotion { trial, rung, to }) => {
                let decision = Decision::Promote { to };
                self.carry_out(Due { trial, rung, decision });
                self.decide();
                true
            }
            None => false,
        }
    }

    fn start_ahead(&mut self, slot: SlotId) -> bool {
        match self.study.most_promising() {
            Some((trial, to)) => {
                self.start(slot, trial, to, true);
                true
            }
            None => false,
        }
    }

    /// Has segments that run ahead make room for trials that need not wait for a decision.
    fn preempt(&mut self) {
        if self.study.waiting.is_empty() {
            return;
        }
        let mut making_room = 0;
        let mut ahead = Vec::new();
        for trial in self.study.running.iter().filter_map(|&id| self.study.trial(id)) {
            let TrialState::Ahead {
                rung, slot, preempted, ..
            } = trial.state
            else {
                continue;
            };
            if preempted {
                making_room += 1;
            } else {
                let promise = self.study.promise(trial.id, rung).unwrap_or(f64::NEG_INFINITY);
                ahead.push((promise, trial.last_segment(), slot));
            }
        }
        ahead.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let wanted = self.study.waiting.len().saturating_sub(making_room);
        for (_, segment, slot) in ahead.into_iter().take(wanted) {
            let SegmentId { trial, attempt } = segment;
            self.record(Fact::SegmentPreempted { trial, attempt });
            self.step.commands.push(Command::Stop {
                slot,
                segment,
                save: true,
            });
        }
    }

    fn start(&mut self, slot: SlotId, trial: TrialId, to: u64, ahead: bool) {
        let Some(state) = self.study.trial(trial) else {
            return;
        };
        let (from, checkpoint) = state.resume_point();
        let checkpoint = checkpoint.cloned();
        let attempt = state.attempts + 1;
        self.record(Fact::SegmentStarted {
            trial,
            attempt,
            slot,
            from,
            to,
            ahead,
        });
        self.step.commands.push(Command::Run {
            slot,
            segment: SegmentId { trial, attempt },
            from,
            to,
            checkpoint,
        });
    }

    /// The running segment of a trial, if it is this attempt's.
    fn segment(&self, id: SegmentId) -> Option<Segment> {
        self.running(id.trial).filter(|segment| segment.id == id)
    }

    /// The running segment of a trial.
    fn running(&self, trial: TrialId) -> Option<Segment> {
        let trial = self.study.trial(trial)?;
        let (TrialState::Running { to, at, slot, .. } | TrialState::Ahead { to, at, slot, .. }) = trial.state else {
            return None;
        };
        let id = trial.last_segment();
        Some(Segment { id, to, at, slot })
    }
}

struct Segment {
    id: SegmentId,
    to: u64,
    at: u64,
    slot: SlotId,
}

impl Segment {
    /// What is wrong with a report, if that of the resource `due` is the next. A script may report less often, and needs a checkpoint
    /// only where its segment ends and its trial may go on.
    fn objection(&self, due: u64, report: &Reported, spec: &StudySpec) -> Option<String> {
        let (objective, script) = (&spec.objective, spec.trainer.script);
        let (to, resource) = (self.to, report.resource);
        let comes_later = script && resource > due && resource <= to;
        if resource != due && !comes_later {
            return Some(format!(
                "the worker reported resource {resource}, but {due} of a segment to {to} was due"
            ));
        }
        if !report.diverged && report.cost(objective).is_none() {
            return Some(missing(objective, report));
        }
        let goes_on = resource == to && resource < spec.policy.max_resource && !report.last;
        let needs_checkpoint = !script || goes_on;
        (!report.diverged && needs_checkpoint && report.checkpoint.is_none())
            .then(|| format!("the worker reported resource {resource} without a checkpoint"))
    }
}
