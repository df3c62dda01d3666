//! Whether rows teach a model anything, and how well they distinguish one model from another.

use std::collections::{HashMap, HashSet};

use crate::Kind;
use crate::error::shown;
use crate::negatives::others;
use crate::pool::Pool;
use crate::rows::{Example, Row};

/// Rows to measure with, or different anchors in them, below which a metric is too uncertain to go without a word.
const FEW: usize = 100;

/// The same of rows to train with.
const FEW_TO_LEARN: usize = 32;

/// Answers to rank of which the first ten are all.
const TOP: usize = 10;

/// What all rows have in common if every model does equally well on them, so that none can learn from them and none be better
/// than another: "have the label `spam`". Texts are compared as places in the pool.
pub(crate) fn in_common(rows: &[Row], kind: Kind, pool: &Pool) -> Option<String> {
    let text = |place: u32| shown(pool.texts.get_index(place as usize).map_or("", String::as_str));
    let differ = |row: &&Row| !row.example.names_a_text_twice();
    let twice = || (!rows.iter().any(|row| differ(&row))).then(|| "name the same text twice".to_owned());
    let anchor = || the_only(rows.iter().map(|row| row.example.anchor()));
    match kind {
        Kind::Labelled => the_only(rows.iter().filter_map(|row| row.example.label()))
            .map(|label| {
                let label = pool.labels.get_index(label as usize).map_or("", String::as_str);
                format!("have the label `{}`", shown(label))
            })
            .or_else(|| anchor().map(|only| format!("have the same text, `{}`", text(only)))),
        Kind::Scored => twice().or_else(|| {
            let scores = rows.iter().filter(differ).filter_map(|row| match row.example {
                Example::Scored(_, score) => Some(score.to_bits()),
                Example::Triplet(_) | Example::Pair(_) | Example::Labelled(..) => None,
            });
            the_only(scores).map(|_| "have the same score".to_owned())
        }),
        Kind::Pairs => twice()
            .or_else(|| anchor().map(|only| format!("have the same anchor, `{}`", text(only))))
            .or_else(|| {
                let positive = the_only(rows.iter().filter_map(|row| row.example.positive()));
                positive.map(|only| format!("have the same positive, `{}`", text(only)))
            })
            .or_else(|| (!any_is_wrong(rows)).then(|| "have an anchor that all positives belong to".to_owned())),
        Kind::Triplets => twice(),
    }
}

/// Whether some anchor has a right answer and could be given a wrong one.
fn any_is_wrong(rows: &[Row]) -> bool {
    let mut right: HashMap<u32, HashSet<u32>> = HashMap::new();
    let mut answers = HashSet::new();
    for row in rows {
        let (anchor, positive) = (row.example.anchor(), row.example.positive());
        right.entry(anchor).or_default().extend(positive);
        answers.extend(positive);
    }
    right.into_iter().any(|(anchor, mut right)| {
        // A text is no answer to itself.
        let itself = usize::from(answers.contains(&anchor));
        right.remove(&anchor);
        !right.is_empty() && right.len() + itself < answers.len()
    })
}

/// The value that all are, if it is one.
fn the_only(mut values: impl Iterator<Item = u32>) -> Option<u32> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

/// What a metric is as far as its uncertainty goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// The mean of numbers from 0 to 1, one for each row or question: an accuracy, a recall, an nDCG.
    Mean,
    /// A correlation.
    Correlation,
}

impl Measure {
    /// The standard error of the metric where it is `value` and was measured on `count` rows or questions.
    ///
    /// A mean of numbers from 0 to 1 varies most if these are all 0 or 1: the error is `sqrt(m (1 - m) / n)`, or less. That of a
    /// correlation is about `(1 - r^2) / sqrt(n - 1)`.
    fn standard_error(self, value: f64, count: usize) -> f64 {
        match self {
            Self::Mean => (value * (1.0 - value) / count.max(1) as f64).sqrt(),
            Self::Correlation => (1.0 - value * value) / (count.max(2) as f64 - 1.0).sqrt(),
        }
    }
}

