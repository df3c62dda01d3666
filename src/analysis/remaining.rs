//! How long a study still takes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::ids::TrialId;
use crate::study::{Study, Trial, TrialState, rung_sizes};

/// More work than this is not planned piece by piece: its end hardly matters, and it is planned anew whenever something happens.
const MOST: u64 = 20_000;

/// What is still to be trained for a rung.
#[derive(Debug, Clone, Default)]
struct Stage {
    /// The resource from the rung below to it.
    step: f64,
    /// What each trial on its way to it still has to go.
    under_way: Vec<f64>,
    /// How many more will come.
    to_come: u64,
    /// How many slots are at it.
    slots: usize,
}

impl Stage {
    fn work(&self) -> f64 {
        self.under_way.iter().sum::<f64>() + self.to_come as f64 * self.step
    }

    fn is_over(&self) -> bool {
        self.under_way.is_empty() && self.to_come == 0 && self.slots == 0
    }

    /// Gives a slot some work: new trials only if all is `decided` that was to be trained before.
    fn take(&mut self, decided: bool) -> Option<f64> {
        let work = self.under_way.pop().or_else(|| {
            let comes = decided && self.to_come > 0;
            self.to_come -= u64::from(comes);
            comes.then_some(self.step)
        });
        self.slots += usize::from(work.is_some());
        work
    }
}

/// The resource that is still to be trained one after the other on so many slots, at least 1, if no more trial fails; `None` if it is
/// not known how many trials there will be at each rung. `at` is how far a running trial is, if that is known better than by its
/// last report.
pub fn remaining(study: &Study, slots: usize, at: &dyn Fn(TrialId) -> Option<f64>) -> Option<f64> {
    let spec = study.spec();
    let mut brackets = search(study, at)?;
    brackets.push(vec![confirmation(study, at)]);
    let plan = Plan {
        brackets,
        over: 0,
        together: match spec.sampler.is_adaptive() {
            true => spec.policy.parallel_brackets.max(1) as usize,
            false => usize::MAX,
        },
    };
    Some(plan.length(slots.max(1)))
}

/// All that is still to be trained. What slots without work train ahead of decisions is left out, as it may be for nothing; what they
/// have so trained by now is not.
struct Plan {
    /// The stages of each bracket; the last one is the confirmation, which comes after all others.
    brackets: Vec<Vec<Stage>>,
    /// How many brackets, from the first one, are over.
    over: usize,
    /// How many may be under way at once.
    together: usize,
}

impl Plan {
    /// How long slots need that always take the first work there is (list scheduling; Graham, 1966).
    fn length(mut self, slots: usize) -> f64 {
        let stages = || self.brackets.iter().flatten();
        if stages()
            .map(|stage| stage.to_come + stage.under_way.len() as u64)
            .sum::<u64>()
            > MOST
        {
            return stages().map(Stage::work).sum::<f64>() / slots as f64;
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
                let decided = stages[..stage].iter().all(Stage::is_over);
                if let Some(work) = stages[stage].take(decided) {
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
fn search(study: &Study, at: &dyn Fn(TrialId) -> Option<f64>) -> Option<Vec<Vec<Stage>>> {
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
    for trial in study.search_trials() {
        let Some(number) = trial.bracket().filter(|number| *number < plan.len()) else {
            continue;
        };
        let (rungs, stages) = (&plan[number].0, &mut stages[number]);
        let came = if trial.exhausted { u64::MAX } else { trial.resource() };
        let passed = rungs.iter().take_while(|rung| **rung <= came).count();
        let lost = matches!(trial.state, TrialState::Diverged { .. } | TrialState::Failed { .. });
        let position = position(trial, at);
        // A lost trial does not come to its next rung, and nobody comes instead.
        let next = usize::from(passed < rungs.len() && (lost || position.is_some()));
        for stage in &mut stages[..passed + next] {
            stage.to_come = stage.to_come.saturating_sub(1);
        }
        if let (Some(position), Some(stage)) = (position, stages.get_mut(passed)) {
            stage
                .under_way
                .push((rungs[passed] as f64 - position).clamp(0.0, stage.step));
        }
    }
    Some(stages)
}

fn confirmation(study: &Study, at: &dyn Fn(TrialId) -> Option<f64>) -> Stage {
    let confirming = || study.trials().iter().filter(|trial| trial.confirms().is_some());
    let step = study.spec().policy.max_resource as f64;
    let left = confirming().filter_map(|trial| Some((step - position(trial, at)?).clamp(0.0, step)));
    Stage {
        step,
        under_way: left.collect(),
        to_come: study.planned_runs().saturating_sub(confirming().count() as u64),
        slots: 0,
    }
}

/// How far a trial is on its way to its next rung, ahead of the decision too; `None` if it is on no way.
fn position(trial: &Trial, at: &dyn Fn(TrialId) -> Option<f64>) -> Option<f64> {
    match trial.state {
        TrialState::Waiting { .. } => Some(trial.resource() as f64),
        TrialState::Running { at: reported, .. } | TrialState::Ahead { at: reported, .. } => {
            Some(at(trial.id).unwrap_or(reported as f64))
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
        let left = |core: &Core, slots| remaining(&core.study, slots, &|_| None).unwrap();
        assert_eq!(left(&core, 1), 9.0 + 3.0 * 2.0 + 6.0);
        // Each rung waits for the one below.
        assert_eq!(left(&core, 9), 1.0 + 2.0 + 6.0);
        // Of an odd number of trials the last one is alone.
        assert_eq!(left(&core, 2), 5.0 + 4.0 + 6.0);
        core.report(TrialId(0), 1, 0.5);
        assert_eq!(left(&core, 1), 8.0 + 3.0 * 2.0 + 6.0);
        let halfway = remaining(&core.study, 1, &|trial| (trial == TrialId(1)).then_some(0.5));
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
            let left = remaining(&core.study, 2, &|_| None).unwrap();
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
