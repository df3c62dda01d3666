//! What a slot's worker is at.

use std::path::PathBuf;
use std::time::Duration;

use hpo_protocol::{Evaluated, Feature};
use tokio::time::Instant;

use crate::executor::news::{MeasureSpec, SegmentSpec};
use crate::ids::SegmentId;
use crate::study::Checkpoint;

/// How long a worker may be silent before it is ready. Loading a large model or corpus can take long.
const READY: Duration = Duration::from_secs(15 * 60);

/// How long a worker may be silent that owes an answer which takes little work: to be done after the last report of its segment. Its
/// checkpoint has to be read in that time too.
pub(super) const ANSWER: Duration = Duration::from_secs(60 * 60);

/// How long a worker may be silent at its work that has promised signs of life.
const WORK: Duration = Duration::from_secs(30 * 60);

/// An order that keeps a worker busy.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    Evaluate,
    Train(SegmentSpec),
    Measure(MeasureSpec),
    Export {
        checkpoint: Checkpoint,
        directory: PathBuf,
        known: Evaluated,
    },
}

/// What a slot is at.
#[derive(Debug, PartialEq)]
pub(super) enum State {
    /// Its worker is not ready yet.
    Starting(Next),
    /// Nothing, which was reported.
    Idle,
    /// Its worker is at work.
    Busy {
        task: Task,
        /// The order that it came from, until the worker has sent a message. Only of a worker that has served before: such a
        /// one may have been about to leave when the order came.
        unanswered: Option<Work>,
    },
}

/// What comes once a worker is ready.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// To report that the slot is idle.
    Announce,
    /// To wait for an order: the slot was reported as idle, and reporting it twice would bring it two segments.
    Wait,
    /// To do what was ordered meanwhile.
    Begin(Work),
}

/// What keeps a worker busy.
#[derive(Debug, PartialEq)]
pub(super) enum Task {
    /// It measures the untrained model.
    Evaluating,
    /// It writes a model to this directory.
    Exporting(PathBuf),
    /// It finds out what this segment would cost.
    Measuring(SegmentId),
    /// It trains a segment.
    Training(Training),
}

/// A segment on its way.
#[derive(Debug, PartialEq)]
pub(super) struct Training {
    pub(super) segment: SegmentId,
    /// Where the segment ends.
    pub(super) to: u64,
    /// Whether the worker was asked to stop.
    pub(super) stopping: bool,
    /// Whether it has reported the end of the segment.
    pub(super) over: bool,
    /// When its progress was last passed on.
    pub(super) passed_on: Option<Instant>,
}

impl Training {
    pub(super) fn new(segment: SegmentId, to: u64) -> Self {
        Self {
            segment,
            to,
            stopping: false,
            over: false,
            passed_on: None,
        }
    }
}

impl State {
    /// The segment that is being trained, if it is this one.
    pub(super) fn training(&mut self, segment: SegmentId) -> Option<&mut Training> {
        self.training_any().filter(|training| training.segment == segment)
    }

    /// The segment that is being trained, if any.
    pub(super) fn training_any(&mut self) -> Option<&mut Training> {
        match self {
            Self::Busy {
                task: Task::Training(training),
                ..
            } => Some(training),
            Self::Busy { .. } | Self::Starting(_) | Self::Idle => None,
        }
    }

    /// The worker has gone: what the next one begins with, and the task that has failed with it. `left` says whether it has left by
    /// itself, in good order; what it was given and can't have begun, the next one gets.
    pub(super) fn without_worker(self, left: bool) -> (Next, Option<Task>) {
        match self {
            Self::Starting(next) => (next, None),
            Self::Idle => (Next::Wait, None),
            Self::Busy {
                task,
                unanswered: Some(work),
            } if left && !matches!(&task, Task::Training(training) if training.stopping) => (Next::Begin(work), None),
            Self::Busy { task, .. } => (Next::Announce, Some(task)),
        }
    }

    /// How long the worker may be silent; none: for ever. `set` is what the user has set.
    ///
    /// A trainer that says nothing while it trains an epoch of hours is not to be killed for it, so at its work only one that has
    /// promised signs of life is held to them.
    pub(super) fn patience(&self, set: Option<Duration>, features: &[Feature]) -> Option<Duration> {
        let usual = match self {
            Self::Idle => return None,
            Self::Starting(_) => Some(READY),
            Self::Busy {
                task: Task::Training(training),
                ..
            } if training.over => Some(ANSWER),
            Self::Busy { .. } => features.contains(&Feature::Heartbeats).then_some(WORK),
        };
        set.or(usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TrialId;

    const SEGMENT: SegmentId = SegmentId {
        trial: TrialId(1),
        attempt: 1,
    };

    fn busy(task: Task, unanswered: Option<Work>) -> State {
        State::Busy { task, unanswered }
    }

    fn training(stopping: bool, over: bool) -> Task {
        Task::Training(Training {
            stopping,
            over,
            ..Training::new(SEGMENT, 3)
        })
    }

    #[test]
    fn only_who_promised_signs_of_life_is_held_to_them() {
        let set = Some(Duration::from_secs(60));
        let beats = [Feature::Export, Feature::Heartbeats];
        for task in [training(false, false), Task::Evaluating, Task::Exporting("m".into())] {
            let state = busy(task, None);
            assert_eq!(state.patience(None, &[Feature::Export]), None);
            assert_eq!(state.patience(None, &beats), Some(WORK));
            assert_eq!(state.patience(set, &[]), set);
        }
        for (state, usual) in [
            (State::Starting(Next::Announce), READY),
            (busy(training(false, true), None), ANSWER),
        ] {
            assert_eq!(state.patience(None, &[]), Some(usual));
            assert_eq!(state.patience(set, &[]), set);
        }
        assert_eq!(State::Idle.patience(set, &beats), None);
    }

    #[test]
    fn the_next_worker_gets_what_one_that_has_left_in_good_order_has_not_begun() {
        let given = || Some(Work::Evaluate);
        let begins = (Next::Begin(Work::Evaluate), None);
        assert_eq!(busy(training(false, false), given()).without_worker(true), begins);
        assert_eq!(
            State::Starting(Next::Begin(Work::Evaluate)).without_worker(false),
            begins
        );
        for (stopping, unanswered, left) in [(false, given(), false), (false, None, true), (true, given(), true)] {
            let lost = busy(training(stopping, false), unanswered).without_worker(left);
            assert_eq!(lost, (Next::Announce, Some(training(stopping, false))));
        }
        assert_eq!(State::Idle.without_worker(true), (Next::Wait, None));
    }
}
