//! How much there is to train, and how far the search is.

use serde::{Deserialize, Serialize};

use super::Study;
use super::bracket::rung_sizes;
use super::trial::{Trial, TrialState};

/// How far the search is at a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RungProgress {
    /// The rung's resource.
    pub resource: u64,
    /// How many trials of the search have come to it.
    pub reached: u64,
    /// How many of them go on, or went on, to the next one.
    pub promoted: u64,
    /// How many are meant to come to it, as far as that is known.
    #[serde(rename = "size")]
    pub planned: Option<u64>,
}

impl Study {
    /// The resource that all trials together are trained to if none fails, as far as that is known; confirmation included.
    pub fn planned_resource(&self) -> Option<u64> {
        let mut planned = 0;
        for (rungs, trials) in self.planned_brackets()? {
            let sizes = rung_sizes(rungs.len(), self.spec.policy.eta(), trials);
            let below = std::iter::once(&0).chain(&rungs);
            let steps = rungs.iter().zip(below).map(|(rung, below)| rung - below);
            planned += sizes.iter().zip(steps).map(|(size, step)| size * step).sum::<u64>();
        }
        Some(planned + self.planned_runs() * self.spec.policy.max_resource)
    }

    /// How far the search is at each rung.
    pub fn rungs(&self) -> Vec<RungProgress> {
        let planned = self.planned_brackets();
        // A bracket may begin at a higher rung.
        let ladders: Vec<Vec<u64>> = self.brackets.iter().map(|open| open.bracket.rungs()).collect();
        let has = |trial: &Trial, rung: u64| {
            let ladder = trial.bracket().and_then(|bracket| ladders.get(bracket));
            ladder.is_some_and(|ladder| ladder.contains(&rung))
        };
        let count = |rung: u64, counts: &dyn Fn(&Trial) -> bool| {
            let come = self
                .search_trials()
                .filter(|trial| trial.resource() >= rung && has(trial, rung));
            come.filter(|trial| counts(trial)).count() as u64
        };
        let size = |rung: u64| -> Option<u64> {
            let sizes = planned.as_ref()?.iter().filter_map(|(rungs, trials)| {
                let place = rungs.iter().position(|&other| other == rung)?;
                rung_sizes(rungs.len(), self.spec.policy.eta(), *trials)
                    .get(place)
                    .copied()
            });
            Some(sizes.sum())
        };
        let rungs = self.spec.policy.rungs().into_iter();
        let progress = |resource| RungProgress {
            resource,
            reached: count(resource, &|_| true),
            promoted: count(resource, &|trial| passes(trial, resource)),
            planned: size(resource),
        };
        rungs.map(progress).collect()
    }

    /// Rungs and number of trials of all brackets that have been or will be opened, by their numbers; `None` if trials are added one by
    /// one.
    pub(crate) fn planned_brackets(&self) -> Option<Vec<(Vec<u64>, u64)>> {
        if !self.spec.policy.is_synchronous() {
            return None;
        }
        let open = self.brackets.iter().map(|open| (open.bracket.rungs(), open.trials));
        let mut planned: Vec<(Vec<u64>, u64)> = open.collect();
        let mut left = self.spec.trials
            - planned
                .iter()
                .map(|(_, trials)| trials)
                .sum::<u64>()
                .min(self.spec.trials);
        let (spec, chosen) = (&self.spec, self.presumed_start());
        let bracket = |number, left| spec.policy.bracket(number, chosen, left, || spec.space.size());
        while let Some(plan) = bracket(planned.len() as u64, left) {
            let trials = plan.trials.unwrap_or(left);
            left -= trials.min(left);
            planned.push((plan.rungs, trials));
        }
        Some(planned)
    }

    /// How many rungs the brackets to come will probably skip where the sampler chooses, by where the latest ones have begun; none before the
    /// second bracket.
    fn presumed_start(&self) -> Option<usize> {
        let rungs = self.spec.policy.rungs();
        let latest = self.brackets.iter().skip(1).rev().take(rungs.len());
        let begun = latest.filter_map(|open| {
            let first = open.bracket.rungs().first().copied()?;
            rungs.iter().position(|rung| *rung == first)
        });
        begun.min()
    }

    /// How many brackets are over, how many are open, and how many there are at least, those to come included.
    pub fn brackets(&self) -> [usize; 3] {
        let open = self.brackets.iter().filter(|open| open.unfinished > 0).count();
        let all = self
            .planned_brackets()
            .map_or(self.brackets.len(), |planned| planned.len());
        [self.brackets.len() - open, open, all]
    }
}

/// Whether a trial that has come to a rung goes on beyond it, or has.
fn passes(trial: &Trial, rung: u64) -> bool {
    match trial.state {
        TrialState::Waiting { to } | TrialState::Running { to, .. } => to > rung,
        TrialState::Paused { rung: at } | TrialState::Ahead { rung: at, .. } | TrialState::Pruned { rung: at } => {
            at > rung
        }
        TrialState::Completed | TrialState::Diverged { .. } | TrialState::Failed { .. } => trial.resource() > rung,
    }
}
