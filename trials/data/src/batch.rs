//! Choosing among rows.

use crate::{Rows, Triplet};

impl Rows {
    /// Columns of texts: anchors, positives, negatives.
    pub fn columns(&self) -> usize {
        match self {
            Self::Triplets(_) => 3,
            Self::Pairs(_) | Self::Scored(_) => 2,
            Self::Labelled(_) => 1,
        }
    }

    /// These examples, in this order.
    pub fn select(&self, places: &[usize]) -> Self {
        fn pick<T: Clone>(rows: &[T], places: &[usize]) -> Vec<T> {
            places.iter().map(|&place| rows[place].clone()).collect()
        }
        match self {
            Self::Triplets(rows) => Self::Triplets(pick(rows, places)),
            Self::Pairs(rows) => Self::Pairs(pick(rows, places)),
            Self::Scored(rows) => Self::Scored(pick(rows, places)),
            Self::Labelled(rows) => Self::Labelled(pick(rows, places)),
        }
    }

    /// The same rows with other places of texts: those that `place` gives for a column and a place, row by row.
    pub fn map(&self, mut place: impl FnMut(usize, u32) -> u32) -> Self {
        fn pair(row: &[u32; 2], place: &mut impl FnMut(usize, u32) -> u32) -> [u32; 2] {
            [place(0, row[0]), place(1, row[1])]
        }
        match self {
            Self::Triplets(rows) => {
                let row = |row: &Triplet| Triplet {
                    anchor: place(0, row.anchor),
                    positive: place(1, row.positive),
                    negatives: row.negatives.iter().map(|&text| place(2, text)).collect(),
                };
                Self::Triplets(rows.iter().map(row).collect())
            }
            Self::Pairs(rows) => Self::Pairs(rows.iter().map(|row| pair(row, &mut place)).collect()),
            Self::Scored(rows) => {
                let rows = rows.iter().map(|(row, score)| (pair(row, &mut place), *score));
                Self::Scored(rows.collect())
            }
            Self::Labelled(rows) => Self::Labelled(rows.iter().map(|&(text, label)| (place(0, text), label)).collect()),
        }
    }

    /// One column of texts: the anchors (0), then positives, then negatives: those of the first row, then those of the second one,
    /// and so on.
    pub fn column(&self, column: usize) -> Vec<u32> {
        match (self, column) {
            (Self::Triplets(rows), 0) => rows.iter().map(|row| row.anchor).collect(),
            (Self::Triplets(rows), 1) => rows.iter().map(|row| row.positive).collect(),
            (Self::Triplets(rows), _) => rows.iter().flat_map(|row| &row.negatives).copied().collect(),
            (Self::Pairs(rows), _) => rows.iter().map(|row| row[column]).collect(),
            (Self::Scored(rows), _) => rows.iter().map(|(row, _)| row[column]).collect(),
            (Self::Labelled(rows), _) => rows.iter().map(|&(text, _)| text).collect(),
        }
    }

    /// How many texts each column has.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![self.len(); self.columns()];
        if let Self::Triplets(rows) = self {
            sizes[2] = rows.iter().map(|row| row.negatives.len()).sum();
        }
        sizes
    }

    /// The row of each negative, in the order of their column; none if there are none.
    pub fn owners(&self) -> Vec<usize> {
        let Self::Triplets(rows) = self else {
            return Vec::new();
        };
        let each = rows.iter().enumerate();
        each.flat_map(|(row, triplet)| std::iter::repeat_n(row, triplet.negatives.len()))
            .collect()
    }

    /// All texts, column by column.
    pub fn texts(&self) -> Vec<u32> {
        (0..self.columns()).flat_map(|column| self.column(column)).collect()
    }
}
