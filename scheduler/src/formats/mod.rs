//! Files of other houses, read without trusting them and written as they expect: statistics as `.npz`, features as
//! `.safetensors`.

pub mod features;
mod npy;
pub mod npz;

pub use features::FeatureFile;

/// Features of more dimensions than this are taken for a damaged file (sigma alone would be 2 GiB).
pub const MAX_DIM: usize = 16_384;

/// Why a file could not be read or written. The file's name is the caller's to add.
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
}

impl FormatError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == std::io::ErrorKind::Interrupted)
    }
}
