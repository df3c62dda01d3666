//! The pure decision core: events go in, records and commands come out.
//!
//! Nothing here reads a clock, a file or a random device, so that the same events always give the same records, and
//! the records alone give the state back.

pub mod bracket;
mod by_hand;
mod check;
mod compared;
mod confirmation;
mod decide;
mod demand;
mod earlier;
mod event;
mod fits;
mod fold;
mod measures;
mod objective;
mod open;
mod origin;
mod pareto;
mod pause;
mod penalty;
mod plan;
mod policy;
mod replay;
mod requirement;
mod sampler;
mod scalarization;
mod score;
mod spec;
mod speculation;
mod standing;
mod statistics;
mod step;
mod stop;
mod summary;
mod trial;
mod trouble;
mod turn;
mod untrained;

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use hpo_protocol::embedding::Evaluation;
use hpo_protocol::{Baseline, Evaluated, Measurement, Metrics, Values};
use serde::{Deserialize, Serialize};

pub(crate) use bracket::rung_sizes;
pub use bracket::{AshaVariant, Rule};
use bracket::{Bracket, Decision, Rank};
pub use check::Contradiction;
pub use confirmation::{Confirmation, Confirmed};
pub use earlier::{CommonNames, Earlier, EarlierResult, Habits, LeftOut};
pub use event::{Event, FORMAT, Fact, Record, Reported, TestResults, Tested};
pub use fits::Misfit;
pub use measures::Measures;
use measures::Names;
pub use objective::{Direction, LOSS, Objective, named};
pub use origin::{Change, ChangeKind, DataFacts, FilePlace, Input, Origin, Shape};
pub use pareto::Point;
pub use pause::Pause;
pub use plan::RungProgress;
pub use policy::{
    Asha, AsyncHyperband, BracketPlan, COMMON_KEYS, Hyperband, MedianStopping, PolicyKind, PolicySpec, PolicyTable,
    SuccessiveHalving, keys as policy_keys,
};
pub use replay::{Difference, Replay};
pub use requirement::{Broken, Requirement, RequirementError};
pub use sampler::{
    Drawn, Expected, GaussianProcess, History, Likely, Observation, Reason, Request, SamplerSpec, Source, Tpe,
};
pub(crate) use sampler::{Purpose, Surrogate, generator};
pub use score::Score;
pub use spec::{ConfirmationSpec, Limits, StudySpec, Trainer};
pub use standing::Standing;
pub(crate) use statistics::probability_lower;
pub use step::{Command, Step};
pub use stop::{Limit, StopSpec};
pub use summary::TrialSummary;
pub use trial::{Checkpoint, Report, Reports, Role, Trial, TrialState, TrialStatus};
use trouble::Trouble;
use turn::Turn;
pub use untrained::Untrained;

use crate::ids::{Timestamp, TrialId};

/// A study: its specification and the fold of its records.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    spec: StudySpec,
    earlier: Option<Earlier>,
    earlier_results: Vec<EarlierResult>,
    trials: Vec<Trial>,
    brackets: Vec<OpenBracket>,
    /// Trials in [`TrialState::Waiting`], in their turn.
    waiting: BTreeSet<Turn>,
    /// Trials in [`TrialState::Running`] or [`TrialState::Ahead`].
    running: BTreeSet<TrialId>,
    /// Trials in [`TrialState::Paused`].
    paused: BTreeSet<TrialId>,
    /// How many trials the search has.
    drawn: u64,
    /// How many of them can still change.
    searching: u64,
    /// How many trials can still change, those that confirm included.
    unfinished: u64,
    /// The trials of the search to which nothing more will happen.
    decided: BTreeSet<TrialId>,
    /// The trials of the search in [`TrialState::Completed`].
    completed: BTreeSet<Rank>,
    /// The trial of the search with the lowest cost.
    lowest: Option<Rank>,
    /// The resource that all trials together have been trained to.
    trained: u64,
    /// The trials that confirm, by the trial of the search whose configuration they have.
    confirmed: BTreeMap<TrialId, Vec<TrialId>>,
    /// The trial that confirmation has chosen.
    chosen: Option<TrialId>,
    /// The trials to which nothing more will happen and whose best checkpoint is kept.
    holders: BTreeSet<TrialId>,
    baseline: Option<Baseline>,
    test: Option<Tested>,
    scheduler: Option<SchedulerRun>,
    /// Decisions that follow from the records but are not among them yet.
    undecided: BTreeMap<TrialId, Decision>,
    trouble: Trouble,
    names: Names,
    finished: bool,
    /// The limit at which the search has ended.
    halted: Option<Limit>,
    /// Whether the user has paused the search.
    held: bool,
    /// The number of trials and the other limits that the study's file has.
    filed: (u64, StopSpec),
    /// Configurations that are tried by the user's wish, by the number of the trial of the search.
    enqueued: BTreeMap<u64, Values>,
    /// How long schedulers have had the study, up to the last record.
    active_ms: u64,
    created: Timestamp,
    updated: Timestamp,
}

