//! When what happened to trials, which a study does not keep.

use crate::ids::{Timestamp, TrialId};
use crate::study::{Fact, Record, Study};

/// The times of all trials.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<TrialTimes>);

/// When what happened to a trial.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrialTimes {
    /// When its configuration was drawn.
    pub created: Timestamp,
    /// When its first segment was begun.
    pub started: Option<Timestamp>,
    /// When it came to its end.
    pub ended: Option<Timestamp>,
}

impl Times {
    /// Takes in a record; the study is as that leaves it.
    pub fn observe(&mut self, study: &Study, record: &Record) {
        let Some(id) = record.fact.trial() else { return };
        let at = record.at;
        if let Fact::TrialCreated { .. } | Fact::ConfirmationCreated { .. } = record.fact {
            self.0.push(TrialTimes {
                created: at,
                ..TrialTimes::default()
            });
        }
        let (Some(times), Some(trial)) = (self.0.get_mut(id.0 as usize), study.trial(id)) else {
            return;
        };
        if let Fact::SegmentStarted { .. } = record.fact {
            times.started.get_or_insert(at);
        }
        if trial.state.is_final() {
            times.ended.get_or_insert(at);
        } else {
            // It may have been tried again.
            times.ended = None;
        }
    }

    /// Those of a trial.
    pub fn of(&self, trial: TrialId) -> TrialTimes {
        self.0.get(trial.0 as usize).copied().unwrap_or_default()
    }
}
