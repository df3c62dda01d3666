//! How long a worker may be silent.

use std::path::PathBuf;
use std::time::Duration;

use hpo_protocol::Feature;

use crate::ids::SegmentId;

/// How long a worker may be silent that owes an answer which takes little work: to be ready, or to be done after the last
/// report of its segment. Loading a large model or corpus can take long. Its checkpoint has to be read in that time too.
pub(super) const ANSWER: Duration = Duration::from_secs(60 * 60);

/// How long a worker may be silent at its work that has said it sends signs of life.
const WORK: Duration = Duration::from_secs(30 * 60);

/// What a worker is at.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Task {
    /// It is not ready yet.
    Starting,
    /// Nothing.
    Idle,
    /// It measures the untrained model.
    Evaluating,
    /// It writes a model to this directory.
    Exporting(PathBuf),
    /// It trains a segment.
    Training {
        segment: SegmentId,
        /// Where the segment ends.
        to: u64,
        /// Whether it was asked to stop.
        stopping: bool,
        /// Whether it has reported the end of the segment.
        over: bool,
    },
}

impl Task {
    /// Whether it is this segment.
    pub(super) fn is_segment(&self, id: SegmentId) -> bool {
        matches!(self, Self::Training { segment, .. } if *segment == id)
    }
}

/// How long a worker may be silent; none: for ever. `set` is what the user has set.
///
/// A trainer that says nothing while it trains an epoch of hours is not to be killed for it, so at its work only one that has said
/// that it sends signs of life is held to it.
pub(super) fn patience(task: &Task, set: Option<Duration>, features: &[Feature]) -> Option<Duration> {
    let usual = match task {
        Task::Idle => return None,
        Task::Starting | Task::Training { over: true, .. } => Some(ANSWER),
        Task::Evaluating | Task::Exporting(_) | Task::Training { .. } => {
            features.contains(&Feature::Heartbeats).then_some(WORK)
        }
    };
    set.or(usual)
}

/// What is told of a worker that was silent for so long, or of which nothing was heard but prints without end.
pub(super) fn silence(limit: Option<Duration>, floods: bool) -> String {
    let minutes = limit.unwrap_or_default().as_secs_f64() / 60.0;
    let (minutes, s) = ((minutes * 100.0).round() / 100.0, if minutes == 1.0 { "" } else { "s" });
    let what = match floods {
        true => "printed without end and sent no message",
        false => "gave no sign of life",
    };
    format!("the worker {what} for {minutes} minute{s}; how long it may be silent is `silence_minutes` under [slots]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TrialId;

    #[test]
    fn only_who_promised_signs_of_life_is_held_to_them() {
        let training = |over| Task::Training {
            segment: SegmentId {
                trial: TrialId(1),
                attempt: 1,
            },
            to: 3,
            stopping: false,
            over,
        };
        let set = Some(Duration::from_secs(60));
        let beats = [Feature::Export, Feature::Heartbeats];
        for task in [training(false), Task::Evaluating, Task::Exporting("m".into())] {
            assert_eq!(patience(&task, None, &[Feature::Export]), None);
            assert_eq!(patience(&task, None, &beats), Some(WORK));
            assert_eq!(patience(&task, set, &[]), set);
        }
        for task in [Task::Starting, training(true)] {
            assert_eq!(patience(&task, None, &[]), Some(ANSWER));
            assert_eq!(patience(&task, set, &[]), set);
        }
        assert_eq!(patience(&Task::Idle, set, &beats), None);
    }
}
