//! Synchronous successive halving: Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and
//! Hyperparameter Optimization" (2016), section 3; with the geometric rungs of Li et al., "Hyperband" (2018),
//! section 2.

use std::collections::BTreeSet;

use super::spec::PolicySpec;
use super::trial::TrialId;

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

/// A ladder of rungs for a fixed set of trials.
///
/// The rungs lie at `min_resource * eta^k`, the last one at `max_resource`. Of the `n` trials meant for a rung the
/// best `max(1, floor(n / eta))` are promoted. A decision is taken as soon as no trial that is still missing can
/// change it, so that the outcome is that of waiting for all of them, whatever the order in which they come.
#[derive(Debug, Clone, PartialEq)]
pub struct Bracket {
    rungs: Vec<Rung>,
}

/// A resource at which trials are compared.
#[derive(Debug, Clone, PartialEq)]
struct Rung {
    resource: u64,
    /// How many trials can still come.
    missing: u64,
    /// How many go on; 0 at the last rung.
    promote: usize,
    /// The best so far, at most `promote` of them.
    top: BTreeSet<Rank>,
    promoted: BTreeSet<TrialId>,
    /// Whether all have come and the rung above knows how many go on.
    closed: bool,
}

/// Orders trials by loss, then by number.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rank {
    loss: f64,
    trial: TrialId,
}

impl Eq for Rank {}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Adding zero makes -0.0 and 0.0 a tie.
        (self.loss + 0.0)
            .total_cmp(&(other.loss + 0.0))
            .then(self.trial.cmp(&other.trial))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The resources of the rungs: `min_resource * eta^k` below `max_resource`, then `max_resource`.
pub fn rung_resources(spec: &PolicySpec) -> Vec<u64> {
    let mut resources: Vec<u64> = std::iter::successors(Some(spec.min_resource.max(1)), |resource| {
        resource.checked_mul(spec.reduction_factor.max(2))
    })
    .take_while(|&resource| resource < spec.max_resource)
    .collect();
    resources.push(spec.max_resource);
    resources
}

/// How many trials come to each rung if none fails: each rung's number is `max(1, floor(n / eta))` of the one before.
pub fn rung_sizes(spec: &PolicySpec, trials: u64) -> Vec<u64> {
    let rungs = rung_resources(spec).len();
    std::iter::successors(Some(trials), |n| Some((n / spec.reduction_factor.max(2)).max(1)))
        .take(rungs)
        .collect()
}

impl Bracket {
    /// An empty bracket for `trials` trials.
    pub fn new(spec: &PolicySpec, trials: u64) -> Self {
        let sizes = rung_sizes(spec, trials);
        let rungs = rung_resources(spec)
            .into_iter()
            .enumerate()
            .map(|(k, resource)| Rung {
                resource,
                missing: sizes[k],
                promote: sizes.get(k + 1).map_or(0, |&n| n as usize),
                top: BTreeSet::new(),
                promoted: BTreeSet::new(),
                closed: false,
            })
            .collect();
        Self { rungs }
    }

    /// The resource of the first rung.
    pub fn first_rung(&self) -> u64 {
        self.rungs[0].resource
    }

    /// A trial stands at the rung of `resource` with its lowest loss up to there, or none if it has diverged or
    /// failed on the way. Returns what is decided by it, for this trial and for others, by trial number.
    ///
    /// A trial without a loss is not in the answer: it has come to its end already.
    pub fn enter(&mut self, resource: u64, trial: TrialId, loss: Option<f64>) -> Vec<(TrialId, Decision)> {
        let Some(k) = self.rungs.iter().position(|rung| rung.resource == resource) else {
            return Vec::new();
        };
        let last = k + 1 == self.rungs.len();
        let rung = &mut self.rungs[k];
        rung.missing = rung.missing.saturating_sub(1);
        let mut decided = Vec::new();
        if let Some(loss) = loss {
            rung.top.insert(Rank { loss, trial });
            if last {
                decided.push((trial, Decision::Complete));
            } else if rung.top.len() > rung.promote
                && let Some(worst) = rung.top.pop_last()
            {
                decided.push((worst.trial, Decision::Prune));
            }
        }
        self.settle(k, &mut decided);
        decided.sort_unstable_by_key(|&(trial, _)| trial);
        decided
    }

