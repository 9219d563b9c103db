//! Views of storages to arrays of their own.

use bytes::Bytes;

use crate::Array;
use crate::pickle::{Storage, Tensor};

/// How many bytes may be copied for views that are not contiguous. A view can repeat one element any number of times.
#[derive(Debug)]
pub struct Budget(usize);

impl Budget {
    /// Generous for any file of `file_len` bytes whose tensors do not repeat themselves.
    pub fn for_file(file_len: usize) -> Self {
        Self(file_len.saturating_mul(4).saturating_add(1 << 20))
    }
}

/// The elements of `tensor` in row-major order; `bytes` are those of its whole storage.
///
/// # Errors
/// What is wrong with it, for people.
pub fn resolve(
    tensor: &Tensor,
    storage: &Storage,
    bytes: &Bytes,
    budget: &mut Budget,
) -> Result<Array, String> {
    let size = storage.dtype.size();
    let outside = || {
        let num_elements = bytes.len() / size;
        format!("a view of shape {:?} that leaves its storage of {num_elements} elements", tensor.shape)
    };
    let count = tensor.shape.iter().try_fold(1_u64, |n, &d| n.checked_mul(d)).ok_or_else(outside)?;
    let num_bytes = count.checked_mul(size as u64).ok_or_else(outside)?;
    let shape: Vec<usize> = tensor.shape.iter().map(|&d| d as usize).collect();
    let array = |bytes| Array { dtype: storage.dtype, shape: shape.clone(), bytes };
    if count == 0 {
        return Ok(array(Bytes::new()));
    }
    let reach = tensor
        .shape
        .iter()
        .zip(&tensor.stride)
        .try_fold(tensor.offset, |at, (&d, &stride)| at.checked_add((d - 1).checked_mul(stride)?));
    if reach.is_none_or(|last| last >= (bytes.len() / size) as u64) {
        return Err(outside());
    }
    let start = tensor.offset as usize * size;
    if is_contiguous(tensor) {
        // Within the storage: the last element is.
        return Ok(array(bytes.slice(start..start + num_bytes as usize)));
    }
    if num_bytes > budget.0 as u64 {
        return Err(format!("a view of shape {:?} that repeats a storage without measure", tensor.shape));
    }
    budget.0 -= num_bytes as usize;
    Ok(array(gather(tensor, size, bytes).into()))
}

/// Strides of dimensions of one element do not matter.
fn is_contiguous(tensor: &Tensor) -> bool {
    let mut expected = 1_u64;
    tensor.shape.iter().zip(&tensor.stride).rev().all(|(&d, &stride)| {
        let fits = d == 1 || stride == expected;
        expected = expected.saturating_mul(d);
        fits
    })
}

/// Copies element by element, the last dimension fastest. Every index was found to be within the storage.
fn gather(tensor: &Tensor, size: usize, bytes: &Bytes) -> Vec<u8> {
    let count = tensor.shape.iter().product::<u64>() as usize;
    let mut gathered = Vec::with_capacity(count * size);
    let mut index = vec![0_u64; tensor.shape.len()];
    let mut at = tensor.offset as usize;
    for _ in 0..count {
        gathered.extend_from_slice(&bytes[at * size..(at + 1) * size]);
        for dim in (0..index.len()).rev() {
            let stride = tensor.stride[dim] as usize;
            index[dim] += 1;
            if index[dim] < tensor.shape[dim] {
                at += stride;
                break;
            }
            at -= stride * (index[dim] - 1) as usize;
            index[dim] = 0;
        }
    }
    gathered
}
