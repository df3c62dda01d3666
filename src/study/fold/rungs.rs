//! How trials come to rungs, and what becomes of them there.

use std::collections::{BTreeMap, BTreeSet};

use super::super::bracket::{Bracket, Decision, Entry, Rank};
use super::super::trial::{Report, TrialState};
use super::super::turn::Turn;
use super::Study;
use crate::ids::TrialId;

impl Study {
    /// A trial goes on to the rung of resource `to`. What it has come to ahead of this counts from now on.
    pub(super) fn trial_promoted(&mut self, id: TrialId, rung: u64, to: u64) {
        self.undecided.remove(&id);
        self.paused.remove(&id);
        self.leave(id, rung);
        let trial = &mut self.trials[id.0 as usize];
        if trial.exhausted {
            return self.stand(id, to);
        }
        let ahead = std::mem::take(&mut trial.ahead);
        trial.state = match trial.state {
            TrialState::Paused { .. } => TrialState::Waiting { to },
            TrialState::Ahead { at, slot, since, .. } => TrialState::Running { to, at, slot, since },
            TrialState::Waiting { .. }
            | TrialState::Running { .. }
            | TrialState::Pruned { .. }
            | TrialState::Completed
            | TrialState::Diverged { .. }
            | TrialState::Failed { .. } => unreachable!("only a trial that stands at a rung is promoted: {trial:?}"),
        };
        let last = ahead.reports.keys().next_back().copied();
        for (resource, report) in ahead.reports {
            let state = &self.trials[id.0 as usize].state;
            // One that went back may have left reports beyond the one that ends it.
            if !matches!(state, TrialState::Waiting { .. } | TrialState::Running { .. }) {
                break;
            }
            self.count(id, to, resource, report, ahead.ended && last == Some(resource));
        }
        let trial = &mut self.trials[id.0 as usize];
        if let TrialState::Waiting { .. } = trial.state {
            if ahead.stopped_at.is_some() {
                trial.stopped_at = ahead.stopped_at;
            }
            self.waiting.insert(Turn::new(&self.spec.policy, trial, to));
        }
    }

    /// A trial that has ended by itself before stands at a further rung without more training.
    fn stand(&mut self, id: TrialId, to: u64) {
        let trial = &mut self.trials[id.0 as usize];
        if to == self.spec.policy.max_resource {
            trial.state = TrialState::Completed;
            self.end(id, to, true);
        } else {
            trial.state = TrialState::Paused { rung: to };
            self.paused.insert(id);
            self.enter_rung(id, to);
        }
    }

    pub(super) fn trial_pruned(&mut self, id: TrialId, rung: u64) {
        let trial = &mut self.trials[id.0 as usize];
        if let TrialState::Waiting { to } = trial.state {
            self.waiting.remove(&Turn::new(&self.spec.policy, trial, to));
        }
        trial.state = TrialState::Pruned { rung };
        self.leave(id, rung);
        self.finish(id);
    }

    pub(super) fn trial_completed(&mut self, id: TrialId, rung: u64) {
        self.trials[id.0 as usize].state = TrialState::Completed;
        self.leave(id, rung);
        self.finish(id);
    }

    /// Takes in a validation of a trial that is on its way to the rung of resource `to`.
    pub(super) fn count(&mut self, id: TrialId, to: u64, resource: u64, report: Report, last: bool) {
        let max_resource = self.spec.policy.max_resource;
        let trial = &mut self.trials[id.0 as usize];
        assert!(
            matches!(trial.state, TrialState::Waiting { .. } | TrialState::Running { .. }),
            "only of a trial on its way to a rung do reports count: {trial:?}"
        );
        let diverged = report.cost.is_none();
        // A trial whose checkpoint was lost comes by the same rungs again.
        let (before, score) = (trial.resource(), report.score());
        let again = trial.reports.insert(resource, report).is_some();
        self.trained += trial.resource() - before;
        trial.stopped_at = None;
        trial.exhausted |= last;
        if trial.confirms().is_none() {
            let rank = score.map(|score| Rank { score, trial: id });
            self.lowest = match again {
                // Another value may have been in its place.
                true => self.lowest_of_all(),
                false => self.lowest.into_iter().chain(rank).min(),
            };
        }
        let trial = &mut self.trials[id.0 as usize];
        if diverged {
            trial.state = TrialState::Diverged { resource };
            self.end(id, to, false);
        } else if resource == max_resource || (last && to == max_resource) {
            trial.state = TrialState::Completed;
            self.end(id, to, true);
        } else if resource == to || last {
            trial.state = TrialState::Paused { rung: to };
            trial.release_checkpoints(true);
            self.running.remove(&id);
            self.paused.insert(id);
            self.enter_rung(id, to);
        } else {
            trial.release_checkpoints(true);
            if !again && self.bracket_of(id).is_some_and(|bracket| bracket.decides_in_passing()) {
                self.enter_rung(id, resource);
            }
        }
    }

    /// A trial has come to its end by itself, on the way to or at the rung of resource `to`. It stands there, and at the
    /// rungs that it has gone past without a decision.
    pub(super) fn end(&mut self, id: TrialId, to: u64, completed: bool) {
        self.finish(id);
        let trial = &self.trials[id.0 as usize];
        let came = trial.resource();
        // Where its last report has not ended it, it stands already.
        let stands = matches!(trial.state, TrialState::Failed { .. } | TrialState::Pruned { .. });
        let Some(bracket) = self.bracket_of(id) else { return };
        if !bracket.decides_in_passing() {
            return self.enter_rung(id, to);
        }
        let is_ahead = |rung: &u64| *rung > came || (*rung == came && !stands);
        let ahead: Vec<u64> = bracket.rungs().into_iter().filter(is_ahead).collect();
        // Of one that has not completed, only the rung that it would have come to next learns.
        for rung in ahead.into_iter().take(if completed { usize::MAX } else { 1 }) {
            self.enter_rung(id, rung);
        }
    }

