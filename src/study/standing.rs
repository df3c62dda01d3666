//! How trials stand at a rung: what a decision there compares.

use std::collections::BTreeMap;

use super::Study;
use super::bracket::{Rule, mean_up_to};
use super::pareto::{Point, ranked};
use super::trial::{Trial, TrialState};
use crate::ids::TrialId;

/// The trials that have come to a rung, and by what is decided about one of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Those that have a cost there and what they come to with their best report up to there, the best first.
    pub ranked: Vec<(TrialId, Point)>,
    /// Those that have diverged, failed or were ended on the way: they rank last.
    pub lost: Vec<TrialId>,
    /// By what is decided; none at the last rung, whose trials are all trained to the end.
    pub rule: Option<Rule>,
}

impl Standing {
    /// The place of a trial among those that have come, from 1.
    pub fn place(&self, trial: TrialId) -> Option<usize> {
        self.ranked
            .iter()
            .position(|(other, _)| *other == trial)
            .map(|place| place + 1)
    }
}

impl Study {
    /// The resources of a bracket's rungs, ascending, and how many trials it was opened for: 0 if they are added one by one.
    pub fn ladder(&self, bracket: usize) -> Option<(Vec<u64>, u64)> {
        let open = self.brackets.get(bracket)?;
        Some((open.bracket.rungs(), open.trials))
    }

    /// Whether a trial goes on past the rungs of its bracket unless it is stopped there, so that no record says that it goes on.
    pub fn decides_in_passing(&self, bracket: usize) -> bool {
        let open = self.brackets.get(bracket);
        open.is_some_and(|open| open.bracket.decides_in_passing())
    }

    /// How the trials of a trial's bracket stand at one of its rungs now; none if it is in no bracket. `by_hand` are those that the
    /// user has ended.
    pub fn standing(&self, trial: TrialId, rung: u64, by_hand: &[TrialId]) -> Option<Standing> {
        let one = self.trial(trial)?;
        let number = one.bracket()?;
        let bracket = &self.brackets.get(number)?.bracket;
        let rungs = bracket.rungs();
        let (mut came, mut lost) = (BTreeMap::new(), Vec::new());
        for other in self.trials.iter().filter(|other| other.bracket() == Some(number)) {
            let ended = other.id != trial && by_hand.contains(&other.id);
            match self.came_to(other, rung, &rungs, ended) {
                Some(Some(point)) if !ended => drop(came.insert(other.id, point)),
                Some(_) => lost.push(other.id),
                None => {}
            }
        }
        let order = ranked(came.iter().map(|(&trial, point)| (trial, point)));
        let own = one.scored_up_to(rung);
        let own = own.map(|(_, best)| mean_up_to(rung, &one.reports, best));
        Some(Standing {
            ranked: order.into_iter().filter_map(|id| came.remove_entry(&id)).collect(),
            lost,
            rule: bracket.rule(rung, own),
        })
    }

    /// Whether a trial has come to a rung, and if it was not lost on the way, what it comes to there. One that was ended by hand
    /// between two rungs is lost at the next.
    fn came_to(&self, trial: &Trial, rung: u64, rungs: &[u64], ended: bool) -> Option<Option<Point>> {
        let came = trial.resource();
        let best = || self.spec.point(trial, rung);
        let next = rungs.iter().find(|rung| **rung > came) == Some(&rung);
        match trial.state {
            TrialState::Diverged { resource } if resource <= rung => (came == rung || next).then_some(None),
            _ if came >= rung => Some(best()),
            // One that has ended by itself stands at further rungs with its best.
            TrialState::Completed => Some(best()),
            TrialState::Paused { rung: at } if at >= rung => Some(best()),
            TrialState::Pruned { rung: at } if at >= rung => Some(best()),
            TrialState::Failed { .. } => next.then_some(None),
            TrialState::Pruned { .. } => (ended && next && !rungs.contains(&came)).then_some(None),
            TrialState::Waiting { .. }
            | TrialState::Running { .. }
            | TrialState::Paused { .. }
            | TrialState::Ahead { .. }
            | TrialState::Diverged { .. } => None,
        }
    }
}
