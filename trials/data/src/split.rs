//! Splitting rows such that none of one part is known from the other.

use std::collections::{HashMap, HashSet};

use crate::mix::finalise;
use crate::pool::Pool;
use crate::rows::{Example, Row};

/// Why no part of the wanted size can be split off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsplittable {
    /// Rows that belong together are too many.
    Together {
        /// How many rows the largest bundle has.
        largest: usize,
    },
    /// Too many labels have rows of one bundle only, without which training would not know them.
    Labels,
}

/// Different questions and answers, labels or scores that a part should have if there are so many.
const ENOUGH: usize = 10;

/// Moves about `wanted` of the rows into a part of their own; more if these would have too few different anchors, positives, labels
/// or scores to distinguish models by, up to a third of the rows, or to half of them if there is only one of a sort.
///
/// Rows of one group, and rows without a group that share a text as anchor or positive, directly or by way of others,
/// go together; a label keeps rows in the first part. What is drawn depends on the seed and the texts, not on the order
/// of the rows. Both parts keep that order.
pub(crate) fn split_off(rows: &mut Vec<Row>, wanted: usize, seed: u64, pool: &Pool) -> Result<Vec<Row>, Unsplittable> {
    let bundles = bundles(rows, seed, pool);
    let mut sorted: Vec<(&u32, &Bundle)> = bundles.iter().collect();
    // A group may be called what a text is, and then has its hash.
    let is_group = |root: u32| root as usize >= pool.texts.len();
    sorted.sort_by_key(|(root, bundle)| (bundle.hash, is_group(**root)));

    let mut left: HashMap<u32, usize> = HashMap::new();
    for label in rows.iter().filter_map(|row| row.example.label()) {
        *left.entry(label).or_default() += 1;
    }
    let mut draw = Draw {
        left,
        kept_for_labels: 0,
        taken: 0,
        drawn: HashSet::new(),
        variety: Variety::default(),
    };
    for &(root, bundle) in &sorted {
        // A bundle may make the part too large by less than the part lacks without it.
        let lacks = wanted.saturating_sub(draw.taken);
        if bundle.rows < 2 * lacks && draw.taken + bundle.rows < rows.len() {
            draw.take(*root, bundle);
        }
    }
    if draw.taken == 0 {
        let smallest = sorted.iter().min_by_key(|(_, bundle)| bundle.rows);
        if let Some(&(root, bundle)) = smallest.filter(|(_, bundle)| 2 * bundle.rows <= rows.len()) {
            draw.take(*root, bundle);
        }
    }
    draw.vary(&sorted, rows.len());
    let Draw {
        taken,
        drawn,
        kept_for_labels,
        ..
    } = draw;
    if taken == 0 || 2 * taken < wanted {
        let largest = sorted.iter().map(|(_, bundle)| bundle.rows).max().unwrap_or(0);
        return Err(match kept_for_labels {
            0 => Unsplittable::Together { largest },
            _ => Unsplittable::Labels,
        });
    }
    let mut roots = Roots::of(rows, pool);
    let (part, rest) = rows.iter().partition(|row| drawn.contains(&roots.of_row(row, pool)));
    *rows = rest;
    Ok(part)
}

/// Bundles that are drawn for a part.
struct Draw {
    /// Rows of each label that are not drawn.
    left: HashMap<u32, usize>,
    /// Bundles that were not taken because training needs their labels.
    kept_for_labels: usize,
    /// Rows.
    taken: usize,
    /// The roots of the bundles.
    drawn: HashSet<u32>,
    variety: Variety,
}

impl Draw {
    fn take(&mut self, root: u32, bundle: &Bundle) {
        let labels = || bundle.labels.iter();
        if labels().any(|(label, count)| self.left.get(label).is_none_or(|left| left <= count)) {
            self.kept_for_labels += 1;
            return;
        }
        for (label, count) in labels() {
            self.left.entry(*label).and_modify(|left| *left -= count);
        }
        self.drawn.insert(root);
        self.taken += bundle.rows;
        self.variety.extend(&bundle.variety);
    }

