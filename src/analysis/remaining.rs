//! How long a study still takes.

use crate::ids::TrialId;
use crate::study::{Study, Trial, TrialState, rung_sizes};

/// What is still to be trained for a rung.
#[derive(Debug, Clone, Default)]
struct Stage {
    /// The resource from the rung below to it.
    step: f64,
    /// What each trial on its way to it still has to go.
    under_way: Vec<f64>,
    /// How many more will come.
    to_come: u64,
}

impl Stage {
    fn work(&self) -> f64 {
        self.under_way.iter().sum::<f64>() + self.to_come as f64 * self.step
    }

    /// What the last trial of it has to go, which can't be divided among slots.
    fn longest(&self) -> f64 {
        let new = if self.to_come > 0 { self.step } else { 0.0 };
        self.under_way.iter().copied().fold(new, f64::max)
    }

    fn alone(&self, slots: f64) -> f64 {
        self.longest().max(self.work() / slots)
    }
}

/// The resource that is still to be trained one after the other on so many slots, at least 1, if no more trial fails; `None` if it is
/// not known how many trials there will be at each rung. `at` is how far a running trial is, if that is known better than by its
/// last report.
pub fn remaining(study: &Study, slots: usize, at: &dyn Fn(TrialId) -> Option<f64>) -> Option<f64> {
    let slots = slots.max(1) as f64;
    let mut work = 0.0;
    let mut longest: f64 = 0.0;
    for stages in search(study, at)? {
        work += stages.iter().map(Stage::work).sum::<f64>();
        let chain = |of: &dyn Fn(&Stage) -> f64| stages.iter().map(of).sum::<f64>();
        // Idle slots train ahead of decisions, where they may.
        longest = longest.max(match study.spec().policy.speculation {
            true => chain(&Stage::longest),
            false => chain(&|stage| stage.alone(slots)),
        });
    }
    Some(longest.max(work / slots) + confirmation(study, at).alone(slots))
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
            under_way: Vec::new(),
            to_come: size,
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
        assert_eq!(left(&core, 2), 4.5 + 3.0 + 6.0);
        core.report(TrialId(0), 1, 0.5);
        assert_eq!(left(&core, 1), 8.0 + 3.0 * 2.0 + 6.0);
        let halfway = remaining(&core.study, 1, &|trial| (trial == TrialId(1)).then_some(0.5));
        assert_eq!(halfway, Some(7.5 + 3.0 * 2.0 + 6.0));
        for trial in 1..9 {
            core.report(TrialId(trial), 1, 0.1 * trial as f64);
        }
        assert_eq!(left(&core, 1), 3.0 * 2.0 + 6.0);
    }
}
