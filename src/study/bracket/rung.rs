//! What stands at a rung, and what is decided there.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::ids::TrialId;
use crate::study::pareto::Point;
use crate::study::score::Score;
use crate::study::trial::{Report, Trial};

/// A decision at a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The trial goes on to the resource of the next rung.
    Promote {
        /// The next rung's resource.
        to: u64,
    },
    /// The trial ends here.
    Prune,
    /// The trial has been through the last rung.
    Complete,
}

/// A trial at a rung.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry<'a> {
    /// The trial.
    pub trial: TrialId,
    /// Its lowest score up to the rung; none if it has diverged or failed on the way.
    pub best: Option<Score>,
    /// What it comes to by all objectives, if there are several; none if it was lost on the way.
    pub point: Option<&'a Point>,
    /// All of its validations.
    pub curve: &'a BTreeMap<u64, Report>,
}

/// By what is decided at a rung, as it stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Rule {
    /// Of a fixed number of trials the best go on, as soon as none that is missing can change who these are.
    Fixed {
        /// How many have come, those that were lost on the way included.
        came: u64,
        /// How many can still come.
        missing: u64,
        /// How many go on.
        promoted: u64,
    },
    /// Of those that have come so far the best may go on.
    SoFar {
        /// How many have come, those that were lost on the way included.
        came: u64,
        /// How many of them may go on.
        promoted: u64,
        /// Whether the others are stopped as they come, and do not wait.
        stops: bool,
    },
    /// Those go on whose best is no worse than most of the others are on average.
    Percentile {
        /// With how many others it is compared.
        others: u64,
        /// How many there must be, or none is stopped.
        startup: u64,
        /// The share of the others, in percent.
        percentile: f64,
        /// The mean cost that its best must not be above; none if there are too few.
        limit: Option<f64>,
    },
}

/// A trial that goes on to the next rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promotion {
    /// The trial.
    pub trial: TrialId,
    /// The resource of its rung.
    pub rung: u64,
    /// The next rung's resource.
    pub to: u64,
}

/// Orders trials by score, then by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::study) struct Rank {
    pub score: Score,
    pub trial: TrialId,
}

impl Rank {
    /// That of the trial at a place, from 0.
    pub(in crate::study) fn at((trial, place): (TrialId, u32)) -> (TrialId, Self) {
        let score = f64::from(place).into();
        (trial, Self { score, trial })
    }

    /// That of a trial by its best validation; none without one.
    pub(in crate::study) fn of(trial: &Trial) -> Option<Self> {
        let score = trial.score()?;
        Some(Self { score, trial: trial.id })
    }
}