    /// Takes bundles with other questions or answers, the smallest first, until there are enough of both.
    fn vary(&mut self, sorted: &[(&u32, &Bundle)], rows: usize) {
        let mut others = sorted.to_vec();
        others.sort_by_key(|(_, bundle)| bundle.rows);
        for (root, bundle) in others {
            let fewest = self.variety.fewest();
            let most = if fewest < 2 { rows / 2 } else { rows / 3 };
            let is_new = self.variety.would_gain(&bundle.variety);
            let fits = self.taken + bundle.rows <= most && !self.drawn.contains(root);
            // What one part lacks the other must not.
            let leaves_two = self.drawn.len() + 2 < sorted.len();
            if fewest < ENOUGH && is_new && fits && leaves_two {
                self.take(*root, bundle);
            }
        }
    }
}

/// Rows that go together.
#[derive(Debug, Default)]
struct Bundle {
    rows: usize,
    /// The least hash of its texts or group, and so independent of the order of rows.
    hash: u64,
    labels: HashMap<u32, usize>,
    variety: Variety,
}

/// What distinguishes models: how many different things they are asked, and how many different answers there are.
#[derive(Debug, Default)]
struct Variety {
    /// Anchors of pairs and triplets. Of other rows every one is a question of its own, and their answers alone count.
    questions: HashSet<u32>,
    /// Positives, labels or the bits of scores.
    answers: HashSet<u32>,
}

impl Variety {
    fn add(&mut self, example: Example) {
        let (question, answer) = match example {
            Example::Scored(_, score) => (score.to_bits(), score.to_bits()),
            Example::Labelled(_, label) => (label, label),
            Example::Pair([anchor, positive]) | Example::Triplet([anchor, positive, _]) => (anchor, positive),
        };
        self.questions.insert(question);
        self.answers.insert(answer);
    }

    fn extend(&mut self, other: &Self) {
        self.questions.extend(&other.questions);
        self.answers.extend(&other.answers);
    }

    /// How many there are of what there is less of.
    fn fewest(&self) -> usize {
        self.questions.len().min(self.answers.len())
    }

    /// Whether there would be more of something that there is not enough of.
    fn would_gain(&self, other: &Self) -> bool {
        let gains = |own: &HashSet<u32>, other: &HashSet<u32>| own.len() < ENOUGH && !other.is_subset(own);
        gains(&self.questions, &other.questions) || gains(&self.answers, &other.answers)
    }
}

fn bundles(rows: &[Row], seed: u64, pool: &Pool) -> HashMap<u32, Bundle> {
    let mut roots = Roots::of(rows, pool);
    let mut bundles: HashMap<u32, Bundle> = HashMap::new();
    for row in rows {
        let bundle = bundles.entry(roots.of_row(row, pool)).or_insert_with(|| Bundle {
            hash: u64::MAX,
            ..Bundle::default()
        });
        let place = |texts: &indexmap::IndexSet<String>, place: u32| -> u64 {
            texts.get_index(place as usize).map_or(0, |text| hash(seed, text))
        };
        let hash = match row.group {
            Some(group) => place(&pool.groups, group),
            None => {
                let anchor = place(&pool.texts, row.example.anchor());
                let positive = row.example.positive().map_or(anchor, |text| place(&pool.texts, text));
                anchor.min(positive)
            }
        };
        bundle.rows += 1;
        bundle.variety.add(row.example);
        bundle.hash = bundle.hash.min(hash);
        if let Some(label) = row.example.label() {
            *bundle.labels.entry(label).or_default() += 1;
        }
    }
    bundles
}

/// Which texts and groups hang together: a forest with halved paths (Tarjan and van Leeuwen, 1984). Texts come first,
/// then groups.
struct Roots(Vec<u32>);

