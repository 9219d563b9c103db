use fidelis_contract::{
    ids::Digest,
    manifest::ManifestError,
    outcome::{Class, Outcome},
};
use fidelis_fleet::{store::StoreError, stored::StoredError};

use crate::formats::FormatError;
use crate::metrics::MetricError;
use crate::report::sheet::SheetError;

/// Why a run was not reduced, classed by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum ReduceError {
    /// The store did not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is stored is not what it should be.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// Chunks are missing, or receipts contradict the plan.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
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
    /// A failure of our own.
    #[error("reducing stopped: {0}; run it again")]
    Internal(String),
}

impl Outcome for ReduceError {
    fn class(&self) -> Class {
        match self {
            Self::Store(error) => error.class(),
            Self::Stored(error) => error.class(),
            Self::Manifest(error) => error.class(),
            Self::Internal(_) => Class::Passing,
            Self::Statistics { source, .. } => source.class(),
            Self::Metric { .. } | Self::OtherStatistics { .. } | Self::Sheet(_) => Class::Usage,
        }
    }
}
