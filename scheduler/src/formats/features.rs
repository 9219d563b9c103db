//! Features as `.safetensors`: tensor `features` float32 [N, D], and `seeds` int64 [N] where the file knows them. Read
//! a few rows at a time: 50,000 features of DINOv2 need not fit in memory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use fidelis_formats::stats::MAX_DIM;

use super::FormatError;
use crate::metrics::{FeatureChunk, RowNames};

const MAX_HEADER_BYTES: u64 = 16 << 20;

/// Whether a file begins as a `.safetensors` does, whatever it is called: a cache keeps no names.
pub fn is_features(path: &Path) -> bool {
    let mut start = [0; 9];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    let (length, brace) = (u64::from_le_bytes(start[..8].try_into().unwrap_or_default()), start[8]);
    read.is_ok() && brace == b'{' && length <= MAX_HEADER_BYTES
}

/// An open features file.
#[derive(Debug)]
pub struct FeatureFile {
    file: File,
    num_rows: u64,
    dim: usize,
    /// Where row 0 begins, in bytes from the start of the file.
    offset: u64,
    seeds: Option<Vec<u64>>,
}

impl FeatureFile {
    /// Opens a file and checks that it is whole; reads no features yet.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        let mut file = File::open(path)?;
        let (metadata, data) = read_header(&mut file)?;
        let hint = "give a file as `fidelis-worker features` writes it";
        let info = metadata.info("features").ok_or(FormatError::Missing { name: "features", hint })?;
        let (&[num_rows, dim], Dtype::F32) = (&info.shape[..], info.dtype) else {
            return Err(damaged(format!("`features` is {:?} {:?}, not F32 [N, D]", info.dtype, info.shape)));
        };
        if dim > MAX_DIM {
            return Err(FormatError::TooLarge { what: "D", value: dim as u64, limit: MAX_DIM as u64 });
        }
        if num_rows == 0 || dim == 0 {
            return Err(damaged("there are no features in it"));
        }
        let offset = data + info.data_offsets.0 as u64;
        let seeds = match metadata.info("seeds") {
            Some(info) if info.dtype == Dtype::I64 && info.shape == [num_rows] => {
                Some(read_seeds(&mut file, info, data)?)
            }
            _ => None,
        };
        Ok(Self { file, num_rows: num_rows as u64, dim, offset, seeds })
    }

    /// N.
    pub fn num_rows(&self) -> u64 {
        self.num_rows
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The `count` rows from row `first` on, fewer at the end.
    pub fn rows(&mut self, first: u64, count: u64) -> Result<FeatureChunk, FormatError> {
        let first = first.min(self.num_rows);
        let count = count.min(self.num_rows - first) as usize;
        let mut bytes = vec![0; count * self.dim * 4];
        self.file.seek(SeekFrom::Start(self.offset + first * self.dim as u64 * 4))?;
        self.file.read_exact(&mut bytes)?;
        let values = bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        let names = match &self.seeds {
            Some(seeds) => RowNames::Seeds(seeds[first as usize..first as usize + count].to_vec()),
            None => RowNames::From(first),
        };
        Ok(FeatureChunk { values, dim: self.dim, names })
    }
}

/// The header, and where the data after it begins.
fn read_header(file: &mut File) -> Result<(Metadata, u64), FormatError> {
    let num_bytes = file.metadata()?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| damaged("it ends in its header"))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER_BYTES || length + 8 > num_bytes {
        return Err(damaged(format!("a header of `{length}` bytes")));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header)?;
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|error| damaged(error.to_string().to_lowercase()))?;
    let data = 8 + length;
    let expected = data + metadata.data_len() as u64;
    if expected != num_bytes {
        return Err(damaged(format!("`{num_bytes}` bytes where its header announces `{expected}`")));
    }
    Ok((metadata, data))
}

fn read_seeds(file: &mut File, info: &TensorInfo, data: u64) -> Result<Vec<u64>, FormatError> {
    let (begin, end) = info.data_offsets;
    let mut bytes = vec![0; end - begin];
    file.seek(SeekFrom::Start(data + begin as u64))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as u64).collect())
}

fn damaged(detail: impl Into<String>) -> FormatError {
    FormatError::Damaged { expected: "a features `.safetensors`", detail: detail.into() }
}