impl Roots {
    fn of(rows: &[Row], pool: &Pool) -> Self {
        let mut roots = Self((0..(pool.texts.len() + pool.groups.len()) as u32).collect());
        for row in rows.iter().filter(|row| row.group.is_none()) {
            if let Some(positive) = row.example.positive() {
                let (one, other) = (roots.root(row.example.anchor()), roots.root(positive));
                // Always to the lower one: simple, and fast enough with halved paths.
                roots.0[one.max(other) as usize] = one.min(other);
            }
        }
        roots
    }

    fn root(&mut self, mut at: u32) -> u32 {
        while self.0[at as usize] != at {
            let above = self.0[at as usize];
            self.0[at as usize] = self.0[above as usize];
            at = above;
        }
        at
    }

    fn of_row(&mut self, row: &Row, pool: &Pool) -> u32 {
        match row.group {
            Some(group) => pool.texts.len() as u32 + group,
            None => self.root(row.example.anchor()),
        }
    }
}

/// A hash of our own, since the standard library's may change and with it the split: FNV-1a, then [`finalise`].
fn hash(seed: u64, text: &str) -> u64 {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let bytes = seed.to_le_bytes();
    finalise(bytes.iter().chain(text.as_bytes()).fold(0xcbf2_9ce4_8422_2325, fnv))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn pool(texts: u32) -> Pool {
        let mut pool = Pool::default();
        pool.texts.extend((0..texts).map(|n| format!("text {n}")));
        pool.labels.extend((0..texts).map(|n| format!("label {n}")));
        pool.groups.extend((0..texts).map(|n| format!("group {n}")));
        pool
    }

    fn pairs(pairs: &[[u32; 2]]) -> Vec<Row> {
        let row = |pair: &[u32; 2]| Row {
            example: Example::Pair(*pair),
            others: None,
            group: None,
            number: 0,
        };
        pairs.iter().map(row).collect()
    }

    fn texts(rows: &[Row]) -> BTreeSet<u32> {
        let of = |row: &Row| [Some(row.example.anchor()), row.example.positive()];
        rows.iter().flat_map(of).flatten().collect()
    }

    #[test]
    fn one_bundle_can_not_be_split() {
        let chain: Vec<[u32; 2]> = (0..9).map(|n| [n, n + 1]).collect();
        let mut rows = pairs(&chain);
        let refused = split_off(&mut rows, 1, 0, &pool(10));
        assert_eq!(refused, Err(Unsplittable::Together { largest: 9 }));
        assert_eq!(rows.len(), 9);
        // A second bundle that is far smaller than what is wanted does not help.
        let mut rows = pairs(&(0..99).map(|n| [n, n + 1]).chain([[200, 201]]).collect::<Vec<_>>());
        assert!(split_off(&mut rows, 10, 0, &pool(202)).is_err());
        assert_eq!(
            split_off(&mut pairs(&[[0, 1]]), 1, 0, &pool(2)),
            Err(Unsplittable::Together { largest: 1 })
        );
        // Two halves can be split, though the part becomes larger than wanted.
        let mut rows = pairs(&[[0, 1], [1, 2], [3, 4], [4, 5]]);
        assert_eq!(split_off(&mut rows, 1, 0, &pool(6)).unwrap().len(), 2);
    }

    #[test]
    fn groups_take_the_place_of_shared_texts() {
        let mut rows = pairs(&(0..20).map(|n| [n, n + 1]).collect::<Vec<_>>());
        for (n, row) in rows.iter_mut().enumerate() {
            row.group = Some(n as u32 % 5);
        }
        let part = split_off(&mut rows, 8, 1, &pool(21)).unwrap();
        let groups = |rows: &[Row]| -> BTreeSet<Option<u32>> { rows.iter().map(|row| row.group).collect() };
        assert_eq!((part.len(), rows.len()), (8, 12));
        assert!(groups(&part).is_disjoint(&groups(&rows)));
    }

    #[test]
    fn a_group_may_be_called_what_a_text_is() {
        let mut pool = pool(8);
        pool.groups = (0..8).map(|n| format!("text {n}")).collect();
        let mut all = pairs(&[[0, 1], [2, 3], [4, 5], [6, 7]]);
        all[2].group = Some(0);
        all[3].group = Some(2);
        let split = |seed: u64| split_off(&mut all.clone(), 1, seed, &pool);
        for seed in 0..8 {
            let first = split(seed);
            assert!((0..8).all(|_| split(seed) == first));
        }
    }

    #[test]
    fn every_label_keeps_a_row() {
        let row = |n: u32| Row {
            example: Example::Labelled(n, n.min(3)),
            others: None,
            group: None,
            number: 0,
        };
        for seed in 0..20 {
            let mut rows: Vec<Row> = (0..10).map(row).collect();
            let part = split_off(&mut rows, 5, seed, &pool(10)).unwrap();
            let labels: BTreeSet<u32> = rows.iter().filter_map(|row| row.example.label()).collect();
            assert_eq!((part.len(), labels.len()), (5, 4));
        }
        let mut rows: Vec<Row> = (0..3).map(row).collect();
        assert_eq!(split_off(&mut rows, 1, 0, &pool(10)), Err(Unsplittable::Labels));
    }

    proptest! {
        #[test]
        fn a_part_has_enough_questions_and_answers_whatever_their_ratio(
            bundles in 4u32..60, each in 1u32..40, question_has_many: bool, seed: u64, share in 0.02f64..0.3,
        ) {
            let pair = |n: u32| if question_has_many { [n / each, 100 + n] } else { [100 + n, n / each] };
            let all: Vec<[u32; 2]> = (0..bundles * each).map(pair).collect();
            let mut rest = pairs(&all);
            let wanted = ((share * all.len() as f64) as usize).max(1);
            let part = split_off(&mut rest, wanted, seed, &pool(100 + bundles * each)).unwrap();
            let fewest = |rows: &[Row]| {
                let questions: BTreeSet<u32> = rows.iter().map(|row| row.example.anchor()).collect();
                let answers: BTreeSet<u32> = rows.iter().filter_map(|row| row.example.positive()).collect();
                questions.len().min(answers.len())
            };
            prop_assert!(fewest(&part) >= (bundles as usize / 3).clamp(2, ENOUGH), "{}", fewest(&part));
            prop_assert!(fewest(&rest) >= 2);
        }

        #[test]
        fn no_text_is_on_both_sides_and_the_order_of_rows_does_not_matter(
            drawn in prop::collection::vec((0u32..200, 0u32..200), 2..150), seed: u64, share in 0.05f64..0.5, turn in 0usize..150,
        ) {
            let all: Vec<[u32; 2]> = drawn.iter().map(|(one, other)| [*one, 200 + *other]).collect();
            let wanted = ((share * all.len() as f64) as usize).max(1);
            let pool = pool(400);
            let mut rest = pairs(&all);
            let part = split_off(&mut rest, wanted, seed, &pool);
            let mut turned = all.clone();
            turned.rotate_left(turn % all.len());
            let mut turned = pairs(&turned);
            let turned_part = split_off(&mut turned, wanted, seed, &pool);
            if let Ok(part) = &part {
                prop_assert!(texts(part).is_disjoint(&texts(&rest)));
                prop_assert!(!rest.is_empty() && part.len() + rest.len() == all.len());
                prop_assert!(2 * part.len() >= wanted);
                prop_assert_eq!(texts(part), texts(&turned_part.unwrap()));
                let mut places = part.iter().map(|row| all.iter().position(|pair| row.example == Example::Pair(*pair)));
                prop_assert!(places.all(|place| place.is_some()));
            } else {
                prop_assert_eq!(part, turned_part);
            }
        }
    }
}
