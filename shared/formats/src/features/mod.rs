//! Features: a row per image, `[N, D]` or `[N, D, 1, 1]` of any floating-point type. Read a few rows at a time: 50,000
//! features of DINOv2 need not fit in memory.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `.safetensors` | `features`; `seeds` and `labels` int64 `[N]` where it knows them; `detector` in the metadata |
//! | `.npz` | `features`, or any one array; `seeds`, `labels` and `detector` likewise |
//! | `.npy` | the array |
//!
//! The content decides which kind it is, whatever the name is.

mod numpy;
mod tensors;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::stats::MAX_DIM;
use crate::{Dtype, FormatError, sniff};

/// Key of the detector's name in a safetensors file's metadata.
pub const DETECTOR_KEY: &str = "detector";

/// What is looked for here.
const EXPECTED: &str = "features";

/// An open file of features.
#[derive(Debug)]
pub struct FeatureFile {
    values: Values,
    dtype: Dtype,
    num_rows: u64,
    dim: usize,
    seeds: Option<Vec<u64>>,
    labels: Option<Vec<i64>>,
    detector: Option<String>,
}

/// Where the values are.
#[derive(Debug)]
enum Values {
    /// Row by row, from this byte of the file on.
    File { file: File, offset: u64, buffer: Vec<u8> },
    /// All of them, row by row or, as Fortran has it, column by column.
    Memory { bytes: Vec<u8>, fortran: bool },
}

impl FeatureFile {
    /// Opens a file and checks that it is whole; reads no more of it than it must.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or holds no features.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        let mut file = File::open(path)?;
        let mut start = Vec::new();
        file.by_ref().take(512).read_to_end(&mut start)?;
        file.seek(SeekFrom::Start(0))?;
        match &start[..] {
            [b'P', b'K', ..] => numpy::open_npz(file),
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => numpy::open_npy(file),
            _ => tensors::open(file).map_err(|error| sniff::other(&start, EXPECTED).unwrap_or(error)),
        }
    }

    /// N.
    pub fn num_rows(&self) -> u64 {
        self.num_rows
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Whose features they are, where the file says.
    pub fn detector(&self) -> Option<&str> {
        self.detector.as_deref()
    }

    /// One seed per row, where the file says.
    pub fn seeds(&self) -> Option<&[u64]> {
        self.seeds.as_deref()
    }

    /// One class per row, where the file says.
    pub fn labels(&self) -> Option<&[i64]> {
        self.labels.as_deref()
    }

    /// The `count` rows from row `first` on, fewer at the end, row-major.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn rows(&mut self, first: u64, count: u64) -> Result<Vec<f64>, FormatError> {
        self.rows_within(first, count, Vec::new())
    }

    /// As [`FeatureFile::rows`], in memory that nobody needs any more: pages that the system has given already.
    ///
    /// # Errors
    /// As [`FeatureFile::rows`].
    pub fn rows_within(&mut self, first: u64, count: u64, values: Vec<f64>) -> Result<Vec<f64>, FormatError> {
        let first = first.min(self.num_rows);
        let count = count.min(self.num_rows - first) as usize;
        let (dim, size) = (self.dim, self.dtype.size());
        let bytes = match &mut self.values {
            Values::File { file, offset, buffer } => {
                buffer.resize(count * dim * size, 0);
                file.seek(SeekFrom::Start(*offset + first * (dim * size) as u64))?;
                file.read_exact(buffer)?;
                &buffer[..]
            }
            Values::Memory { bytes, fortran: false } => {
                let first = first as usize * dim * size;
                &bytes[first..first + count * dim * size]
            }
            Values::Memory { bytes, fortran: true } => {
                let mut rows = Vec::with_capacity(count * dim * size);
                for (row, column) in (0..count * dim).map(|k| (first as usize + k / dim, k % dim)) {
                    let at = (column * self.num_rows as usize + row) * size;
                    rows.extend_from_slice(&bytes[at..at + size]);
                }
                return Ok(self.dtype.floats_within(&rows, values).unwrap_or_default());
            }
        };
        Ok(self.dtype.floats_within(bytes, values).unwrap_or_default())
    }
}

/// N and D of an array that may hold features, called `name` in errors.
fn shape_of(name: &str, dtype: &str, is_float: bool, shape: &[usize]) -> Result<(u64, usize), FormatError> {
    let (&[num_rows, dim], true) = (trimmed(shape), is_float) else {
        let hint = match shape {
            [_, _, _, _] if dtype.ends_with("u1") || dtype == "U8" => {
                ": these are images, and `fidelis-worker features` makes features of them"
            }
            _ => "",
        };
        return Err(damaged(format!(
            "`{name}` is {dtype} {shape:?}, not floats [N, D] or [N, D, 1, 1]{hint}"
        )));
    };
    if dim > MAX_DIM {
        return Err(FormatError::TooLarge { what: "D", value: dim as u64, limit: MAX_DIM as u64 });
    }
    if num_rows == 0 || dim == 0 {
        return Err(damaged("there are no features in it"));
    }
    Ok((num_rows as u64, dim))
}

/// Without the sides of length 1 that a pooling layer leaves.
fn trimmed(shape: &[usize]) -> &[usize] {
    match shape {
        [n, d, 1, 1] | [n, d, 1] if *n > 0 && *d > 0 => &shape[..2],
        _ => shape,
    }
}

fn damaged(detail: impl Into<String>) -> FormatError {
    FormatError::Damaged { expected: "a file of features", detail: detail.into() }
}
