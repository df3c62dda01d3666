//! The fold of the records: the only place where a study's state changes.

use std::collections::{BTreeMap, BTreeSet};

use hpo_protocol::Measurement;

use super::bracket::{Bracket, Decision, Entry, Rank};
use super::event::{Fact, Record, Reported};
use super::policy::BracketPlan;
use super::trial::{Report, Role, Trial, TrialState};
use super::turn::Turn;
use super::{Misfit, OpenBracket, SchedulerRun, Study};
use crate::ids::{Timestamp, TrialId};

impl Study {
    /// Takes in one more record of somebody else's making.
    ///
    /// # Errors
    /// If it does not fit those before it.
    pub fn follow(&mut self, record: &Record) -> Result<(), Misfit> {
        self.fits(record)?;
        self.apply(record);
        Ok(())
    }

    pub(super) fn apply(&mut self, record: &Record) {
        self.updated = record.at;
        match &record.fact {
            Fact::StudyCreated { .. } => self.created = record.at,
            Fact::SchedulerStarted { process, slots } => {
                self.interrupt_all();
                // The slots are others now, or have been mended.
                self.trials.iter_mut().for_each(|trial| trial.failed_on.clear());
                self.scheduler = Some(SchedulerRun {
                    process: *process,
                    slots: slots.clone(),
                    since: record.at,
                    stopped: false,
                });
            }
            Fact::SchedulerStopped => {
                self.interrupt_all();
                if let Some(scheduler) = &mut self.scheduler {
                    scheduler.stopped = true;
                }
            }
            Fact::TrialsRaised { trials } => {
                self.spec.trials = *trials;
                self.finished = false;
            }
            Fact::ConfirmationRaised { confirmation } => {
                self.spec.confirmation = Some(*confirmation);
                self.finished = false;
            }
            Fact::BaselineMeasured { loss, metrics } => {
                let (loss, metrics) = (*loss, metrics.clone());
                self.baseline = Some(Measurement { loss, metrics });
            }
            Fact::BracketOpened { first, trials, rungs } => {
                let plan = BracketPlan {
                    rungs: rungs.clone(),
                    trials: (*trials > 0).then_some(*trials),
                };
                self.brackets.push(OpenBracket {
                    first: *first,
                    trials: *trials,
                    drawn: 0,
                    unfinished: *trials,
                    bracket: Bracket::new(&self.spec.policy, &plan),
                });
            }
            Fact::ModelTested { trial, measurement } => self.test = Some((*trial, measurement.clone())),
            Fact::StudyFinished { best } => {
                self.finished = true;
                if !self.confirmed.is_empty() {
                    self.chosen = *best;
                }
                self.release_holders();
            }
            Fact::TrialCreated {
                trial,
                bracket,
                parameters,
                seed,
            } => {
                let Some(open) = self.brackets.get_mut(*bracket as usize) else {
                    return;
                };
                open.drawn += 1;
                if open.trials == 0 {
                    open.unfinished += 1;
                }
                let to = open.bracket.first_stop();
                let role = Role::Search { bracket: *bracket };
                self.drawn += 1;
                self.searching += 1;
                self.add(Trial::new(*trial, role, parameters.clone(), *seed, to), to);
            }
            Fact::ConfirmationCreated { trial, confirms, seed } => {
                let Some(of) = self.trials.get(confirms.0 as usize) else {
                    return;
                };
                let (to, role) = (self.spec.policy.max_resource, Role::Confirmation { of: *confirms });
                let parameters = of.parameters.clone();
                self.confirmed.entry(*confirms).or_default().push(*trial);
                self.add(Trial::new(*trial, role, parameters, *seed, to), to);
            }
            fact => {
                if let Some(id) = fact.trial() {
                    self.apply_to_trial(id, record.at, fact);
                }
            }
        }
    }

    fn add(&mut self, trial: Trial, to: u64) {
        self.waiting.insert(Turn::new(&self.spec.policy, &trial, to));
        self.unfinished += 1;
        self.trials.push(trial);
    }

