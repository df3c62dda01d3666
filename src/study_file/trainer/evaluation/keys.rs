//! The keys of `[evaluation.NAME]`.

use hpo_protocol::embedding::{Classifier, Evaluation, EvaluationKind, Every};

use super::super::keys::{COLUMNS, declared};
use crate::keys::{About, Fallback, Key, Kind, Refusal, Takes};

/// The table of the tables.
pub(in super::super::super) const TABLE: &str = "evaluation";

const fn key(name: &'static str, takes: Takes, default: Fallback) -> Key {
    declared(Evaluation::KEYS, name, takes, default)
}

const fn path(name: &'static str) -> Key {
    key(name, Takes::Path, Fallback::Nothing)
}

pub(super) const DATA: Key = key(
    "data",
    Takes::Path,
    Fallback::Described("required, but for a retrieval with `queries`, `corpus` and `qrels`"),
);
pub(super) const QUERIES: Key = path("queries");
pub(super) const CORPUS: Key = path("corpus");
pub(super) const QRELS: Key = path("qrels");
pub(super) const COLUMNS_KEY: Key = key("columns", Takes::Table(COLUMNS), Fallback::Described("by their names"));
pub(super) const TRAIN: Key = key("train", Takes::Path, Fallback::Required("train = \"train.csv\""));
/// Its words are in the order of [`Classifier::ALL`].
pub(super) const CLASSIFIER: Key = key(
    "classifier",
    Takes::Word(
        &[Classifier::LogisticRegression.name(), Classifier::Knn.name()],
        Refusal {
            message: "is neither `logistic_regression` nor `knn`",
            label: "unknown classifier",
            help: "",
        },
    ),
    Fallback::Word(Classifier::LogisticRegression.name()),
);
/// Its words are in the order of [`Every::ALL`].
pub(super) const EVERY: Key = key(
    "every",
    Takes::Word(
        &[Every::Rung.name(), Every::Report.name(), Every::End.name()],
        Refusal {
            message: "is none of `rung`, `report` and `end`",
            label: "unknown",
            help: "",
        },
    ),
    Fallback::Described("`\"report\"` if a metric of it is the objective, else `\"rung\"`"),
);

/// The keys that all kinds have.
pub(in super::super::super) const COMMON: &[Key] = &[DATA, COLUMNS_KEY, EVERY];

const fn kind(kind: EvaluationKind, choose: &'static str, keys: &'static [Key]) -> About {
    About {
        name: kind.name(),
        in_short: EvaluationKind::CHOICES[kind as usize].about,
        choose,
        keys,
        keys_if_learning: &[],
    }
}

/// What an evaluation can be.
pub(in super::super::super) const KINDS: &[Kind<EvaluationKind, ()>] = &[
    Kind {
        about: kind(
            EvaluationKind::Retrieval,
            "for search: pairs or triplets of which all answers are searched for each question, or queries, corpus and qrels",
            &[QUERIES, CORPUS, QRELS],
        ),
        read: |()| EvaluationKind::Retrieval,
    },
    Kind {
        about: kind(
            EvaluationKind::Similarity,
            "where the cosine itself is used, as a measure or against a threshold: scored pairs",
            &[],
        ),
        read: |()| EvaluationKind::Similarity,
    },
    Kind {
        about: kind(
            EvaluationKind::Triplets,
            "for hard comparisons that were chosen one by one: triplets",
            &[],
        ),
        read: |()| EvaluationKind::Triplets,
    },
    Kind {
        about: kind(
            EvaluationKind::Classification,
            "where embeddings are the features of a classifier: labelled texts",
            &[TRAIN, CLASSIFIER],
        ),
        read: |()| EvaluationKind::Classification,
    },
    Kind {
        about: kind(
            EvaluationKind::Reranking,
            "where another system finds candidates and the model orders them: rows with a list of positives and one of negatives",
            &[],
        ),
        read: |()| EvaluationKind::Reranking,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_that_the_trainer_declares() {
        let own = KINDS.iter().flat_map(|kind| kind.about.keys);
        let mut names: Vec<&str> = COMMON.iter().chain(own).map(|key| key.name).chain(["type"]).collect();
        let mut declared: Vec<&str> = Evaluation::KEYS.iter().map(|key| key.name).collect();
        names.sort_unstable();
        declared.sort_unstable();
        assert_eq!(names, declared);
        let kinds = KINDS.iter().map(|kind| (kind.read)(&()));
        assert!(kinds.eq(EvaluationKind::ALL.iter().copied()));
        assert!(KINDS.iter().all(|kind| kind.about.name == (kind.read)(&()).name()));
        let places = Every::ALL.iter().map(|every| EVERY.place(every.name()));
        assert!(places.eq((0..Every::ALL.len()).map(Some)));
        let places = Classifier::ALL.iter().map(|one| CLASSIFIER.place(one.name()));
        assert!(places.eq((0..Classifier::ALL.len()).map(Some)));
    }
}
