//! Self-attention within one text (Vaswani et al., 2017, section 3.2).
//!
//! Its products are too small for a library: a text has some 20 tokens, and a head some 32 numbers of each. Attention
//! weights are not kept for the gradient but computed again, which is cheaper than writing them to memory.

use super::super::dropout::Mask;
use super::relative::Bias;
use super::vector::{LANES, exp, fma, kernel, max, sum};

/// The shape of the attention of one text.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Heads.
    pub heads: usize,
    /// Width of a head.
    pub size: usize,
    /// Tokens.
    pub length: usize,
}

impl Shape {
    fn padded(&self) -> usize {
        self.length.next_multiple_of(LANES)
    }

    /// Numbers of scratch memory that [`attend`] and [`attend_backward`] need.
    pub fn scratch(&self) -> usize {
        2 * (self.size + self.length) * self.padded() + 4 * self.length * self.size + self.padded()
    }

    /// 1 / sqrt(size), which scores are multiplied with.
    fn scale(&self) -> f32 {
        1.0 / (self.size as f32).sqrt()
    }
}

kernel! {
    /// `out` `[length, width]` becomes the attention of `qkv` `[length, 3 width]`, and `logs` `[heads, length]` the
    /// logarithms of the softmax's denominators, which the gradient needs. `bias` is added to the scores.
    pub fn attend[FMA](
        shape: Shape, mask: &Mask, bias: Option<&Bias>, qkv: &[f32], out: &mut [f32], logs: &mut [f32],
        scratch: &mut [f32],
    ) {
        let Shape { size, length, heads } = shape;
        let (width, padded) = (heads * size, shape.padded());
        let (keys, scratch) = scratch.split_at_mut(size * padded);
        let (shares, scratch) = scratch.split_at_mut(length * padded);
        let (q, scratch) = scratch.split_at_mut(length * size);
        let v = &mut scratch[..length * size];
        for head in 0..heads {
            let at = head * size;
            gather(&qkv[at..], 3 * width, size, q);
            transpose(&qkv[width + at..], 3 * width, size, length, shape.scale(), keys);
            gather(&qkv[2 * width + at..], 3 * width, size, v);
            product::<FMA, false>(shares, padded, q, size, keys, padded, [length, size, padded]);
            for ((row, log), number) in shares.chunks_exact_mut(padded).zip(&mut logs[head * length..][..length]).zip(0u32..) {
                if let Some(bias) = bias {
                    bias.add(head, number as usize, &mut row[..length]);
                }
                // Whole vectors: what stands behind the row counts as nothing.
                row[length..].fill(f32::NEG_INFINITY);
                let max = max(row);
                row.iter_mut().for_each(|x| *x = exp::<FMA>(*x - max));
                let total = sum(row, row, |x, _| x);
                *log = max + total.ln();
                let share = 1.0 / total;
                if mask.drops() {
                    let first = (head * length) as u32 * length as u32 + number * length as u32;
                    row.iter_mut().zip(first..).for_each(|(x, place)| *x *= share * mask.factor(place));
                } else {
                    row.iter_mut().for_each(|x| *x *= share);
                }
            }
            product::<FMA, false>(&mut out[at..], width, shares, padded, v, size, [length, length, size]);
        }
    }
}

kernel! {
    /// The gradient of [`attend`]: `gradient` is that of `out`, `to_qkv` becomes that of `qkv`. That of `bias`, times the
    /// scale of the scores, is added to the sums beside it.
    pub fn attend_backward[FMA](
        shape: Shape, mask: &Mask, bias: Option<(&Bias, &mut [f32])>, qkv: &[f32], logs: &[f32], gradient: &[f32],
        to_qkv: &mut [f32], scratch: &mut [f32],
    ) {
        let mut bias = bias;
        let Shape { size, length, heads } = shape;
        let (width, padded) = (heads * size, shape.padded());
        let stride = 3 * width;
        let (keys, scratch) = scratch.split_at_mut(size * padded);
        let (values, scratch) = scratch.split_at_mut(size * padded);
        let (shares, scratch) = scratch.split_at_mut(length * padded);
        let (slopes, scratch) = scratch.split_at_mut(length * padded);
        let (q, scratch) = scratch.split_at_mut(length * size);
        let (k, scratch) = scratch.split_at_mut(length * size);
        let (from, scratch) = scratch.split_at_mut(length * size);
        let factors = &mut scratch[..padded];
        factors.fill(1.0);
        for head in 0..heads {
            let at = head * size;
            gather(&qkv[at..], stride, size, q);
            gather(&qkv[width + at..], stride, size, k);
            gather(&gradient[at..], width, size, from);
            transpose(&qkv[width + at..], stride, size, length, shape.scale(), keys);
            transpose(&qkv[2 * width + at..], stride, size, length, 1.0, values);
            product::<FMA, false>(shares, padded, q, size, keys, padded, [length, size, padded]);
            product::<FMA, false>(slopes, padded, from, size, values, padded, [length, size, padded]);
            let rows = shares.chunks_exact_mut(padded).zip(slopes.chunks_exact_mut(padded));
            for (((shares, slopes), log), number) in rows.zip(&logs[head * length..][..length]).zip(0u32..) {
                if mask.drops() {
                    let first = (head * length) as u32 * length as u32 + number * length as u32;
                    factors.iter_mut().zip(first..).for_each(|(factor, place)| *factor = mask.factor(place));
                }
                if let Some((bias, _)) = &bias {
                    bias.add(head, number as usize, &mut shares[..length]);
                }
                for ((share, slope), factor) in shares.iter_mut().zip(slopes.iter_mut()).zip(&*factors) {
                    *share = exp::<FMA>(*share - log);
                    *slope *= factor;
                }
                // Softmax has no slope along its own sum. Behind the row slopes are 0, since `values` is.
                let mean = sum(shares, slopes, |share, slope| share * slope);
                let scale = shape.scale();
                for ((share, slope), factor) in shares.iter_mut().zip(slopes.iter_mut()).zip(&*factors) {
                    *slope = scale * *share * (*slope - mean);
                    *share *= factor;
                }
                if let Some((bias, sums)) = &mut bias {
                    bias.add_gradient(head, number as usize, &slopes[..length], sums);
                }
            }
            let to = &mut to_qkv[at..];
            product::<FMA, false>(to, stride, slopes, padded, k, size, [length, length, size]);
            product::<FMA, true>(&mut to[width..], stride, slopes, padded, q, size, [length, length, size]);
            product::<FMA, true>(&mut to[2 * width..], stride, shares, padded, from, size, [length, length, size]);
        }
    }
}