/// The scheduler that has, or last had, the study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SchedulerRun {
    /// Its process id.
    pub process: u32,
    /// Names of its slots.
    pub slots: Vec<String>,
    /// When it took the study over.
    pub since: Timestamp,
    /// Whether it has ended in good order.
    pub stopped: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct OpenBracket {
    /// How many trials the search had before it.
    first: u64,
    /// How many trials it was opened for; 0 if they are added one by one.
    trials: u64,
    /// How many have been drawn for it.
    drawn: u64,
    /// How many of its trials can still change.
    unfinished: u64,
    bracket: Bracket,
}

impl Study {
    /// A study that has only been specified.
    pub fn new(spec: StudySpec) -> Self {
        Self {
            filed: (spec.trials, spec.stop),
            held: false,
            enqueued: BTreeMap::new(),
            spec,
            earlier: None,
            earlier_results: Vec::new(),
            trials: Vec::new(),
            brackets: Vec::new(),
            waiting: BTreeSet::new(),
            running: BTreeSet::new(),
            paused: BTreeSet::new(),
            drawn: 0,
            searching: 0,
            unfinished: 0,
            decided: BTreeSet::new(),
            completed: BTreeSet::new(),
            lowest: None,
            trained: 0,
            confirmed: BTreeMap::new(),
            chosen: None,
            holders: BTreeSet::new(),
            baseline: None,
            test: None,
            scheduler: None,
            undecided: BTreeMap::new(),
            trouble: Trouble::default(),
            names: Names::default(),
            finished: false,
            halted: None,
            active_ms: 0,
            created: Timestamp::default(),
            updated: Timestamp::default(),
        }
    }

    /// The study that its records describe.
    ///
    /// # Errors
    /// If a record does not fit those before it.
    pub fn restore<R: Borrow<Record>>(spec: StudySpec, records: impl IntoIterator<Item = R>) -> Result<Self, Misfit> {
        let mut study = Self::new(spec);
        for record in records {
            study.follow(record.borrow())?;
        }
        Ok(study)
    }

    /// What the study is.
    pub fn spec(&self) -> &StudySpec {
        &self.spec
    }

