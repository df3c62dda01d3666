//! Why a trial is what it is: how it was drawn, and what was decided about it by what was known then.
//!
//! All of it is computed from the records, in the order in which they were made: what the sampler knew and how trials stood at a
//! rung is the state of the study just before the record that followed from it.

mod explainer;

use hpo_protocol::Values;
use serde::Serialize;

pub use explainer::Explainer;

use crate::ids::{SlotId, Timestamp, TrialId};
use crate::study::{Reason, Rule, TrialStatus};

/// Why a trial is what it is. Values are those of the study's objective.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The trial.
    pub trial: TrialId,
    /// The line of the journal that has created it, from 1.
    pub line: u64,
    /// Why it has its configuration.
    pub drawing: Drawing,
    /// The bracket in which it is compared; none if it confirms another.
    pub bracket: Option<Opening>,
    /// What has happened to it, in order.
    pub steps: Vec<Step>,
}

/// Why a trial has its configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Drawing {
    /// It was drawn for the search.
    Drawn {
        /// Why it was drawn.
        reason: Reason,
        /// How many of the trials that the sampler knew fulfil all that is required; none if nothing is. If no trial did, its numbers are
        /// not values of the objective, but say how much of what is required is broken.
        #[serde(skip_serializing_if = "Option::is_none")]
        feasible: Option<u64>,
        /// With several objectives, how much each weighed in the one number that the sampler was shown, in the order of the study's: its
        /// numbers are not values of an objective then.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        weights: Vec<f64>,
        /// Where it comes from, if it is one of those to be tried first.
        #[serde(skip_serializing_if = "Option::is_none")]
        first: Option<First>,
    },
    /// This version of the program would have drawn another one, so it can't say why.
    Otherwise {
        /// What it would have drawn.
        would: Option<Values>,
    },
    /// It trains the configuration of a trial of the search again.
    Confirms {
        /// That trial.
        of: TrialId,
        /// The number of its run, from 1.
        run: usize,
    },
}

/// Where a configuration comes from that is tried first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum First {
    /// The study's file.
    File {
        /// Its place there, from 1.
        place: u64,
    },
    /// An earlier study, whose results this one knows.
    Earlier {
        /// Its name.
        study: String,
        /// The trial's number there.
        number: u64,
        /// The best value that it had there.
        value: Option<f64>,
    },
}

/// A bracket as it was opened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Opening {
    /// Its number, from 0.
    pub number: usize,
    /// The line of the journal that has opened it, from 1.
    pub line: u64,
    /// The resources of its rungs.
    pub rungs: Vec<u64>,
    /// How many trials it has; 0 if they are added one by one.
    pub trials: u64,
    /// How many rungs of the policy it skips.
    pub skipped: usize,
    /// How many the sampler would have it skip.
    pub advised: Option<usize>,
    /// How well neighbouring rungs agreed by what the sampler had learned, 0 to 1.
    pub agreement: Option<f64>,
}

/// Something that has happened to a trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// When.
    #[serde(rename = "at_ms")]
    pub at: Timestamp,
    /// The line of the journal that says so, from 1.
    pub line: u64,
    /// What.
    #[serde(flatten)]
    pub what: Happened,
}

/// What can happen to a trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Happened {
    /// A segment was begun.
    Started {
        /// Counts the segments, from 1.
        attempt: u32,
        /// The slot.
        slot: SlotId,
        /// Where it began.
        from: u64,
        /// The rung that it was to come to.
        to: u64,
        /// Whether the rung below was not decided yet.
        ahead: bool,
    },
    /// It was validated.
    Reported {
        /// At which resource.
        resource: u64,
        /// What it came to; none if it has diverged.
        value: Option<f64>,
        /// Whether the rung below was not decided yet, so that it did not count.
        ahead: bool,
        /// Whether it has ended by itself.
        last: bool,
    },
    /// A segment that ran ahead was asked to make room.
    Preempted,
    /// A segment was stopped before its rung.
    Saved {
        /// Whether it can go on from there, and not only from its last report.
        checkpoint: bool,
    },
    /// A segment has failed.
    Failed {
        /// How.
        message: String,
        /// Whether its checkpoint could not be used.
        checkpoint_lost: bool,
        /// Whether it is tried again.
        retry: bool,
    },
    /// The scheduler that had it was gone: what came after its last report is done again.
    Interrupted,
    /// A checkpoint was found to be gone or damaged.
    CheckpointLost {
        /// Its file.
        file: String,
    },
    /// It was decided about at a rung.
    Decided(Decided),
    /// The user has ended it.
    Ended,
    /// It has all its attempts again.
    Retried,
    /// Nothing more happens to it.
    Over {
        /// What it is now.
        state: TrialStatus,
    },
}

/// A decision about a trial at a rung, and all that it rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decided {
    /// The rung's resource.
    pub rung: u64,
    /// What was decided.
    pub outcome: Outcome,
    /// Its place among those that had come, from 1; none if it had no value.
    pub place: Option<usize>,
    /// Those that had come, the best first, with the best value up to the rung.
    pub ranked: Vec<(TrialId, f64)>,
    /// The values of the further objectives of each of them; empty with one objective.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<Vec<f64>>,
    /// Those of them that break what the study requires, or are not known to fulfil it: they stand behind all others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub infeasible: Vec<TrialId>,
    /// Those that were lost on the way.
    pub lost: Vec<TrialId>,
    /// By what was decided; none at the last rung.
    pub rule: Option<Rule>,
}

/// What is decided at a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It goes on.
    Promoted {
        /// The next rung.
        to: u64,
    },
    /// It went on without waiting, and no record of its own says so.
    Passed,
    /// It ends here.
    Pruned,
    /// The rung has turned out to be the last.
    Completed,
}
