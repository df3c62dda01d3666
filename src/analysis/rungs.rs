//! Whether an early rung shows who is good at a later one.

use hpo_data::spearman;
use serde::{Deserialize, Serialize};

use crate::study::{PolicyKind, Study};

/// Fewer trials show nothing.
const TRIALS: usize = 5;
/// Below this rank correlation a rung misleads more than it shows.
const LOW: f64 = 0.3;

/// How well the objective at a rung predicts that at the next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Foresight {
    /// The resource of the rung.
    pub rung: u64,
    /// That of the next.
    pub next: u64,
    /// How many trials have reached both.
    pub trials: usize,
    /// The rank correlation of their values (Spearman, 1904), -1 to 1. Those that were pruned at the rung are missing, so it
    /// is lower than that of all trials would be.
    pub correlation: f64,
    /// The resource at which the latest bracket begins, if that is above the rung: new trials are not compared there any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<u64>,
}

impl Foresight {
    /// Whether the rung prunes nearly at random.
    pub fn misleads(&self) -> bool {
        self.correlation < LOW
    }
}

/// Each rung of a study that enough trials have passed on the way to the next.
pub fn foresight(study: &Study) -> Vec<Foresight> {
    let rungs = study.spec().policy.rungs();
    let chooses = matches!(study.spec().policy.kind, PolicyKind::SuccessiveHalving(_));
    let [over, open, _] = study.brackets();
    let latest = (over + open).checked_sub(1).and_then(|latest| study.ladder(latest));
    let begins = latest.and_then(|(rungs, _)| rungs.first().copied()).filter(|_| chooses);
    let pairs = rungs.windows(2).filter_map(|pair| {
        let &[rung, next] = pair else { return None };
        let both = study.search_trials().filter(|trial| trial.resource() >= next);
        let costs = both.filter_map(|trial| Some((trial.best_up_to(rung)?.1, trial.best_up_to(next)?.1)));
        let (before, after): (Vec<f64>, Vec<f64>) = costs.unzip();
        let correlation = Some(spearman(&before, &after)).filter(|it| it.is_finite() && before.len() >= TRIALS)?;
        Some(Foresight {
            rung,
            next,
            trials: before.len(),
            correlation,
            begins: begins.filter(|begins| *begins > rung),
        })
    });
    pairs.collect()
}
