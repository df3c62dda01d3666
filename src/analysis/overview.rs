//! How a study stands, in numbers: all that is shown of it as a whole.

use std::collections::{BTreeMap, BTreeSet};

use hpo_protocol::Baseline;
use serde::{Deserialize, Serialize};

use super::diagnosis::{Summary, summarise};
use super::{Failures, Foresight, Importances, foresight, importance, remaining_ms};
use crate::ids::{Timestamp, TrialId};
use crate::study::{
    Confirmation, Earlier, Limit, Objective, Pause, Requirement, RungProgress, SchedulerRun, Study, StudySpec, Tested,
    Trial, TrialState, TrialStatus, TrialSummary, named,
};

/// A study without its trials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// What the study is, with the limits that it has by now.
    pub spec: StudySpec,
    /// The earlier study whose results it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Earlier>,
    /// The scheduler that has, or last had, the study.
    pub scheduler: Option<SchedulerRun>,
    /// When the first record was made.
    pub created: Timestamp,
    /// When the last record was made.
    pub updated: Timestamp,
    /// Whether nothing is left to train.
    pub finished: bool,
    /// Why nothing more is begun, if the trainer fails each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// Whether the user has paused the search.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// The limit that has ended the search.
    pub halted: Option<Limit>,
    /// Whether all trials of the search are decided.
    pub search_over: bool,
    /// How many trials there are, those that confirm included.
    pub trials: usize,
    /// How many trials of the search are in each state, in the order in which the first of each was drawn.
    pub states: Vec<(TrialStatus, usize)>,
    /// The rungs, ascending.
    pub rungs: Vec<RungProgress>,
    /// The resource that all trials together were trained to, as far as it counts.
    pub trained_resource: u64,
    /// Of this, what the trials of the search were.
    pub searched_resource: u64,
    /// How much farther the trials that were pruned would have been trained.
    #[serde(default)]
    pub spared_resource: u64,
    /// The trials of the search that have failed for good; `None` if none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<Failures>,
    /// What all trials together are trained to if none fails; `None` if unknown.
    pub planned_resource: Option<u64>,
    /// How many milliseconds the rest takes from the last record on, on the slots of the last scheduler; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
    /// What all trials together would be trained to if none were stopped.
    pub full_resource: u64,
    /// Time spent training, summed over all slots, in milliseconds.
    pub trained_ms: u64,
    /// The loss and metrics of the untrained model, or of each of those that trials choose from, once measured.
    pub baseline: Option<Baseline>,
    /// Whether the best trial is better than all of them; see [`Study::improves`].
    pub improves: Option<bool>,
    /// With several objectives, the trials that no other dominates; see [`Study::front`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub front: Vec<TrialSummary>,
    /// How many trials of the search fulfil what the study requires, one for each requirement.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<Required>,
    /// How many trials of the search have a result, if they are several and all have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alike: Option<usize>,
    /// The best trial; see [`Study::best`].
    pub best: Option<TrialSummary>,
    /// The outcome of confirmation so far; `None` if it has not started.
    pub confirmation: Option<Confirmation>,
    /// The best value in the search of each trial that is confirmed, behind the resource at which it had it.
    pub confirmed: BTreeMap<TrialId, (u64, f64)>,
    /// The exported model on the test data.
    pub test: Option<Tested>,
    /// How well rungs predict the next ones.
    pub foresight: Vec<Foresight>,
    /// Which parameters matter; `None` if unknown.
    pub importance: Option<Importances>,
    /// With several objectives, the same for each but the first; without those for which it is unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub further_importance: BTreeMap<String, Importances>,
    /// What the curves of all trials show together.
    pub findings: Vec<Summary>,
}

