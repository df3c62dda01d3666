//! Why trials have failed for good.

use std::collections::BTreeMap;

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
        // How many there are of each, the first and the last.
        let mut kinds: BTreeMap<&str, (usize, TrialId, TrialId)> = BTreeMap::new();
        for (trial, message) in study.search_trials().filter_map(failed) {
            let (alike, _, last) = kinds.entry(message).or_insert((0, trial, trial));
            (*alike, *last) = (*alike + 1, trial);
        }
        let count = kinds.values().map(|(alike, ..)| alike).sum();
        let most = kinds.into_iter().max_by_key(|(_, (alike, first, _))| (*alike, *first));
        let (message, (alike, _, trial)) = most?;
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
