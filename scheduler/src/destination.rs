//! Where reference statistics go, and in whose format: known before the first image is looked at.

use std::path::{Path, PathBuf};

use fidelis_contract::outcome::{Class, Outcome};
use fidelis_formats::{
    atomic,
    stats::{
        Statistics, npz,
        published::{self, section_of},
    },
};

use crate::evaluate::{EvaluateError, check, load};
use crate::formats::FormatError;

/// A file of statistics to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    path: PathBuf,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// `mu` and `sigma` of one detector.
    Npz,
    /// EDM2's, with a section for each detector.
    Pkl,
}

/// A file that cannot hold what it should.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    /// The name says no format.
    #[error("cannot write `{}`: statistics are written as `.npz`, or as `.pkl` in EDM2's format", .0.display())]
    Extension(PathBuf),
    /// More detectors than an `.npz` holds.
    #[error(
        "cannot write `{}`: an `.npz` holds the statistics of one detector; EDM2's `.pkl` those of `inception` and of \
         `dinov2`", .0.display()
    )]
    OneDetector(PathBuf),
    /// The system says no, before anything is made.
    #[error(transparent)]
    Unwritable(#[from] atomic::Unwritable),
    /// The system said no, after all.
    #[error(transparent)]
    Write(#[from] atomic::NotWritten),
    /// See [`FormatError::NoSection`], or the statistics do not go together.
    #[error("cannot write `{}`: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: FormatError,
    },
}

impl Outcome for DestinationError {
    fn class(&self) -> Class {
        match self {
            Self::Unwritable(error) => error.class(),
            Self::Write(error) => error.class(),
            _ => Class::Usage,
        }
    }
}

impl Destination {
    /// The file at `path`, for statistics of some detectors; `None` for one that nobody knows.
    ///
    /// # Errors
    /// An ending that is no format's, detectors that the format has no place for, a path that cannot be written.
    pub fn new(path: &Path, detectors: &[Option<&str>]) -> Result<Self, DestinationError> {
        let owned = path.to_owned();
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        let format = match extension.as_deref().and_then(|extension| extension.to_str()) {
            Some("npz") => Format::Npz,
            Some("pkl") => Format::Pkl,
            _ => return Err(DestinationError::Extension(owned)),
        };
        if format == Format::Npz && detectors.len() != 1 {
            return Err(DestinationError::OneDetector(owned));
        }
        let mut names = detectors.iter().map(|name| name.unwrap_or("a detector that is not named"));
        match names.find(|name| format == Format::Pkl && section_of(name).is_none()) {
            None => {
                atomic::check_file(path)?;
                Ok(Self { path: owned, format })
            }
            Some(name) => {
                let source = FormatError::NoSection(name.to_owned());
                Err(DestinationError::Format { path: owned, source })
            }
        }
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the statistics whole, or leaves what was there and keeps them elsewhere. Equal statistics give equal bytes.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, statistics: &[Statistics]) -> Result<(), DestinationError> {
        let failed = |source| DestinationError::Format { path: self.path.clone(), source };
        let bytes = match (self.format, statistics) {
            (Format::Npz, [one]) => npz::encode(one),
            (Format::Npz, _) => return Err(DestinationError::OneDetector(self.path.clone())),
            (Format::Pkl, all) => published::encode(all),
        };
        Ok(atomic::write_or_keep(&self.path, &bytes.map_err(failed)?)?)
    }
}

/// The statistics of a file of features (or statistics), of which `detector` says whose they are where it does not.
///
/// # Errors
/// A file that has none, or whose are another detector's.
pub fn statistics_of(path: &Path, detector: Option<&str>) -> Result<Statistics, EvaluateError> {
    let statistics = load(path, detector)?;
    check(path, &statistics, detector)?;
    let detector = statistics.detector.or(detector.map(str::to_owned));
    Ok(Statistics { detector, ..statistics })
}
