//! Confirmation: the best configurations are trained again with other seeds, so that the choice among them does not rest on one
//! lucky run each.
//!
//! Only the runs with fresh seeds count. The value that a trial had in the search was selected for being good, so it is better on
//! average than what the configuration comes to (the winner's curse); for what is trained afterwards nothing was selected.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::Study;
use super::bracket::Rank;
use super::decide::Decider;
use super::event::Fact;
use super::sampler::confirmation_seed;
use super::spec::ConfirmationSpec;
use super::statistics::{interval, mean, probability_lower};
use super::trial::{Trial, TrialState};
use crate::ids::TrialId;

/// What confirmation has come to so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confirmation {
    /// How many runs there are.
    pub runs: usize,
    /// How many of them are over.
    pub over: usize,
    /// The configurations, the best first: by their mean, after the others those with less than two values, which may be luck, then
    /// those of which a run broke what the study requires, then those of which one diverged, and those without a mean last.
    pub configurations: Vec<Confirmed>,
    /// The probability that the first is really better than the second, 0 to 1; none if one of them has less than two values,
    /// or a run that diverged or broke what is required, or if the values of each are all the same.
    pub first_is_better: Option<f64>,
}

/// A configuration that is being confirmed, by its runs with fresh seeds alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The trial of the search.
    pub trial: TrialId,
    /// The best value of the objective that it had there.
    pub search_value: Option<f64>,
    /// The trials that train it again.
    pub runs: Vec<TrialId>,
    /// The best value of each of them that was completed.
    pub values: Vec<f64>,
    /// How many of them have diverged.
    pub diverged: usize,
    /// How many of them have failed.
    pub failed: usize,
    /// How many of those with a value break what the study requires.
    #[serde(default, skip_serializing_if = "is_none")]
    pub infeasible: usize,
    /// The mean of these values.
    pub mean: Option<f64>,
    /// Where the mean of all possible runs lies with 95 % confidence.
    pub interval: Option<(f64, f64)>,
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

impl Confirmed {
    /// Whether the seed has made no difference: there are several values, all the same.
    pub fn is_blind_to_seeds(&self) -> bool {
        self.values.len() > 1 && self.values.windows(2).all(|pair| pair[0] == pair[1])
    }
}

impl Study {
    /// What confirmation has come to; none if it has not begun.
    pub fn confirmation(&self) -> Option<Confirmation> {
        let mut configurations: Vec<Confirmed> = self
            .confirmed
            .keys()
            .map(|&trial| self.confirmed_trial(trial))
            .collect();
        let blemish = |one: &Confirmed| {
            (
                one.mean.is_none(),
                one.diverged > 0,
                one.infeasible > 0,
                one.values.len() < 2,
            )
        };
        configurations.sort_by(|a, b| {
            let means = [a, b].map(|one| self.spec.objective.signed(one.mean.unwrap_or(0.0)));
            let order = blemish(a).cmp(&blemish(b));
            order.then(means[0].total_cmp(&means[1])).then(a.trial.cmp(&b.trial))
        });
        let first_is_better = match &configurations[..] {
            // The values of one that can diverge, or that may not be used, do not say all.
            [first, second, ..] if [first, second].iter().all(|one| one.diverged + one.infeasible == 0) => {
                let costs = |of: &Confirmed| {
                    of.values
                        .iter()
                        .map(|&value| self.spec.objective.signed(value))
                        .collect()
                };
                let (first, second): (Vec<f64>, Vec<f64>) = (costs(first), costs(second));
                probability_lower(&first, &second)
            }
            _ => None,
        };
        let runs = || self.confirmed.values().flatten().filter_map(|&run| self.trial(run));
        (!configurations.is_empty()).then(|| Confirmation {
            runs: runs().count(),
            over: runs().filter(|run| run.state.is_final()).count(),
            configurations,
            first_is_better,
        })
    }

    fn confirmed_trial(&self, trial: TrialId) -> Confirmed {
        let runs = self.confirmed.get(&trial).cloned().unwrap_or_default();
        let of = || runs.iter().filter_map(|&run| self.trial(run));
        let completed = || of().filter(|run| run.state == TrialState::Completed);
        let best = |trial: &Trial| Some(self.spec.objective.signed(trial.best()?.1));
        let values: Vec<f64> = completed().filter_map(best).collect();
        Confirmed {
            trial,
            search_value: self.trial(trial).and_then(best),
            diverged: of()
                .filter(|run| matches!(run.state, TrialState::Diverged { .. }))
                .count(),
            failed: of()
                .filter(|run| matches!(run.state, TrialState::Failed { .. }))
                .count(),
            infeasible: completed()
                .filter(|run| run.score().is_some_and(|score| !score.is_feasible()))
                .count(),
            mean: (!values.is_empty()).then(|| mean(&values)),
            interval: interval(&values),
            values,
            runs,
        }
    }