    /// Nothing more will happen to a trial, whose state says why.
    fn finish(&mut self, id: TrialId) {
        let one_less = |count: u64| count.checked_sub(1).expect("a trial ends once");
        self.undecided.remove(&id);
        self.running.remove(&id);
        self.paused.remove(&id);
        self.unfinished = one_less(self.unfinished);
        let trial = &self.trials[id.0 as usize];
        if let Some(bracket) = trial.bracket() {
            self.searching = one_less(self.searching);
            self.decided.insert(id);
            let open = &mut self.brackets[bracket];
            open.unfinished = one_less(open.unfinished);
        }
        let completed = trial.state == TrialState::Completed;
        if completed && trial.confirms().is_none() {
            self.completed.extend(Rank::of(trial));
        }
        if self.may_hold(id) {
            self.holders.insert(id);
            self.trials[id.0 as usize].release_checkpoints(true);
            self.release_holders();
        } else {
            self.trials[id.0 as usize].release_checkpoints(false);
        }
    }

    /// Whether the model of a trial that has ended may be kept.
    pub(in crate::study) fn may_hold(&self, id: TrialId) -> bool {
        let Some(trial) = self.trial(id).filter(|trial| trial.best().is_some()) else {
            return false;
        };
        // One that was stopped may fulfil what none does that was trained to the end.
        let counts = self.spec.keep_checkpoints > 1 || (!self.spec.require.is_empty() && trial.is_feasible());
        trial.state == TrialState::Completed || (counts && matches!(trial.state, TrialState::Pruned { .. }))
    }

    /// Forgets the checkpoints of trials that can't be the best any more: once confirmation has chosen one, all others; before
    /// that, all but those that it can choose. Of the search as many are kept as the study asks for.
    pub(super) fn release_holders(&mut self) {
        let chosen = self.chosen;
        let mut kept: BTreeSet<TrialId> = chosen.into_iter().collect();
        if chosen.is_none() || !self.finished {
            let count = self.spec.confirmation.map_or(1, |spec| spec.configurations);
            let leaders = self.leaders(count).into_iter().map(|trial| trial.id);
            let originals: BTreeSet<TrialId> = leaders.chain(self.confirmed.keys().copied()).collect();
            let mut lowest: BTreeMap<TrialId, Rank> = BTreeMap::new();
            for trial in self.holders.iter().filter_map(|&id| self.trial(id)) {
                if let (Some(rank), true) = (Rank::of(trial), originals.contains(&trial.original())) {
                    let lowest = lowest.entry(trial.original()).or_insert(rank);
                    *lowest = rank.min(*lowest);
                }
            }
            kept.extend(lowest.values().map(|rank| rank.trial));
        }
        // Whichever of those that no other dominates is chosen, its model is there.
        kept.extend(self.front().into_iter().map(|trial| trial.id));
        let ranked = self.holders.iter().filter_map(|&id| self.trial(id));
        let ranked = ranked.filter(|trial| trial.confirms().is_none()).filter_map(|trial| {
            let rank = Rank::of(trial)?;
            Some((!rank.score.is_feasible(), trial.state != TrialState::Completed, rank))
        });
        let mut ranked: Vec<(bool, bool, Rank)> = ranked.collect();
        ranked.sort_unstable();
        for (.., rank) in ranked {
            if kept.len() as u64 >= self.spec.keep_checkpoints {
                break;
            }
            kept.insert(rank.trial);
        }
        for &id in self.holders.difference(&kept) {
            self.trials[id.0 as usize].release_checkpoints(false);
        }
        self.holders.retain(|id| kept.contains(id));
    }

    /// A trial stands at a rung.
    fn enter_rung(&mut self, id: TrialId, rung: u64) {
        let trial = &self.trials[id.0 as usize];
        let Some(bracket) = trial.bracket() else { return };
        let lost = matches!(
            trial.state,
            TrialState::Diverged { .. } | TrialState::Failed { .. } | TrialState::Pruned { .. }
        );
        let best = trial.scored_up_to(rung).filter(|_| !lost).map(|(_, score)| score);
        let point = self.spec.point(trial, rung).filter(|_| self.spec.has_several());
        let entry = Entry {
            trial: id,
            best,
            point: point.as_ref().filter(|_| best.is_some()),
            curve: &trial.reports,
        };
        for (trial, decision) in self.brackets[bracket].bracket.enter(rung, entry) {
            let waits = !self.trials[trial.0 as usize].state.is_final();
            if waits && decision != Decision::Complete {
                self.undecided.insert(trial, decision);
            }
        }
    }

    /// A trial has left its rung: for the next one, or because it has ended there.
    fn leave(&mut self, id: TrialId, rung: u64) {
        if let Some(bracket) = self.bracket_of(id) {
            bracket.withdraw(id, rung);
        }
    }

    /// The bracket of a trial; none if it confirms.
    pub(super) fn bracket_of(&mut self, trial: TrialId) -> Option<&mut Bracket> {
        let number = self.trials[trial.0 as usize].bracket()?;
        Some(&mut self.brackets[number].bracket)
    }
}
