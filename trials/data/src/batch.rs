//! Choosing among rows.

use crate::Rows;

impl Rows {
    /// Texts of an example.
    pub fn columns(&self) -> usize {
        match self {
            Self::Triplets(_) => 3,
            Self::Pairs(_) | Self::Scored(_) => 2,
            Self::Labelled(_) => 1,
        }
    }

    /// These examples, in this order.
    pub fn select(&self, places: &[usize]) -> Self {
        fn pick<T: Copy>(rows: &[T], places: &[usize]) -> Vec<T> {
            places.iter().map(|&place| rows[place]).collect()
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
        fn each<const N: usize>(row: &[u32; N], place: &mut impl FnMut(usize, u32) -> u32) -> [u32; N] {
            std::array::from_fn(|column| place(column, row[column]))
        }
        match self {
            Self::Triplets(rows) => Self::Triplets(rows.iter().map(|row| each(row, &mut place)).collect()),
            Self::Pairs(rows) => Self::Pairs(rows.iter().map(|row| each(row, &mut place)).collect()),
            Self::Scored(rows) => {
                let rows = rows.iter().map(|(row, score)| (each(row, &mut place), *score));
                Self::Scored(rows.collect())
            }
            Self::Labelled(rows) => Self::Labelled(rows.iter().map(|&(text, label)| (place(0, text), label)).collect()),
        }
    }

    /// One column of texts: the anchors (0), then positives, then negatives.
    pub fn column(&self, column: usize) -> Vec<u32> {
        match self {
            Self::Triplets(rows) => rows.iter().map(|row| row[column]).collect(),
            Self::Pairs(rows) => rows.iter().map(|row| row[column]).collect(),
            Self::Scored(rows) => rows.iter().map(|(row, _)| row[column]).collect(),
            Self::Labelled(rows) => rows.iter().map(|&(text, _)| text).collect(),
        }
    }

    /// All texts, column by column.
    pub fn texts(&self) -> Vec<u32> {
        (0..self.columns()).flat_map(|column| self.column(column)).collect()
    }
}