impl Overview {
    /// That of a study.
    pub fn of(study: &Study) -> Self {
        let (created, updated) = study.lifetime();
        let confirmation = study.confirmation();
        let confirmed = confirmation.iter().flat_map(|all| &all.configurations);
        let in_search = |id: TrialId| {
            let (at, cost) = study.trial(id)?.best()?;
            Some((id, (at, study.spec().objective.signed(cost))))
        };
        Self {
            spec: study.spec().clone(),
            earlier: study.earlier().cloned(),
            scheduler: study.scheduler().cloned(),
            created,
            updated,
            finished: study.is_finished(),
            paused: study.pause().cloned(),
            held: study.is_held(),
            halted: study.halted(),
            search_over: study.is_search_over(),
            trials: study.trials().len(),
            states: states(study),
            rungs: study.rungs(),
            trained_resource: study.trained_resource(),
            searched_resource: study.search_trials().map(Trial::resource).sum(),
            spared_resource: study.search_trials().map(|trial| spared(study, trial)).sum(),
            failures: Failures::of(study),
            planned_resource: study.planned_resource(),
            left_ms: left_ms(study),
            full_resource: study.full_resource(),
            trained_ms: study.trials().iter().map(|trial| trial.trained_ms).sum(),
            baseline: study.baseline().cloned(),
            improves: study.improves(),
            front: study.front().into_iter().map(|trial| study.summary(trial)).collect(),
            required: required(study),
            alike: alike(study),
            best: study.best().map(|best| study.summary(best)),
            confirmed: confirmed.filter_map(|one| in_search(one.trial)).collect(),
            confirmation,
            test: study.test().cloned(),
            foresight: foresight(study),
            importance: importance(study, &study.spec().objective),
            further_importance: further_importance(study),
            findings: summarise(study),
        }
    }

    /// Which parameters matter for an objective of the study; none if that is unknown.
    pub fn importance_for(&self, objective: &Objective) -> Option<&Importances> {
        match *objective == self.spec.objective {
            true => self.importance.as_ref(),
            false => self.further_importance.get(&objective.metric),
        }
    }

    /// How many trials the search has.
    pub fn searched(&self) -> usize {
        self.states.iter().map(|(_, count)| count).sum()
    }
}

/// How much farther a trial would have been trained if it had not been pruned.
pub fn spared(study: &Study, trial: &Trial) -> u64 {
    match trial.state {
        TrialState::Pruned { .. } => study.spec().policy.max_resource.saturating_sub(trial.resource()),
        TrialState::Waiting { .. }
        | TrialState::Running { .. }
        | TrialState::Ahead { .. }
        | TrialState::Paused { .. }
        | TrialState::Completed
        | TrialState::Diverged { .. }
        | TrialState::Failed { .. } => 0,
    }
}

fn left_ms(study: &Study) -> Option<u64> {
    let scheduler = study.scheduler().filter(|_| !study.is_finished())?;
    remaining_ms(study, study.lifetime().1, scheduler.slots.len(), &|_| None)
}

/// How many trials fulfil a requirement, by what they had reported when they were best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Required {
    /// The requirement.
    pub require: Requirement,
    /// How many trials of the search have a result.
    pub of: usize,
    /// How many of them fulfil it.
    pub fulfilled: usize,
    /// How many have not reported its metric.
    pub unknown: usize,
    /// What the best trial has reported.
    pub reported: Vec<String>,
}

fn required(study: &Study) -> Vec<Required> {
    let require = study.spec().require.iter();
    let each = require.map(|require| {
        let values = study.search_trials().filter_map(|trial| {
            let (at, _) = trial.best()?;
            Some(trial.value_up_to(at, &require.metric))
        });
        let values: Vec<Option<f64>> = values.collect();
        let reports = || study.best().into_iter().flat_map(|best| best.reports.values());
        let metrics: BTreeSet<&String> = reports().flat_map(|report| report.metrics.keys()).collect();
        let reported = named(reports().any(|report| report.loss.is_some()), metrics.into_iter());
        Required {
            require: require.clone(),
            of: values.len(),
            fulfilled: values
                .iter()
                .filter(|value| value.is_some_and(|value| require.allows(value)))
                .count(),
            unknown: values.iter().filter(|value| value.is_none()).count(),
            reported: reported.into_iter().map(str::to_owned).collect(),
        }
    });
    each.collect()
}

fn further_importance(study: &Study) -> BTreeMap<String, Importances> {
    let further = study.spec().further.iter();
    let known = further.filter_map(|one| Some((one.metric.clone(), importance(study, one)?)));
    known.collect()
}

/// So many trials hardly have the same result by chance.
const SEVERAL: usize = 3;

fn alike(study: &Study) -> Option<usize> {
    let mut costs = study.search_trials().filter_map(|trial| Some(trial.best()?.1));
    let first = costs.next()?;
    let mut count = 1;
    costs
        .all(|cost| {
            count += 1;
            cost == first
        })
        .then_some(count)
        .filter(|count| *count >= SEVERAL)
}

fn states(study: &Study) -> Vec<(TrialStatus, usize)> {
    let mut states: Vec<(TrialStatus, usize)> = Vec::new();
    for trial in study.search_trials() {
        let status = trial.state.status();
        match states.iter_mut().find(|(known, _)| *known == status) {
            Some((_, count)) => *count += 1,
            None => states.push((status, 1)),
        }
    }
    states
}
