//! Matrix products.

use tch::{Kind, Tensor};

use crate::error::Result;

/// A row-major matrix, or its transpose.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl<'a> Matrix<'a> {
    /// The matrix of rows of that width.
    pub fn new(data: &'a [f32], columns: usize) -> Self {
        Self {
            data,
            rows: data.len() / columns,
            columns,
            transposed: false,
        }
    }

    /// Its transpose; nothing is moved.
    pub fn t(self) -> Self {
        Self {
            transposed: !self.transposed,
            ..self
        }
    }

    fn shape(&self) -> (usize, usize) {
        if self.transposed {
            (self.columns, self.rows)
        } else {
            (self.rows, self.columns)
        }
    }

    /// # Safety
    /// The tensor must not outlive the data, nor be written to.
    unsafe fn tensor(&self) -> Result<Tensor> {
        assert!(self.rows * self.columns <= self.data.len());
        // SAFETY: the slice has that many numbers; the rest is the caller's promise.
        let tensor = unsafe { borrow(self.data.as_ptr(), self.rows, self.columns) }?;
        Ok(if self.transposed {
            tensor.f_transpose(0, 1)?
        } else {
            tensor
        })
    }
}

/// `out = a b`.
pub fn multiply(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>) -> Result<()> {
    // SAFETY: no tensor outlives this function. Operators read `a` and `b` only, and write only `out`, which is borrowed
    // mutably and so overlaps neither.
    unsafe {
        let out = output(out, a, b)?;
        let _ = a.tensor()?.f_mm_out(&out, &b.tensor()?)?;
    }
    Ok(())
}

/// `out += a b`.
pub fn multiply_add(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>) -> Result<()> {
    // SAFETY: as in `multiply`.
    unsafe {
        let mut out = output(out, a, b)?;
        let _ = out.f_addmm_(&a.tensor()?, &b.tensor()?)?;
    }
    Ok(())
}

/// # Safety
/// The tensor must not outlive `out`.
unsafe fn output(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>) -> Result<Tensor> {
    let ((rows, inner), (other, columns)) = (a.shape(), b.shape());
    assert!(inner == other && rows * columns == out.len());
    // SAFETY: the slice has that many numbers; the rest is the caller's promise.
    unsafe { borrow(out.as_mut_ptr(), rows, columns) }
}

/// # Safety
/// There must be that many numbers, which outlive the tensor; who writes to it must have the right to.
unsafe fn borrow(data: *const f32, rows: usize, columns: usize) -> Result<Tensor> {
    let shape = [rows as i64, columns as i64];
    // SAFETY: the caller's promise; the strides are those of a row-major matrix.
    Ok(unsafe { Tensor::f_from_blob(data.cast(), &shape, &[columns as i64, 1], Kind::Float, tch::Device::Cpu) }?)
}
