//! What follows from an event.

use super::Study;
use super::event::{Command, Event, Fact, Record, Step, Timestamp};
use super::halving::{Decision, rung_resources};
use super::sampler::{Request, training_seed};
use super::trial::{Checkpoint, TrialId, TrialState};

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

struct Decider<'a> {
    study: &'a mut Study,
    now: Timestamp,
    step: Step,
}

impl Decider<'_> {
    fn handle(&mut self, event: Event) {
        match event {
            Event::Opened { process, slots, trials } => {
                self.record(Fact::SchedulerStarted { process, slots });
                if trials > self.study.spec.trials {
                    self.record(Fact::TrialsRaised { trials });
                }
                self.create_trials();
                self.decide();
            }
            Event::Idle { slots } => self.start_segments(slots),
            Event::Evaluated { loss, metrics } => {
                if self.study.baseline.is_none() {
                    self.record(Fact::BaselineMeasured { loss, metrics });
                }
            }
            Event::Reported {
                trial,
                attempt,
                resource,
                loss,
                metrics,
                checkpoint,
                last,
            } => {
                let Some(segment) = self.segment(trial, attempt) else {
                    return;
                };
                let loss = loss.filter(|loss| loss.is_finite());
                if let Some(message) = segment.objection(resource, loss, checkpoint.as_ref()) {
                    self.step.commands.push(Command::Replace { slot: segment.slot });
                    self.fail(trial, attempt, message, false);
                    return;
                }
                self.record(Fact::Reported {
                    trial,
                    attempt,
                    resource,
                    loss,
                    metrics,
                    checkpoint,
                    last,
                });
                self.decide();
            }
            Event::Stopped {
                trial,
                attempt,
                checkpoint,
            } => {
                if self.segment(trial, attempt).is_some() {
                    self.record(Fact::SegmentStopped {
                        trial,
                        attempt,
                        checkpoint,
                    });
                }
            }
            Event::Failed {
                trial,
                attempt,
                message,
                checkpoint_lost,
            } => {
                if self.segment(trial, attempt).is_some() {
                    self.fail(trial, attempt, message, checkpoint_lost);
                }
            }
            Event::Closed => self.record(Fact::SchedulerStopped),
        }
    }

    /// Adds a record, takes it in, and has the checkpoints deleted that nothing can need after it.
    fn record(&mut self, fact: Fact) {
        let touched = [fact.trial(), self.study.incumbent];
        let files = |study: &Study| -> Vec<String> {
            let trials = touched.iter().flatten().filter_map(|&id| study.trial(id));
            trials
                .flat_map(|trial| trial.checkpoints().map(|c| c.file.clone()))
                .collect()
        };
        let mut dropped = files(self.study);
        if let Fact::Reported {
            checkpoint: Some(checkpoint),
            ..
        } = &fact
        {
            dropped.push(checkpoint.file.clone());
        }
        let record = Record { at: self.now, fact };
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

    /// Draws the configurations that are still missing. A bracket's are all drawn when it opens, so that no result can
    /// influence them.
    fn create_trials(&mut self) {
        let wanted = self.study.spec.trials;
        let opened = self.study.brackets.last().map_or(0, |open| open.first + open.trials);
        if opened < wanted {
            self.record(Fact::BracketOpened {
                first: opened,
                trials: wanted - opened,
            });
        }
        let spec = &self.study.spec;
        let first = self.study.trials.len() as u64;
        let request = Request {
            space: &spec.space,
            seed: spec.seed,
            rungs: &rung_resources(&spec.policy),
            first,
            count: wanted.saturating_sub(first),
            observations: &[],
        };
        for (trial, parameters) in (first..).zip(spec.sampler.draw(&request)) {
            let spec = &self.study.spec;
            let seed = spec.trainer.seed.unwrap_or_else(|| training_seed(spec.seed, trial));
            self.record(Fact::TrialCreated {
                trial,
                parameters,
                seed,
            });
        }
    }

    /// Records the decisions that are due, and the end of the study.
    fn decide(&mut self) {
        while let Some((trial, rung, decision)) = self.next_decision() {
            self.record(match decision {
                Decision::Promote { to } => Fact::TrialPromoted { trial, rung, to },
                Decision::Prune | Decision::Complete => Fact::TrialPruned { trial, rung },
            });
        }
        let study = &self.study;
        if study.unfinished == 0 && study.trials.len() as u64 == study.spec.trials && !study.finished {
            let best = study.best().map(|trial| trial.id);
            self.record(Fact::StudyFinished { best });
        }
    }

    fn next_decision(&self) -> Option<(TrialId, u64, Decision)> {
        self.study
            .undecided
            .iter()
            .find_map(|(&id, &decision)| match self.study.trial(id)?.state {
                TrialState::Paused { rung } => Some((id, rung, decision)),
                _ => None,
            })
    }

    fn start_segments(&mut self, slots: Vec<u32>) {
        for slot in slots {
            let Some(&(to, trial)) = self.study.waiting.first() else {
                return;
            };
            let Some(state) = self.study.trial(trial) else {
                return;
            };
            let (from, checkpoint) = state.resume_point();
            let checkpoint = checkpoint.cloned();
            let attempt = state.attempts + 1;
            let to = to.0;
            self.record(Fact::SegmentStarted {
                trial,
                attempt,
                slot,
                from,
                to,
            });
            self.step.commands.push(Command::Run {
                slot,
                trial,
                attempt,
                from,
                to,
                checkpoint,
            });
        }
    }

    fn fail(&mut self, trial: TrialId, attempt: u32, message: String, checkpoint_lost: bool) {
        let failures = self.study.trial(trial).map_or(0, |trial| trial.failures);
        self.record(Fact::SegmentFailed {
            trial,
            attempt,
            message,
            checkpoint_lost,
            // A lost checkpoint is not the configuration's fault.
            retry: checkpoint_lost || failures < self.study.spec.retries,
        });
        self.decide();
    }

    /// The running segment of a trial, if it is this attempt's.
    fn segment(&self, trial: TrialId, attempt: u32) -> Option<Segment> {
        let trial = self.study.trial(trial).filter(|trial| trial.attempts == attempt)?;
        match trial.state {
            TrialState::Running { to, at, slot, .. } => Some(Segment { to, at, slot }),
            _ => None,
        }
    }
}

struct Segment {
    to: u64,
    at: u64,
    slot: u32,
}

impl Segment {
    /// What is wrong with a report.
    fn objection(&self, resource: u64, loss: Option<f64>, checkpoint: Option<&Checkpoint>) -> Option<String> {
        let &Self { at, to, .. } = self;
        if resource != at + 1 || resource > to {
            return Some(format!(
                "the worker reported resource {resource}, but {} of a segment to {to} was due",
                at + 1
            ));
        }
        (loss.is_some() && checkpoint.is_none())
            .then(|| format!("the worker reported resource {resource} without a checkpoint"))
    }
}