/// What there is to say of few rows or questions to measure with: how uncertain metrics on them are. `of` is what they are, with their
/// number, and `metrics` the names.
pub(crate) fn few(count: usize, of: &str, metrics: &[&str], measure: Measure) -> Option<String> {
    let [at_half, at_high] = [0.5, 0.9].map(|value| measure.standard_error(value, count));
    let names = match metrics {
        [] => return None,
        [one] => (*one).to_owned(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    };
    (count < FEW).then(|| {
        format!(
            "only {of}: the standard error of {names} is up to {at_half:.2} at a value of 0.5 and up to {at_high:.2} at 0.9, so \
             smaller differences between models may be chance; give {FEW} or more"
        )
    })
}

/// The same of the rows of a data set.
pub(crate) fn uncertainty(rows: &[Row], kind: Kind, what: &str) -> Option<String> {
    let count = rows.len();
    let distinct = match kind {
        Kind::Pairs | Kind::Triplets => {
            let anchors: HashSet<u32> = rows.iter().map(|row| row.example.anchor()).collect();
            anchors.len()
        }
        Kind::Scored | Kind::Labelled => count,
    };
    let (metrics, measure): (&[&str], _) = match kind {
        Kind::Pairs | Kind::Triplets => (&["ndcg@10", "mrr@10", "recall@10"], Measure::Mean),
        Kind::Labelled => (&["accuracy", "macro_f1"], Measure::Mean),
        Kind::Scored => (&["spearman", "pearson"], Measure::Correlation),
    };
    let plural = if count == 1 { "" } else { "s" };
    let anchors = match distinct {
        distinct if distinct == count => String::new(),
        1 => " with one anchor".to_owned(),
        distinct => format!(" with {distinct} different anchors"),
    };
    few(
        distinct,
        &format!("{count} {what} row{plural}{anchors}"),
        metrics,
        measure,
    )
}

/// What there is to say of rows that ask for a ranking of few answers.
pub(crate) fn few_answers(rows: &[Row], pool: &Pool, what: &str) -> Option<String> {
    let answers = rows.iter().flat_map(|row| match row.example {
        Example::Triplet([_, positive, negative]) => [&[positive, negative], others(row, pool)].concat(),
        Example::Pair([_, positive]) => vec![positive],
        Example::Scored(..) | Example::Labelled(..) => Vec::new(),
    });
    let count = answers.collect::<HashSet<u32>>().len();
    (1..=TOP).contains(&count).then(|| {
        format!("only {count} different answers in the {what} rows: recall@10 is always 1 there, so compare by the loss or mrr@10")
    })
}

/// What there is to say of few rows to train with.
pub(crate) fn scarcity(rows: &[Row]) -> Option<String> {
    let count = rows.len();
    let plural = if count == 1 { "" } else { "s" };
    (count < FEW_TO_LEARN)
        .then(|| format!("only {count} training row{plural}: what a model learns from so few is mostly chance"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(examples: &[Example]) -> Vec<Row> {
        let row = |example: &Example| Row {
            example: *example,
            others: None,
            group: None,
            number: 1,
        };
        examples.iter().map(row).collect()
    }

    #[test]
    fn rows_on_which_all_models_are_equally_good_are_found() {
        use Example::{Labelled as L, Pair as P, Scored as S, Triplet as T};
        let mut pool = Pool::default();
        pool.texts.extend((0..9).map(|n| format!("t{n}")));
        pool.labels.extend(["spam".to_owned(), "ham".to_owned()]);
        let cases: [(Kind, &[Example], Option<&str>); 16] = [
            (Kind::Labelled, &[L(0, 0), L(1, 0)], Some("have the label `spam`")),
            (Kind::Labelled, &[L(0, 0), L(0, 1)], Some("have the same text, `t0`")),
            (Kind::Labelled, &[L(0, 0), L(1, 1)], None),
            (
                Kind::Scored,
                &[S([0, 1], 0.5), S([2, 3], 0.5)],
                Some("have the same score"),
            ),
            (
                Kind::Scored,
                &[S([0, 1], 0.5), S([2, 2], 0.7)],
                Some("have the same score"),
            ),
            (
                Kind::Scored,
                &[S([0, 0], 0.5), S([2, 2], 0.7)],
                Some("name the same text twice"),
            ),
            (Kind::Scored, &[S([0, 1], 0.5), S([0, 2], 0.7)], None),
            (Kind::Pairs, &[P([0, 0]), P([1, 1])], Some("name the same text twice")),
            (
                Kind::Pairs,
                &[P([0, 8]), P([1, 8])],
                Some("have the same positive, `t8`"),
            ),
            (Kind::Pairs, &[P([0, 7]), P([0, 8])], Some("have the same anchor, `t0`")),
            (
                Kind::Pairs,
                &[P([0, 7]), P([0, 8]), P([1, 7]), P([1, 8])],
                Some("have an anchor that all positives belong to"),
            ),
            (
                Kind::Pairs,
                &[P([0, 1]), P([1, 0])],
                Some("have an anchor that all positives belong to"),
            ),
            (Kind::Pairs, &[P([0, 7]), P([1, 8])], None),
            (
                Kind::Triplets,
                &[T([0, 0, 1]), T([2, 3, 3])],
                Some("name the same text twice"),
            ),
            (Kind::Triplets, &[T([0, 1, 2])], None),
            (Kind::Pairs, &[P([0, 7]), P([0, 8]), P([1, 7])], None),
        ];
        for (kind, examples, expected) in cases {
            assert_eq!(
                in_common(&rows(examples), kind, &pool).as_deref(),
                expected,
                "{examples:?}"
            );
        }
    }

    #[test]
    fn few_rows_are_reported_with_the_error_that_they_leave() {
        let pairs = |count: u32, anchors: u32| {
            let pairs: Vec<Example> = (0..count).map(|n| Example::Pair([n % anchors, 500 + n])).collect();
            uncertainty(&rows(&pairs), Kind::Pairs, "validation")
        };
        assert_eq!(pairs(100, 100), None);
        assert!(pairs(25, 25).is_some_and(|said| {
            said.starts_with(
                "only 25 validation rows: the standard error of ndcg@10, mrr@10 and recall@10 is up to 0.10 at a value of 0.5 and up to \
                 0.06 at 0.9, so",
            )
        }));
        assert!(pairs(400, 4).is_some_and(|said| said.starts_with(
            "only 400 validation rows with 4 different anchors: the standard error of ndcg@10, mrr@10 and recall@10 is up to 0.25"
        )));
        let scored = rows(&[Example::Scored([0, 1], 0.0), Example::Scored([2, 3], 1.0)]);
        assert!(
            uncertainty(&scored, Kind::Scored, "test")
                .is_some_and(|said| said.contains("error of spearman and pearson is up to 0.75 at"))
        );
        let labelled = rows(&[Example::Labelled(0, 1)]);
        assert!(
            uncertainty(&labelled, Kind::Labelled, "test")
                .is_some_and(|said| said.contains("test row: the standard error of accuracy"))
        );
        let answers = |count: u32| {
            let pairs: Vec<Example> = (0..200).map(|n| Example::Pair([n, 500 + n % count])).collect();
            few_answers(&rows(&pairs), &Pool::default(), "test")
        };
        assert!(answers(10).is_some_and(|said| said.starts_with("only 10 different answers in the test rows")));
        assert_eq!(
            (answers(11), few_answers(&scored, &Pool::default(), "test")),
            (None, None)
        );
        assert!(scarcity(&scored).is_some() && scarcity(&[scored[0]; 32]).is_none());
    }
}