    fn apply_to_trial(&mut self, id: TrialId, now: Timestamp, fact: &Fact) {
        let Some(trial) = self.trials.get_mut(id.0 as usize) else {
            return;
        };
        if let TrialState::Running { since, .. } | TrialState::Ahead { since, .. } = &mut trial.state {
            trial.trained_ms += now.since(*since);
            *since = now;
        }
        match fact {
            &Fact::SegmentStarted {
                attempt,
                slot,
                from,
                to,
                ahead,
                ..
            } => {
                trial.attempts = attempt;
                self.running.insert(id);
                let (at, since) = (from, now);
                trial.state = match trial.state {
                    TrialState::Paused { rung } if ahead => {
                        self.paused.remove(&id);
                        let preempted = false;
                        TrialState::Ahead {
                            rung,
                            to,
                            at,
                            slot,
                            since,
                            preempted,
                        }
                    }
                    _ => {
                        self.waiting.remove(&Turn::new(&self.spec.policy, trial, to));
                        TrialState::Running { to, at, slot, since }
                    }
                };
            }
            Fact::SegmentPreempted { .. } => {
                if let TrialState::Ahead { preempted, .. } = &mut trial.state {
                    *preempted = true;
                }
            }
            Fact::Reported(Reported {
                resource,
                loss,
                metrics,
                checkpoint,
                last,
                ..
            }) => {
                let report = Report {
                    at: now,
                    loss: *loss,
                    metrics: self.names.share(metrics),
                    checkpoint: checkpoint.clone().map(Box::new),
                };
                trial.failed_on.clear();
                match &mut trial.state {
                    TrialState::Ahead { to, at, .. } => {
                        *at = *resource;
                        let over = loss.is_none() || resource == to || *last;
                        trial.ahead.stopped_at = None;
                        trial.ahead.ended = *last;
                        trial.ahead.reports.insert(*resource, report);
                        if over {
                            self.interrupt(id);
                        }
                        self.trials[id.0 as usize].release_checkpoints(true);
                    }
                    TrialState::Running { to, at, .. } => {
                        *at = *resource;
                        let to = *to;
                        self.count(id, to, *resource, report, *last);
                    }
                    _ => {}
                }
            }
            Fact::SegmentStopped { checkpoint, .. } => {
                match (&trial.state, checkpoint) {
                    (&TrialState::Ahead { at, .. }, Some(stopped)) => {
                        trial.ahead.stopped_at = Some((at, Box::new(stopped.clone())));
                    }
                    (&TrialState::Running { at, .. }, Some(stopped)) => {
                        trial.stopped_at = Some((at, Box::new(stopped.clone())))
                    }
                    _ => {}
                }
                self.interrupt(id);
            }
            Fact::SegmentFailed {
                message,
                checkpoint_lost,
                retry,
                ..
            } => {
                if *checkpoint_lost {
                    trial.lose_checkpoint();
                } else if let TrialState::Running { slot, .. } | TrialState::Ahead { slot, .. } = trial.state {
                    trial.failed_on.insert(slot);
                }
                match trial.state {
                    TrialState::Ahead { .. } => {
                        trial.ahead.failed = true;
                        self.interrupt(id);
                    }
                    TrialState::Running { to, .. } if !retry => {
                        trial.failures += 1;
                        trial.state = TrialState::Failed {
                            message: message.clone(),
                        };
                        self.end(id, to, false);
                    }
                    _ => {
                        trial.failures += 1;
                        self.interrupt(id);
                    }
                }
            }
            Fact::CheckpointLost { file, .. } => trial.forget_checkpoint(file),
            Fact::TrialPromoted { rung, to, .. } => self.promote(id, *rung, *to),
            Fact::TrialPruned { rung, .. } => {
                if let TrialState::Waiting { to } = trial.state {
                    self.waiting.remove(&Turn::new(&self.spec.policy, trial, to));
                }
                trial.state = TrialState::Pruned { rung: *rung };
                self.leave(id, *rung);
                self.finish(id);
            }
            Fact::TrialCompleted { rung, .. } => {
                trial.state = TrialState::Completed;
                self.leave(id, *rung);
                self.finish(id);
            }
            _ => {}
        }
    }

