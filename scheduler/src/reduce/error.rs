use fidelis_shared::exit;
use fidelis_shared::ids::Digest;
use fidelis_shared::manifest::ManifestError;
use fidelis_shared::payload::PayloadError;
use fidelis_shared::receipt::ReceiptError;
use fidelis_shared::store::StoreError;

use crate::formats::FormatError;
use crate::metrics::MetricError;
use crate::report::sheet::SheetError;

/// Why a run was not reduced, classed by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum ReduceError {
    /// The store did not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Chunks are missing, or receipts contradict the plan.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A receipt that cannot be read.
    #[error("`{key}`: {source}; `fidelis verify --repair` sets it aside, then submit the run again")]
    Receipt {
        /// Store key.
        key: String,
        /// What is wrong with it.
        source: ReceiptError,
    },
    /// An object that a receipt names is not there.
    #[error(
        "`{key}` is gone though its receipt is there: `fidelis verify --repair` sets the receipt aside, then submit the run again"
    )]
    Gone {
        /// Store key.
        key: String,
    },
    /// An object's bytes are not those that its receipt names (I2).
    #[error(
        "`{key}` holds other bytes than its receipt names (`{found}` for `{expected}`): `fidelis verify --repair` \
         sets both aside, then submit the run again"
    )]
    Altered {
        /// Store key.
        key: String,
        /// As the receipt has it: a sha256, or a length in bytes.
        expected: String,
        /// As found.
        found: String,
    },
    /// An object with the right digest that is no chunk of this run.
    #[error(
        "`{key}` is not what its key says: {detail}; `fidelis verify --repair` sets it aside, then submit the run \
         again"
    )]
    Payload {
        /// Store key.
        key: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A chunk that was made again after a repair, and is not what it was at first.
    #[error(
        "nondeterminism: `{key}` was made again and has sha256 `{again}` where it had `{first}` at first; compare \
         the two makers' versions and devices before trusting either"
    )]
    OtherwiseAgain {
        /// Store key.
        key: String,
        /// Of the object that was lost.
        first: Digest,
        /// Of the one in its place.
        again: Digest,
    },
    /// Features without a metric.
    #[error("detector `{detector}`: {source}")]
    Metric {
        /// Whose features.
        detector: String,
        /// What is wrong with them.
        source: MetricError,
    },
    /// Statistics that the spec names.
    #[error("{file}: {source}")]
    Statistics {
        /// The field, the detector and the path.
        file: String,
        /// What is wrong.
        source: FormatError,
    },
    /// Statistics other than those the run was submitted with.
    #[error(
        "{file}, has sha256 `{found}` where the run was submitted with `{expected}`: restore the file or submit anew"
    )]
    OtherStatistics {
        /// The field, the detector and the path.
        file: String,
        /// At submission.
        expected: Digest,
        /// Now.
        found: Digest,
    },
    /// No contact sheet of these pictures.
    #[error("contact sheet: {0}")]
    Sheet(#[from] SheetError),
    /// Images that may be left out, and nothing else.
    #[error("none of the {num_images} images of `{data}` can be read: the first, `{name}`, {cause}")]
    NothingReadable {
        /// How many there are.
        num_images: usize,
        /// The dataset.
        data: String,
        /// The first.
        name: String,
        /// Why that one is not read.
        cause: String,
    },
    /// A failure of our own.
    #[error("reducing stopped: {0}; run it again")]
    Internal(String),
}

impl ReduceError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Manifest(error) => error.is_retryable(),
            Self::Statistics { source, .. } => source.is_retryable(),
            Self::Internal(_) => true,
            _ => false,
        }
    }

    /// The exit code of a command that this error ends.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Store(error) => error.exit_code(),
            Self::Manifest(error) => error.exit_code(),
            Self::Internal(_) => exit::INFRASTRUCTURE,
            Self::Metric { .. }
            | Self::NothingReadable { .. }
            | Self::Statistics { .. }
            | Self::OtherStatistics { .. }
            | Self::Sheet(_) => exit::USAGE,
            _ => exit::INTEGRITY,
        }
    }

    pub(super) fn payload(key: &str, error: &PayloadError) -> Self {
        Self::Payload { key: key.to_owned(), detail: error.to_string() }
    }
}
