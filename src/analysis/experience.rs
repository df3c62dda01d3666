//! What a study of the embedding trainer has to teach another one.

use std::collections::{BTreeMap, BTreeSet};

use hpo_protocol::embedding::{Kind, METRICS, Parameters};
use hpo_protocol::{BASE_MODEL, Values};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ids::{Timestamp, TrialId};
use crate::space::{Condition, Lesson, Parameter, Scale, SearchSpace, Value as Given};
use crate::study::{DataFacts, Objective, Origin, Score, Shape, Study, Trial, TrialStatus};

/// The content of a model: the digests of the files in its directory, by their names.
pub type Content = BTreeSet<(Option<String>, String)>;

/// What is known of a study, for whoever begins another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experience {
    /// Its name.
    pub study: String,
    /// When it began.
    pub created: Timestamp,
    /// Whether the embedding trainer trains; of another one nothing more is known.
    pub embedding: bool,
    /// What decides.
    pub objective: Objective,
    /// What its data are; of older studies only the kind.
    pub data: Option<DataFacts>,
    /// What rows are, as far as it is known.
    pub kind: Option<Kind>,
    /// The base models by their roles, one of which each trial has.
    pub models: BTreeMap<String, Model>,
    /// How many trials of the search have a result.
    pub trials: u64,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// The best of the trials that are better than the untrained model, the best one first, and those that were trained to the end before
    /// all others; none before there is one of these.
    pub good: Vec<Good>,
    /// Whether a trial was trained to the end.
    pub complete: bool,
    /// How often each value was tried of the parameters whose values are listed.
    pub tried: BTreeMap<String, Vec<(Given, u64)>>,
}

/// A base model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Model {
    /// Its content.
    pub content: Content,
    /// Its architecture; none if that is unknown, as of older studies.
    pub shape: Option<Shape>,
}

/// A good trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Good {
    /// The trial.
    pub trial: TrialId,
    /// The best value of the objective.
    pub value: f64,
    /// The role of its base model.
    pub model: String,
    /// Its configuration.
    pub parameters: Values,
}

/// One of so many trials is good.
const GOOD: u64 = 9;

/// At least, and at most, so many are.
const SOME: [u64; 2] = [2, 10];

/// Fewer trials with a result say nothing.
const ENOUGH: u64 = 9;

/// The parameters by which others change what they mean: what was good with another value says nothing.
const SCALES: [&str; 2] = ["distance", "optimizer"];

/// A new study, as far as it decides what it can learn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The base model.
    pub model: Model,
    /// What rows are.
    pub kind: Kind,
    /// How many there are to train with.
    pub rows: u64,
    /// The metric that decides.
    pub metric: String,
}

/// How near the model of a study is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// It is the same.
    Same,
    /// It is another one of the same architecture and size.
    Alike,
}

/// Why a study teaches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Useless {
    /// Another program trains.
    OtherTrainer,
    /// Its models are of other architectures or sizes.
    OtherModel,
    /// Its data are of a kind that has other losses; none if the kind is unknown.
    OtherLoss(Option<Kind>),
    /// It has so few trials with a result.
    Few(u64),
    /// None of them has been trained to the end.
    Unfinished,
    /// None of them is better than the untrained model.
    NotBetter,
    /// Its good trials have another optimizer or distance.
    OtherScale,
    /// Its good trials are those of the study of this name, as of a copy.
    Repeated(String),
}

impl Experience {
    /// That of a study, which may be under way.
    pub fn of(study: &Study, origin: Option<&Origin>) -> Self {
        let spec = study.spec();
        let embedding = spec.trainer.command.is_none();
        let data = origin.and_then(|origin| origin.data).filter(|_| embedding);
        let mut results: Vec<(&Trial, f64)> = study
            .search_trials()
            .filter_map(|trial| Some((trial, trial.score().filter(|score| score.is_feasible())?.cost)))
            .collect();
        // Where trials are stopped early, few of the good ones come to the end.
        let completed = |trial: &Trial| trial.state.status() == TrialStatus::Completed;
        results.sort_by(|(a, x), (b, y)| completed(b).cmp(&completed(a)).then(x.total_cmp(y)));
        let trials = results.len() as u64;
        let complete = results.first().is_some_and(|(trial, _)| completed(trial));
        let untrained = study.baseline().and_then(|untrained| spec.best_untrained(untrained));
        results.retain(|(_, cost)| untrained.is_none_or(|untrained| Score::from(*cost) < untrained.score));
        results.truncate(trials.div_ceil(GOOD).clamp(SOME[0], SOME[1]) as usize);
        let kind = data
            .map(|data| data.kind)
            .or_else(|| kind_of(study))
            .filter(|_| embedding);
        let good = results.iter().map(|(trial, cost)| Good {
            trial: trial.id,
            value: spec.objective.signed(*cost),
            model: role(&trial.parameters),
            parameters: effective(&trial.parameters, kind),
        });
        Self {
            study: spec.name.clone(),
            created: study.lifetime().0,
            embedding,
            objective: spec.objective.clone(),
            data,
            kind,
            models: origin.filter(|_| embedding).map_or_else(BTreeMap::new, models),
            trials,
            parameters: spec.space.parameters.clone(),
            good: good.filter(|_| complete).collect(),
            complete,
            tried: tried(study),
        }
    }