    /// All trials, by number: those of the search and those that confirm it.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The trials of the search, by number.
    pub fn search_trials(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| trial.confirms().is_none())
    }

    /// The trials that are being trained, by number.
    pub fn running(&self) -> impl Iterator<Item = &Trial> {
        self.running.iter().filter_map(|&id| self.trial(id))
    }

    /// Whether all trials of the search are decided; what confirms it may be still to come.
    pub fn is_search_over(&self) -> bool {
        self.searching == 0 && self.drawn >= self.spec.trials
    }

    /// Whether a report says that its trial has diverged.
    pub fn diverges(&self, report: &Reported) -> bool {
        report.cost(&self.spec.objective).is_none()
    }

    /// The row of a trial.
    pub fn summary(&self, trial: &Trial) -> TrialSummary {
        TrialSummary::new(trial, &self.spec)
    }

    /// One trial.
    pub fn trial(&self, id: TrialId) -> Option<&Trial> {
        self.trials.get(usize::try_from(id.0).ok()?)
    }

    /// Whether nothing is left to train.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether nothing is left to do: nothing to train, and the scheduler has come to the end of what follows that.
    pub fn is_over(&self) -> bool {
        self.finished && self.scheduler.as_ref().is_some_and(|scheduler| scheduler.stopped)
    }

    /// Whether any trial has reported a result.
    pub fn has_trained(&self) -> bool {
        self.trials.iter().any(|trial| trial.resource() > 0)
    }

    /// Whether the best trial is better than every untrained model, see [`StudySpec::improves`]; `None` if one of them is not known. A
    /// trial that is better than its own base model and worse than another one has found nothing that was not there before.
    pub fn improves(&self) -> Option<bool> {
        let untrained = self.spec.best_untrained(self.baseline.as_ref()?)?;
        self.spec.improves(&self.summary(self.best()?), &untrained)
    }

    /// What the untrained model comes to, or each of those that trials choose from, once measured.
    pub fn baseline(&self) -> Option<&Baseline> {
        self.baseline.as_ref()
    }

    /// What the model that a trial began with comes to.
    pub fn untrained(&self, trial: &Trial) -> Option<&Measurement> {
        self.baseline.as_ref()?.of(&trial.parameters)
    }

    /// What evaluations have measured of the best model of a trial, and of the untrained one that it began with.
    pub fn evaluated(&self, trial: &Trial) -> Evaluated {
        let named = |metric: &dyn Fn(&str) -> Option<f64>| -> Metrics {
            let all = self.spec.trainer.evaluations();
            let names = all.iter().flat_map(|(name, evaluation)| {
                let metrics = evaluation.r#type.metrics().iter();
                metrics.map(move |metric| Evaluation::metric(name, metric))
            });
            let values = names.map(|name| metric(&name).map(|value| (name, value)));
            values.flatten().collect()
        };
        let best = trial.best().and_then(|(at, _)| trial.reports.get(&at));
        let untrained = self.untrained(trial);
        Evaluated {
            evaluations: named(&|name| best?.metrics.get(name).copied()),
            untrained_evaluations: named(&|name| untrained?.metrics.get(name).copied()),
        }
    }

    /// The trial whose model was exported, and what it comes to on the test data.
    pub fn test(&self) -> Option<&Tested> {
        self.test.as_ref()
    }

    /// The scheduler that has, or last had, the study.
    pub fn scheduler(&self) -> Option<&SchedulerRun> {
        self.scheduler.as_ref()
    }

    /// When the first and the last record were made.
    pub fn lifetime(&self) -> (Timestamp, Timestamp) {
        (self.created, self.updated)
    }

    /// The best trial by the study's objective. Once it has been confirmed: of the configuration with the best mean over fresh seeds,
    /// the best run. Else of the search: the best of the trials that have reached the maximum resource, or, before there is one, of
    /// all trials. One that breaks what the study requires is the best only as long as none fulfils it. With several objectives it is the best by
    /// the first of them, of [`Self::front`].
    pub fn best(&self) -> Option<&Trial> {
        if let (None, Some(first)) = (self.chosen, self.front().first()) {
            return Some(first);
        }
        let of_search = [self.completed.first(), self.lowest.as_ref()].into_iter().flatten();
        let of_search = of_search.min_by_key(|rank| !rank.score.is_feasible());
        self.trial(self.chosen.or(of_search.map(|rank| rank.trial))?)
    }

    /// With several objectives, the trials of the search that no other dominates: of those that have reached the maximum resource, or of all,
    /// if none of those fulfils what is required and another does, or if there is none. The best by the first objective comes first. Empty
    /// with one objective.
    pub fn front(&self) -> Vec<&Trial> {
        if !self.spec.has_several() {
            return Vec::new();
        }
        let completed = self.completed.iter().filter_map(|rank| self.trial(rank.trial));
        let front = self.not_dominated(completed);
        if front.first().is_some_and(|first| first.is_feasible()) {
            return front;
        }
        let all = self.not_dominated(self.search_trials());
        let better = front.is_empty() || all.first().is_some_and(|first| first.is_feasible());
        if better { all } else { front }
    }

    fn not_dominated<'a>(&self, trials: impl Iterator<Item = &'a Trial>) -> Vec<&'a Trial> {
        let points = trials.filter_map(|trial| Some((trial, self.spec.point(trial, u64::MAX)?)));
        let points: Vec<(&Trial, Point)> = points.collect();
        let all: Vec<&Point> = points.iter().map(|(_, point)| point).collect();
        let first = pareto::fronts(&all).into_iter().next().unwrap_or_default();
        first.into_iter().map(|place| points[place].0).collect()
    }

    /// The trial whose model is worth exporting: the best one, or, if a limit has ended the search before any trial was trained to the
    /// end, the best of those whose models are kept.
    pub fn exportable(&self) -> Option<&Trial> {
        let best = self.best()?;
        if self.finished || best.best_checkpoint().is_some() {
            return Some(best);
        }
        let kept = self.search_trials().filter(|trial| trial.best_checkpoint().is_some());
        kept.filter_map(Rank::of)
            .min()
            .and_then(|rank| self.trial(rank.trial))
            .or(Some(best))
    }

    /// The resource that all trials together have been trained to, as far as it counts.
    pub fn trained_resource(&self) -> u64 {
        self.trained
    }

    /// The resource that all trials together would be trained to without a policy; confirmation included, as far as that is
    /// known.
    pub fn full_resource(&self) -> u64 {
        (self.spec.trials + self.planned_runs()) * self.spec.policy.max_resource
    }

    /// Files of all checkpoints that a later decision or an export can need.
    pub fn checkpoint_files(&self) -> BTreeSet<&str> {
        self.trials
            .iter()
            .flat_map(Trial::checkpoints)
            .map(|checkpoint| checkpoint.file.as_str())
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
