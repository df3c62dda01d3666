//! A trial: one configuration being trained.

mod checkpoints;
mod reports;

use std::collections::BTreeSet;

use hpo_protocol::Values;
use serde::{Deserialize, Serialize};

use super::measures::Measures;
use super::score::Score;
use crate::ids::{SegmentId, SlotId, Timestamp, TrialId};
pub use reports::Reports;

/// A checkpoint that a worker wrote: a file, or a directory with all that is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Its file or directory, relative to the study's `checkpoints` directory.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal; of a directory, of the names, sizes and digests of its files.
    pub sha256: String,
}

/// One validation of a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// When it was recorded.
    pub at: Timestamp,
    /// The cost by the study's [`Objective`](super::Objective), lower is better; `None` if the trial has diverged.
    pub cost: Option<f64>,
    /// By how much what is reported up to here breaks what the study requires; see
    /// [`StudySpec::violation`](super::StudySpec::violation).
    pub violation: f64,
    /// Validation loss, if it is finite.
    pub loss: Option<f64>,
    /// Metrics beside the loss.
    pub metrics: Measures,
    /// The trial at this point; none if it has diverged, and once nothing can need it any more. In a box, as nearly
    /// none of the reports of a large study has one.
    pub checkpoint: Option<Box<Checkpoint>>,
}

impl Report {
    /// What it is compared by; none if the trial has diverged.
    pub fn score(&self) -> Option<Score> {
        let violation = self.violation;
        self.cost.map(|cost| Score { violation, cost })
    }
}

/// Where a trial stands. Each state carries only what holds in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialState {
    /// It waits for a slot, to be trained to resource `to`.
    Waiting {
        /// The next rung's resource.
        to: u64,
    },
    /// It is being trained on a slot.
    Running {
        /// The rung's resource.
        to: u64,
        /// The resource of the segment's last report, or where it began.
        at: u64,
        /// The slot.
        slot: SlotId,
        /// When the last report came, or when the segment began.
        since: Timestamp,
    },
    /// It stands at a rung and waits for the decision.
    Paused {
        /// The rung's resource.
        rung: u64,
    },
    /// It stands at a rung, waits for the decision, and is being trained on meanwhile.
    Ahead {
        /// The rung's resource.
        rung: u64,
        /// The next rung's resource.
        to: u64,
        /// The resource of the segment's last report, or where it began.
        at: u64,
        /// The slot.
        slot: SlotId,
        /// When the last report came, or when the segment began.
        since: Timestamp,
        /// Whether it has been asked to make room for another segment.
        preempted: bool,
    },
    /// It was stopped at a rung: others were better.
    Pruned {
        /// The rung's resource.
        rung: u64,
    },
    /// It has reached the maximum resource, or has ended by itself before and was never pruned.
    Completed,
    /// Its objective, or its loss, was not finite.
    Diverged {
        /// The resource of the report that said so.
        resource: u64,
    },
    /// It failed more often than it may be retried.
    Failed {
        /// The last failure, for the user.
        message: String,
    },
}

impl TrialState {
    /// Whether nothing more will happen to the trial.
    pub fn is_final(&self) -> bool {
        self.status().is_final()
    }

    /// What happened last to a trial that has failed for good.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Failed { message } => Some(message),
            Self::Waiting { .. }
            | Self::Running { .. }
            | Self::Paused { .. }
            | Self::Ahead { .. }
            | Self::Pruned { .. }
            | Self::Completed
            | Self::Diverged { .. } => None,
        }
    }

    /// The state without what holds in it.
    pub fn status(&self) -> TrialStatus {
        match self {
            Self::Waiting { .. } => TrialStatus::Waiting,
            Self::Running { .. } => TrialStatus::Running,
            Self::Paused { .. } | Self::Ahead { .. } => TrialStatus::Paused,
            Self::Pruned { .. } => TrialStatus::Pruned,
            Self::Completed => TrialStatus::Completed,
            Self::Diverged { .. } => TrialStatus::Diverged,
            Self::Failed { .. } => TrialStatus::Failed,
        }
    }

    /// The state in one word, as shown to the user.
    pub fn word(&self) -> &'static str {
        self.status().word()
    }
}

/// Where a trial stands, as shown to the user; see [`TrialState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialStatus {
    /// It waits for a slot.
    Waiting,
    /// It is being trained.
    Running,
    /// It stands at a rung and waits for the decision, whether or not it is being trained on meanwhile.
    Paused,
    /// It was stopped at a rung.
    Pruned,
    /// It has come to its end.
    Completed,
    /// Its objective, or its loss, was not finite.
    Diverged,
    /// It failed more often than it may be retried.
    Failed,
}

impl TrialStatus {
    /// All of them, from the beginning of a trial to its end.
    pub const ALL: [Self; 7] = [
        Self::Waiting,
        Self::Running,
        Self::Paused,
        Self::Pruned,
        Self::Completed,
        Self::Diverged,
        Self::Failed,
    ];

    /// Whether nothing more will happen to the trial.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Pruned | Self::Completed | Self::Diverged | Self::Failed)
    }

    /// The word for it, in JSON too.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Pruned => "pruned",
            Self::Completed => "completed",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
        }
    }

    /// The one of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// What a trial is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It is one of the search's, and compared with others there.
    Search {
        /// The number of its bracket.
        bracket: u32,
    },
    /// It trains the configuration of a trial of the search once more, with another seed and to the maximum resource. It is in no
    /// bracket: nothing can stop it early.
    Confirmation {
        /// The trial of the search.
        of: TrialId,
    },
}

