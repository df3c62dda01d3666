//! What goes into the core, and the records that come out of it.

use hpo_protocol::{Baseline, Measurement, Metrics, Values};
use serde::{Deserialize, Serialize};

use super::earlier::{Earlier, EarlierResult};
use super::measures::Measures;
use super::objective::{LOSS, Objective};
use super::origin::Origin;
use super::pause::Pause;
use super::spec::{ConfirmationSpec, Limits, StudySpec};
use super::stop::{Limit, StopSpec};
use super::trial::Checkpoint;
use crate::ids::{SegmentId, SlotId, Timestamp, TrialId};

/// The version of the journal's records. A reader refuses a higher one.
pub const FORMAT: u32 = 1;

/// A validation of a trial that is being trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reported {
    /// The trial.
    pub trial: TrialId,
    /// The attempt.
    pub attempt: u32,
    /// The resource reached.
    pub resource: u64,
    /// Validation loss; `None` if it is not finite, or the trainer reports none.
    pub loss: Option<f64>,
    /// Metrics beside the loss.
    pub metrics: Measures,
    /// Whether the trial has diverged, which ends it. A report without a loss says so by itself if the loss is the objective.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub diverged: bool,
    /// The trial at this point; present unless it has diverged.
    pub checkpoint: Option<Checkpoint>,
    /// Whether the trial has ended by itself: more training would not make it better. It stands at all further rungs with its best
    /// value so far.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
}

impl Reported {
    /// The segment that has reported.
    pub fn segment(&self) -> SegmentId {
        SegmentId {
            trial: self.trial,
            attempt: self.attempt,
        }
    }

    /// Its cost by an objective; `None` if the trial has diverged, or the objective is missing.
    pub(super) fn cost(&self, objective: &Objective) -> Option<f64> {
        let value = self.value(&objective.metric).filter(|_| !self.diverged);
        value.map(|value| objective.signed(value))
    }

    /// The value of a metric, or of the loss.
    pub fn value(&self, name: &str) -> Option<f64> {
        match name {
            LOSS => self.loss,
            name => self.metrics.get(name).copied(),
        }
    }

    /// Brings it into the form in which it is recorded: without values that are not finite, and diverged if an objective's is not.
    pub(super) fn settle<'a>(&mut self, objectives: impl Iterator<Item = &'a Objective>) {
        let mut values = objectives.filter_map(|objective| self.value(&objective.metric));
        self.diverged |= values.any(|value| !value.is_finite());
        self.loss = self.loss.filter(|loss| loss.is_finite());
        if self.metrics.iter().any(|(_, value)| !value.is_finite()) {
            let finite = self.metrics.iter().filter(|(_, value)| value.is_finite());
            self.metrics = finite.map(|(name, &value)| (name.clone(), value)).collect();
        }
    }
}

/// The exported model, measured once it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// Its trial.
    pub trial: TrialId,
    /// What it comes to.
    #[serde(flatten)]
    pub results: TestResults,
}

/// What a model comes to, and the untrained model that it was made of beside it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TestResults {
    /// On the test data, which no decision has looked at, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurement: Option<Measurement>,
    /// What the untrained model comes to there, if that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untrained: Option<Measurement>,
    /// The metrics of evaluations.
    #[serde(default, skip_serializing_if = "Metrics::is_empty")]
    pub evaluations: Metrics,
    /// Those of the untrained model.
    #[serde(default, skip_serializing_if = "Metrics::is_empty")]
    pub untrained_evaluations: Metrics,
}

