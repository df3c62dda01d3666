//! The data of evaluations: read, checked, and in numbers of texts.
//!
//! [`load`] does the same wherever it is called with the same table and files. What is left out, and what makes a metric say less
//! than it seems to, is in the report.

mod beir;
mod classification;
mod report;
mod reranking;
mod retrieval;
mod rows;
mod similarity;
mod triplets;

use std::path::Path;

use hpo_protocol::embedding::{Evaluation, EvaluationKind};
use indexmap::IndexSet;

pub use self::report::EvaluationReport;
use crate::error::DataError;
use crate::informative::{Measure, few};
use crate::pool::Pool;

/// An evaluation's data, and what was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The data.
    pub data: EvaluationData,
    /// What was read.
    pub report: EvaluationReport,
}

/// The data of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationData {
    /// Texts, all distinct, by whose places the task names them.
    pub texts: Vec<String>,
    /// What is asked of a model.
    pub task: Task,
}

/// What an evaluation asks of a model.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// To rank the relevant documents first.
    Retrieval(Retrieval),
    /// To give pairs of texts cosines that follow their scores.
    Similarity(Vec<([u32; 2], f64)>),
    /// To place an anchor nearer to its positive than to its negative.
    Triplets(Vec<[u32; 3]>),
    /// To have labels that can be found.
    Classification(Classification),
    /// To rank the positives of each query before its negatives.
    Reranking(Vec<Candidates>),
}

/// Queries and a corpus.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrieval {
    /// How many documents have each text. These are the first of the texts; at least two.
    pub copies: Vec<u32>,
    /// The queries; at least one.
    pub queries: Vec<Query>,
}

/// A query and what is relevant to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Its text.
    pub text: u32,
    /// The texts of the relevant documents, one for each of them.
    pub relevant: Vec<u32>,
    /// Relevant documents that are not in the corpus, so that no model finds them.
    pub missing: usize,
}

/// Labelled texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    /// Texts and labels that the classifier is fitted on.
    pub train: Vec<(u32, u32)>,
    /// Texts whose labels are to be found.
    pub test: Vec<(u32, u32)>,
    /// The labels, sorted; at least two.
    pub labels: Vec<String>,
}

/// A query with the texts that are to be ranked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// The query.
    pub query: u32,
    /// Relevant texts; at least one.
    pub positives: Vec<u32>,
    /// Other texts; at least one.
    pub negatives: Vec<u32>,
}

/// Reads and checks the data of the evaluation of that name.
///
/// # Errors
/// Names the file, in it the place, and the fix.
pub fn load(name: &str, evaluation: &Evaluation) -> Result<Loaded, DataError> {
    let mut reading = Reading {
        name,
        evaluation,
        pool: Pool::default(),
        warnings: Vec::new(),
    };
    let found = match evaluation.r#type {
        EvaluationKind::Retrieval => retrieval::load(&mut reading),
        EvaluationKind::Similarity => similarity::load(&mut reading),
        EvaluationKind::Triplets => triplets::load(&mut reading),
        EvaluationKind::Classification => classification::load(&mut reading),
        EvaluationKind::Reranking => reranking::load(&mut reading),
    };
    let (task, summary) = found.map_err(|error| {
        error.with_help(&|help| help.replace("under `[trial]`", &format!("under {}", reading.table())))
    })?;
    Ok(Loaded {
        data: EvaluationData {
            texts: reading.pool.texts.into_iter().collect(),
            task,
        },
        report: EvaluationReport {
            kind: evaluation.r#type,
            summary,
            warnings: reading.warnings,
        },
    })
}

/// An evaluation whose data are being read.
struct Reading<'a> {
    name: &'a str,
    evaluation: &'a Evaluation,
    pool: Pool,
    warnings: Vec<String>,
}

impl<'a> Reading<'a> {
    /// Its table in the study's file.
    fn table(&self) -> String {
        format!("`[evaluation.{}]`", self.name)
    }

    fn warn(&mut self, text: impl AsRef<str>) {
        let warning = format!("evaluation `{}`: {}", self.name, text.as_ref());
        self.warnings.push(warning);
    }

    /// Warns if `count` things are few to measure with; `of` is what they are, with their number.
    fn warn_of_few(&mut self, count: usize, of: &str) {
        let kind = self.evaluation.r#type;
        let (metrics, measure): (&[&str], _) = match kind {
            EvaluationKind::Retrieval => (&["ndcg@10", "mrr@10", "recall@10"], Measure::Mean),
            EvaluationKind::Similarity => (kind.metrics(), Measure::Correlation),
            EvaluationKind::Triplets | EvaluationKind::Classification | EvaluationKind::Reranking => {
                (kind.metrics(), Measure::Mean)
            }
        };
        if let Some(warning) = few(count, of, metrics, measure) {
            self.warn(warning);
        }
    }

    /// The path of a key that an evaluation of this kind has.
    fn path(&self, key: &str) -> Result<&'a Path, DataError> {
        let found = self.evaluation.paths().find(|(name, _)| *name == key);
        found.map(|(_, path)| path).ok_or_else(|| {
            let message = format!("evaluation `{}` has no `{key}`", self.name);
            DataError::whole(Path::new(""), message, format!("set `{key}` under {}", self.table()))
        })
    }

    /// Leaves these texts alone, in this order.
    fn keep_texts(&mut self, places: &IndexSet<u32>) {
        let mut all: Vec<String> = std::mem::take(&mut self.pool.texts).into_iter().collect();
        let kept = places.iter().map(|&place| std::mem::take(&mut all[place as usize]));
        self.pool.texts = kept.collect();
    }

    /// The error that all models are equally good on a file, because of what it has in common.
    fn says_nothing(&self, file: &Path, common: &str) -> DataError {
        let message = format!("`{}`: {common}: no model is better there than another", file.display());
        let help = "add rows that differ, or check what the columns are for (`columns` under `[trial]`)";
        DataError::whole(file, message, help)
    }
}

/// A number of things.
fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
