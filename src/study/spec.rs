//! What a study is: everything that is frozen when it begins.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hpo_protocol::embedding::Evaluation;
use hpo_protocol::{BASE_MODEL, Values};
use serde::{Deserialize, Serialize};

use super::objective::Objective;
use super::policy::PolicySpec;
use super::requirement::Requirement;
use super::sampler::SamplerSpec;
use super::stop::StopSpec;
use crate::space::SearchSpace;

/// Everything that decides what a study does. It is recorded when the study begins and does not change after that,
/// except for its [`Limits`], which may grow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudySpec {
    /// The study's name: one path component.
    pub name: String,
    /// The seed of all that is random, below 2^53.
    pub seed: u64,
    /// What trials are compared by.
    #[serde(default, skip_serializing_if = "Objective::is_loss")]
    pub objective: Objective,
    /// Further objectives, in the order of the study's file: then trials are compared by all of them, and none of them alone decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<Objective>,
    /// What a model must fulfil beside being good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<Requirement>,
    /// How many configurations are tried in all; at least 1.
    pub trials: u64,
    /// How often a failed trial is tried again before it is given up.
    pub retries: u32,
    /// How trials are stopped early.
    pub policy: PolicySpec,
    /// What trains a trial.
    pub trainer: Trainer,
    /// CPU threads per trial, at least 1. Another number gives other bits, so it belongs to the study.
    pub threads: usize,
    /// How configurations are drawn.
    #[serde(default)]
    pub sampler: SamplerSpec,
    /// How the best configurations are confirmed after the search; none: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<ConfirmationSpec>,
    /// When the search ends early.
    #[serde(default, skip_serializing_if = "StopSpec::is_none")]
    pub stop: StopSpec,
    /// The models of how many trials are kept, the best first; at least 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub keep_checkpoints: u64,
    /// The parameters.
    pub space: SearchSpace,
}

fn one() -> u64 {
    1
}

fn is_one(number: &u64) -> bool {
    *number == 1
}

/// What of a study may change after it has begun: the numbers may grow, and it may end earlier or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// As in [`StudySpec`].
    pub trials: u64,
    /// As in [`StudySpec`].
    pub confirmation: Option<ConfirmationSpec>,
    /// As in [`StudySpec`].
    pub stop: StopSpec,
}

impl StudySpec {
    /// All objectives, the first one first.
    pub fn objectives(&self) -> impl Iterator<Item = &Objective> {
        [&self.objective].into_iter().chain(&self.further)
    }

    /// Whether trials are compared by several objectives.
    pub fn has_several(&self) -> bool {
        !self.further.is_empty()
    }

    /// What of it may change.
    pub fn limits(&self) -> Limits {
        Limits {
            trials: self.trials,
            confirmation: self.confirmation,
            stop: self.stop,
        }
    }
}

/// What trains a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trainer {
    /// The program and its arguments, or none for the embedding trainer that comes with `hpo`.
    pub command: Option<Vec<String>>,
    /// Where the command runs: the directory of the study's file.
    pub directory: PathBuf,
    /// The trainer's settings; file names in them are absolute.
    pub settings: Values,
    /// The seed that every trial trains with, instead of one of its own, below 2^53.
    pub seed: Option<u64>,
    /// Whether the command is a script, which does not speak the worker protocol: its arguments are templates, and the settings say
    /// where its metrics are found.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub script: bool,
}

impl Trainer {
    /// The setting of the embedding trainer that has the evaluations.
    pub const EVALUATIONS: &str = "evaluations";

    /// How many seeds there are: fewer than 2^53, so that any JSON reader keeps them exactly, and for a script those that it can be given
    /// as they are.
    pub(super) fn seeds(&self) -> u64 {
        match self.script {
            true => hpo_script::SEEDS,
            false => 1 << 53,
        }
    }

    /// What the embedding trainer measures models on beside the validation data, by name.
    pub fn evaluations(&self) -> BTreeMap<String, Evaluation> {
        let setting = self.settings.get(Self::EVALUATIONS);
        let setting = setting.filter(|_| self.command.is_none());
        setting
            .and_then(|all| BTreeMap::deserialize(all).ok())
            .unwrap_or_default()
    }

    /// The name of the evaluation that has this metric, if it is one's.
    pub fn evaluation_of(&self, metric: &str) -> Option<String> {
        let has = |(name, evaluation): &(String, Evaluation)| {
            let mut own = evaluation.r#type.metrics().iter();
            own.any(|own| Evaluation::metric(name, own) == metric)
        };
        self.evaluations().into_iter().find(has).map(|(name, _)| name)
    }

    /// The directory of the base model of a configuration; `None` if it is not known, as for trainers other than the embedding trainer.
    pub fn base_model(&self, parameters: &Values) -> Option<&str> {
        let model = self.settings.get(BASE_MODEL).filter(|_| self.command.is_none())?;
        model
            .as_str()
            .or_else(|| model.get(parameters.get(BASE_MODEL)?.as_str()?)?.as_str())
    }
}

/// How much is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmationSpec {
    /// How many configurations, at least 1.
    pub configurations: u64,
    /// With how many seeds each is trained again, at least 2.
    pub seeds: u64,
}

impl ConfirmationSpec {
    /// Whether it is as much as `other` in all respects.
    pub fn covers(self, other: Self) -> bool {
        self.configurations >= other.configurations && self.seeds >= other.seeds
    }
}
