//! Statistics: what a set of images looks like to a detector.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `.npz` | `mu`, `sigma` (EDM, pytorch-fid, ADM), and where fidelis wrote it `num_images` |
//! | `.pkl` | EDM2's references: `num_images`, and `mu` and `sigma` in `fid` (Inception) and in `fd_dinov2` |

pub mod npz;
mod published;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;

use crate::FormatError;

/// Features of more dimensions than this are taken for a damaged file (sigma alone would be 2 GiB).
pub const MAX_DIM: usize = 16_384;

/// Moments of `num_images` feature vectors of dimension D, in f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Mean, `[D]`.
    pub mu: Vec<f64>,
    /// Covariance (divided by `num_images - 1`), row-major `[D, D]`.
    pub sigma: Vec<f64>,
    /// How many feature vectors were folded; 0 where a file does not say.
    pub num_images: u64,
}

impl Statistics {
    /// D, the dimension of the features.
    pub fn dim(&self) -> usize {
        self.mu.len()
    }
}

/// The bytes of a statistics file, unless it is larger than the largest there can be.
pub fn read(path: &Path) -> Result<Bytes, FormatError> {
    // A `.pkl` holds the statistics of two detectors.
    let limit = 2 * 8 * (MAX_DIM as u64 + 2) * MAX_DIM as u64;
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        value if value > limit => Err(FormatError::TooLarge { what: "length in bytes", value, limit }),
        _ => Ok(bytes.into()),
    }
}

/// Reads statistics out of a whole file; the content decides which kind it is. Of a file that holds those of two
/// detectors, `detector` chooses (`inception`, `pytorch-fid` or `dinov2`); without it they are Inception's.
///
/// # Errors
/// A file that is damaged, is none of these, or holds no statistics of `detector`.
pub fn decode(bytes: &Bytes, detector: Option<&str>) -> Result<Statistics, FormatError> {
    match bytes.first() {
        Some(0x80) => published::decode(bytes, detector),
        _ => npz::decode(bytes),
    }
}

/// Puts together what lies in arrays called `mu` and `sigma`.
fn checked(
    mu: (&[usize], Vec<f64>),
    sigma: (&[usize], Vec<f64>),
    num_images: u64,
) -> Result<Statistics, FormatError> {
    let &[dim] = mu.0 else { return Err(damaged(format!("mu of shape `{:?}`", mu.0))) };
    if sigma.0 != [dim, dim] || dim == 0 {
        return Err(damaged(format!("mu of shape `{:?}` and sigma of shape `{:?}`", mu.0, sigma.0)));
    }
    if mu.1.iter().chain(&sigma.1).any(|x| !x.is_finite()) {
        return Err(damaged("an infinity or a NaN among its values"));
    }
    Ok(Statistics { mu: mu.1, sigma: sigma.1, num_images })
}

fn damaged(detail: impl Into<String>) -> FormatError {
    FormatError::Damaged { expected: "statistics", detail: detail.into() }
}
