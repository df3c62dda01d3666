//! Tensors in safetensors files: tch carries an older version of that crate, without metadata.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::ptr::NonNull;

use rayon::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};

/// The number types that models have.
const KINDS: [(Dtype, Kind); 4] = [
    (Dtype::F16, Kind::Half),
    (Dtype::BF16, Kind::BFloat16),
    (Dtype::F32, Kind::Float),
    (Dtype::F64, Kind::Double),
];

/// The tensor of a view: a copy, on the CPU, of a number type that models have; another type is an error.
pub fn from_view(view: &TensorView<'_>) -> Result<Tensor> {
    let dtype = view.dtype();
    let Some(&(_, kind)) = KINDS.iter().find(|(known, _)| *known == dtype) else {
        return Err(Error::Invalid(format!("a tensor of type {dtype} is not supported")));
    };
    let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
    Ok(Tensor::f_from_data_size(view.data(), &shape, kind)?)
}

/// The numbers of a contiguous f32 tensor on the CPU; any other is an error.
///
/// # Safety
///
/// As long as the slice is there, nothing may write to the tensor's storage by way of this or another handle on it.
pub unsafe fn numbers(tensor: &Tensor) -> Result<&[f32]> {
    let (start, length) = extent(tensor)?;
    // SAFETY: so many numbers stand there, and the tensor, which keeps them alive, is borrowed for as long as the slice.
    Ok(unsafe { std::slice::from_raw_parts(start, length) })
}

/// The same, to be written to.
///
/// # Safety
///
/// As long as the slice is there, nothing else may read or write the tensor's storage, by way of this or another handle on
/// it.
#[expect(
    clippy::mut_from_ref,
    reason = "a tensor is a handle, by way of which its numbers change anyway"
)]
pub unsafe fn numbers_mut(tensor: &Tensor) -> Result<&mut [f32]> {
    let (start, length) = extent(tensor)?;
    // SAFETY: so many numbers stand there, and the tensor, which keeps them alive, is borrowed for as long as the slice.
    Ok(unsafe { std::slice::from_raw_parts_mut(start, length) })
}

/// Whether all numbers of a contiguous f32 tensor on the CPU are finite; any other is an error.
pub fn is_finite(tensor: &Tensor) -> Result<bool> {
    // SAFETY: nothing writes to it while it is borrowed.
    let numbers = unsafe { numbers(tensor) }?;
    Ok(numbers
        .par_chunks(1 << 16)
        .all(|part| part.iter().all(|number| number.is_finite())))
}

/// Where the numbers of a contiguous f32 tensor on the CPU begin, and how many there are.
fn extent(tensor: &Tensor) -> Result<(*mut f32, usize)> {
    let fits = tensor.f_kind()? == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous();
    if !fits {
        return Err(Error::Invalid(format!(
            "a tensor is not contiguous f32 on the CPU: {tensor:?}"
        )));
    }
    Ok(match tensor.numel() {
        // Its own pointer may be null.
        0 => (NonNull::dangling().as_ptr(), 0),
        length => (tensor.data_ptr().cast(), length),
    })
}

/// A tensor of a file to be written.
#[derive(Debug)]
pub struct Stored<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Data<'a>,
}

#[derive(Debug)]
enum Data<'a> {
    Tensor(Tensor),
    Bytes(&'a [u8]),
}

impl<'a> Stored<'a> {
    /// An f32 tensor on any device.
    pub fn tensor(tensor: &Tensor) -> Result<Self> {
        Ok(Self {
            dtype: Dtype::F32,
            shape: tensor.size().iter().map(|&size| size as usize).collect(),
            data: Data::Tensor(tensor.f_detach()?.f_to_kind(Kind::Float)?.f_contiguous()?),
        })
    }

    /// A tensor of another file, as it is.
    pub fn view(view: &TensorView<'a>) -> Self {
        Self {
            dtype: view.dtype(),
            shape: view.shape().to_vec(),
            data: Data::Bytes(view.data()),
        }
    }
}

impl Stored<'_> {
    fn size(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }

    fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        match &self.data {
            Data::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Data::Tensor(tensor) => {
                let mut bytes = vec![0; self.size()];
                tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

/// Writes a safetensors file under a temporary name, syncs it and renames it: `path` is whole or not there.
///
/// The same tensors and metadata give the same bytes. (The writer of the safetensors crate orders metadata at random,
/// and makes files that only their owner can read.)
pub fn write(path: &Path, mut tensors: Vec<(String, Stored<'_>)>, metadata: &BTreeMap<&str, String>) -> Result<()> {
    // The format wants wide types first, so that all are aligned.
    tensors
        .sort_by(|(one, left), (other, right)| right.dtype.bitsize().cmp(&left.dtype.bitsize()).then(one.cmp(other)));
    let temporary = path.with_extension("tmp");
    write_file(&temporary, &tensors, metadata)
        .and_then(|()| std::fs::rename(&temporary, path).map_err(Error::io("write", path)))
        .inspect_err(|_| {
            // The first error is the one to report; a leftover would fill the disk.
            let _ = std::fs::remove_file(&temporary);
        })?;
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => sync(directory),
        _ => sync(Path::new(".")),
    }
}

fn write_file(path: &Path, tensors: &[(String, Stored<'_>)], metadata: &BTreeMap<&str, String>) -> Result<()> {
    let mut header = Map::from_iter([("__metadata__".to_owned(), json!(metadata))]);
    let mut end = 0;
    for (name, tensor) in tensors {
        let begin = end;
        end += tensor.size();
        let entry = json!({ "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [begin, end] });
        header.insert(name.clone(), entry);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');

    let failed = || Error::io("write", path);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).map_err(failed())?);
    let length = (header.len() as u64).to_le_bytes();
    file.write_all(&length)
        .and_then(|()| file.write_all(&header))
        .map_err(failed())?;
    for (_, tensor) in tensors {
        file.write_all(&tensor.bytes()?).map_err(failed())?;
    }
    let file = file.into_inner().map_err(|error| failed()(error.into_error()))?;
    file.sync_all().map_err(failed())
}

/// Makes a file or directory durable.
pub fn sync(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(Error::io("sync", path))
}
