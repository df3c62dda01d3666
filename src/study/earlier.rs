//! What a study knows from the beginning: the results of an earlier one.
//!
//! They are facts of the new study's own journal, so that it depends on nothing but its records, whatever becomes of the earlier one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use hpo_protocol::Values;
use serde::{Deserialize, Serialize};

use super::pareto::Point;
use super::penalty::Seen;
use super::trial::{Trial, TrialState};
use super::{Study, StudySpec};
use crate::ids::Timestamp;

/// The most configurations of an earlier study with which another begins, and of how many of its trials they are one at most: a few
/// that are trained like all others are enough to compare with; what else is known the sampler knows.
const FIRST: u64 = 3;

/// An earlier study whose results a study knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    /// Its name.
    pub study: String,
    /// When it was created: with its name, this is the study.
    pub created: Timestamp,
    /// How many trials of its search there were, and of those that it knew itself.
    pub trials: u64,
    /// Why some of them were not taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// What was taken for granted of the others, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<String>,
    /// The configurations with which the study begins, behind those of its file: the best that were taken, the best one first.
    pub first: Vec<Values>,
}

/// Why trials were not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// How many.
    pub trials: u64,
    /// Why, after their number.
    pub reason: String,
}

/// What a trial of an earlier study has come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlierResult {
    /// The study.
    pub study: String,
    /// The trial's number there.
    pub number: u64,
    /// Its configuration, as one of this study.
    pub parameters: Values,
    /// The objective's best value up to each rung of this study, by the rung's resource, ascending.
    pub values: Vec<(u64, f64)>,
    /// Whether it has diverged after these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub diverged: bool,
}

/// What is known of a trainer, so that configurations of different spaces can be compared.
pub struct Habits {
    /// The values that parameters have where a configuration lacks them, as far as that is known.
    pub defaults: Values,
    /// Whether what a configuration comes to at a rung depends on the maximum resource.
    pub follows_maximum: fn(&Values) -> bool,
    /// Parameters whose values name what stands elsewhere in a study's file, with the names that both studies have for the same.
    pub names: BTreeMap<String, CommonNames>,
}

/// What both studies have, by its name there, and its name here: none is what configurations have that name nothing.
pub type CommonNames = BTreeMap<Option<String>, Option<String>>;

impl Habits {
    /// A configuration with the names that things have here, or why it can't be taken.
    fn renamed(&self, mut there: Values) -> Result<Values, String> {
        for (parameter, names) in &self.names {
            let name = there.remove(parameter);
            let name = name.and_then(|name| name.as_str().map(str::to_owned));
            let Some(own) = names.get(&name) else {
                return Err(format!("whose `{parameter}` is none of those here"));
            };
            there.extend(own.as_ref().map(|own| (parameter.clone(), own.as_str().into())));
        }
        Ok(there)
    }
}

impl Earlier {
    /// How many results were taken.
    pub fn taken(&self) -> u64 {
        let left_out = self.left_out.iter().map(|left_out| left_out.trials);
        self.trials.saturating_sub(left_out.sum())
    }

    /// What of a study, which may be under way, is comparable in another one of the same objective, trainer, data and unit of
    /// resource.
    pub fn of(study: &Study, wanted: &StudySpec, habits: &Habits) -> (Self, Vec<EarlierResult>) {
        let (created, _) = study.lifetime();
        // What is required there was known or assumed to be fulfilled.
        let known = study.earlier_results.iter().cloned();
        let known = known.map(
            |result| match wanted.require.is_empty() || wanted.require == study.spec.require {
                true => Ok(result),
                false => Err(NOT_KNOWN_TO_FULFIL.to_owned()),
            },
        );
        let own = study.search_trials().map(|trial| study.result(trial, wanted));
        let max = study.spec.policy.max_resource;
        let other_maximum = Some(max).filter(|max| *max != wanted.policy.max_resource);
        Self::collect(
            (&study.spec.name, created),
            known.chain(own),
            other_maximum,
            wanted,
            habits,
        )
    }

    /// What of results, or of the reasons why there is none, is comparable in a study: those of a source with this name and this moment,
    /// whose maximum resource was the same, or `other_maximum`.
    pub fn collect(
        (name, created): (&str, Timestamp),
        all: impl Iterator<Item = Result<EarlierResult, String>>,
        other_maximum: Option<u64>,
        wanted: &StudySpec,
        habits: &Habits,
    ) -> (Self, Vec<EarlierResult>) {
        let mut earlier = Self {
            study: name.to_owned(),
            created,
            trials: 0,
            left_out: Vec::new(),
            assumed: Vec::new(),
            first: Vec::new(),
        };
        let rungs = wanted.policy.rungs();
        let mut results = Vec::new();
        for result in all {
            earlier.trials += 1;
            let adopted = result.and_then(|result: EarlierResult| {
                let there = habits.renamed(result.parameters)?;
                let parameters = wanted.space.adopt(&there, &habits.defaults);
                let parameters = parameters.map_err(|outside| outside.to_string())?;
                if let Some(max) = other_maximum.filter(|_| (habits.follows_maximum)(&parameters)) {
                    return Err(format!(
                        "whose learning rate follows `max_resource`, which was {max} there"
                    ));
                }
                let mut values = result.values;
                values.retain(|(resource, _)| rungs.contains(resource));
                match values.is_empty() && !result.diverged {
                    true => Err(NOTHING.to_owned()),
                    false => Ok(EarlierResult {
                        parameters,
                        values,
                        ..result
                    }),
                }
            });
            match adopted {
                Ok(result) => results.push(result),
                Err(reason) => earlier.leave_out(reason),
            }
        }
        earlier.left_out.sort_by_key(|left_out| Reverse(left_out.trials));
        earlier.first = first(wanted, &results);
        (earlier, results)
    }

