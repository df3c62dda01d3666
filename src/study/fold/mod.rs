//! The fold of the records: the only place where a study's state changes.
//!
//! Records of somebody else's making are checked before, so that what can't follow from those before is a bug here.

mod by_hand;
mod rungs;
mod segments;

use hpo_protocol::Values;

use super::event::{Fact, Record};
use super::policy::BracketPlan;
use super::trial::{Role, Trial};
use super::turn::Turn;
use super::{Misfit, OpenBracket, SchedulerRun, Study};
use crate::ids::{SegmentId, TrialId};

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
        let runs = self.scheduler.as_ref().is_some_and(|scheduler| !scheduler.stopped);
        if runs && !self.held && !matches!(record.fact, Fact::SchedulerStarted { .. }) {
            self.active_ms += record.at.since(self.updated);
        }
        self.updated = record.at;
        if let Some(trial) = record.fact.trial().and_then(|id| self.trials.get_mut(id.0 as usize)) {
            trial.count_time(record.at);
        }
        match &record.fact {
            Fact::StudyCreated { .. } => self.created = record.at,
            Fact::EarlierStudy(earlier) => {
                self.spec.space.try_first.extend(earlier.first.iter().cloned());
                self.earlier = Some(earlier.clone());
            }
            Fact::EarlierResult(result) => self.earlier_results.push(result.clone()),
            Fact::SchedulerStarted { process, slots } => self.scheduler_started(*process, slots),
            Fact::SchedulerStopped => self.scheduler_stopped(),
            Fact::TrialsRaised { trials, by_hand } => self.trials_raised(*trials, *by_hand),
            Fact::ConfirmationRaised { confirmation } => {
                self.spec.confirmation = Some(*confirmation);
                self.finished = false;
            }
            Fact::StopChanged { stop, by_hand } => self.stop_changed(*stop, *by_hand),
            Fact::SearchHeld => self.held = true,
            Fact::SearchReleased => self.held = false,
            Fact::Enqueued { number, parameters } => self.configuration_enqueued(*number, parameters),
            Fact::LimitReached { limit } => self.halted = Some(*limit),
            Fact::BaselineMeasured(baseline) => self.baseline = Some(baseline.clone()),
            Fact::ModelTested(tested) => self.test = Some(tested.clone()),
            Fact::StudyFinished { best } => self.study_finished(*best),
            Fact::BracketOpened { first, trials, rungs } => self.bracket_opened(*first, *trials, rungs),
            Fact::TrialCreated {
                trial,
                bracket,
                parameters,
                seed,
            } => self.trial_created(*trial, *bracket, parameters, *seed),
            Fact::ConfirmationCreated { trial, confirms, seed } => self.confirmation_created(*trial, *confirms, *seed),
            &Fact::SegmentStarted {
                trial,
                attempt,
                slot,
                from,
                to,
                ahead,
            } => self.segment_started(SegmentId { trial, attempt }, slot, (from, to), ahead),
            Fact::SegmentPreempted { trial, .. } => self.segment_preempted(*trial),
            Fact::Reported(reported) => self.reported(reported),
            Fact::SegmentStopped { trial, checkpoint, .. } => self.segment_stopped(*trial, checkpoint.as_ref()),
            Fact::SegmentFailed {
                trial,
                message,
                checkpoint_lost,
                retry,
                ..
            } => self.segment_failed(*trial, message, *checkpoint_lost, *retry),
            Fact::CheckpointLost { trial, file } => self.trials[trial.0 as usize].forget_checkpoint(file),
            Fact::TrialPromoted { trial, rung, to } => self.trial_promoted(*trial, *rung, *to),
            Fact::TrialPruned { trial, rung } => self.trial_pruned(*trial, *rung),
            Fact::TrialStopped { trial } => self.trial_stopped(*trial),
            Fact::TrialRetried { trial } => self.trial_retried(*trial),
            Fact::StudyPaused(pause) => self.trouble.pause(pause),
            Fact::TrialCompleted { trial, rung } => self.trial_completed(*trial, *rung),
        }
    }

    fn scheduler_started(&mut self, process: u32, slots: &[String]) {
        self.interrupt_all();
        self.trouble.resume();
        // The slots are others now, or have been repaired.
        self.trials.iter_mut().for_each(|trial| trial.failed_on.clear());
        self.halted = None;
        // Whoever starts it wants it to go on.
        self.held = false;
        self.scheduler = Some(SchedulerRun {
            process,
            slots: slots.to_vec(),
            since: self.updated,
            stopped: false,
        });
    }

    fn scheduler_stopped(&mut self) {
        self.interrupt_all();
        if let Some(scheduler) = &mut self.scheduler {
            scheduler.stopped = true;
        }
    }

    fn study_finished(&mut self, best: Option<TrialId>) {
        self.finished = true;
        if !self.confirmed.is_empty() {
            self.chosen = best;
        }
        self.release_holders();
    }

    fn bracket_opened(&mut self, first: u64, trials: u64, rungs: &[u64]) {
        let plan = BracketPlan {
            rungs: rungs.to_vec(),
            trials: (trials > 0).then_some(trials),
        };
        self.brackets.push(OpenBracket {
            first,
            trials,
            drawn: 0,
            unfinished: trials,
            bracket: self.spec.policy.open(&plan),
        });
    }

    fn trial_created(&mut self, trial: TrialId, bracket: u32, parameters: &Values, seed: u64) {
        let open = self.brackets.get_mut(bracket as usize);
        let open = open.expect("a configuration is drawn for a bracket that was opened");
        open.drawn += 1;
        if open.trials == 0 {
            open.unfinished += 1;
        }
        let to = open.bracket.first_stop();
        let role = Role::Search { bracket };
        self.drawn += 1;
        self.searching += 1;
        self.add(Trial::new(trial, role, parameters.clone(), seed, to), to);
    }

    fn confirmation_created(&mut self, trial: TrialId, confirms: TrialId, seed: u64) {
        let parameters = self.trials[confirms.0 as usize].parameters.clone();
        let (to, role) = (self.spec.policy.max_resource, Role::Confirmation { of: confirms });
        self.confirmed.entry(confirms).or_default().push(trial);
        self.add(Trial::new(trial, role, parameters, seed, to), to);
    }

    fn add(&mut self, trial: Trial, to: u64) {
        assert_eq!(trial.id.0, self.trials.len() as u64, "trials are numbered as they come");
        self.waiting.insert(Turn::new(&self.spec.policy, &trial, to));
        self.unfinished += 1;
        self.trials.push(trial);
    }
}
