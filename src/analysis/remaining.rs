//! How long a study still takes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::paces::Paces;
use crate::ids::{Timestamp, TrialId};
use crate::study::{Study, Trial, TrialState, rung_sizes};

/// More work than this is not planned piece by piece: its end hardly matters, and it is planned anew whenever something happens.
const MOST: u64 = 20_000;

/// What is still to be trained for a rung.
#[derive(Debug, Clone, Default)]
struct Stage {
    /// The resource from the rung below to it.
    step: f64,
    /// How many milliseconds each trial on its way to it still has to go.
    under_way: Vec<f64>,
    /// How many more will come.
    to_come: u64,
    /// The paces of those of them that are known, or foreseen, from the last one on.
    paces: Vec<f64>,
    /// How many slots are at it.
    slots: usize,
}

impl Stage {
    fn work(&self, paces: &Paces) -> f64 {
        self.under_way.iter().sum::<f64>() + self.to_come as f64 * self.step * paces.mean()
    }

    fn is_over(&self) -> bool {
        self.under_way.is_empty() && self.to_come == 0 && self.slots == 0
    }

    /// How many trials have not come to the rung.
    fn missing(&self) -> u64 {
        (self.under_way.len() + self.slots) as u64 + self.to_come
    }

    /// Gives a slot some work: a new trial only if there is room for more than may still come from the rung below, at which so many are
    /// `missing`. Then it is certain that one of those that are there goes on.
    fn take(&mut self, missing: u64, paces: &Paces) -> Option<f64> {
        let work = self.under_way.pop().or_else(|| {
            let comes = self.to_come > missing;
            comes.then(|| {
                let pace = self.paces.pop().unwrap_or_else(|| paces.of_another(self.to_come));
                self.to_come -= 1;
                self.step * pace
            })
        });
        self.slots += usize::from(work.is_some());
        work
    }
}

/// How many milliseconds a study still takes on so many slots, at least 1, if no more trial fails; `None` before any trial has trained,
/// and if it is not known how many trials there will be at each rung.
/// `at` is how far a running trial is, if that is known better than by its last report.
pub fn remaining_ms(study: &Study, now: Timestamp, slots: usize, at: &dyn Fn(TrialId) -> Option<f64>) -> Option<u64> {
    let paces = Paces::of(study)?;
    let position = |trial: &Trial| position(study, trial, now, &paces, at);
    Some(length(study, &paces, slots, &position)? as u64)
}

/// How far a trial is on its way to its next rung, ahead of the decision too; none if it is on no way.
type Position<'p> = &'p dyn Fn(&Trial) -> Option<f64>;

/// The milliseconds that all trials take, one after the other on each slot; `None` if it is not known how many there will be at each
/// rung.
fn length(study: &Study, paces: &Paces, slots: usize, position: Position<'_>) -> Option<f64> {
    let spec = study.spec();
    let mut brackets = search(study, paces, position)?;
    brackets.push(vec![confirmation(study, paces, position)]);
    let plan = Plan {
        brackets,
        over: 0,
        together: match spec.sampler.is_adaptive() {
            true => spec.policy.parallel_brackets.max(1) as usize,
            false => usize::MAX,
        },
        paces,
    };
    Some(plan.length(slots.max(1)))
}

/// All that is still to be trained. What slots without work train ahead of decisions is left out, as it may be for nothing; what they
/// have so trained by now is not.
struct Plan<'p> {
    /// The stages of each bracket; the last one is the confirmation, which comes after all others.
    brackets: Vec<Vec<Stage>>,
    /// How many brackets, from the first one, are over.
    over: usize,
    /// How many may be under way at once.
    together: usize,
    paces: &'p Paces,
}