impl TestResults {
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Something that happened outside the core.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A scheduler has taken the study over. Whatever ran before is lost.
    Opened {
        /// Its process id.
        process: u32,
        /// Names of its slots.
        slots: Vec<String>,
        /// How far the study shall go; what is less than it has changes nothing.
        limits: Limits,
    },
    /// These slots have a worker and nothing to do.
    Idle {
        /// The slots.
        slots: Vec<SlotId>,
    },
    /// The untrained model was measured, or each of those that trials choose from.
    Evaluated(Baseline),
    /// The exported model was measured on data that no decision has looked at.
    Tested(Tested),
    /// A running trial was validated.
    Reported(Reported),
    /// A running trial was stopped before its rung.
    Stopped {
        /// The segment.
        segment: SegmentId,
        /// Where it can go on.
        checkpoint: Option<Checkpoint>,
    },
    /// A segment failed.
    Failed {
        /// The segment.
        segment: SegmentId,
        /// What happened, for the user.
        message: String,
        /// Whether the checkpoint it should have gone on from can't be used.
        checkpoint_lost: bool,
    },
    /// The user ends a trial.
    TrialStopped {
        /// The trial.
        trial: TrialId,
    },
    /// The user gives failed trials all their attempts again.
    Retried {
        /// The trials.
        trials: Vec<TrialId>,
    },
    /// The user pauses the search: what is being trained is saved, and nothing is begun.
    Held,
    /// The user has a search that was paused go on.
    Released,
    /// The user changes the limits of a search that is under way.
    LimitsSet(Limits),
    /// The user wants a configuration tried as soon as there is one to be drawn: some or all of its values.
    Enqueued {
        /// The values.
        parameters: Values,
    },
    /// Time has passed. Only a limit of time makes a difference of it.
    Ticked,
    /// The scheduler is ending in good order. What still runs has to be done again from its last report.
    Closed,
}

/// A durable fact, with the time at which it became one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When it was recorded.
    pub at: Timestamp,
    /// What is so.
    pub fact: Fact,
}

/// A fact or a decision taken. Facts are never taken back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Fact {
    /// The first record: what the study is.
    StudyCreated {
        /// [`FORMAT`] of the program that wrote it.
        format: u32,
        /// Version of the program that wrote it.
        version: String,
        /// The study.
        spec: Box<StudySpec>,
        /// SHA-256 of the text that it was made from, in hexadecimal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file_sha256: Option<String>,
        /// What it was created from and on; unknown for studies of older versions and those that programs create.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Box<Origin>>,
    },
    /// The study knows results of an earlier one, which follow.
    EarlierStudy(Earlier),
    /// What a trial of the earlier study has come to.
    EarlierResult(EarlierResult),
    /// A scheduler took the study over; segments that ran before are lost.
    SchedulerStarted {
        /// Its process id.
        process: u32,
        /// Names of its slots.
        slots: Vec<String>,
    },
    /// A scheduler ended in good order.
    SchedulerStopped,
    /// The study has more trials than it was created with.
    TrialsRaised {
        /// How many in all.
        trials: u64,
        /// Whether it was the user who did so while the search was under way, and not the study's file.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_hand: bool,
    },
    /// More is to be confirmed than when the study was created.
    ConfirmationRaised {
        /// How much in all.
        confirmation: ConfirmationSpec,
    },
    /// The search ends earlier or later than before.
    StopChanged {
        /// When.
        stop: StopSpec,
        /// As above.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_hand: bool,
    },
    /// The search has come to a limit: nothing more is begun before a scheduler takes it over again.
    LimitReached {
        /// Which.
        limit: Limit,
    },
    /// The untrained model was measured, or each of those that trials choose from.
    BaselineMeasured(Baseline),
    /// The exported model was measured on the test data.
    ModelTested(Tested),
    /// A bracket was opened.
    BracketOpened {
        /// How many trials the search had before it.
        first: u64,
        /// How many trials it has; 0 if they are added one by one.
        trials: u64,
        /// The resources of its rungs, ascending.
        rungs: Vec<u64>,
    },
    /// A configuration was drawn.
    TrialCreated {
        /// The trial.
        trial: TrialId,
        /// The number of its bracket, from 0 in the order in which they were opened.
        bracket: u32,
        /// The configuration.
        parameters: Values,
        /// The seed it trains with.
        seed: u64,
    },
    /// The configuration of a trial of the search is to be trained once more, to the maximum resource.
    ConfirmationCreated {
        /// The trial that does so.
        trial: TrialId,
        /// The trial of the search.
        confirms: TrialId,
        /// The seed it trains with.
        seed: u64,
    },
    /// A segment was begun.
    SegmentStarted {
        /// The trial.
        trial: TrialId,
        /// Counts the segments of the trial, from 1.
        attempt: u32,
        /// The slot.
        slot: SlotId,
        /// The resource it begins at.
        from: u64,
        /// Where it ends: the resource of a rung.
        to: u64,
        /// Whether the trial is still waiting for the decision whether it may go on: its reports count only if it may.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        ahead: bool,
    },
    /// A segment that runs ahead was asked to make room for one that need not wait for a decision.
    SegmentPreempted {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: u32,
    },
    /// A validation. At the end of the segment it ends it, at the maximum resource it completes the trial.
    Reported(Reported),
    /// A segment was stopped before its rung.
    SegmentStopped {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: u32,
        /// Where it goes on; none: at the last report.
        checkpoint: Option<Checkpoint>,
    },
    /// A segment failed.
    SegmentFailed {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: u32,
        /// What happened, for the user.
        message: String,
        /// Whether the checkpoint it should have gone on from can't be used, so that it goes back to the one before.
        checkpoint_lost: bool,
        /// Whether the trial is tried again; otherwise it has failed for good.
        retry: bool,
    },
    /// A checkpoint that the trial could have needed is gone or damaged. Found by looking, not by a segment that failed.
    CheckpointLost {
        /// The trial.
        trial: TrialId,
        /// Its file, relative to the study's `checkpoints` directory.
        file: String,
    },
    /// The trial is among the best of its rung and goes on to the next.
    TrialPromoted {
        /// The trial.
        trial: TrialId,
        /// The rung's resource.
        rung: u64,
        /// The next rung's resource.
        to: u64,
    },
    /// The trial is not among the best of its rung.
    TrialPruned {
        /// The trial.
        trial: TrialId,
        /// The rung's resource.
        rung: u64,
    },
    /// The trial is among the best of a rung that has turned out to be the last.
    TrialCompleted {
        /// The trial.
        trial: TrialId,
        /// The rung's resource.
        rung: u64,
    },
    /// The trial was ended by the user.
    TrialStopped {
        /// The trial.
        trial: TrialId,
    },
    /// The trial has all its attempts again: its failures do not count, and if it has failed for good, it goes on.
    TrialRetried {
        /// The trial.
        trial: TrialId,
    },
    /// The user has paused the search.
    SearchHeld,
    /// The user has it go on.
    SearchReleased,
    /// A configuration is tried by the user's wish. If all trials have been drawn, the study has one more.
    Enqueued {
        /// As the trial of the search of this number, from 0.
        number: u64,
        /// Some or all of its values.
        parameters: Values,
    },
    /// One attempt after the other has failed in the same way: nothing more is begun before a scheduler takes the study over again.
    StudyPaused(Pause),
    /// Nothing is left to train.
    StudyFinished {
        /// The best trial, if any trial has a result.
        best: Option<TrialId>,
    },
}