/// `out` becomes rows of `size` numbers one after the other. Where they come from they are so far apart that they would
/// push each other out of the cache.
#[inline(always)]
fn gather(rows: &[f32], stride: usize, size: usize, out: &mut [f32]) {
    for (out, row) in out.chunks_exact_mut(size).zip(rows.chunks(stride)) {
        out.copy_from_slice(&row[..size]);
    }
}

/// `out` `[size, padded length]` becomes the transpose of `length` rows of `size` numbers, times `scale`, and 0 behind.
#[inline(always)]
fn transpose(rows: &[f32], stride: usize, size: usize, length: usize, scale: f32, out: &mut [f32]) {
    let padded = out.len() / size;
    for first in (0..padded).step_by(LANES) {
        let count = LANES.min(length - first);
        for from in (0..size).step_by(LANES) {
            let columns = LANES.min(size - from);
            let mut block = [[0f32; LANES]; LANES];
            for (place, row) in rows[first * stride..].chunks(stride).take(count).enumerate() {
                for (column, x) in row[from..from + columns].iter().enumerate() {
                    block[column][place] = x * scale;
                }
            }
            for (column, block) in block.iter().take(columns).enumerate() {
                out[(from + column) * padded + first..][..LANES].copy_from_slice(block);
            }
        }
    }
}

/// `out = a b`, all row-major with a stride; `a` is taken transposed if `T`. The sizes are those of rows of `out`, of the
/// sum and of columns of `out`.
#[inline(always)]
fn product<const FMA: bool, const T: bool>(
    out: &mut [f32],
    out_stride: usize,
    a: &[f32],
    a_stride: usize,
    b: &[f32],
    b_stride: usize,
    [rows, inner, columns]: [usize; 3],
) {
    let mut column = 0;
    macro_rules! columns {
        ($count:literal) => {
            while columns - column >= $count {
                let b = &b[column..];
                let mut row = 0;
                while row + 4 <= rows {
                    let out = &mut out[row * out_stride + column..];
                    let a = &a[if T { row } else { row * a_stride }..];
                    tile::<FMA, T, 4, $count>(out, out_stride, a, a_stride, b, b_stride, inner);
                    row += 4;
                }
                while row < rows {
                    let out = &mut out[row * out_stride + column..];
                    let a = &a[if T { row } else { row * a_stride }..];
                    tile::<FMA, T, 1, $count>(out, out_stride, a, a_stride, b, b_stride, inner);
                    row += 1;
                }
                column += $count;
            }
        };
    }
    columns!(32);
    columns!(16);
    columns!(1);
}

/// `R` rows and `C` columns of a product, which stay in registers while the sum is taken.
#[inline(always)]
fn tile<const FMA: bool, const T: bool, const R: usize, const C: usize>(
    out: &mut [f32],
    out_stride: usize,
    a: &[f32],
    a_stride: usize,
    b: &[f32],
    b_stride: usize,
    inner: usize,
) {
    let mut sums = [[0f32; C]; R];
    let last = inner - 1;
    let a_end = if T {
        last * a_stride + R
    } else {
        (R - 1) * a_stride + inner
    };
    assert!(a.len() >= a_end && b.len() >= last * b_stride + C);
    for k in 0..inner {
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: with k <= last and r < R the place is below `a_end`, which has been checked.
            let x = unsafe { *a.get_unchecked(if T { k * a_stride + r } else { r * a_stride + k }) };
            for (c, sum) in sums.iter_mut().enumerate() {
                // SAFETY: with k <= last and c < C the place is below the end that has been checked.
                let y = unsafe { *b.get_unchecked(k * b_stride + c) };
                *sum = fma::<FMA>(x, y, *sum);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        out[r * out_stride..][..C].copy_from_slice(sums);
    }
}