/// One configuration and all that has happened to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number.
    pub id: TrialId,
    /// What it is for.
    pub role: Role,
    /// The configuration.
    pub parameters: Values,
    /// The seed it trains with, below 2^53.
    pub seed: u64,
    /// Where it stands.
    pub state: TrialState,
    /// Validations by resource.
    pub reports: Reports,
    /// Validations beyond the rung at which it waits for a decision, and what follows them. They count only if it goes on.
    pub ahead: Ahead,
    /// How many segments were begun.
    pub attempts: u32,
    /// How many of them failed.
    pub failures: u32,
    /// The slots on which it has failed since its last report.
    pub failed_on: BTreeSet<SlotId>,
    /// A checkpoint between two reports, written when the trial was stopped there, and the resource that lies before it. Others may
    /// have been reported: a trial whose checkpoint was lost goes back.
    pub stopped_at: Option<(u64, Box<Checkpoint>)>,
    /// Whether it has ended by itself, before the maximum resource.
    pub exhausted: bool,
    /// Whether some of its validations came without a checkpoint: it has one only where segments end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sparse: bool,
    /// Time spent training in segments that came to an end, in milliseconds.
    pub trained_ms: u64,
}

/// What a trial has come to ahead of a decision.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Ahead {
    /// Validations by resource; in the last one it may have diverged.
    pub reports: Reports,
    /// Whether the trial has ended by itself with the last of them.
    pub ended: bool,
    /// A checkpoint after the last of them, written when the trial was stopped there, and the resource that lies before it.
    pub stopped_at: Option<(u64, Box<Checkpoint>)>,
    /// Whether a segment has failed: it is not tried again before the decision.
    pub failed: bool,
}

impl Trial {
    /// A trial of which nothing is known but how it is to begin: trained to resource `to`.
    pub(super) fn new(id: TrialId, role: Role, parameters: Values, seed: u64, to: u64) -> Self {
        Self {
            id,
            role,
            parameters,
            seed,
            state: TrialState::Waiting { to },
            reports: Reports::default(),
            ahead: Ahead::default(),
            attempts: 0,
            failures: 0,
            failed_on: BTreeSet::new(),
            stopped_at: None,
            exhausted: false,
            sparse: false,
            trained_ms: 0,
        }
    }

    /// The number of its bracket, if it is one of the search's.
    pub fn bracket(&self) -> Option<usize> {
        match self.role {
            Role::Search { bracket } => Some(bracket as usize),
            Role::Confirmation { .. } => None,
        }
    }

    /// The trial whose configuration it confirms, if it is not one of the search's.
    pub fn confirms(&self) -> Option<TrialId> {
        match self.role {
            Role::Search { .. } => None,
            Role::Confirmation { of } => Some(of),
        }
    }

    /// The segment that was begun last; of attempt 0 before the first.
    pub fn last_segment(&self) -> SegmentId {
        SegmentId {
            trial: self.id,
            attempt: self.attempts,
        }
    }

    /// The slot on which it is being trained.
    pub fn slot(&self) -> Option<SlotId> {
        match self.state {
            TrialState::Running { slot, .. } | TrialState::Ahead { slot, .. } => Some(slot),
            TrialState::Waiting { .. }
            | TrialState::Paused { .. }
            | TrialState::Pruned { .. }
            | TrialState::Completed
            | TrialState::Diverged { .. }
            | TrialState::Failed { .. } => None,
        }
    }

    /// The trial of the search that first had the configuration: itself, or the one it confirms.
    pub fn original(&self) -> TrialId {
        self.confirms().unwrap_or(self.id)
    }

    /// The resource and the score of the best validation up to and including `resource`, the earliest of equals.
    pub fn scored_up_to(&self, resource: u64) -> Option<(u64, Score)> {
        self.reports.lowest_up_to(resource)
    }

    /// The score of the best validation.
    pub fn score(&self) -> Option<Score> {
        self.scored_up_to(u64::MAX).map(|(_, score)| score)
    }

    /// Whether its best validation fulfils all that the study requires.
    pub fn is_feasible(&self) -> bool {
        self.score().is_some_and(Score::is_feasible)
    }

    /// The resource and the cost of the best validation up to and including `resource`, the earliest of equals.
    pub fn best_up_to(&self, resource: u64) -> Option<(u64, f64)> {
        self.scored_up_to(resource).map(|(at, score)| (at, score.cost))
    }

    /// The resource and the cost of the best validation.
    pub fn best(&self) -> Option<(u64, f64)> {
        self.best_up_to(u64::MAX)
    }

    /// The resource of the last report; 0 before the first.
    pub fn resource(&self) -> u64 {
        self.reports.last_key_value().map_or(0, |(&resource, _)| resource)
    }

    /// Counts the time since the last record of a segment that runs.
    pub(super) fn count_time(&mut self, now: Timestamp) {
        if let TrialState::Running { since, .. } | TrialState::Ahead { since, .. } = &mut self.state {
            self.trained_ms += now.since(*since);
            *since = now;
        }
    }
}