impl Plan<'_> {
    /// How long slots need that always take the first work there is (list scheduling; Graham, 1966).
    fn length(mut self, slots: usize) -> f64 {
        let stages = || self.brackets.iter().flatten();
        if stages()
            .map(|stage| stage.to_come + stage.under_way.len() as u64)
            .sum::<u64>()
            > MOST
        {
            return stages().map(|stage| stage.work(self.paces)).sum::<f64>() / slots as f64;
        }
        let mut now = 0.0;
        // When each slot is done, and with which stage. Times are not negative, so that their bits are in the same order.
        let mut busy: BinaryHeap<Reverse<(u64, [usize; 2])>> = BinaryHeap::new();
        loop {
            while busy.len() < slots
                && let Some((place, work)) = self.take()
            {
                busy.push(Reverse((f64::to_bits(now + work), place)));
            }
            let Some(Reverse((end, [bracket, stage]))) = busy.pop() else {
                return now;
            };
            now = f64::from_bits(end);
            self.brackets[bracket][stage].slots -= 1;
        }
    }

    /// The work that a slot takes, and the bracket and the stage that it is of: of the oldest bracket, at its highest rung.
    fn take(&mut self) -> Option<([usize; 2], f64)> {
        let is_over = |stages: &Vec<Stage>| stages.iter().all(Stage::is_over);
        self.over += self.brackets[self.over..]
            .iter()
            .take_while(|stages| is_over(stages))
            .count();
        let open = (self.over..self.brackets.len()).take_while(|bracket| self.is_open(*bracket));
        for bracket in open.collect::<Vec<_>>() {
            let stages = &mut self.brackets[bracket];
            for stage in (0..stages.len()).rev() {
                let missing = stage.checked_sub(1).map_or(0, |below| stages[below].missing());
                if let Some(work) = stages[stage].take(missing, self.paces) {
                    return Some(([bracket, stage], work));
                }
            }
        }
        None
    }

    /// Whether a bracket can be under way: one that learns from others is drawn when all but the last few before it are over, and the first
    /// of these is past its first rung.
    fn is_open(&self, bracket: usize) -> bool {
        if bracket + 1 == self.brackets.len() {
            return self.over == bracket;
        }
        let Some(known) = (bracket + 1).checked_sub(self.together) else {
            return true;
        };
        self.over >= known && (known == bracket || self.brackets[known].first().is_none_or(Stage::is_over))
    }
}

/// The stages of each bracket that is open or planned.
fn search(study: &Study, paces: &Paces, position: Position<'_>) -> Option<Vec<Vec<Stage>>> {
    let plan = study.planned_brackets()?;
    let eta = study.spec().policy.eta();
    let stages = plan.iter().map(|(rungs, trials)| {
        let below = std::iter::once(&0).chain(rungs);
        let sizes = rung_sizes(rungs.len(), eta, *trials);
        let stages = rungs.iter().zip(below).zip(sizes);
        let stages = stages.map(|((rung, below), size)| Stage {
            step: (rung - below) as f64,
            to_come: size,
            ..Stage::default()
        });
        stages.collect()
    });
    let mut stages: Vec<Vec<Stage>> = stages.collect();
    let mut candidates: Vec<Vec<Candidate>> = vec![Vec::new(); stages.len()];
    for trial in study.search_trials() {
        let Some(number) = trial.bracket().filter(|number| *number < plan.len()) else {
            continue;
        };
        let (rungs, stages) = (&plan[number].0, &mut stages[number]);
        let came = if trial.exhausted { u64::MAX } else { trial.resource() };
        let passed = rungs.iter().take_while(|rung| **rung <= came).count();
        let lost = matches!(trial.state, TrialState::Diverged { .. } | TrialState::Failed { .. });
        let position = position(trial);
        // A lost trial does not come to its next rung, and nobody comes instead.
        let next = usize::from(passed < rungs.len() && (lost || position.is_some()));
        for stage in &mut stages[..passed + next] {
            stage.to_come = stage.to_come.saturating_sub(1);
        }
        if let (Some(position), Some(stage)) = (position, stages.get_mut(passed)) {
            let left = (rungs[passed] as f64 - position).clamp(0.0, stage.step);
            stage.under_way.push(left * paces.of_trial(trial));
        }
        if !trial.state.is_final() {
            candidates[number].push(Candidate {
                stage: passed + next,
                cost: trial.best().map_or(f64::INFINITY, |(_, cost)| cost),
                pace: paces.of_trial(trial),
            });
        }
    }
    for (stages, candidates) in stages.iter_mut().zip(&mut candidates) {
        foresee(stages, candidates);
    }
    Some(stages)
}

/// A trial that may be among those that come to a rung.
#[derive(Debug, Clone)]
struct Candidate {
    /// The first stage at which it is neither through nor under way.
    stage: usize,
    /// Its lowest cost so far.
    cost: f64,
    pace: f64,
}

/// Takes those who will come to each rung to be those who are the best now.
fn foresee(stages: &mut [Stage], candidates: &mut [Candidate]) {
    candidates.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    for (place, stage) in stages.iter_mut().enumerate() {
        let may_come = candidates.iter().filter(|candidate| candidate.stage <= place);
        let come = may_come.take(usize::try_from(stage.to_come).unwrap_or(usize::MAX));
        stage.paces = come.map(|candidate| candidate.pace).collect();
    }
}

fn confirmation(study: &Study, paces: &Paces, position: Position<'_>) -> Stage {
    let confirming = || study.trials().iter().filter(|trial| trial.confirms().is_some());
    let step = study.spec().policy.max_resource as f64;
    let left =
        confirming().filter_map(|trial| Some((step - position(trial)?).clamp(0.0, step) * paces.of_trial(trial)));
    Stage {
        step,
        under_way: left.collect(),
        to_come: study.planned_runs().saturating_sub(confirming().count() as u64),
        ..Stage::default()
    }
}

