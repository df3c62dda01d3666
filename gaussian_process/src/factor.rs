//! The Cholesky factor of a covariance matrix, by blocks, so that nearly all of the work is in products of matrices.

use std::ops::Range;

use nalgebra::{Cholesky, DMatrix, DVector};

/// Columns that are done at once.
pub(crate) const BLOCK: usize = 32;

/// A lower triangular matrix whose product with its transpose is the matrix that it was made from.
#[derive(Debug, Clone)]
pub struct Factor {
    lower: DMatrix<f64>,
    /// The inverses of the blocks on its diagonal.
    inverses: Vec<DMatrix<f64>>,
}

/// Where each block begins, and how wide it is.
fn blocks(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count)
        .step_by(BLOCK)
        .map(move |start| (start, BLOCK.min(count - start)))
}

/// The inverse of a lower triangular matrix without zeros on its diagonal. What is known to be 0 is not computed.
fn triangular_inverse(lower: &DMatrix<f64>) -> DMatrix<f64> {
    let count = lower.nrows();
    let mut inverse = DMatrix::identity(count, count);
    for (j, column) in inverse.as_mut_slice().chunks_exact_mut(count).enumerate() {
        for k in j..count {
            let (own, below) = column[k..].split_at_mut(1);
            let under = &lower.as_slice()[k * count + k..(k + 1) * count];
            own[0] /= under[0];
            for (value, factor) in below.iter_mut().zip(&under[1..]) {
                *value -= own[0] * factor;
            }
        }
    }
    inverse
}

impl Factor {
    /// The factor of a symmetric matrix, of which the lower half is looked at; none if it is not positive definite.
    pub fn new(mut matrix: DMatrix<f64>) -> Option<Self> {
        let count = matrix.nrows();
        let mut inverses = Vec::new();
        for (start, width) in blocks(count) {
            let end = start + width;
            let (done, mut own) = matrix.columns_range_pair_mut(..start, start..end);
            if start > 0 {
                let across = done.rows(start, width).transpose();
                let from_here = done.rows(start, count - start);
                own.rows_mut(start, count - start).gemm(-1.0, &from_here, &across, 1.0);
            }
            let diagonal = Cholesky::new(own.rows(start, width).into_owned())?.unpack();
            let inverse = triangular_inverse(&diagonal);
            own.rows_mut(start, width).copy_from(&diagonal);
            if end < count {
                let below = own.rows(end, count - end) * inverse.transpose();
                own.rows_mut(end, count - end).copy_from(&below);
            }
            inverses.push(inverse);
        }
        Some(Self {
            lower: matrix,
            inverses,
        })
    }

    /// The logarithm of the determinant of the factor.
    pub fn ln_determinant(&self) -> f64 {
        self.lower.diagonal().iter().map(|x| x.ln()).sum()
    }

    /// Divides some rows of columns by the factor, which begin and end where blocks do or at the end, and before which all are divided.
    pub fn divide(&self, columns: &mut DMatrix<f64>, rows: &Range<usize>) {
        let blocks = blocks(self.lower.nrows()).zip(&self.inverses);
        for ((start, width), inverse) in blocks.filter(|((start, _), _)| rows.contains(start)) {
            let (done, mut rest) = columns.rows_range_pair_mut(..start, start..);
            let mut own = rest.rows_mut(0, width);
            if start > 0 {
                own.gemm(-1.0, &self.lower.view((start, 0), (width, start)), &done, 1.0);
            }
            let divided = inverse * &own;
            own.copy_from(&divided);
        }
    }

    /// Divides a column by the matrix that the factor was made from.
    pub fn solve(&self, column: &DVector<f64>) -> DVector<f64> {
        let mut solved = column.clone();
        // The diagonal has no zeros.
        let _ = self.lower.solve_lower_triangular_mut(&mut solved);
        let _ = self.lower.tr_solve_lower_triangular_mut(&mut solved);
        solved
    }

    /// The lower half of the inverse of the matrix that the factor was made from.
    pub fn inverse(&self) -> DMatrix<f64> {
        let count = self.lower.nrows();
        // The inverse of the factor, which is triangular too.
        let mut own = DMatrix::zeros(count, count);
        for ((start, width), inverse) in blocks(count).zip(&self.inverses) {
            if start > 0 {
                let across = self.lower.view((start, 0), (width, start));
                let left = -inverse * (across * own.view((0, 0), (start, start)));
                own.view_mut((start, 0), (width, start)).copy_from(&left);
            }
            own.view_mut((start, start), (width, width)).copy_from(inverse);
        }
        let transposed = own.transpose();
        let mut product = DMatrix::zeros(count, count);
        for (start, width) in blocks(count) {
            let rest = count - start;
            let left = transposed.view((start, start), (rest, rest));
            let right = own.view((start, start), (rest, width));
            product
                .view_mut((start, start), (rest, width))
                .gemm(1.0, &left, &right, 0.0);
        }
        product
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix that has the condition of covariances.
    fn matrix(count: usize) -> DMatrix<f64> {
        DMatrix::from_fn(count, count, |i, j| {
            let apart = (i as f64 * 0.37).sin() - (j as f64 * 0.37).sin();
            (-apart * apart).exp() + if i == j { 0.1 } else { 0.0 }
        })
    }

    #[test]
    fn it_divides_as_the_whole_matrix_does_wherever_blocks_end() {
        for count in [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7] {
            let matrix = matrix(count);
            let factor = Factor::new(matrix.clone()).unwrap();
            let whole = Cholesky::new(matrix.clone()).unwrap();
            let close = |one: &DMatrix<f64>, other: &DMatrix<f64>| (one - other).amax() < 1e-9;
            let lower = whole.l();
            assert!((factor.ln_determinant() - lower.diagonal().map(f64::ln).sum()).abs() < 1e-9);
            assert!(
                close(&factor.inverse().lower_triangle(), &whole.inverse().lower_triangle()),
                "{count}"
            );
            let columns = DMatrix::from_fn(count, 9, |i, j| ((i * 9 + j) as f64).cos());
            let mut divided = columns.clone();
            factor.divide(&mut divided, &(0..BLOCK.min(count)));
            factor.divide(&mut divided, &(BLOCK.min(count)..count));
            assert!(close(&(lower * divided), &columns), "{count}");
            let solved = matrix * factor.solve(&columns.column(3).into_owned());
            assert!((solved - columns.column(3)).amax() < 1e-9, "{count}");
        }
    }

    #[test]
    fn what_is_not_positive_definite_has_none() {
        let mut matrix = matrix(BLOCK + 9);
        matrix[(BLOCK + 3, BLOCK + 3)] = -1.0;
        assert!(Factor::new(matrix).is_none());
        assert!(Factor::new(DMatrix::from_element(1, 1, f64::NAN)).is_none());
    }
}
