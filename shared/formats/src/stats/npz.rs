//! Statistics as `.npz`: `mu` float64 `[D]`, `sigma` float64 `[D, D]` (EDM, pytorch-fid and ADM read these), and `num_images`
//! int64 and the text `detector`, which the others leave out.

use std::io::{Cursor, Read, Seek, Write};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::{MAX_DIM, Statistics, checked, damaged, detector_name};
use crate::{FormatError, npy, text};

/// What `np.savez` writes, uncompressed; equal statistics give equal bytes.
///
/// # Errors
/// [`FormatError::Damaged`] when mu and sigma do not fit together.
pub fn encode(statistics: &Statistics) -> Result<Vec<u8>, FormatError> {
    let Statistics { mu, sigma, num_images, detector } = statistics;
    if sigma.len() != mu.len() * mu.len() {
        return Err(damaged(format!("mu of `{}` and sigma of `{}` values", mu.len(), sigma.len())));
    }
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644);
    let arrays = [
        ("mu.npy", npy::encode_f64(&[mu.len()], mu)),
        ("sigma.npy", npy::encode_f64(&[mu.len(), mu.len()], sigma)),
        ("num_images.npy", npy::encode_i64(i64::try_from(*num_images).unwrap_or(i64::MAX))),
    ];
    let detector = detector.as_ref().map(|name| ("detector.npy", npy::encode_text(name)));
    for (name, bytes) in arrays.into_iter().chain(detector) {
        archive.start_file(name, options).map_err(unreadable)?;
        archive.write_all(&bytes)?;
    }
    Ok(archive.finish().map_err(unreadable)?.into_inner())
}

/// Reads statistics out of a whole `.npz` file. `num_images` is 0 where the file does not say.
pub fn decode(bytes: &[u8]) -> Result<Statistics, FormatError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
    let missing = |name| FormatError::Missing { name, hint: "statistics are `mu` and `sigma`" };
    let mu = array(&mut archive, "mu.npy", MAX_DIM as u64)?.ok_or_else(|| missing("mu"))?;
    // Not more than mu asks for: a few bytes can inflate to a sigma of any size.
    let max_values = (mu.values.len() * mu.values.len()) as u64;
    let sigma = array(&mut archive, "sigma.npy", max_values)?.ok_or_else(|| missing("sigma"))?;
    let num_images = match array(&mut archive, "num_images.npy", 1)? {
        Some(count) => count.values.first().map_or(0, |&n| n.max(0.0) as u64),
        None => 0,
    };
    let detector = match archive.by_name("detector.npy") {
        Ok(mut file) => npy::decode_text(&mut file).and_then(|name| detector_name(&name)),
        Err(_) => None,
    };
    let statistics = checked((&mu.shape, mu.values), (&sigma.shape, sigma.values), num_images)?;
    Ok(Statistics { detector, ..statistics })
}

/// Whether a ZIP holds statistics, as against other arrays.
pub(super) fn is_statistics(file: impl Read + Seek) -> Result<bool, FormatError> {
    let archive = ZipArchive::new(file).map_err(unreadable)?;
    Ok(["mu.npy", "sigma.npy"].iter().any(|name| archive.index_for_name(name).is_some()))
}

fn array<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    name: &str,
    max_values: u64,
) -> Result<Option<npy::Array>, FormatError> {
    match archive.by_name(name) {
        Ok(mut file) => npy::decode(&mut file, max_values).map(Some),
        Err(ZipError::FileNotFound) => Ok(None),
        Err(error) => Err(unreadable(error)),
    }
}

fn unreadable(error: ZipError) -> FormatError {
    damaged(text::message(&error.to_string().to_lowercase()))
}
