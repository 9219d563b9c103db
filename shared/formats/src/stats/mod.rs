//! Statistics: what a set of images looks like to a detector.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `.npz` | `mu`, `sigma` (EDM, pytorch-fid, ADM), and where fidelis wrote it `num_images` and `detector` |
//! | `.pkl` | EDM2's references: `num_images`, and `mu` and `sigma` in `fid` (Inception) and in `fd_dinov2` |

pub mod npz;
pub mod published;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;

use crate::{FormatError, sniff};

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
    /// Whose features they are of; `None` where a file does not say.
    pub detector: Option<String>,
}

impl Statistics {
    /// D, the dimension of the features.
    pub fn dim(&self) -> usize {
        self.mu.len()
    }
}

/// How a file keeps its statistics, if it has any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// EDM2's, of one detector or two.
    Pickle,
    /// Of one.
    Npz,
    /// It is no file of statistics: of features, perhaps.
    None,
}

/// Looks at a file's beginning, and into a ZIP.
///
/// # Errors
/// A file that cannot be read, a ZIP that is damaged.
pub fn kind_of(path: &Path) -> Result<Kind, FormatError> {
    let mut start = Vec::new();
    let mut file = File::open(path)?;
    file.by_ref().take(512).read_to_end(&mut start)?;
    match &start[..] {
        [0x80, ..] if !sniff::is_safetensors(&start) => Ok(Kind::Pickle),
        [b'P', b'K', ..] if npz::is_statistics(file)? => Ok(Kind::Npz),
        _ => Ok(Kind::None),
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
/// detectors, `detector` chooses (`inception`, `pytorch-fid` or `dinov2`); without it they are Inception's where it has
/// those.
///
/// # Errors
/// A file that is damaged, is none of these, or holds no statistics of `detector`.
pub fn decode(bytes: &Bytes, detector: Option<&str>) -> Result<Statistics, FormatError> {
    match bytes.first() {
        Some(0x80) if !sniff::is_safetensors(bytes) => published::decode(bytes, detector),
        _ if bytes.starts_with(b"PK") => npz::decode(bytes),
        _ => match sniff::other(bytes, "statistics") {
            Some(error) => Err(error),
            None => npz::decode(bytes),
        },
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
    Ok(Statistics { mu: mu.1, sigma: sigma.1, num_images, detector: None })
}

/// Detectors have short names; what is none says nothing.
pub(crate) fn detector_name(text: &str) -> Option<String> {
    let is_name = (1..=MAX_NAME_CHARS).contains(&text.chars().count()) && !text.contains(char::is_control);
    is_name.then(|| text.to_owned())
}

/// Of a detector's name in a file.
const MAX_NAME_CHARS: usize = 100;

fn damaged(detail: impl Into<String>) -> FormatError {
    FormatError::Damaged { expected: "statistics", detail: detail.into() }
}
