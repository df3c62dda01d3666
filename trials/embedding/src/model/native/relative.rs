//! Embeddings of relative positions.

use crate::model::post_norm::Relative;

/// What is added to the scores of attention, in every layer and text of a pass the same.
#[derive(Debug)]
pub struct Bias {
    longest: usize,
    /// By head and by distance, as [`Relative::rows`] has them: for a query, those of all keys stand side by side.
    numbers: Vec<f32>,
}

impl Bias {
    /// The numbers for texts of so many tokens at most, from a table `[rows, heads]`.
    pub fn new(relative: &Relative<&[f32]>, heads: usize, longest: usize) -> Self {
        let rows: Vec<usize> = relative.rows(longest).collect();
        let head = |head: usize| rows.iter().map(move |row| relative.table[row * heads + head]);
        Self {
            longest,
            numbers: (0..heads).flat_map(head).collect(),
        }
    }

    /// How many numbers it has.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The places of the numbers for one head and query of a text and all its keys.
    #[inline(always)]
    fn places(&self, head: usize, query: usize, length: usize) -> std::ops::Range<usize> {
        let first = head * (2 * self.longest - 1) + self.longest - 1 - query;
        first..first + length
    }

    /// Adds them to the scores of one head and query, one for each key.
    #[inline(always)]
    pub fn add(&self, head: usize, query: usize, scores: &mut [f32]) {
        let numbers = &self.numbers[self.places(head, query, scores.len())];
        scores.iter_mut().zip(numbers).for_each(|(score, x)| *score += x);
    }

    /// The gradient of [`Bias::add`]: adds that of the scores to `sums`, which are in the order of the numbers.
    #[inline(always)]
    pub fn add_gradient(&self, head: usize, query: usize, scores: &[f32], sums: &mut [f32]) {
        let sums = &mut sums[self.places(head, query, scores.len())];
        sums.iter_mut().zip(scores).for_each(|(sum, x)| *sum += x);
    }

    /// The gradient of [`Bias::new`]: `to` becomes that of the table, from that of the numbers, times `scale`.
    pub fn gather(&self, heads: usize, sums: &[f32], scale: f32, to: &mut Relative<&mut [f32]>) {
        to.table.fill(0.0);
        for (head, sums) in sums.chunks_exact(2 * self.longest - 1).enumerate() {
            for (row, sum) in to.rows(self.longest).zip(sums) {
                to.table[row * heads + head] += scale * sum;
            }
        }
    }
}