    fn leave_out(&mut self, reason: String) {
        match self.left_out.iter_mut().find(|known| known.reason == reason) {
            Some(known) => known.trials += 1,
            None => self.left_out.push(LeftOut { trials: 1, reason }),
        }
    }
}

/// Of a trial that breaks what the new study requires, or has not reported what that compares.
const NOT_KNOWN_TO_FULFIL: &str = "that are not known to fulfil what `require` has here";

/// Of a trial without a result at a rung.
const NOTHING: &str = "without a result at a rung";

/// The best configurations, no two the same, and none that the file of the study has.
fn first(wanted: &StudySpec, results: &[EarlierResult]) -> Vec<Values> {
    let given = &wanted.space.try_first;
    let room = wanted.trials.saturating_sub(given.len() as u64);
    let most = FIRST.min(wanted.trials.div_ceil(FIRST)).min(room);
    let cost = |result: &&EarlierResult| {
        let costs = result.values.iter().map(|(_, value)| wanted.objective.signed(*value));
        costs.min_by(f64::total_cmp)
    };
    let ranked = results.iter().filter(|result| !result.diverged);
    let mut ranked: Vec<(f64, &Values)> = ranked
        .filter_map(|result| Some((cost(&result)?, &result.parameters)))
        .collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut seen: HashSet<&Values> = given.iter().collect();
    let best = ranked.into_iter().filter(|(_, parameters)| seen.insert(parameters));
    best.take(most as usize)
        .map(|(_, parameters)| parameters.clone())
        .collect()
}

impl Study {
    /// The earlier study whose results it knows.
    pub fn earlier(&self) -> Option<&Earlier> {
        self.earlier.as_ref()
    }

    /// What its trials have come to, as far as it was taken.
    pub fn earlier_results(&self) -> &[EarlierResult] {
        &self.earlier_results
    }

    /// What the sampler knows from the beginning. Only results that fulfil what is required are taken, or those of which it is assumed.
    pub(super) fn seen_earlier(&self) -> impl Iterator<Item = Seen<'_>> {
        let point = |&(resource, value): &(u64, f64)| {
            let costs = vec![self.spec.objective.signed(value)];
            (resource, Point { violation: 0.0, costs })
        };
        self.earlier_results.iter().map(move |result| Seen {
            parameters: &result.parameters,
            points: result.values.iter().map(point).collect(),
            failed: result.diverged,
        })
    }

    /// What a trial has come to at the rungs of another study and for what that requires, or why it has no result.
    fn result(&self, trial: &Trial, wanted: &StudySpec) -> Result<EarlierResult, String> {
        let diverged = match trial.state {
            TrialState::Diverged { .. } => true,
            TrialState::Failed { .. } if trial.reports.is_empty() => return Err("that have failed".to_owned()),
            TrialState::Failed { .. }
            | TrialState::Waiting { .. }
            | TrialState::Running { .. }
            | TrialState::Paused { .. }
            | TrialState::Ahead { .. }
            | TrialState::Pruned { .. }
            | TrialState::Completed => false,
        };
        let stands = |rung: u64| match trial.exhausted {
            // It stands at all further rungs with its best.
            true if rung > trial.resource() => true,
            _ => trial.reports.contains_key(&rung),
        };
        let rungs = wanted.policy.rungs();
        let reached = rungs.iter().filter(|rung| stands(**rung));
        let value = |rung: &u64| Some((*rung, self.spec.objective.signed(trial.best_up_to(*rung)?.1)));
        let last = trial.best().map_or(0, |(at, _)| at);
        if !diverged && !wanted.broken(trial, last).is_empty() {
            return Err(NOT_KNOWN_TO_FULFIL.to_owned());
        }
        Ok(EarlierResult {
            study: self.spec.name.clone(),
            number: trial.id.0,
            parameters: trial.parameters.clone(),
            values: reached.filter_map(value).collect(),
            diverged,
        })
    }

    /// Whether the study can begin with the results of an earlier one.
    pub(super) fn can_know(&self, earlier: &Earlier) -> bool {
        let begins = self.earlier.is_none() && self.brackets.is_empty();
        begins && earlier.first.iter().all(|one| self.spec.space.contains(one))
    }

    /// Whether it can be a result of the earlier study.
    pub(super) fn can_have(&self, result: &EarlierResult) -> bool {
        let most = self.spec.policy.max_resource;
        let taken = self.earlier.as_ref().map_or(0, Earlier::taken);
        let begins = self.brackets.is_empty() && (self.earlier_results.len() as u64) < taken;
        let ascending = result.values.is_sorted_by(|a, b| a.0 < b.0);
        let mut values = result.values.iter();
        let possible = values.all(|(resource, value)| (1..=most).contains(resource) && value.is_finite());
        begins && ascending && possible && self.spec.space.contains(&result.parameters)
    }
}
