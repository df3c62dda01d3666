//! What is new of a trial since it was last exported, for formats that are written on and not anew.

use super::Trials;
use crate::study::{Report, Trial, TrialStatus};

/// What has been exported of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exported {
    /// The resource of the last report.
    pub resource: u64,
    /// Whether it was said to have been begun.
    pub started: bool,
    /// Where it stood.
    pub state: TrialStatus,
}

impl Exported {
    /// Nothing but that there is the trial.
    pub const NOTHING: Self = Self {
        resource: 0,
        started: false,
        state: TrialStatus::Waiting,
    };

    /// All of a trial.
    pub fn all(trial: &Trial) -> Self {
        Self {
            resource: trial.resource(),
            started: trial.attempts > 0,
            state: trial.state.status(),
        }
    }

    /// Its reports that have not been exported.
    pub fn new_reports<'t>(&self, trial: &'t Trial) -> impl Iterator<Item = (u64, &'t Report)> {
        let after = self.resource + 1;
        trial
            .reports
            .range(after..)
            .map(|(&resource, report)| (resource, report))
    }
}

/// Whether a trial that was exported as ended goes on, because its user has had it tried again.
pub(super) fn goes_on(exported: &[Exported], trials: Trials<'_>) -> bool {
    let pairs = exported.iter().zip(trials.study.trials());
    pairs
        .filter(|(exported, _)| exported.state.is_final())
        .any(|(_, trial)| !trial.state.is_final())
}