fn position(
    study: &Study,
    trial: &Trial,
    now: Timestamp,
    paces: &Paces,
    at: &dyn Fn(TrialId) -> Option<f64>,
) -> Option<f64> {
    match trial.state {
        TrialState::Waiting { .. } => Some(trial.resource() as f64),
        TrialState::Running {
            at: reported,
            to,
            since,
            ..
        }
        | TrialState::Ahead {
            at: reported,
            to,
            since,
            ..
        } => {
            let expected = || {
                let next = study.spec().policy.next_report(reported, to) as f64;
                let gone = reported as f64 + now.since(since) as f64 / paces.of_trial(trial).max(1e-9);
                // It has not reported yet.
                gone.min(next)
            };
            Some(at(trial.id).unwrap_or_else(expected))
        }
        TrialState::Paused { .. } => trial.ahead.reports.last_key_value().map(|(&at, _)| at as f64),
        TrialState::Pruned { .. } | TrialState::Completed | TrialState::Diverged { .. } | TrialState::Failed { .. } => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::tests::{Core, spec};

    #[test]
    fn what_is_left_is_what_the_rungs_still_need() {
        // 9 trials to rung 1, 3 of them to 3, one to 9.
        let mut study = spec(9, 9, 3);
        study.policy.speculation = false;
        let mut core = Core::new(study, 9);
        let known = |trial: &Trial| {
            position(&Study::new(spec(9, 9, 3)), trial, Timestamp(0), &Paces::even(), &|_| {
                None
            })
        };
        let left = |core: &Core, slots| length(&core.study, &Paces::even(), slots, &known).unwrap();
        assert_eq!(left(&core, 1), 9.0 + 3.0 * 2.0 + 6.0);
        // Each rung waits for the one below.
        assert_eq!(left(&core, 9), 1.0 + 2.0 + 6.0);
        // When eight have come, two go on at once: however the last one does, there are three places. It is alone then, and so is the third.
        assert_eq!(left(&core, 2), 4.0 + 2.0 + 1.0 + 2.0 + 6.0);
        core.report(TrialId(0), 1, 0.5);
        assert_eq!(left(&core, 1), 8.0 + 3.0 * 2.0 + 6.0);
        let halfway = |trial: &Trial| {
            if trial.id == TrialId(1) {
                Some(0.5)
            } else {
                known(trial)
            }
        };
        let halfway = length(&core.study, &Paces::even(), 1, &halfway);
        assert_eq!(halfway, Some(7.5 + 3.0 * 2.0 + 6.0));
        for trial in 1..9 {
            core.report(TrialId(trial), 1, 0.1 * trial as f64);
        }
        assert_eq!(left(&core, 1), 3.0 * 2.0 + 6.0);
    }

    #[test]
    fn it_falls_with_each_report_although_the_longest_way_is_the_same() {
        let mut study = spec(27, 9, 3);
        study.policy.speculation = false;
        let mut core = Core::new(study, 27);
        let mut before = f64::INFINITY;
        // Nobody is promoted as long as nine others may be better.
        for trial in 0..18 {
            let known = |trial: &Trial| position(&core.study, trial, Timestamp(0), &Paces::even(), &|_| None);
            let left = length(&core.study, &Paces::even(), 2, &known).unwrap();
            // Two slots train two trials at a time.
            let falls = trial % 2 == 0 || left < before;
            assert!(left <= before && falls, "{trial}: {left} after {before}");
            before = left;
            core.report(TrialId(trial), 1, 0.1);
        }
    }

    #[test]
    fn brackets_that_learn_from_others_wait_for_these() {
        let length = |together, slots| {
            let stage = |step, to_come| Stage {
                step,
                to_come,
                ..Stage::default()
            };
            // 3 trials to 1 and one of them to 3.
            let bracket = vec![stage(1.0, 3), stage(2.0, 1)];
            let confirmation = vec![stage(3.0, 2)];
            let plan = Plan {
                brackets: vec![bracket.clone(), bracket.clone(), bracket, confirmation],
                over: 0,
                together,
                paces: &Paces::even(),
            };
            plan.length(slots)
        };
        assert_eq!(length(usize::MAX, 1), 3.0 * 5.0 + 6.0);
        assert_eq!(length(1, 1), 3.0 * 5.0 + 6.0);
        assert_eq!(length(1, 3), 3.0 * (1.0 + 2.0) + 3.0);
        // All begin at once.
        assert_eq!(length(usize::MAX, 9), 1.0 + 2.0 + 3.0);
        // The second after the first rung of the first, and the third when that one is over.
        assert_eq!(length(2, 9), 3.0 + 3.0 + 3.0);
    }
}
