//! Evaluations: data of the user's own, and how a model is measured on them. The tables `[evaluation.NAME]` of a study's file.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::columns::{Columns, Kind};
use super::declare::{Choice, Key, choices, keys};

keys! {
    /// An evaluation: the keys of a table `[evaluation.NAME]`.
    #[serde(deny_unknown_fields)]
    Evaluation {
        /// What is measured.
        r#type: EvaluationKind,
        /// A file of rows: JSONL, CSV, TSV or Parquet, by its ending. For retrieval also a directory in BEIR's
        /// layout: `corpus.jsonl`, `queries.jsonl` and `qrels/test.tsv`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<PathBuf>,
        /// With `corpus` and `qrels` instead of `data`: the queries, as JSON lines or TSV of `_id` and `text`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queries: Option<PathBuf>,
        /// The texts that are searched, as JSON lines or TSV of `_id`, `title` (if any) and `text`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        corpus: Option<PathBuf>,
        /// Which texts are relevant to which query: TSV of `query-id`, `corpus-id` and `score`, relevant if the score is
        /// above 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        qrels: Option<PathBuf>,
        /// What the columns of the files of rows are for; if not given, their names decide.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        columns: Option<Columns>,
        /// The labelled texts that the classifier is fitted on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        train: Option<PathBuf>,
        /// What is fitted on the embeddings, a logistic regression if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        classifier: Option<Classifier>,
        /// When models are measured: all evaluations measure the untrained model and the exported one, and trials with
        /// each report, at each rung, or when they end.
        #[serde(default = "every")]
        every: Every,
    }
}

impl Evaluation {
    /// The files of [`data`](Self::data) if it is a directory of BEIR's layout, relative to it: corpus, queries, qrels.
    pub const BEIR: [&str; 3] = ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"];

    /// The paths that it names, each with its key.
    pub fn paths(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let all = [
            ("data", &self.data),
            ("queries", &self.queries),
            ("corpus", &self.corpus),
            ("qrels", &self.qrels),
            ("train", &self.train),
        ];
        all.into_iter().filter_map(|(key, path)| Some((key, path.as_deref()?)))
    }

    /// The full name of a metric of an evaluation, by which reports have it and a study's objective names it.
    pub fn metric(name: &str, metric: &str) -> String {
        format!("{name}.{metric}")
    }
}

fn every() -> Every {
    Every::Rung
}

choices! {
    /// What an evaluation measures.
    EvaluationKind {
        /// Whether the texts that are relevant to a query stand first among all texts of a corpus.
        Retrieval = "retrieval",
        /// Whether the cosine of two texts follows a score that people gave them.
        Similarity = "similarity",
        /// Whether an anchor is nearer to its positive than to its negative.
        Triplets = "triplets",
        /// Whether a classifier on the embeddings, which are not trained on, finds the labels of texts.
        Classification = "classification",
        /// Whether the positives of a query stand before its negatives.
        Reranking = "reranking",
    }
}

impl EvaluationKind {
    /// The metrics of evaluations of this kind, the usual one first. Of all of them higher is better.
    pub const fn metrics(self) -> &'static [&'static str] {
        match self {
            Self::Retrieval => &[
                "ndcg@10",
                "mrr@10",
                "map@100",
                "accuracy@1",
                "accuracy@3",
                "accuracy@5",
                "accuracy@10",
                "precision@1",
                "precision@3",
                "precision@5",
                "precision@10",
                "recall@1",
                "recall@3",
                "recall@5",
                "recall@10",
                "recall@100",
            ],
            Self::Similarity => &["spearman", "pearson"],
            Self::Triplets => &["accuracy"],
            Self::Classification => &["accuracy", "macro_f1"],
            Self::Reranking => &["map", "mrr@10", "ndcg@10"],
        }
    }

    /// The kinds of rows that evaluations of this kind are measured with.
    pub const fn rows(self) -> &'static [Kind] {
        match self {
            Self::Retrieval => &[Kind::Pairs, Kind::Triplets],
            Self::Similarity => &[Kind::Scored],
            Self::Triplets | Self::Reranking => &[Kind::Triplets],
            Self::Classification => &[Kind::Labelled],
        }
    }
}

choices! {
    /// What a classification fits on the embeddings of its training texts.
    Classifier {
        /// A logistic regression.
        LogisticRegression = "logistic_regression",
        /// The nearest neighbours.
        Knn = "knn",
    }
}

choices! {
    /// When an evaluation measures models.
    Every {
        /// Where trials are compared: at the end of each segment.
        Rung = "rung",
        /// With each report.
        Report = "report",
        /// When a trial has reached its maximum or stops by itself.
        End = "end",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_evaluation_is_read_with_its_defaults() {
        let read = |value| serde_json::from_value::<Evaluation>(value);
        let evaluation = read(json!({"type": "classification", "data": "/a", "train": "/b"})).unwrap();
        assert_eq!(evaluation.r#type, EvaluationKind::Classification);
        assert_eq!(evaluation.classifier, None);
        assert_eq!(evaluation.every, Every::Rung);
        assert!(read(json!({"type": "retrieval", "qrel": "/a"})).is_err());
        assert_eq!(Evaluation::KEYS[0].name, "type");
        assert_eq!(Evaluation::metric("docs", "ndcg@10"), "docs.ndcg@10");
    }
}
