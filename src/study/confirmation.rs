//! Confirmation: the best configurations are trained again with other seeds, so that the choice among them does not rest on one
//! lucky run each.
//!
//! Only the runs with fresh seeds count. The loss that a trial had in the search was selected for being low, so it is lower on
//! average than what the configuration comes to (the winner's curse); for what is trained afterwards nothing was selected.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::Study;
use super::bracket::Rank;
use super::decide::Decider;
use super::event::Fact;
use super::sampler::confirmation_seed;
use super::trial::{Trial, TrialId, TrialState};

/// How much is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmationSpec {
    /// How many configurations, at least 1.
    pub configurations: u64,
    /// With how many seeds each is trained again, at least 2.
    pub seeds: u64,
}

impl ConfirmationSpec {
    /// Whether it is as much as `other` in all respects.
    pub fn covers(self, other: Self) -> bool {
        self.configurations >= other.configurations && self.seeds >= other.seeds
    }
}

/// What confirmation has come to so far.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Confirmation {
    /// How many runs there are.
    pub runs: usize,
    /// How many of them are over.
    pub over: usize,
    /// The configurations, the best first: by their mean, after the others those with less than two losses, which may be luck, then
    /// those of which a run diverged, and those without a mean last.
    pub configurations: Vec<Confirmed>,
    /// The probability that the first is really better than the second, 0 to 1; none if one of them has less than two losses,
    /// or a run that diverged, or if the losses of each are all the same.
    pub first_is_better: Option<f64>,
}

/// A configuration that is being confirmed, by its runs with fresh seeds alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Confirmed {
    /// The trial of the search.
    pub trial: TrialId,
    /// Its lowest validation loss there.
    pub search_loss: Option<f64>,
    /// The trials that train it again.
    pub runs: Vec<TrialId>,
    /// The lowest validation loss of each of them that was completed.
    pub losses: Vec<f64>,
    /// How many of them have diverged.
    pub diverged: usize,
    /// How many of them have failed.
    pub failed: usize,
    /// The mean of the losses.
    pub mean: Option<f64>,
    /// Where the mean of all possible runs lies with 95 % confidence.
    pub interval: Option<(f64, f64)>,
}

impl Confirmed {
    /// Whether the seed has made no difference: there are several losses, all the same.
    pub fn is_blind_to_seeds(&self) -> bool {
        self.losses.len() > 1 && self.losses.windows(2).all(|pair| pair[0] == pair[1])
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
        let blemish = |one: &Confirmed| (one.mean.is_none(), one.diverged > 0, one.losses.len() < 2);
        configurations.sort_by(|a, b| {
            let means = [a, b].map(|one| one.mean.unwrap_or(0.0));
            let order = blemish(a).cmp(&blemish(b));
            order.then(means[0].total_cmp(&means[1])).then(a.trial.cmp(&b.trial))
        });
        let first_is_better = match &configurations[..] {
            // Of one that can diverge the losses do not tell all.
            [first, second, ..] if first.diverged + second.diverged == 0 => {
                probability_lower(&first.losses, &second.losses)
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
        let completed = of().filter(|run| run.state == TrialState::Completed);
        let losses: Vec<f64> = completed.filter_map(|run| Some(run.best()?.1)).collect();
        Confirmed {
            trial,
            search_loss: self.trial(trial).and_then(|trial| Some(trial.best()?.1)),
            diverged: of()
                .filter(|run| matches!(run.state, TrialState::Diverged { .. }))
                .count(),
            failed: of()
                .filter(|run| matches!(run.state, TrialState::Failed { .. }))
                .count(),
            mean: (!losses.is_empty()).then(|| mean(&losses)),
            interval: interval(&losses),
            losses,
            runs,
        }
    }

    /// How many runs confirm the search and will, as far as that can be told.
    pub fn planned_runs(&self) -> u64 {
        let begun = self.confirmed.values().map(Vec::len).sum::<usize>() as u64;
        let Some(spec) = self.spec.confirmation.filter(|_| !self.is_search_over()) else {
            return begun;
        };
        let new = spec.configurations.min(self.spec.trials);
        begun + new.saturating_sub(self.confirmed.len() as u64) * spec.seeds
    }

    /// The trial that confirmation chooses: of the configuration with the lowest mean, the run with the lowest loss, that of the
    /// search included. A run whose checkpoint was deleted before the confirmation was asked for comes last.
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
        let ranked = completed.filter_map(|run| {
            let rank = Rank {
                loss: run.best()?.1,
                trial: run.id,
            };
            Some((run.best_checkpoint().is_none(), rank))
        });
        ranked.min().map(|(_, rank)| rank.trial)
    }

    /// The completed trials of the search with the lowest losses, at most `count` different configurations.
    pub(super) fn leaders(&self, count: u64) -> Vec<&Trial> {
        different(count, self.completed.iter().filter_map(|rank| self.trial(rank.trial)))
    }

    /// Which configurations are to be confirmed: those with the lowest losses; if too few trials were completed, then those that came
    /// farthest before they were pruned; and those that have been confirmed before, so that all rest on as many runs.
    fn to_confirm(&self, spec: ConfirmationSpec) -> Vec<TrialId> {
        let pruned = self.search_trials().filter_map(|trial| {
            let TrialState::Pruned { rung } = trial.state else {
                return None;
            };
            let loss = trial.best()?.1;
            Some((Reverse(rung), Rank { loss, trial: trial.id }))
        });
        let mut pruned: Vec<(Reverse<u64>, Rank)> = pruned.collect();
        pruned.sort_unstable();
        let pruned = pruned.iter().map(|(_, rank)| rank);
        let ranked = self
            .completed
            .iter()
            .chain(pruned)
            .filter_map(|rank| self.trial(rank.trial));
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
                let seed = confirmation_seed(study.spec.seed, confirms, of.seed, number);
                let trial = study.trials.len() as TrialId;
                self.record(Fact::ConfirmationCreated { trial, confirms, seed });
            }
        }
    }
}

