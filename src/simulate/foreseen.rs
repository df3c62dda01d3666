//! What a study takes, foreseen from what its trials cost.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use hpo_protocol::{Cost, Values};

use crate::analysis::PaceModel;
use crate::ids::SlotId;
use crate::space::Parameter;

/// What trials cost on the slots of a study.
#[derive(Debug, Clone)]
pub struct Costs {
    /// On each kind of slot.
    pub kinds: Vec<CostOfKind>,
    /// The kind of each slot.
    pub of_slot: Vec<usize>,
}

/// What trials cost on a kind of slot, in seconds.
#[derive(Debug, Clone)]
pub struct CostOfKind {
    /// A unit of the resource with its share of a report, of a configuration of which nothing is known.
    usual: f64,
    /// The same by the configuration, if that was measured of several.
    model: Option<PaceModel>,
    /// The beginning of a segment, and what its last report, and that of the trial, take beyond others.
    edges: [f64; 3],
}

/// Which configurations turn out to be better, of which nothing is known before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Winners {
    /// Those that train faster.
    Faster,
    /// Those that train slower.
    Slower,
    /// Any, by this lot.
    ByLot(u64),
}

/// What a study takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Foreseen {
    /// How long all trials take, confirmation included.
    pub seconds: f64,
    /// How many trials the search has.
    pub trials: u64,
    /// The resource that all trials together are trained to, with what is trained ahead of decisions.
    pub resource: u64,
    /// How many checkpoints there are at a time at most.
    pub checkpoints: usize,
}

/// A stretch of a segment from one report to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub resource: u64,
    /// Whether it is the segment's first,
    pub begins: bool,
    /// its last,
    pub ends: bool,
    /// or that at the trial's maximum.
    pub is_last: bool,
}

/// What a configuration costs.
#[derive(Debug, Clone)]
pub(super) struct CostsCurve {
    /// What it is compared by.
    pub cost: f64,
    /// A unit of its resource on each kind of slot.
    paces: Vec<f64>,
    costs: Arc<Costs>,
}

impl CostOfKind {
    /// By what was measured: configurations with these parameters, at least one, that report after every so much of the resource.
    pub fn of(parameters: &[&Parameter], measured: &[(&Values, &Cost)], report_every: u64) -> Self {
        let every = report_every.max(1) as f64;
        let pace = |cost: &Cost| (cost.resource_seconds + cost.report_seconds / every).max(1e-9);
        let paces: Vec<(&Values, f64)> = measured.iter().map(|(values, cost)| (*values, pace(cost))).collect();
        let mean = |of: &dyn Fn(&Cost) -> f64| {
            measured.iter().map(|(_, cost)| of(cost)).sum::<f64>() / measured.len().max(1) as f64
        };
        Self {
            usual: mean(&pace),
            model: PaceModel::fit(parameters, &paces),
            edges: [
                mean(&|cost| cost.begin_seconds),
                mean(&|cost| cost.rung_seconds),
                mean(&|cost| cost.end_seconds),
            ],
        }
    }

    /// The seconds that a unit of the resource takes, with its share of a report.
    pub fn pace(&self, configuration: &Values) -> f64 {
        self.model
            .as_ref()
            .map_or(self.usual, |model| model.pace(configuration))
    }
}

impl Costs {
    pub(super) fn curve(this: &Arc<Self>, winners: Winners, configuration: &Values, seed: u64) -> CostsCurve {
        let paces: Vec<f64> = this.kinds.iter().map(|kind| kind.pace(configuration)).collect();
        let mut lot = DefaultHasher::new();
        (winners, seed, serde_json::json!(configuration).to_string()).hash(&mut lot);
        let lot = lot.finish() as f64 / u64::MAX as f64;
        let pace = paces.first().copied().unwrap_or(1.0);
        CostsCurve {
            cost: match winners {
                // Those that are equally fast differ a little.
                Winners::Faster => pace * (1.0 + 1e-6 * lot),
                Winners::Slower => -pace * (1.0 + 1e-6 * lot),
                Winners::ByLot(_) => lot,
            },
            paces,
            costs: Arc::clone(this),
        }
    }
}

impl CostsCurve {
    /// How long a stretch takes on a slot.
    pub fn seconds(&self, slot: SlotId, stretch: Stretch) -> f64 {
        let kind = self.costs.of_slot.get(slot.0 as usize).copied().unwrap_or(0);
        let (Some(pace), Some(of_kind)) = (self.paces.get(kind), self.costs.kinds.get(kind)) else {
            return 0.0;
        };
        let there = [stretch.begins, stretch.ends, stretch.is_last];
        let edges = of_kind.edges.iter().zip(there).filter(|(_, there)| *there);
        pace * stretch.resource as f64 + edges.map(|(seconds, _)| seconds).sum::<f64>()
    }
}
