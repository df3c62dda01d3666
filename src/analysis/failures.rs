//! Why trials have failed for good.

use serde::{Deserialize, Serialize};

use crate::ids::TrialId;
use crate::study::{Study, Trial};

/// The trials of the search that have failed for good, and the most frequent of the reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// How many have failed.
    pub count: usize,
    /// What most of them have failed with: the first line of the message.
    pub message: String,
    /// How many have failed with that.
    pub alike: usize,
    /// The last of these.
    pub trial: TrialId,
}

impl Failures {
    /// Those of a study; none if no trial has failed.
    pub fn of(study: &Study) -> Option<Self> {
        let mut kinds: Vec<(&str, usize, TrialId)> = Vec::new();
        for (trial, message) in study.search_trials().filter_map(failed) {
            match kinds.iter_mut().find(|(known, ..)| *known == message) {
                Some((_, alike, last)) => (*alike, *last) = (*alike + 1, trial),
                None => kinds.push((message, 1, trial)),
            }
        }
        let count = kinds.iter().map(|(_, alike, _)| alike).sum();
        let (message, alike, trial) = kinds.into_iter().max_by_key(|(_, alike, _)| *alike)?;
        Some(Self {
            count,
            message: message.to_owned(),
            alike,
            trial,
        })
    }
}

fn failed(trial: &Trial) -> Option<(TrialId, &str)> {
    let message = trial.state.failure()?;
    Some((trial.id, message.lines().next().unwrap_or_default()))
}