    /// How many runs confirm the search and will, as far as that is known.
    pub fn planned_runs(&self) -> u64 {
        let begun = self.confirmed.values().map(Vec::len).sum::<usize>() as u64;
        let Some(spec) = self.spec.confirmation.filter(|_| !self.is_search_over()) else {
            return begun;
        };
        let new = spec.configurations.min(self.spec.trials);
        begun + new.saturating_sub(self.confirmed.len() as u64) * spec.seeds
    }

    /// The trial that confirmation chooses: of the configuration with the best mean, the best run, that of the search
    /// included. A run whose checkpoint was deleted before the confirmation was asked for comes last.
    pub(super) fn choose(&self) -> Option<TrialId> {
        let confirmation = self.confirmation()?;
        let first = confirmation
            .configurations
            .first()
            .filter(|first| first.mean.is_some())?;
        let runs = first
            .runs
            .iter()
            .chain([&first.trial])
            .filter_map(|&run| self.trial(run));
        let completed = runs.filter(|run| run.state == TrialState::Completed);
        let ranked = completed.filter_map(|run| Some((run.best_checkpoint().is_none(), Rank::of(run)?)));
        ranked.min().map(|(_, rank)| rank.trial)
    }

    /// The best of the trials of the search that were completed, and of those that were stopped but fulfil what no completed one does;
    /// at most `count` different configurations. With several objectives, of those that are not dominated.
    pub(super) fn leaders(&self, count: u64) -> Vec<&Trial> {
        if self.spec.has_several() {
            return different(count, self.front().into_iter());
        }
        let completed = self.completed.iter().filter_map(|rank| self.trial(rank.trial));
        if self.completed.first().is_none_or(|first| first.score.is_feasible()) {
            return different(count, completed);
        }
        let stopped = self.holders.iter().filter_map(|&id| self.trial(id));
        let stopped = stopped.filter(|trial| trial.state != TrialState::Completed && trial.is_feasible());
        let mut stopped: Vec<Rank> = stopped.filter_map(Rank::of).collect();
        stopped.sort_unstable();
        let stopped = stopped.iter().filter_map(|rank| self.trial(rank.trial));
        different(count, stopped.chain(completed))
    }

    /// Which configurations are to be confirmed: those that fulfil what is required before all others; of these the completed ones with
    /// the lowest scores; if they are too few, those that came farthest before they were pruned; and those that have been confirmed
    /// before, so that all rest on as many runs.
    fn to_confirm(&self, spec: ConfirmationSpec) -> Vec<TrialId> {
        let pruned = self.search_trials().filter_map(|trial| {
            let TrialState::Pruned { rung } = trial.state else {
                return None;
            };
            Some((Reverse(rung), Rank::of(trial)?))
        });
        let completed = self.completed.iter().map(|&rank| (Reverse(u64::MAX), rank));
        let mut ranked: Vec<(Reverse<u64>, Rank)> = completed.chain(pruned).collect();
        ranked.sort_unstable_by_key(|(rung, rank)| (!rank.score.is_feasible(), *rung, *rank));
        let ranked = ranked.iter().filter_map(|(_, rank)| self.trial(rank.trial));
        let mut chosen: Vec<TrialId> = different(spec.configurations, ranked)
            .iter()
            .map(|trial| trial.id)
            .collect();
        let before: Vec<TrialId> = self
            .confirmed
            .keys()
            .filter(|id| !chosen.contains(id))
            .copied()
            .collect();
        chosen.extend(before);
        chosen
    }
}

/// The first trials of at most `count` different configurations.
fn different<'a>(count: u64, trials: impl Iterator<Item = &'a Trial>) -> Vec<&'a Trial> {
    let mut found: Vec<&Trial> = Vec::new();
    for trial in trials {
        if found.len() as u64 >= count {
            break;
        }
        if !found.iter().any(|other| other.parameters == trial.parameters) {
            found.push(trial);
        }
    }
    found
}

impl Decider<'_> {
    /// Once the search is over, creates all runs that are missing, each configuration's first before any one's second.
    pub(super) fn confirm(&mut self) {
        let study = &self.study;
        let Some(spec) = study.spec.confirmation.filter(|_| study.is_search_over()) else {
            return;
        };
        let configurations = study.to_confirm(spec);
        for number in 0..spec.seeds {
            for &confirms in &configurations {
                let study = &self.study;
                let begun = study.confirmed.get(&confirms).map_or(0, Vec::len) as u64;
                let Some(of) = study.trial(confirms).filter(|_| begun <= number) else {
                    continue;
                };
                let seed = confirmation_seed(study.spec.seed, confirms, of.seed, number, study.spec.trainer.seeds());
                let trial = TrialId(study.trials.len() as u64);
                self.record(Fact::ConfirmationCreated { trial, confirms, seed });
            }
        }
    }
}