fn mean(losses: &[f64]) -> f64 {
    losses.iter().sum::<f64>() / losses.len() as f64
}

/// The square of the standard error of the mean; none of less than two losses.
fn squared_error(losses: &[f64]) -> Option<f64> {
    let (mean, count) = (mean(losses), losses.len() as f64);
    let squares = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>();
    (losses.len() > 1).then(|| squares / (count - 1.0) / count)
}

/// The 95 % confidence interval of the mean by Student's t distribution (Student, "The Probable Error of a Mean", 1908): the losses
/// of runs are taken to be normal, with a variance that is not known. None of less than two losses.
fn interval(losses: &[f64]) -> Option<(f64, f64)> {
    let error = squared_error(losses)?.sqrt();
    let t = StudentsT::new(0.0, 1.0, losses.len() as f64 - 1.0).ok()?;
    let (mean, half) = (mean(losses), t.inverse_cdf(0.975) * error);
    Some((mean - half, mean + half))
}

/// The probability that the mean of all possible runs is lower where `a` came from than where `b` did: one less the one-sided
/// p value of Welch's t test ("The Generalization of 'Student's' Problem when Several Different Population Variances are
/// Involved", 1947, with the degrees of freedom of Satterthwaite, "An Approximate Distribution of Estimates of Variance
/// Components", 1946). With nothing known beforehand it is, nearly, the probability given these runs. None if one of them has less
/// than two losses, or if neither varies: that tells nothing of how much runs differ.
fn probability_lower(a: &[f64], b: &[f64]) -> Option<f64> {
    let (of_a, of_b) = (squared_error(a)?, squared_error(b)?);
    let difference = mean(b) - mean(a);
    let both = of_a + of_b;
    if both <= 0.0 {
        return None;
    }
    // As shares of the whole, whose squares can't vanish.
    let freedom = |share: f64, losses: &[f64]| share.powi(2) / (losses.len() as f64 - 1.0);
    let freedom = 1.0 / (freedom(of_a / both, a) + freedom(of_b / both, b));
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(t.cdf(difference / both.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    /// `scipy.stats.t.interval(0.95, n - 1, mean, sem)`, scipy 1.17.
    #[test]
    fn the_interval_is_that_of_student() {
        let of = |losses: &[f64], low: f64, high: f64| {
            let found = interval(losses).unwrap();
            near(found.0, low);
            near(found.1, high);
        };
        of(&[0.2058, 0.2049, 0.2071], 0.203185767718263, 0.20868089894840366);
        of(
            &[0.2074, 0.2066, 0.2099, 0.2081],
            0.20576095055423585,
            0.2102390494457642,
        );
        of(&[0.31, 0.35], 0.07587590527650623, 0.5841240947234937);
        of(&[0.5; 3], 0.5, 0.5);
        assert_eq!(interval(&[0.5]), None, "one run tells nothing of how much runs differ");
        assert_eq!(interval(&[]), None);
    }

    /// `1 - scipy.stats.ttest_ind(a, b, equal_var=False, alternative="less").pvalue`.
    #[test]
    fn the_probability_is_that_of_welch() {
        let of = |a: &[f64], b: &[f64], expected: f64| {
            near(probability_lower(a, b).unwrap(), expected);
            near(probability_lower(b, a).unwrap(), 1.0 - expected);
        };
        of(
            &[0.2058, 0.2049, 0.2071],
            &[0.2074, 0.2066, 0.2099, 0.2081],
            0.9588885950706347,
        );
        of(&[0.31, 0.35], &[0.30, 0.42, 0.29, 0.33, 0.37], 0.6397105929655375);
        of(&[1.0, 1.0], &[1.5, 2.5], 0.8524163823495667);
        assert_eq!(probability_lower(&[1.0, 1.0], &[2.0, 2.0]), None);
        of(
            &[1e-100, 3e-100],
            &[2e-100, 4e-100],
            probability_lower(&[1.0, 3.0], &[2.0, 4.0]).unwrap(),
        );
        assert_eq!(probability_lower(&[1.0], &[1.0, 2.0]), None);
    }

    /// Of intervals for the mean of normal numbers 95 % hold it, and of comparisons between equals those that are sure by 90 % are
    /// wrong in 10 %.
    #[test]
    fn certainty_is_as_often_right_as_it_says() {
        use rand::SeedableRng;
        use statrs::distribution::Normal;

        const STUDIES: usize = 4000;
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let normal = Normal::new(0.3, 0.02).unwrap();
        let mut run = || normal.inverse_cdf(rand::RngExt::random(&mut random));
        let mut runs = || -> Vec<f64> { (0..4).map(|_| run()).collect() };
        let (mut held, mut sure) = (0, 0);
        for _ in 0..STUDIES {
            let (a, b) = (runs(), runs());
            let (low, high) = interval(&a).unwrap();
            held += usize::from((low..high).contains(&0.3));
            sure += usize::from(probability_lower(&a, &b).unwrap() > 0.9);
        }
        let share = |count: usize| count as f64 / STUDIES as f64;
        assert!((share(held) - 0.95).abs() < 0.015, "{}", share(held));
        assert!((share(sure) - 0.1).abs() < 0.02, "{}", share(sure));
    }
}
