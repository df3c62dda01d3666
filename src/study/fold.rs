//! The fold of the records: the only place where a study's state changes.

use std::cmp::Reverse;

use super::event::{Fact, Record, Timestamp};
use super::halving::{Bracket, Decision};
use super::trial::{Report, Trial, TrialId, TrialState};
use super::{OpenBracket, SchedulerRun, Study, UnknownTrial};

impl Study {
    /// Takes in one more record of somebody else's making.
    ///
    /// # Errors
    /// If it speaks of a trial that no earlier record has created.
    pub fn follow(&mut self, record: &Record) -> Result<(), UnknownTrial> {
        let known = self.trials.len() as u64;
        let fits = match (&record.fact, record.fact.trial()) {
            (Fact::TrialCreated { trial, .. }, _) => *trial == known,
            (_, trial) => trial.is_none_or(|trial| trial < known),
        };
        if !fits {
            return Err(UnknownTrial {
                trial: record.fact.trial().unwrap_or_default(),
                known,
            });
        }
        self.apply(record);
        Ok(())
    }

    pub(super) fn apply(&mut self, record: &Record) {
        self.updated = record.at;
        match &record.fact {
            Fact::StudyCreated { .. } => self.created = record.at,
            Fact::SchedulerStarted { process, slots } => {
                self.interrupt_all();
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
            Fact::BaselineMeasured { loss, metrics } => self.baseline = Some((*loss, metrics.clone())),
            Fact::BracketOpened { first, trials } => self.brackets.push(OpenBracket {
                first: *first,
                trials: *trials,
                bracket: Bracket::new(&self.spec.policy, *trials),
            }),
            Fact::StudyFinished { .. } => self.finished = true,
            Fact::TrialCreated {
                trial,
                parameters,
                seed,
            } => {
                let to = self.bracket_of(*trial).map_or(0, |bracket| bracket.first_rung());
                self.trials.push(Trial {
                    id: *trial,
                    parameters: parameters.clone(),
                    seed: *seed,
                    state: TrialState::Waiting { to },
                    reports: Default::default(),
                    attempts: 0,
                    failures: 0,
                    stopped_at: None,
                    exhausted: false,
                    trained_ms: 0,
                });
                self.waiting.insert((Reverse(to), *trial));
                self.unfinished += 1;
            }
            fact => {
                if let Some(id) = fact.trial() {
                    self.apply_to_trial(id, record.at, fact);
                }
            }
        }
    }

    fn apply_to_trial(&mut self, id: TrialId, now: Timestamp, fact: &Fact) {
        let max_resource = self.spec.policy.max_resource;
        let Some(trial) = self.trials.get_mut(id as usize) else {
            return;
        };
        if let TrialState::Running { since, .. } = &mut trial.state {
            trial.trained_ms += now.since(*since);
            *since = now;
        }
        match fact {
            Fact::SegmentStarted {
                attempt,
                slot,
                from,
                to,
                ..
            } => {
                self.waiting.remove(&(Reverse(*to), id));
                self.running.insert(id);
                trial.attempts = *attempt;
                trial.state = TrialState::Running {
                    to: *to,
                    at: *from,
                    slot: *slot,
                    since: now,
                };
            }
            Fact::Reported {
                resource,
                loss,
                metrics,
                checkpoint,
                last,
                ..
            } => {
                let report = Report {
                    at: now,
                    loss: *loss,
                    metrics: metrics.clone(),
                    checkpoint: checkpoint.clone(),
                };
                trial.reports.insert(*resource, report);
                trial.stopped_at = None;
                trial.exhausted |= *last;
                let TrialState::Running { to, at, .. } = &mut trial.state else {
                    return;
                };
                *at = *resource;
                let to = *to;
                if loss.is_none() {
                    trial.state = TrialState::Diverged { resource: *resource };
                    self.end(id, to);
                } else if *resource == max_resource || (*last && to == max_resource) {
                    trial.state = TrialState::Completed;
                    self.end(id, to);
                } else if *resource == to || *last {
                    trial.state = TrialState::Paused { rung: to };
                    trial.release_checkpoints(true);
                    let best = trial.best_up_to(to).map(|(_, loss)| loss);
                    self.running.remove(&id);
                    self.enter_rung(id, to, best);
                } else {
                    trial.release_checkpoints(true);
                }
            }
            Fact::SegmentStopped { checkpoint, .. } => {
                if checkpoint.is_some() {
                    trial.stopped_at.clone_from(checkpoint);
                }
                self.interrupt(id);
            }
            Fact::SegmentFailed {
                message,
                checkpoint_lost,
                retry,
                ..
            } => {
                trial.failures += 1;
                if *checkpoint_lost && trial.stopped_at.take().is_none() {
                    let lost = trial.resume_point().0;
                    if let Some(report) = trial.reports.get_mut(&lost) {
                        report.checkpoint = None;
                    }
                }
                if *retry {
                    self.interrupt(id);
                } else if let TrialState::Running { to, .. } = trial.state {
                    trial.state = TrialState::Failed {
                        message: message.clone(),
                    };
                    self.end(id, to);
                }
            }
            Fact::TrialPromoted { to, .. } if trial.exhausted => {
                self.undecided.remove(&id);
                if *to == max_resource {
                    trial.state = TrialState::Completed;
                    self.end(id, *to);
                } else {
                    trial.state = TrialState::Paused { rung: *to };
                    let best = trial.best().map(|(_, loss)| loss);
                    self.enter_rung(id, *to, best);
                }
            }
            Fact::TrialPromoted { to, .. } => {
                self.undecided.remove(&id);
                trial.state = TrialState::Waiting { to: *to };
                self.waiting.insert((Reverse(*to), id));
            }
            Fact::TrialPruned { rung, .. } => {
                self.undecided.remove(&id);
                trial.state = TrialState::Pruned { rung: *rung };
                trial.release_checkpoints(false);
                self.unfinished -= 1;
            }
            _ => {}
        }
    }

    /// A running trial has come to its end on the way to, or at, the rung of resource `to`.
    fn end(&mut self, id: TrialId, to: u64) {
        self.running.remove(&id);
        self.unfinished -= 1;
        let trial = &self.trials[id as usize];
        let completed = trial.state == TrialState::Completed;
        let best = trial.best().filter(|_| completed).map(|(_, loss)| loss);
        let previous = self.incumbent;
        if let Some(loss) = best
            && previous.is_none_or(|previous| {
                let other = self.trials[previous as usize]
                    .best()
                    .map_or(f64::INFINITY, |(_, loss)| loss);
                (loss, id) < (other, previous)
            })
        {
            self.incumbent = Some(id);
        }
        for touched in [Some(id), previous].into_iter().flatten() {
            self.trials[touched as usize].release_checkpoints(self.incumbent == Some(touched));
        }
        self.enter_rung(id, to, best);
    }

    fn enter_rung(&mut self, id: TrialId, rung: u64, best: Option<f64>) {
        if let Some(bracket) = self.bracket_of(id) {
            let decided = bracket.enter(rung, id, best);
            self.undecided.extend(
                decided
                    .into_iter()
                    .filter(|(_, decision)| *decision != Decision::Complete),
            );
        }
    }

    /// A running trial goes back to waiting.
    fn interrupt(&mut self, id: TrialId) {
        if let TrialState::Running { to, .. } = self.trials[id as usize].state {
            self.trials[id as usize].state = TrialState::Waiting { to };
            self.running.remove(&id);
            self.waiting.insert((Reverse(to), id));
        }
    }

    fn interrupt_all(&mut self) {
        for id in std::mem::take(&mut self.running) {
            self.interrupt(id);
        }
    }

    fn bracket_of(&mut self, trial: TrialId) -> Option<&mut Bracket> {
        self.brackets
            .iter_mut()
            .rev()
            .find(|open| open.first <= trial)
            .map(|open| &mut open.bracket)
    }
}
