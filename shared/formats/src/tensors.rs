//! Safetensors files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use safetensors::tensor::{Metadata, TensorView};
use safetensors::{Dtype as Stored, SafeTensors};

use crate::{Array, Dtype, FormatError, text};

/// The tensors and the metadata of a safetensors file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors {
    pub tensors: BTreeMap<String, Array>,
    pub metadata: BTreeMap<String, String>,
}

/// Reads a whole file; the arrays are parts of it.
///
/// # Errors
/// A file that is damaged or cut short, or a tensor of a type that [`Dtype`] does not have.
pub fn decode(bytes: &Bytes) -> Result<Tensors, FormatError> {
    let (header_len, header) =
        SafeTensors::read_metadata(bytes).map_err(|error| damaged(error.to_string()))?;
    let start = 8 + header_len;
    let mut tensors = BTreeMap::new();
    for (name, info) in header.tensors() {
        let dtype = dtype(info.dtype)
            .ok_or_else(|| FormatError::Unknown(format!("`{name}` is of type `{:?}`", info.dtype)))?;
        let (begin, end) = info.data_offsets;
        let bytes = bytes.slice(start + begin..start + end);
        tensors.insert(name, Array { dtype, shape: info.shape.clone(), bytes });
    }
    let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    Ok(Tensors { tensors, metadata })
}

/// The bytes of a safetensors file, with at most one key of metadata: then equal tensors give equal bytes.
///
/// # Errors
/// An array whose shape does not fit its bytes.
pub fn encode(
    tensors: &BTreeMap<String, Array>,
    metadata: Option<(&str, String)>,
) -> Result<Vec<u8>, FormatError> {
    let mut views = Vec::with_capacity(tensors.len());
    for (name, array) in tensors {
        let view = TensorView::new(stored(array.dtype), array.shape.clone(), &array.bytes);
        views.push((name, view.map_err(|error| damaged(format!("`{}`: {error}", text::name(name))))?));
    }
    let metadata = metadata.map(|(key, value)| [(key.to_owned(), value)].into());
    safetensors::serialize(views, metadata).map_err(|error| damaged(error.to_string()))
}

/// Larger headers than any file has are not read.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// What the header's length is written in.
pub(crate) const LENGTH_BYTES: usize = 8;

/// Reads the metadata of a file from its header alone, and checks that the tensors that it announces are there.
///
/// # Errors
/// As [`decode`].
pub fn read_metadata(path: &Path) -> Result<BTreeMap<String, String>, FormatError> {
    let mut file = File::open(path)?;
    let file_len = file.metadata()?.len();
    let mut start = vec![0; LENGTH_BYTES];
    file.read_exact(&mut start).map_err(|_| damaged("it ends in its header".to_owned()))?;
    let header_end = header_end(&start, file_len)?;
    start.resize(header_end, 0);
    file.read_exact(&mut start[LENGTH_BYTES..])?;
    metadata(&start, file_len)
}

/// The bytes of a file of `file_len` that [`metadata`] needs, as its first eight say.
///
/// # Errors
/// A file that is damaged or cut short.
pub fn header_end(start: &[u8], file_len: u64) -> Result<usize, FormatError> {
    let length = start.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let length = length.ok_or_else(|| damaged("it ends in its header".to_owned()))?;
    if length > MAX_HEADER_BYTES || length + LENGTH_BYTES as u64 > file_len {
        return Err(damaged(format!("a header of `{length}` bytes")));
    }
    Ok(length as usize + LENGTH_BYTES)
}

/// As [`read_metadata`], of the first bytes of a file of `file_len`.
///
/// # Errors
/// As [`decode`].
pub fn metadata(start: &[u8], file_len: u64) -> Result<BTreeMap<String, String>, FormatError> {
    let header = header(start, file_len)?;
    Ok(header.metadata().clone().unwrap_or_default().into_iter().collect())
}

/// What a file of `file_len` says of its tensors in its first bytes.
pub(crate) fn header(start: &[u8], file_len: u64) -> Result<Metadata, FormatError> {
    let end = header_end(start, file_len)?;
    let header = start.get(LENGTH_BYTES..end).ok_or_else(|| damaged("it ends in its header".to_owned()))?;
    let header: Metadata = serde_json::from_slice(header).map_err(|error| damaged(error.to_string()))?;
    let expected = (end as u64).saturating_add(header.data_len() as u64);
    if expected != file_len {
        return Err(damaged(format!("`{file_len}` bytes where its header announces `{expected}`")));
    }
    Ok(header)
}

pub(crate) fn dtype(stored: Stored) -> Option<Dtype> {
    Some(match stored {
        Stored::F16 => Dtype::F16,
        Stored::BF16 => Dtype::BF16,
        Stored::F32 => Dtype::F32,
        Stored::F64 => Dtype::F64,
        Stored::U8 => Dtype::U8,
        Stored::I32 => Dtype::I32,
        Stored::I64 => Dtype::I64,
        Stored::BOOL => Dtype::Bool,
        _ => return None,
    })
}

fn stored(dtype: Dtype) -> Stored {
    match dtype {
        Dtype::F16 => Stored::F16,
        Dtype::BF16 => Stored::BF16,
        Dtype::F32 => Stored::F32,
        Dtype::F64 => Stored::F64,
        Dtype::U8 => Stored::U8,
        Dtype::I32 => Stored::I32,
        Dtype::I64 => Stored::I64,
        Dtype::Bool => Stored::BOOL,
    }
}

fn damaged(detail: String) -> FormatError {
    FormatError::Damaged { expected: "a `.safetensors` file", detail: text::message(&detail) }
}
