//! Policies: which trials are compared where, and how many there are.

use hpo_protocol::Unit;
use serde::{Deserialize, Serialize};

/// How trials are stopped early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySpec {
    /// Which policy it is.
    #[serde(flatten)]
    pub kind: PolicyKind,
    /// What resources count.
    #[serde(rename = "resource", default, skip_serializing_if = "is_usual")]
    pub unit: Unit,
    /// A trial is validated, and reports, at the multiples of this resource and at its maximum. At least 1, and a divisor of
    /// `min_resource`, so that there is a report at every rung whatever segments a trial is trained in.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub report_every: u64,
    /// The resource of the first rung, at least 1.
    pub min_resource: u64,
    /// The resource of the last rung, at least `min_resource`.
    pub max_resource: u64,
    /// Eta: one in so many trials is promoted to the next rung, which lies so many times higher; at least 2.
    pub reduction_factor: u64,
    /// Whether slots with nothing else to do train on the paused trials that most likely will be promoted. It changes no
    /// decision of a synchronous policy, and others leave no slot without work.
    pub speculation: bool,
    /// How many brackets of a synchronous policy may be under way at once with a sampler that learns, at least 1; a bracket is drawn
    /// from what came before those. Other samplers have all brackets under way at once.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub parallel_brackets: u64,
}

fn one() -> u64 {
    1
}

fn is_one(number: &u64) -> bool {
    *number == 1
}

fn is_usual(unit: &Unit) -> bool {
    *unit == Unit::default()
}

/// The policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PolicyKind {
    /// Synchronous successive halving, bracket after bracket: see [`Halving`](super::bracket::Halving).
    SuccessiveHalving {
        /// How many trials form a bracket, at least 1; none: all of the study, or as `small_brackets` says.
        bracket_size: Option<u64>,
        /// Whether without a `bracket_size` the study is brackets for a sampler that learns from one for the next. The first has
        /// `eta^(rungs - 1)` trials, so that one of them comes to the last rung. Each after it begins where the sampler says, or else
        /// at the first rung, and has as many trials as one of Hyperband's small brackets that begins there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        small_brackets: bool,
    },
    /// Hyperband (Li et al., 2018, algorithm 1): brackets of successive halving that begin at the first rung, the second …,
    /// up to one that trains all of its trials to the end; then from the beginning.
    Hyperband {
        /// Whether each bracket after the first has only a reduction-factor-th of Hyperband's trials, so that a sampler that learns
        /// from one bracket for the next learns more often from the same resource.
        #[serde(default)]
        small_brackets: bool,
    },
    /// Asynchronous successive halving: see [`Asha`](super::bracket::Asha).
    Asha {
        /// When a trial is stopped.
        variant: AshaVariant,
    },
    /// Asynchronous Hyperband (Li et al., 2020, section 3.3): brackets as of Hyperband, each of them asynchronous. A trial is
    /// assigned to the bracket that is the farthest behind its share of the resource.
    AsyncHyperband {
        /// When a trial is stopped.
        variant: AshaVariant,
    },
    /// PASHA (Bohdal et al., 2023): asynchronous successive halving whose last rung is raised only while the ranking of the
    /// best trials still changes.
    Pasha,
    /// Each trial is compared with the others at every report: see [`Median`](super::bracket::Median).
    MedianStopping {
        /// The share of the others, in percent (1 to 99), that must be better for a trial to be stopped.
        percentile: u64,
        /// How many trials must have been through before any is stopped, at least 1.
        startup_trials: u64,
    },
    /// Every trial is trained to the end.
    None,
}

/// When asynchronous successive halving stops a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AshaVariant {
    /// It is paused at each rung and goes on once it is among the best there (Li et al., 2020, algorithm 2).
    Promotion,
    /// It is stopped at a rung unless it is among the best that have come there so far (the variant of Ray Tune, and of
    /// Klein et al., 2020, section 3).
    Stopping,
}

/// A bracket that is to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BracketPlan {
    /// The resources of its rungs, ascending.
    pub rungs: Vec<u64>,
    /// How many trials it has; none if they are added one by one.
    pub trials: Option<u64>,
}

impl PolicySpec {
    /// The resource of the report that follows one at `after` (or the beginning, 0) on the way to `to`, which is above it.
    pub fn next_report(&self, after: u64, to: u64) -> u64 {
        hpo_protocol::next_report(self.report_every, after, to)
    }

