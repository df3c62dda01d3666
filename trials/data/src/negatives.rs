//! Several negatives of a record.

use crate::pool::Pool;
use crate::rows::{Example, Row};

/// Makes one row of those that come of one record and differ only in their negatives.
pub(crate) fn together(rows: &mut Vec<Row>, pool: &mut Pool) {
    let mut merged: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows.drain(..) {
        let of_last = |last: &&mut Row| {
            let same = |of: &Row| (of.number, of.example.anchor(), of.example.positive());
            same(last) == same(&row)
        };
        match (row.example, merged.last_mut().filter(of_last)) {
            (Example::Triplet([_, _, negative]), Some(last)) => {
                let place = *last.others.get_or_insert_with(|| {
                    pool.others.push(Vec::new());
                    pool.others.len() as u32 - 1
                });
                pool.others[place as usize].push(negative);
            }
            _ => merged.push(row),
        }
    }
    *rows = merged;
}

/// The negatives of a row beside the one that it names.
pub(crate) fn others<'a>(row: &Row, pool: &'a Pool) -> &'a [u32] {
    let others = row.others.and_then(|place| pool.others.get(place as usize));
    others.map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negatives_of_a_record_stay_with_their_anchor_and_positive() {
        let row = |number: u64, texts: [u32; 3]| Row {
            example: Example::Triplet(texts),
            others: None,
            group: None,
            number,
        };
        // The first record has two positives, the next one the texts of the first.
        let mut rows = vec![
            row(1, [0, 1, 3]),
            row(1, [0, 1, 4]),
            row(1, [0, 1, 5]),
            row(1, [0, 2, 3]),
            row(1, [0, 2, 4]),
            row(2, [0, 2, 5]),
            row(3, [6, 7, 8]),
        ];
        let mut pool = Pool::default();
        together(&mut rows, &mut pool);
        let found: Vec<(Example, &[u32])> = rows.iter().map(|row| (row.example, others(row, &pool))).collect();
        let expected: [([u32; 3], &[u32]); 4] = [
            ([0, 1, 3], &[4, 5]),
            ([0, 2, 3], &[4]),
            ([0, 2, 5], &[]),
            ([6, 7, 8], &[]),
        ];
        assert_eq!(found, expected.map(|(texts, others)| (Example::Triplet(texts), others)));
    }
}