impl Fact {
    /// Those with which a study begins that knows results of an earlier one.
    pub fn of_earlier(study: Earlier, results: Vec<EarlierResult>) -> Vec<Self> {
        let results = results.into_iter().map(Self::EarlierResult);
        [Self::EarlierStudy(study)].into_iter().chain(results).collect()
    }

    /// The trial the fact is about.
    pub fn trial(&self) -> Option<TrialId> {
        match *self {
            Self::TrialCreated { trial, .. }
            | Self::ConfirmationCreated { trial, .. }
            | Self::SegmentStarted { trial, .. }
            | Self::Reported(Reported { trial, .. })
            | Self::SegmentStopped { trial, .. }
            | Self::SegmentFailed { trial, .. }
            | Self::TrialPromoted { trial, .. }
            | Self::SegmentPreempted { trial, .. }
            | Self::TrialPruned { trial, .. }
            | Self::ModelTested(Tested { trial, .. })
            | Self::CheckpointLost { trial, .. }
            | Self::TrialStopped { trial }
            | Self::TrialRetried { trial }
            | Self::TrialCompleted { trial, .. } => Some(trial),
            Self::StudyCreated { .. }
            | Self::EarlierStudy(_)
            | Self::EarlierResult(_)
            | Self::SchedulerStarted { .. }
            | Self::SchedulerStopped
            | Self::TrialsRaised { .. }
            | Self::ConfirmationRaised { .. }
            | Self::StopChanged { .. }
            | Self::LimitReached { .. }
            | Self::BaselineMeasured(_)
            | Self::BracketOpened { .. }
            | Self::SearchHeld
            | Self::SearchReleased
            | Self::Enqueued { .. }
            | Self::StudyPaused(_)
            | Self::StudyFinished { .. } => None,
        }
    }
}
