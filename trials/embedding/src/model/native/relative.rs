//! Embeddings of relative positions.

use crate::model::post_norm::Relative;

/// What is added to the scores of attention, in every layer and text of a pass the same.
#[derive(Debug)]
pub struct Bias {
    longest: usize,
    /// By head and by distance, from the longest one backwards: for a query, those of all keys stand side by side.
    numbers: Vec<f32>,
}

impl Bias {
    /// The numbers for texts of so many tokens at most, from a table `[rows, heads]`.
    pub fn new(relative: &Relative<&[f32]>, heads: usize, longest: usize) -> Self {
        let rows: Vec<usize> = rows(relative.bucket, longest).collect();
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

    /// The gradient of [`Bias::new`]: adds that of the numbers, times `scale`, to that of the table.
    pub fn gather(&self, bucket: fn(i64) -> usize, heads: usize, sums: &[f32], scale: f32, table: &mut [f32]) {
        for (head, sums) in sums.chunks_exact(2 * self.longest - 1).enumerate() {
            for (row, sum) in rows(bucket, self.longest).zip(sums) {
                table[row * heads + head] += scale * sum;
            }
        }
    }
}

/// The rows of the table by distance.
fn rows(bucket: fn(i64) -> usize, longest: usize) -> impl Iterator<Item = usize> {
    let longest = longest as i64;
    (1 - longest..longest).map(bucket)
}
