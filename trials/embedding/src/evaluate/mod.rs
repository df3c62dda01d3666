//! Evaluations: the user's own data, and what models are worth on them.

mod classification;
mod cosines;
mod lbfgs;
mod logistic;
mod neighbours;
mod reranking;
mod retrieval;
mod roles;
mod similarity;
mod triplets;

use std::collections::BTreeMap;

use hpo_data::evaluation::{self, EvaluationData, Task};
use hpo_protocol::Metrics;
use hpo_protocol::embedding::{Classifier, Evaluation as Table, EvaluationKind, Every, Kind as RowKind, RolePrompts};
use tch::{Kind, Tensor};

use crate::embed::embed;
use crate::error::Result;
use crate::kept_tokens::KeptTokens;
use crate::model::{Model, normalise};
use crate::prompted::{Places, PromptedTexts};
use crate::tokens::Prompted;

/// Names and values of metrics.
type Values = Vec<(&'static str, f64)>;

/// The evaluations of a study, with the texts tokenised for one base model.
#[derive(Debug, Default)]
pub struct Evaluations(Vec<Evaluation>);

impl Evaluations {
    /// Tokenises their texts, those of each evaluation once behind each of their prompts.
    pub fn of(sources: &[Source], tokens: &KeptTokens, prompts: &RolePrompts) -> Result<Self> {
        sources
            .iter()
            .map(|source| Evaluation::of(source, tokens, prompts))
            .collect::<Result<_>>()
            .map(Self)
    }

    /// How many tokens their longest prompt has, with the special ones before it.
    pub fn longest_prompt(&self) -> usize {
        let of_each = self.0.iter().map(|evaluation| evaluation.texts.longest_prompt());
        of_each.max().unwrap_or(0)
    }

    /// The texts, cut to `max_length` tokens, of each evaluation that measures that often: how many there are, and each of them.
    pub fn texts<'t>(
        &'t self,
        every: Every,
        max_length: usize,
    ) -> impl Iterator<Item = (usize, impl Fn(u32) -> Prompted<'t>)> {
        let due = self.0.iter().filter(move |evaluation| evaluation.every == every);
        due.map(move |evaluation| {
            let texts = &evaluation.texts;
            (texts.count(), move |place| texts.cut(place, max_length))
        })
    }

    /// Adds to `metrics` what those evaluations measure of a model that are `due` and not among them yet. Texts are cut to
    /// `max_length` tokens. The answer is whether all embeddings were finite; if they were not, metrics are missing.
    pub fn measure(
        &self,
        model: &Model,
        max_length: usize,
        due: impl Fn(Every) -> bool,
        metrics: &mut Metrics,
    ) -> Result<bool> {
        for evaluation in self.0.iter().filter(|evaluation| due(evaluation.every)) {
            let mut names = evaluation.kind.metrics().iter();
            if names.all(|metric| metrics.contains_key(&Table::metric(&evaluation.name, metric))) {
                continue;
            }
            let Some(values) = evaluation.measure(model, max_length)? else {
                return Ok(false);
            };
            metrics.extend(values);
        }
        Ok(true)
    }
}

/// An evaluation before its texts are tokenised.
#[derive(Debug)]
pub struct Source {
    name: String,
    table: Table,
    data: EvaluationData,
}

impl Source {
    /// Reads the data of all evaluations, by their names.
    ///
    /// # Errors
    /// Those of [`evaluation::load`].
    pub fn all(tables: &BTreeMap<String, Table>) -> Result<Vec<Self>> {
        let read = |(name, table): (&String, &Table)| {
            Ok(Self {
                name: name.clone(),
                table: table.clone(),
                data: evaluation::load(name, table)?.data,
            })
        };
        tables.iter().map(read).collect()
    }

    /// The rows whose columns its texts are like.
    pub fn kind(&self) -> RowKind {
        roles::columns(&self.data.task)
    }
}

/// An evaluation with its texts tokenised.
#[derive(Debug)]
pub struct Evaluation {
    name: String,
    kind: EvaluationKind,
    every: Every,
    classifier: Classifier,
    texts: PromptedTexts,
    /// What is asked of places of `texts`.
    task: Task,
}

impl Evaluation {
    fn of(source: &Source, tokens: &KeptTokens, prompts: &RolePrompts) -> Result<Self> {
        let EvaluationData { texts, task } = &source.data;
        let mut places = Places::new(&prompts.columns(roles::columns(task)), texts.len());
        let task = roles::placed(task, |column, text| places.of(column, text));
        Ok(Self {
            name: source.name.clone(),
            kind: source.table.r#type,
            every: source.table.every,
            classifier: source.table.classifier.unwrap_or(Classifier::LogisticRegression),
            texts: places.tokenise(texts, tokens)?,
            task,
        })
    }

    /// What it measures of a model; none if embeddings are not finite.
    fn measure(&self, model: &Model, max_length: usize) -> Result<Option<Metrics>> {
        let text = |place| self.texts.cut(place, max_length);
        let scaled = is_scaled(&self.task, self.classifier);
        let embeddings = embed(model, self.texts.count(), text, scaled, "evaluation: texts")?;
        // A sum of another kind than the embeddings would be one of a copy of them.
        if !embeddings.f_sum(Kind::Float)?.f_double_value(&[])?.is_finite() {
            return Ok(None);
        }
        let values = values(&self.task, self.classifier, &embeddings)?;
        let named = values
            .into_iter()
            .map(|(metric, value)| (Table::metric(&self.name, metric), value));
        Ok(Some(named.collect()))
    }
}

/// Whether embeddings are compared by their cosines, and not used as the model gives them.
fn is_scaled(task: &Task, classifier: Classifier) -> bool {
    !matches!(
        (task, classifier),
        (Task::Classification(_), Classifier::LogisticRegression)
    )
}

/// What embeddings of the texts of a task, `[texts, hidden]`, as a model gives them, are worth: the metrics of its kind.
pub fn measure_embeddings(task: &Task, classifier: Classifier, plain: &Tensor) -> Result<Metrics> {
    let values = if is_scaled(task, classifier) {
        values(task, classifier, &normalise(plain)?)?
    } else {
        values(task, classifier, plain)?
    };
    Ok(values
        .into_iter()
        .map(|(metric, value)| (metric.to_owned(), value))
        .collect())
}

/// The same of embeddings that are scaled if they have to be.
fn values(task: &Task, classifier: Classifier, embeddings: &Tensor) -> Result<Values> {
    let _no_grad = tch::no_grad_guard();
    match task {
        Task::Retrieval(task) => retrieval::measure(task, embeddings),
        Task::Similarity(pairs) => similarity::measure(pairs, embeddings),
        Task::Triplets(triplets) => triplets::measure(triplets, embeddings),
        Task::Classification(task) => classification::measure(task, classifier, embeddings),
        Task::Reranking(rows) => reranking::measure(rows, embeddings),
    }
}
