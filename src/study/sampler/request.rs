//! What is to be drawn, and what may be known for it.

use hpo_protocol::Values;

use crate::space::SearchSpace;

/// What is known of a trial, of this study or an earlier one, when others are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation<'a> {
    /// Its configuration.
    pub parameters: &'a Values,
    /// Its lowest cost up to each rung that it has reached, by the rung's resource, ascending. Finite. None yet
    /// for a trial that is still on its way to the first rung.
    pub costs: Vec<(u64, f64)>,
    /// Whether it has diverged, or failed for good: worse than any that has not.
    pub failed: bool,
}

/// The space, and what trials have shown of it.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// The space.
    pub space: &'a SearchSpace,
    /// The resources of the rungs, ascending.
    pub rungs: &'a [u64],
    /// All earlier trials whose results may be used, those of an earlier study first, by number. With a synchronous policy they depend on no timing, so that
    /// the same study draws the same configurations wherever it runs.
    pub observations: &'a [Observation<'a>],
}

/// What is to be drawn.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What it may depend on.
    pub history: History<'a>,
    /// The study's seed.
    pub seed: u64,
    /// The number of the bracket's first rung among those of the history.
    pub start: usize,
    /// How many trials the search has: the number of the first one to be drawn.
    pub first: u64,
    /// How many are drawn at once.
    pub count: u64,
}

impl Request<'_> {
    /// The numbers of the trials that are drawn.
    pub(super) fn trials(&self) -> std::ops::Range<u64> {
        self.first..self.first + self.count
    }
}