    /// Promotes who can no longer be overtaken at rung `k`, and tells the rungs above how many will never come.
    fn settle(&mut self, k: usize, decided: &mut Vec<(TrialId, Decision)>) {
        for k in k..self.rungs.len().saturating_sub(1) {
            let to = self.rungs[k + 1].resource;
            let rung = &mut self.rungs[k];
            let missing = usize::try_from(rung.missing).unwrap_or(usize::MAX);
            for rank in rung.top.iter().take(rung.promote.saturating_sub(missing)) {
                if rung.promoted.insert(rank.trial) {
                    decided.push((rank.trial, Decision::Promote { to }));
                }
            }
            if rung.missing > 0 || rung.closed {
                return;
            }
            rung.closed = true;
            let shortfall = (rung.promote - rung.promoted.len()) as u64;
            let above = &mut self.rungs[k + 1];
            above.missing = above.missing.saturating_sub(shortfall);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spec(min_resource: u64, max_resource: u64, reduction_factor: u64) -> PolicySpec {
        PolicySpec {
            min_resource,
            max_resource,
            reduction_factor,
        }
    }

    #[test]
    fn rungs_of_the_hyperband_table() {
        let spec = spec(1, 81, 3);
        assert_eq!(rung_resources(&spec), [1, 3, 9, 27, 81]);
        assert_eq!(rung_sizes(&spec, 81), [81, 27, 9, 3, 1]);
    }

    #[test]
    fn a_maximum_that_is_no_power_of_eta_is_the_last_rung() {
        assert_eq!(rung_resources(&spec(1, 10, 3)), [1, 3, 9, 10]);
        assert_eq!(rung_resources(&spec(2, 2, 3)), [2]);
        assert_eq!(rung_resources(&spec(1, u64::MAX, 2)).len(), 65);
    }

    #[test]
    fn some_trial_always_reaches_the_top() {
        assert_eq!(rung_sizes(&spec(1, 27, 3), 4), [4, 1, 1, 1]);
    }

    #[test]
    fn a_certain_decision_does_not_wait() {
        let mut bracket = Bracket::new(&spec(1, 9, 3), 3);
        assert_eq!(bracket.enter(1, 0, Some(0.5)), []);
        assert_eq!(bracket.enter(1, 1, Some(0.6)), [(1, Decision::Prune)]);
        assert_eq!(
            bracket.enter(1, 2, Some(0.4)),
            [(0, Decision::Prune), (2, Decision::Promote { to: 3 })]
        );
    }

    #[test]
    fn ties_go_to_the_lower_number() {
        let mut bracket = Bracket::new(&spec(1, 3, 3), 3);
        bracket.enter(1, 2, Some(0.0));
        bracket.enter(1, 1, Some(-0.0));
        assert_eq!(
            bracket.enter(1, 0, Some(0.0)),
            [(0, Decision::Promote { to: 3 }), (1, Decision::Prune)]
        );
    }

    /// Runs a bracket to its end, entering trials in the order that `next` picks among those ready, and returns each
    /// trial's last rung and decision.
    fn outcome(
        spec: &PolicySpec,
        losses: &[Vec<Option<f64>>],
        mut next: impl FnMut(usize) -> usize,
    ) -> Vec<Option<(u64, Decision)>> {
        let resources = rung_resources(spec);
        let mut bracket = Bracket::new(spec, losses.len() as u64);
        let mut ready: Vec<(u64, TrialId)> = (0..losses.len()).map(|t| (resources[0], t as TrialId)).collect();
        let mut outcome = vec![None; losses.len()];
        while !ready.is_empty() {
            let (resource, trial) = ready.remove(next(ready.len()));
            let k = resources.iter().position(|&r| r == resource).unwrap();
            for (decided, decision) in bracket.enter(resource, trial, losses[trial as usize][k]) {
                let at = match decision {
                    Decision::Promote { to } => {
                        ready.push((to, decided));
                        resources[resources.iter().position(|&r| r == to).unwrap() - 1]
                    }
                    _ => resource,
                };
                outcome[decided as usize] = Some((at, decision));
            }
        }
        outcome
    }

    /// The definition: rank all, take the best.
    fn by_definition(spec: &PolicySpec, losses: &[Vec<Option<f64>>]) -> Vec<Option<(u64, Decision)>> {
        let resources = rung_resources(spec);
        let sizes = rung_sizes(spec, losses.len() as u64);
        let mut here: Vec<usize> = (0..losses.len()).collect();
        let mut outcome = vec![None; losses.len()];
        for (k, &resource) in resources.iter().enumerate() {
            let mut ranked: Vec<(f64, usize)> = here.iter().filter_map(|&t| Some((losses[t][k]?, t))).collect();
            ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            here.clear();
            for (place, &(_, trial)) in ranked.iter().enumerate() {
                outcome[trial] = Some((
                    resource,
                    match resources.get(k + 1) {
                        None => Decision::Complete,
                        Some(&to) if place < sizes[k + 1] as usize => {
                            here.push(trial);
                            Decision::Promote { to }
                        }
                        Some(_) => Decision::Prune,
                    },
                ));
            }
        }
        outcome
    }

    proptest! {
        #[test]
        fn the_outcome_is_that_of_waiting_whatever_the_order(
            eta in 2u64..5,
            max_resource in 1u64..40,
            losses in prop::collection::vec(
                prop::collection::vec(prop::option::weighted(0.85, (0u8..6).prop_map(|l| f64::from(l) / 4.0)), 7),
                1..40,
            ),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 300),
        ) {
            let spec = spec(1, max_resource, eta);
            let mut picks = picks.into_iter().cycle();
            let got = outcome(&spec, &losses, |n| picks.next().unwrap().index(n));
            prop_assert_eq!(got, by_definition(&spec, &losses));
        }
    }
}