    /// A trial goes on to the rung of resource `to`. What it has come to ahead of this counts from now on.
    fn promote(&mut self, id: TrialId, rung: u64, to: u64) {
        self.undecided.remove(&id);
        self.paused.remove(&id);
        self.leave(id, rung);
        let max_resource = self.spec.policy.max_resource;
        let trial = &mut self.trials[id.0 as usize];
        if trial.exhausted {
            if to == max_resource {
                trial.state = TrialState::Completed;
                self.end(id, to, true);
            } else {
                trial.state = TrialState::Paused { rung: to };
                self.paused.insert(id);
                self.enter_rung(id, to);
            }
            return;
        }
        let ahead = std::mem::take(&mut trial.ahead);
        trial.state = match trial.state {
            TrialState::Ahead { at, slot, since, .. } => TrialState::Running { to, at, slot, since },
            _ => TrialState::Waiting { to },
        };
        let last = ahead.reports.keys().next_back().copied();
        for (resource, report) in ahead.reports {
            self.count(id, to, resource, report, ahead.ended && last == Some(resource));
        }
        let trial = &mut self.trials[id.0 as usize];
        if let TrialState::Waiting { .. } = trial.state {
            if ahead.stopped_at.is_some() {
                trial.stopped_at = ahead.stopped_at;
            }
            self.waiting.insert(Turn::new(&self.spec.policy, trial, to));
        }
    }

    /// Takes in a validation of a trial that is on its way to the rung of resource `to`.
    fn count(&mut self, id: TrialId, to: u64, resource: u64, report: Report, last: bool) {
        let max_resource = self.spec.policy.max_resource;
        let trial = &mut self.trials[id.0 as usize];
        let diverged = report.loss.is_none();
        // A trial whose checkpoint was lost comes by the same rungs again.
        let again = trial.reports.insert(resource, report).is_some();
        trial.stopped_at = None;
        trial.exhausted |= last;
        if diverged {
            trial.state = TrialState::Diverged { resource };
            self.end(id, to, false);
        } else if resource == max_resource || (last && to == max_resource) {
            trial.state = TrialState::Completed;
            self.end(id, to, true);
        } else if resource == to || last {
            trial.state = TrialState::Paused { rung: to };
            trial.release_checkpoints(true);
            self.running.remove(&id);
            self.paused.insert(id);
            self.enter_rung(id, to);
        } else {
            trial.release_checkpoints(true);
            if !again && self.bracket_of(id).is_some_and(|bracket| bracket.decides_in_passing()) {
                self.enter_rung(id, resource);
            }
        }
    }

    /// A trial has come to its end by itself, on the way to or at the rung of resource `to`. It stands there, and at the
    /// rungs that it has gone past without a decision.
    fn end(&mut self, id: TrialId, to: u64, completed: bool) {
        self.finish(id);
        let trial = &self.trials[id.0 as usize];
        let came = trial.resource();
        // Where its last report has not ended it, it stands already.
        let stands = matches!(trial.state, TrialState::Failed { .. });
        let Some(bracket) = self.bracket_of(id) else { return };
        if !bracket.decides_in_passing() {
            return self.enter_rung(id, to);
        }
        let is_ahead = |rung: &u64| *rung > came || (*rung == came && !stands);
        let ahead: Vec<u64> = bracket.rungs().into_iter().filter(is_ahead).collect();
        // One that has not completed is told of where it would have come next.
        for rung in ahead.into_iter().take(if completed { usize::MAX } else { 1 }) {
            self.enter_rung(id, rung);
        }
    }

