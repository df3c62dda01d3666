//! Which of a row's negatives a step uses.

use hpo_data::{Rows, Triplet};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::seed::derive;

/// The rows at some places of the data, each with at most `most` negatives. Which ones, of a row that has more, depends on the seed,
/// which is that of an epoch, and on the place alone.
pub fn drawn(data: &Rows, places: &[usize], most: usize, seed: u64) -> Rows {
    let mut rows = data.select(places);
    if let Rows::Triplets(rows) = &mut rows {
        for (row, &place) in rows.iter_mut().zip(places) {
            draw(row, most, derive(seed, 0, place as u64));
        }
    }
    rows
}

/// Leaves at most `most` negatives of a row, in their order (a partial shuffle of Fisher and Yates).
fn draw(row: &mut Triplet, most: usize, seed: u64) {
    let count = row.negatives.len();
    if count <= most {
        return;
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..count).collect();
    for place in 0..most {
        // As in the order of an epoch, no library's way of drawing may change what a resumed trial does.
        let drawn = (u128::from(random.next_u64()) * (count - place) as u128) >> 64;
        order.swap(place, place + drawn as usize);
    }
    order.truncate(most);
    order.sort_unstable();
    row.negatives = order.into_iter().map(|place| row.negatives[place]).collect();
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn data() -> Rows {
        let row = |negatives: u32| Triplet {
            anchor: 0,
            positive: 1,
            negatives: (2..2 + negatives).collect(),
        };
        Rows::Triplets(vec![row(1), row(2), row(5)])
    }

    #[test]
    fn rows_have_at_most_so_many_in_their_order_and_all_in_turn() {
        assert_eq!(drawn(&data(), &[2, 0], 5, 1), data().select(&[2, 0]));
        let mut seen: HashMap<Vec<u32>, u32> = HashMap::new();
        for epoch in 0..2000 {
            let Rows::Triplets(rows) = drawn(&data(), &[0, 1, 2], 2, epoch) else {
                panic!("no triplets");
            };
            assert_eq!(
                (rows[0].negatives.as_slice(), rows[1].negatives.as_slice()),
                (&[2][..], &[2, 3][..])
            );
            *seen.entry(rows[2].negatives.clone()).or_default() += 1;
        }
        assert!(seen.keys().all(|negatives| negatives.is_sorted()));
        // Two of five in ten ways, each as often.
        assert!(
            seen.len() == 10 && seen.values().all(|count| (150..250).contains(count)),
            "{seen:?}"
        );
    }

    #[test]
    fn what_is_drawn_depends_on_the_epoch_and_the_row_and_not_on_the_batch() {
        let of = |places: &[usize], seed| drawn(&data(), places, 3, seed);
        let last = |rows: Rows| rows.select(&[rows.len() - 1]);
        assert_eq!(last(of(&[2], 7)), last(of(&[0, 1, 2], 7)));
        assert!((0..20).any(|seed| of(&[2], seed) != of(&[2], 20)));
    }
}
