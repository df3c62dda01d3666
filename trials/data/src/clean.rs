//! Which rows would spoil training or validation.
//!
//! Rows are judged by their texts after trimming, exactly: no case folding, no near duplicates.

use std::collections::{HashMap, HashSet};

use crate::report::Dropped;
use crate::rows::{Example, Row};

/// Drops rows that repeat, contradict or compare a text with itself.
pub(crate) fn clean(rows: &mut Vec<Row>, dropped: &mut Dropped) {
    let mut seen = HashSet::new();
    retain(rows, &mut dropped.duplicates, |row| seen.insert(identity(&row.example)));
    retain(rows, &mut dropped.equal, |row| !row.example.names_a_text_twice());
    let contradicted = contradictions(rows);
    retain(rows, &mut dropped.conflicts, |row| {
        !claims(&row.example).any(|(claim, _)| contradicted.contains(&claim))
    });
}

/// Drops the rows in which an anchor of the `held_out` rows is anchor or positive: a model trained with them would have
/// seen what it is asked. That a positive or a negative is shared is none: an answer may belong to several questions.
pub(crate) fn drop_leaks<'a>(rows: &mut Vec<Row>, held_out: impl IntoIterator<Item = &'a Row>, dropped: &mut Dropped) {
    let anchors: HashSet<u32> = held_out.into_iter().map(|row| row.example.anchor()).collect();
    retain(rows, &mut dropped.leaked, |row| {
        let example = &row.example;
        !anchors.contains(&example.anchor()) && example.positive().is_none_or(|text| !anchors.contains(&text))
    });
}

fn retain(rows: &mut Vec<Row>, count: &mut usize, keep: impl FnMut(&Row) -> bool) {
    let before = rows.len();
    rows.retain(keep);
    *count += before - rows.len();
}

/// What makes two rows the same: the texts with the score or label. A score is one of both texts alike.
fn identity(example: &Example) -> [u32; 3] {
    match *example {
        Example::Triplet(texts) => texts,
        Example::Pair([anchor, positive]) => [anchor, positive, 0],
        Example::Scored([one, other], score) => [one.min(other), one.max(other), score.to_bits()],
        Example::Labelled(text, label) => [text, label, 0],
    }
}

/// What a row says: of a pair of texts (or of one), a value. Two rows that give one pair different values contradict
/// each other.
fn claims(example: &Example) -> impl Iterator<Item = ((u32, u32), u32)> {
    let claims = match *example {
        Example::Triplet([anchor, positive, negative]) => {
            [Some(((anchor, positive), 1)), Some(((anchor, negative), 0))]
        }
        Example::Pair(_) => [None, None],
        Example::Scored([one, other], score) => [Some(((one.min(other), one.max(other)), score.to_bits())), None],
        Example::Labelled(text, label) => [Some(((text, text), label)), None],
    };
    claims.into_iter().flatten()
}

fn contradictions(rows: &[Row]) -> HashSet<(u32, u32)> {
    let mut claimed: HashMap<(u32, u32), u32> = HashMap::new();
    let mut contradicted = HashSet::new();
    for (pair, value) in rows.iter().flat_map(|row| claims(&row.example)) {
        if *claimed.entry(pair).or_insert(value) != value {
            contradicted.insert(pair);
        }
    }
    contradicted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(example: Example) -> Row {
        Row {
            example,
            others: None,
            group: None,
            number: 1,
        }
    }

    fn cleaned(examples: &[Example]) -> (Vec<Example>, Dropped) {
        let mut rows: Vec<Row> = examples.iter().copied().map(row).collect();
        let mut dropped = Dropped::default();
        clean(&mut rows, &mut dropped);
        (rows.iter().map(|row| row.example).collect(), dropped)
    }

    #[test]
    fn triplets_are_cleaned() {
        use Example::Triplet as T;
        let rows = [
            T([0, 1, 2]),
            T([0, 1, 3]),
            T([0, 1, 2]),
            T([4, 4, 5]),
            T([4, 5, 5]),
            T([4, 5, 4]),
            // 7 is near to 6 here and far from it there; of the other anchor that says nothing.
            T([6, 7, 8]),
            T([6, 9, 7]),
            T([10, 8, 7]),
        ];
        let (kept, dropped) = cleaned(&rows);
        assert_eq!(kept, [rows[0], rows[1], rows[8]]);
        let expected = Dropped {
            duplicates: 1,
            equal: 3,
            conflicts: 2,
            ..Dropped::default()
        };
        assert_eq!(dropped, expected);
    }

    #[test]
    fn scored_pairs_are_cleaned_whichever_text_comes_first() {
        use Example::Scored as S;
        let rows = [
            S([0, 1], 0.5),
            S([1, 0], 0.5),
            S([2, 3], 0.5),
            S([3, 2], 0.75),
            S([4, 4], 1.0),
        ];
        let (kept, dropped) = cleaned(&rows);
        assert_eq!(kept, [rows[0]]);
        assert_eq!((dropped.duplicates, dropped.equal, dropped.conflicts), (1, 1, 2));
    }

    #[test]
    fn pairs_and_labelled_texts_are_cleaned() {
        use Example::{Labelled as L, Pair as P};
        let (kept, dropped) = cleaned(&[P([0, 1]), P([1, 0]), P([0, 1]), P([2, 2]), P([0, 2])]);
        assert_eq!(kept, [P([0, 1]), P([1, 0]), P([0, 2])]);
        assert_eq!((dropped.duplicates, dropped.equal), (1, 1));
        let (kept, dropped) = cleaned(&[L(0, 0), L(1, 0), L(0, 1), L(1, 0), L(2, 1)]);
        assert_eq!(kept, [L(1, 0), L(2, 1)]);
        assert_eq!((dropped.duplicates, dropped.conflicts), (1, 2));
    }

    #[test]
    fn an_anchor_leaks_as_anchor_and_as_positive_but_not_as_negative() {
        use Example::Triplet as T;
        let held_out = [row(T([0, 1, 2]))];
        let rows = [
            T([0, 8, 9]),
            T([8, 0, 9]),
            T([8, 9, 0]),
            T([8, 1, 9]),
            T([8, 9, 2]),
            T([1, 8, 9]),
        ];
        let mut kept: Vec<Row> = rows.iter().copied().map(row).collect();
        let mut dropped = Dropped::default();
        drop_leaks(&mut kept, &held_out, &mut dropped);
        let kept: Vec<Example> = kept.iter().map(|row| row.example).collect();
        assert_eq!((kept.as_slice(), dropped.leaked), (&rows[2..], 2));
    }
}