    /// Nothing more will happen to a trial, whose state says why.
    fn finish(&mut self, id: TrialId) {
        self.undecided.remove(&id);
        self.running.remove(&id);
        self.paused.remove(&id);
        self.unfinished -= 1;
        let trial = &self.trials[id.0 as usize];
        if let Some(bracket) = trial.bracket() {
            self.searching -= 1;
            if let Some(open) = self.brackets.get_mut(bracket) {
                open.unfinished = open.unfinished.saturating_sub(1);
            }
        }
        match trial.best().filter(|_| trial.state == TrialState::Completed) {
            Some((_, loss)) => {
                if trial.confirms().is_none() {
                    self.completed.insert(Rank { loss, trial: id });
                }
                self.holders.insert(id);
                self.trials[id.0 as usize].release_checkpoints(true);
                self.release_holders();
            }
            None => self.trials[id.0 as usize].release_checkpoints(false),
        }
    }

    /// Forgets the checkpoints of trials that can't be the best any more: once confirmation has chosen one, all others; before
    /// that, all but those that it can choose.
    fn release_holders(&mut self) {
        let chosen = self.chosen;
        let mut kept: BTreeSet<TrialId> = chosen.into_iter().collect();
        if chosen.is_none() || !self.finished {
            let count = self.spec.confirmation.map_or(1, |spec| spec.configurations);
            let leaders = self.leaders(count).into_iter().map(|trial| trial.id);
            let originals: BTreeSet<TrialId> = leaders.chain(self.confirmed.keys().copied()).collect();
            let mut lowest: BTreeMap<TrialId, Rank> = BTreeMap::new();
            for trial in self.holders.iter().filter_map(|&id| self.trial(id)) {
                if let (Some((_, loss)), true) = (trial.best(), originals.contains(&trial.original())) {
                    let rank = Rank { loss, trial: trial.id };
                    let lowest = lowest.entry(trial.original()).or_insert(rank);
                    *lowest = rank.min(*lowest);
                }
            }
            kept.extend(lowest.values().map(|rank| rank.trial));
        }
        for &id in self.holders.difference(&kept) {
            self.trials[id.0 as usize].release_checkpoints(false);
        }
        self.holders.retain(|id| kept.contains(id));
    }

    /// A trial stands at a rung.
    fn enter_rung(&mut self, id: TrialId, rung: u64) {
        let trial = &self.trials[id.0 as usize];
        let lost = matches!(trial.state, TrialState::Diverged { .. } | TrialState::Failed { .. });
        let best = trial.best_up_to(rung).filter(|_| !lost).map(|(_, loss)| loss);
        let entry = Entry {
            trial: id,
            best,
            curve: &trial.reports,
        };
        let Some(open) = trial.bracket().and_then(|bracket| self.brackets.get_mut(bracket)) else {
            return;
        };
        for (trial, decision) in open.bracket.enter(rung, entry) {
            let waits = self
                .trials
                .get(trial.0 as usize)
                .is_some_and(|trial| !trial.state.is_final());
            if waits && decision != Decision::Complete {
                self.undecided.insert(trial, decision);
            }
        }
    }

    /// A segment has ended, and its trial goes back to where it was before.
    fn interrupt(&mut self, id: TrialId) {
        self.running.remove(&id);
        let trial = &mut self.trials[id.0 as usize];
        match trial.state {
            TrialState::Running { to, .. } => {
                trial.state = TrialState::Waiting { to };
                self.waiting.insert(Turn::new(&self.spec.policy, trial, to));
            }
            TrialState::Ahead { rung, .. } => {
                trial.state = TrialState::Paused { rung };
                self.paused.insert(id);
            }
            _ => {}
        }
    }

    fn interrupt_all(&mut self) {
        for id in std::mem::take(&mut self.running) {
            self.interrupt(id);
        }
    }

    /// A trial has left its rung: for the next one, or because it has ended there.
    fn leave(&mut self, id: TrialId, rung: u64) {
        if let Some(bracket) = self.bracket_of(id) {
            bracket.left(id, rung);
        }
    }

    fn bracket_of(&mut self, trial: TrialId) -> Option<&mut Bracket> {
        let number = self.trials.get(trial.0 as usize)?.bracket()?;
        self.brackets.get_mut(number).map(|open| &mut open.bracket)
    }
}