    /// What it teaches a new study, and how near its model is.
    ///
    /// # Errors
    /// Why it teaches nothing.
    pub fn lesson(&self, wanted: &Wanted) -> Result<(Likeness, Lesson), Useless> {
        if !self.embedding {
            return Err(Useless::OtherTrainer);
        }
        let likeness = |role: &String| self.models.get(role).and_then(|model| model.likeness(&wanted.model));
        if self.models.keys().all(|role| likeness(role).is_none()) {
            return Err(Useless::OtherModel);
        }
        let shares = |kind: Kind| kind.losses().iter().any(|loss| wanted.kind.losses().contains(loss));
        if !self.kind.is_some_and(shares) {
            return Err(Useless::OtherLoss(self.kind));
        }
        if self.trials < ENOUGH {
            return Err(Useless::Few(self.trials));
        }
        match (self.good.is_empty(), self.complete) {
            (true, false) => return Err(Useless::Unfinished),
            (true, true) => return Err(Useless::NotBetter),
            (false, _) => {}
        }
        let usual = json!(Parameters::default());
        let comparable = |good: &&Good| {
            SCALES
                .iter()
                .all(|name| good.parameters.get(*name).is_none_or(|value| *value == usual[*name]))
        };
        let of_model = || self.good.iter().filter(|good| likeness(&good.model).is_some());
        let good: Vec<&Good> = of_model().filter(comparable).collect();
        let nearest = good.iter().filter_map(|good| likeness(&good.model)).min();
        let Some(nearest) = nearest else {
            return Err(if of_model().count() > 0 {
                Useless::OtherScale
            } else {
                Useless::OtherModel
            });
        };
        let lesson = Lesson {
            study: self.study.clone(),
            parameters: self.parameters.clone(),
            good: good.iter().map(|good| good.parameters.clone()).collect(),
            tried: self.tried.clone(),
        };
        Ok((nearest, lesson))
    }
}

impl Model {
    fn likeness(&self, other: &Self) -> Option<Likeness> {
        let is_same = !self.content.is_empty() && self.content == other.content;
        let is_alike = self.shape.is_some() && self.shape == other.shape;
        match (is_same, is_alike) {
            (true, _) => Some(Likeness::Same),
            (false, true) => Some(Likeness::Alike),
            (false, false) => None,
        }
    }
}

/// The role of the base model of a configuration.
fn role(configuration: &Values) -> String {
    match configuration.get(BASE_MODEL).and_then(Value::as_str) {
        Some(name) => format!("{BASE_MODEL}[{name}]"),
        None => BASE_MODEL.to_owned(),
    }
}

fn models(origin: &Origin) -> BTreeMap<String, Model> {
    let mut models: BTreeMap<String, Model> = BTreeMap::new();
    let of_models = |role: &str| role == BASE_MODEL || role.starts_with(&format!("{BASE_MODEL}["));
    for input in origin.inputs.iter().filter(|input| of_models(&input.role)) {
        let model = models.entry(input.role.clone()).or_default();
        model.content.insert((input.file.clone(), input.sha256.clone()));
        model.shape = origin.shapes.get(&input.role).cloned();
    }
    models
}

/// The kind of the data, by the metrics that were reported: that which all of them are of, and of several the one that reports no more.
fn kind_of(study: &Study) -> Option<Kind> {
    let reported: BTreeSet<&str> = study
        .trials()
        .iter()
        .flat_map(|trial| trial.reports.values().next_back())
        .flat_map(|report| report.metrics.keys().map(String::as_str))
        .collect();
    let known = || METRICS.iter().filter(|(name, _)| reported.contains(name));
    let possible = [Kind::Pairs, Kind::Triplets, Kind::Scored, Kind::Labelled];
    let mut possible = possible
        .into_iter()
        .filter(|kind| known().all(|(_, kinds)| kinds.contains(kind)));
    possible.next().filter(|_| known().count() > 0)
}

/// A configuration with the loss that it has, even if it names none.
fn effective(configuration: &Values, kind: Option<Kind>) -> Values {
    let mut all = configuration.clone();
    if let Some(kind) = kind {
        all.entry("loss".to_owned())
            .or_insert_with(|| json!(kind.default_loss()));
    }
    all
}

fn tried(study: &Study) -> BTreeMap<String, Vec<(Given, u64)>> {
    let parameters = study.spec().space.parameters.iter();
    let listed = parameters.filter_map(|parameter| Some((&parameter.name, parameter.distribution.listed()?)));
    let count = |name: &str, value: &Given| {
        let values = study.search_trials().filter(|trial| !trial.reports.is_empty());
        values.filter(|trial| trial.parameters.get(name) == Some(value)).count() as u64
    };
    listed
        .map(|(name, values)| {
            let counts = values.iter().map(|value| (value.clone(), count(name, value)));
            (name.clone(), counts.collect())
        })
        .collect()
}

/// Parameters that mean something else with another model, other data or another machine.
const OF_ITS_OWN: [&str; 7] = [
    BASE_MODEL,
    "prompts",
    "max_length",
    "micro_batch_size",
    "precision",
    "negatives_per_row",
    "synonym_replacement",
];

/// The parameters that lessons searched beside those of a space, and that can be searched with them: as the first lesson had each.
pub fn also_searched(space: &SearchSpace, lessons: &[Lesson]) -> Vec<Parameter> {
    let mut all: Vec<&Parameter> = space.parameters.iter().collect();
    let usual = all.len();
    for parameter in lessons.iter().flat_map(|lesson| &lesson.parameters) {
        let name = parameter.name.as_str();
        let is_new = !all.iter().any(|known| known.name == name);
        let can_be =
            parameter.distribution.scale() != Scale::Constant && !OF_ITS_OWN.contains(&name) && !SCALES.contains(&name);
        let is_possible = |condition: &Condition| {
            let decides = all.iter().find(|known| known.name == condition.parameter);
            let listed = decides.and_then(|decides| decides.distribution.listed());
            listed.is_some_and(|listed| condition.values.iter().all(|value| listed.contains(value)))
        };
        if is_new && can_be && parameter.when.iter().all(is_possible) {
            all.push(parameter);
        }
    }
    all.split_off(usual).into_iter().cloned().collect()
}
