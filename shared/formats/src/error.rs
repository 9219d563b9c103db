//! Why a file could not be read or written.

use fidelis_contract::outcome::{Class, Outcome};
use std::path::{Path, PathBuf};

use crate::pickle::PickleError;

/// Why a file could not be read or written. The file's name is the caller's to add, or [`FileError`]'s.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The operating system said no.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Not what it claims to be, or cut short.
    #[error("damaged or not {expected}: {detail}; make it again")]
    Damaged {
        /// What was looked for, with its article.
        expected: &'static str,
        /// What was wrong.
        detail: String,
    },
    /// Sound, but without what is needed.
    #[error("holds no `{name}`: {hint}")]
    Missing {
        /// The array or tensor.
        name: &'static str,
        /// What to give instead.
        hint: &'static str,
    },
    /// Sound, but with something in it whose meaning is not known here.
    #[error("holds what is not known here: {0}")]
    Unknown(String),
    /// Another kind of file, which is known.
    #[error("is {found}, not {expected}{}", crate::sniff::advice(.found))]
    Other {
        /// With its article.
        found: &'static str,
        /// What was looked for, with its article.
        expected: &'static str,
    },
    /// Statistics, but of other detectors.
    #[error(
        "holds statistics of `inception`, `pytorch-fid` and `dinov2`, none of `{0}`: give those of that detector as \
         `.npz`"
    )]
    OtherDetector(String),
    /// Statistics of a detector that EDM2's format knows nothing of.
    #[error(
        "EDM2's `.pkl` has sections for `inception`, `pytorch-fid` and `dinov2`, not for `{0}`: write those statistics \
         as `.npz`"
    )]
    NoSection(String),
    /// Larger than anything real.
    #[error("`{what}` is `{value}`, more than the `{limit}` this reads")]
    TooLarge {
        /// Which size.
        what: &'static str,
        /// Its value.
        value: u64,
        /// The most that is read.
        limit: u64,
    },
    /// A pickle that is damaged, or that wants something run.
    #[error(transparent)]
    Pickle(#[from] PickleError),
}

impl Outcome for FormatError {
    fn class(&self) -> Class {
        match self {
            Self::Io(error) if error.kind() == std::io::ErrorKind::Interrupted => Class::Passing,
            Self::Io(error) => error.class(),
            _ => Class::Usage,
        }
    }
}

impl FormatError {
    /// Names the file.
    pub fn at(self, path: &Path) -> FileError {
        FileError { path: path.to_owned(), source: self }
    }
}

/// A [`FormatError`] and the file that it is about.
#[derive(Debug, thiserror::Error)]
#[error("`{path}`: {source}")]
pub struct FileError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub source: FormatError,
}

impl Outcome for FileError {
    fn class(&self) -> Class {
        self.source.class()
    }
}
