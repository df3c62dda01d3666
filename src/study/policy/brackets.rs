//! Rungs, and the sizes of brackets: Li et al., "Hyperband" (2018), algorithm 1.

use super::PolicySpec;

/// A bracket that is to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BracketPlan {
    /// The resources of its rungs, ascending.
    pub rungs: Vec<u64>,
    /// How many trials it has; none if they are added one by one.
    pub trials: Option<u64>,
}

/// What a study is like when its next bracket is planned.
pub(in crate::study) struct Situation<'a> {
    /// The number of the bracket, from 0.
    pub number: u64,
    /// How many rungs the sampler would have the bracket skip, if it knows.
    pub chosen: Option<usize>,
    /// How many trials are in no bracket yet, at least 1.
    pub left: u64,
    /// How many configurations the space has, if that is known. It takes a while to count them.
    pub configurations: &'a dyn Fn() -> Option<u64>,
}

impl Situation<'_> {
    /// A bracket of a fixed number of trials, at least one and at most as many as are left, that skips some of the rungs.
    pub fn synchronous(&self, policy: &PolicySpec, skipped: usize, trials: u64) -> BracketPlan {
        BracketPlan {
            rungs: policy.rungs()[skipped..].to_vec(),
            trials: Some(trials.clamp(1, self.left)),
        }
    }

    /// The first bracket of a study whose brackets take turns. Of small ones it has no more trials than there are configurations:
    /// they would be the same ones again.
    pub fn first(&self, policy: &PolicySpec, small: bool) -> BracketPlan {
        let whole = hyperband_size(policy, policy.rungs().len() as u64 - 1);
        let different = small.then(self.configurations).flatten().unwrap_or(whole);
        let least = later_size(policy, 0, small);
        self.synchronous(policy, 0, different.max(least).min(whole))
    }
}

/// A bracket that trials are added to one by one, and that skips some of the rungs.
pub(super) fn asynchronous(policy: &PolicySpec, skipped: usize) -> BracketPlan {
    BracketPlan {
        rungs: policy.rungs()[skipped..].to_vec(),
        trials: None,
    }
}

/// The rungs below the last one: `min_resource * eta^k`.
pub(super) fn geometric(policy: &PolicySpec) -> Vec<u64> {
    std::iter::successors(Some(policy.min_resource.max(1)), |rung| rung.checked_mul(policy.eta()))
        .take_while(|&rung| rung < policy.max_resource)
        .collect()
}

/// How many trials a bracket of Hyperband after the first has that skips so many rungs. Small ones still have one to promote and
/// others to leave behind.
pub(super) fn later_size(policy: &PolicySpec, skipped: usize, small: bool) -> u64 {
    let s = policy.rungs().len() as u64 - 1 - skipped as u64;
    let size = hyperband_size(policy, s);
    match small {
        true if s > 0 => size.div_ceil(policy.eta()).max(policy.eta()),
        true => size.div_ceil(policy.eta()),
        false => size,
    }
}

/// How many trials Hyperband's bracket `s` has: `ceil((s_max + 1) / (s + 1) * eta^s)`.
pub(super) fn hyperband_size(policy: &PolicySpec, s: u64) -> u64 {
    let brackets = policy.rungs().len() as u128;
    let power = u128::from(policy.eta()).saturating_pow(u32::try_from(s).unwrap_or(u32::MAX));
    let size = brackets.saturating_mul(power).div_ceil(u128::from(s) + 1);
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// How many trials all brackets of Hyperband have together.
pub(super) fn hyperband_whole(policy: &PolicySpec) -> Option<u64> {
    (0..policy.rungs().len() as u64)
        .map(|s| hyperband_size(policy, s))
        .reduce(u64::saturating_add)
}