    /// All resources at which trials are compared: `min_resource * eta^k` below `max_resource`, then `max_resource`; those of
    /// all reports from `min_resource` on with median stopping, and only the last without a policy.
    pub fn rungs(&self) -> Vec<u64> {
        let min = self.min_resource.max(1);
        let mut rungs: Vec<u64> = match self.kind {
            PolicyKind::None => Vec::new(),
            PolicyKind::MedianStopping { .. } => {
                std::iter::successors(Some(min), |rung| rung.checked_add(self.report_every.max(1)))
                    .take_while(|&rung| rung < self.max_resource)
                    .collect()
            }
            _ => std::iter::successors(Some(min), |rung| rung.checked_mul(self.eta()))
                .take_while(|&rung| rung < self.max_resource)
                .collect(),
        };
        rungs.push(self.max_resource);
        rungs
    }

    /// The reduction factor, at least 2.
    pub fn eta(&self) -> u64 {
        self.reduction_factor.max(2)
    }

    /// Whether brackets have a fixed number of trials, which are compared once all have come: the answer depends on no
    /// timing then.
    pub fn is_synchronous(&self) -> bool {
        matches!(
            self.kind,
            PolicyKind::SuccessiveHalving { .. } | PolicyKind::Hyperband { .. } | PolicyKind::None
        )
    }

    /// The same for a sampler that learns from one bracket for the next: where the study would be one bracket, it becomes
    /// several; without a policy, each of which has four trials, trained to the end.
    pub fn in_brackets(self) -> Self {
        let halving = |bracket_size: Option<u64>| PolicyKind::SuccessiveHalving {
            bracket_size,
            small_brackets: bracket_size.is_none(),
        };
        match self.kind {
            PolicyKind::SuccessiveHalving { bracket_size: None, .. } => Self {
                kind: halving(None),
                ..self
            },
            PolicyKind::None => Self {
                kind: halving(Some(4)),
                min_resource: self.max_resource,
                ..self
            },
            _ => self,
        }
    }

    /// The `number`-th bracket (from 0) of a study in which `left` trials are in none yet. Where that can be chosen it skips `chosen`
    /// rungs, if given. Asynchronous policies have their brackets from the beginning, and none beyond them.
    ///
    /// In a space of `configurations`, if that can be told, the first of small brackets has no more trials than that: they would be
    /// the same ones again. Nothing else asks for their number, which takes a while to count.
    pub fn bracket(
        &self,
        number: u64,
        chosen: Option<usize>,
        left: u64,
        configurations: impl FnOnce() -> Option<u64>,
    ) -> Option<BracketPlan> {
        let rungs = self.rungs();
        let sync = |skipped: usize, trials: u64| BracketPlan {
            rungs: rungs[skipped..].to_vec(),
            trials: Some(trials.clamp(1, left.max(1))),
        };
        let open = |skipped: usize| BracketPlan {
            rungs: rungs[skipped..].to_vec(),
            trials: None,
        };
        let count = rungs.len() as u64;
        match self.kind {
            _ if left == 0 => None,
            PolicyKind::SuccessiveHalving {
                bracket_size,
                small_brackets: false,
            } => Some(sync(0, bracket_size.unwrap_or(left))),
            PolicyKind::None => Some(sync(0, left)),
            PolicyKind::SuccessiveHalving { .. } | PolicyKind::Hyperband { .. } if number == 0 => {
                let whole = self.hyperband_size(count - 1);
                let different = self
                    .has_small_brackets()
                    .then(configurations)
                    .flatten()
                    .unwrap_or(whole);
                Some(sync(0, different.max(self.hyperband(0)).min(whole)))
            }
            PolicyKind::SuccessiveHalving { .. } => {
                let skipped = chosen.unwrap_or(0).min(rungs.len() - 1);
                Some(sync(skipped, self.hyperband(skipped)))
            }
            PolicyKind::Hyperband { .. } => {
                let skipped = (number % count) as usize;
                Some(sync(skipped, self.hyperband(skipped)))
            }
            PolicyKind::AsyncHyperband { .. } if number < count => Some(open(number as usize)),
            PolicyKind::Asha { .. } | PolicyKind::Pasha | PolicyKind::MedianStopping { .. } if number == 0 => {
                Some(open(0))
            }
            _ => None,
        }
    }

    /// How many trials a bracket of Hyperband after the first has that skips so many rungs. Small ones still have one to promote and others to leave
    /// behind.
    fn hyperband(&self, skipped: usize) -> u64 {
        let s = self.rungs().len() as u64 - 1 - skipped as u64;
        let size = self.hyperband_size(s);
        match self.has_small_brackets() {
            true if s > 0 => size.div_ceil(self.eta()).max(self.eta()),
            true => size.div_ceil(self.eta()),
            false => size,
        }
    }

    fn has_small_brackets(&self) -> bool {
        match self.kind {
            PolicyKind::SuccessiveHalving { small_brackets, .. } | PolicyKind::Hyperband { small_brackets } => {
                small_brackets
            }
            _ => false,
        }
    }

