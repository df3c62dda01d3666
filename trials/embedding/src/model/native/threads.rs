//! How the work of a pass is shared out to threads, and how their results come together.

use std::cell::Cell;

use rayon::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};

use super::share::{Share, Text};
use crate::error::Result;
use crate::model::packed::Packed;
use crate::model::post_norm::{Parts, Settings};

/// Numbers that one thread adds up at a time.
const CHUNK: usize = 1 << 14;

/// Deals the texts of a batch out to threads, so that all have about the same work: the longest first, each to the one
/// with the least.
pub fn deal(batch: &Packed, settings: &Settings, threads: usize) -> Vec<Vec<Text>> {
    let mut all = Vec::new();
    let mut row = 0;
    for group in &batch.groups {
        for _ in 0..group.texts {
            let length = group.length as usize;
            all.push(Text {
                place: all.len(),
                row,
                first: 0,
                length,
            });
            row += length;
        }
    }
    let mut dealt = vec![(0, Vec::new()); threads];
    for text in all.into_iter().rev() {
        // Per token and layer: the linear ones, and attention to each other token at less than half their speed.
        let work = text.length * (2 * settings.hidden + settings.inner + 3 * text.length);
        // There is at least one.
        if let Some((total, texts)) = dealt.iter_mut().min_by_key(|(total, _)| *total) {
            *total += work;
            texts.push(text);
        }
    }
    let mut shares: Vec<Vec<Text>> = dealt.into_iter().map(|(_, texts)| texts).collect();
    for texts in &mut shares {
        let mut next = 0;
        for text in texts {
            text.first = next;
            next += text.length;
        }
    }
    shares
}

/// Does `work` on all items at once, each on one thread; the first error.
pub fn each<T: Send>(items: &mut [T], work: impl Fn(&mut T) -> Result<()> + Sync) -> Result<()> {
    if let [item] = items {
        return work(item);
    }
    thread_local! {
        static ALONE: Cell<bool> = const { Cell::new(false) };
    }
    items
        .par_iter_mut()
        .with_max_len(1)
        .map(|item| {
            // libtorch counts threads for each thread that calls it.
            if !ALONE.replace(true) {
                tch::set_num_threads(1);
            }
            work(item)
        })
        .collect()
}

/// Adds the gradients of all threads up in those of the first, but for the tables that [`scatter`] fills.
pub fn add_up(sets: Vec<Parts<&mut [f32]>>) {
    let mut sets = sets.into_iter().map(Parts::without_tables);
    let first = sets.next().unwrap_or_default();
    let rest: Vec<_> = sets.collect();
    if rest.is_empty() {
        return;
    }
    let chunks = first.into_iter().enumerate().flat_map(|(place, sum)| {
        let chunks = sum.chunks_mut(CHUNK).enumerate();
        chunks.map(move |(chunk, sum)| (place, chunk * CHUNK, sum))
    });
    let mut chunks: Vec<_> = chunks.collect();
    chunks.par_iter_mut().for_each(|(place, start, sum)| {
        for other in &rest {
            let other = &other[*place][*start..][..sum.len()];
            sum.iter_mut().zip(other).for_each(|(sum, x)| *sum += x);
        }
    });
}

/// Adds the gradients of the sums of embeddings up by word, in `words`, and by position and type.
pub fn scatter(shares: &[Share], batch: &Packed, width: usize, words: &mut [f32], to: &mut Parts<&mut [f32]>) {
    let (positions, mut types) = (&mut *to.positions, to.types.as_deref_mut());
    positions.fill(0.0);
    if let Some(types) = &mut types {
        types.fill(0.0);
    }
    let add = |table: &mut [f32], row: usize, gradient: &[f32]| {
        let row = &mut table[row * width..][..width];
        row.iter_mut().zip(gradient).for_each(|(sum, x)| *sum += x);
    };
    for share in shares {
        let gradient = share.gradient(width);
        for text in share.texts() {
            let tokens = batch.ids[text.of_batch(1)]
                .iter()
                .zip(&batch.positions[text.of_batch(1)]);
            for ((&word, &position), gradient) in tokens.zip(gradient[text.of(width)].chunks_exact(width)) {
                add(words, word as usize, gradient);
                add(positions, position as usize, gradient);
                if let Some(types) = &mut types {
                    add(types, 0, gradient);
                }
            }
        }
    }
}