    /// How many trials Hyperband's bracket `s` has: `ceil((s_max + 1) / (s + 1) * eta^s)`.
    pub fn hyperband_size(&self, s: u64) -> u64 {
        let brackets = self.rungs().len() as u128;
        let power = u128::from(self.eta()).saturating_pow(u32::try_from(s).unwrap_or(u32::MAX));
        let size = brackets.saturating_mul(power).div_ceil(u128::from(s) + 1);
        u64::try_from(size).unwrap_or(u64::MAX)
    }

    /// How many trials make a study whole: as many as Hyperband's brackets have together; otherwise any number does.
    pub fn whole(&self) -> Option<u64> {
        let brackets = self.rungs().len() as u64;
        match self.kind {
            PolicyKind::SuccessiveHalving {
                small_brackets: true, ..
            }
            | PolicyKind::Hyperband { .. }
            | PolicyKind::AsyncHyperband { .. } => (0..brackets)
                .map(|s| self.hyperband_size(s))
                .reduce(u64::saturating_add),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bracket::rung_sizes;
    use super::*;

    fn untold() -> Option<u64> {
        None
    }

    fn policy(kind: PolicyKind, min_resource: u64, max_resource: u64, reduction_factor: u64) -> PolicySpec {
        PolicySpec {
            kind,
            unit: Unit::Epochs,
            report_every: 1,
            min_resource,
            max_resource,
            reduction_factor,
            speculation: true,
            parallel_brackets: 1,
        }
    }

    const HYPERBAND: PolicyKind = PolicyKind::Hyperband { small_brackets: false };
    const SUCCESSIVE_HALVING: PolicyKind = PolicyKind::SuccessiveHalving {
        bracket_size: None,
        small_brackets: false,
    };
    /// What a sampler that learns has by default.
    const IN_BRACKETS: PolicyKind = PolicyKind::SuccessiveHalving {
        bracket_size: None,
        small_brackets: true,
    };

    #[test]
    fn rungs_are_powers_up_to_the_maximum() {
        let rungs = |min, max, eta| policy(SUCCESSIVE_HALVING, min, max, eta).rungs();
        assert_eq!(rungs(1, 81, 3), [1, 3, 9, 27, 81]);
        assert_eq!(
            rungs(1, 10, 3),
            [1, 3, 9, 10],
            "the maximum is the last rung, power or not"
        );
        assert_eq!(rungs(2, 2, 3), [2]);
        assert_eq!(rungs(1, u64::MAX, 2).len(), 65);
        assert_eq!(policy(PolicyKind::None, 1, 9, 3).rungs(), [9]);
        let median = PolicyKind::MedianStopping {
            percentile: 50,
            startup_trials: 5,
        };
        assert_eq!(policy(median, 3, 6, 3).rungs(), [3, 4, 5, 6]);
        let sparse = PolicySpec {
            report_every: 100,
            ..policy(median, 200, 450, 3)
        };
        assert_eq!(sparse.rungs(), [200, 300, 400, 450]);
    }

    /// Li et al. (2018), table 1: R = 81, eta = 3.
    #[test]
    fn the_brackets_of_hyperband() {
        let hyperband = policy(HYPERBAND, 1, 81, 3);
        assert_eq!(hyperband.whole(), Some(143));
        let table: Vec<(Vec<u64>, Vec<u64>)> = (0..5)
            .map(|number| {
                let plan = hyperband.bracket(number, None, 1000, untold).unwrap();
                let sizes = rung_sizes(plan.rungs.len(), 3, plan.trials.unwrap());
                (plan.rungs, sizes)
            })
            .collect();
        let expected = [
            (vec![1, 3, 9, 27, 81], vec![81, 27, 9, 3, 1]),
            (vec![3, 9, 27, 81], vec![34, 11, 3, 1]),
            (vec![9, 27, 81], vec![15, 5, 1]),
            (vec![27, 81], vec![8, 2]),
            (vec![81], vec![5]),
        ];
        assert_eq!(table, expected);
        assert_eq!(
            hyperband.bracket(5, None, 1000, untold),
            hyperband.bracket(0, None, 1000, untold),
            "then from the beginning"
        );
        assert_eq!(
            hyperband.bracket(1, None, 7, untold).unwrap().trials,
            Some(7),
            "no more than are left"
        );
        assert_eq!(hyperband.bracket(5, None, 0, untold), None);
    }

    #[test]
    fn small_brackets_have_a_third_of_the_trials_after_the_first() {
        let hyperband = policy(PolicyKind::Hyperband { small_brackets: true }, 1, 27, 3);
        let sizes: Vec<u64> = (0..6)
            .map(|number| hyperband.bracket(number, None, 1000, untold).unwrap().trials.unwrap())
            .collect();
        assert_eq!(sizes, [27, 4, 3, 2, 9, 4]);
        assert_eq!(hyperband.whole(), Some(27 + 12 + 6 + 4));
        let chosen = hyperband.bracket(5, Some(2), 1000, untold).unwrap();
        assert_eq!(
            chosen,
            hyperband.bracket(5, None, 1000, untold).unwrap(),
            "they take turns"
        );
    }

    #[test]
    fn brackets_of_successive_halving_begin_where_the_sampler_says() {
        let halving = policy(SUCCESSIVE_HALVING, 1, 27, 3).in_brackets();
        assert_eq!((halving.kind, halving.whole()), (IN_BRACKETS, Some(49)));
        let bracket = |number, chosen| {
            let plan = halving.bracket(number, chosen, 1000, untold).unwrap();
            (plan.rungs[0], plan.trials.unwrap())
        };
        assert_eq!([0, 1, 2].map(|number| bracket(number, None)), [(1, 27), (1, 9), (1, 9)]);
        assert_eq!(bracket(0, Some(2)), (1, 27), "the first of all gives the whole view");
        let chosen = [0, 1, 2, 3, 9].map(|rungs| bracket(5, Some(rungs)));
        assert_eq!(chosen, [(1, 9), (3, 4), (9, 3), (27, 2), (27, 2)]);
    }

    #[test]
    fn the_first_of_small_brackets_does_not_repeat_configurations_of_a_small_space() {
        let first = |kind, configurations, left| {
            let policy = policy(kind, 1, 27, 3);
            policy.bracket(0, None, left, || configurations).unwrap().trials
        };
        for small in [IN_BRACKETS, PolicyKind::Hyperband { small_brackets: true }] {
            assert_eq!(first(small, Some(20), 100), Some(20));
            assert_eq!(first(small, Some(28), 100), Some(27));
            assert_eq!(first(small, Some(20), 11), Some(11));
            assert_eq!(
                first(small, Some(2), 100),
                Some(9),
                "as many as the next that begins there"
            );
        }
        assert_eq!(
            first(HYPERBAND, Some(20), 100),
            Some(27),
            "these are those of the paper"
        );
    }

    #[test]
    fn the_number_of_brackets_is_exact_where_logarithms_are_not() {
        assert_eq!(policy(HYPERBAND, 1, 243, 3).rungs().len(), 6);
        assert_eq!(policy(HYPERBAND, 1, 1000, 10).rungs().len(), 4);
    }

    #[test]
    fn a_study_is_split_into_brackets_of_a_size() {
        let of_four = PolicyKind::SuccessiveHalving {
            bracket_size: Some(4),
            small_brackets: false,
        };
        let halving = policy(of_four, 1, 9, 3);
        assert_eq!(halving.in_brackets(), halving);
        let sizes = |left| halving.bracket(7, None, left, untold).map(|plan| plan.trials);
        assert_eq!((sizes(10), sizes(3), sizes(0)), (Some(Some(4)), Some(Some(3)), None));
    }

    #[test]
    fn a_policy_is_one_flat_table() {
        let asha = PolicyKind::Asha {
            variant: AshaVariant::Stopping,
        };
        let json = serde_json::to_value(policy(asha, 1, 9, 3)).unwrap();
        assert_eq!((&json["type"], &json["variant"]), (&"asha".into(), &"stopping".into()));
        assert_eq!(
            serde_json::from_value::<PolicySpec>(json).unwrap(),
            policy(asha, 1, 9, 3)
        );
    }

    #[test]
    fn a_policy_of_epochs_is_written_as_by_versions_that_knew_no_other_resource() {
        let epochs = policy(SUCCESSIVE_HALVING, 1, 9, 3);
        let old = r#"{"type":"successive_halving","bracket_size":null,"min_resource":1,"max_resource":9,"reduction_factor":3,"speculation":true}"#;
        assert_eq!(serde_json::to_string(&epochs).unwrap(), old);
        assert_eq!(serde_json::from_str::<PolicySpec>(old).unwrap(), epochs);
        let steps = PolicySpec {
            unit: Unit::Steps,
            report_every: 50,
            ..policy(SUCCESSIVE_HALVING, 100, 900, 3)
        };
        let json = serde_json::to_value(steps).unwrap();
        assert_eq!(
            (&json["resource"], &json["report_every"]),
            (&"steps".into(), &50.into())
        );
        assert_eq!(serde_json::from_value::<PolicySpec>(json).unwrap(), steps);
    }
}
