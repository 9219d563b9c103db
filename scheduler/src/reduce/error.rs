use fidelis_contract::{
    ids::Digest,
    manifest::ManifestError,
    outcome::{Class, Outcome},
    receipt::Unreadable,
};
use fidelis_fleet::{
    store::StoreError,
    stored::{StoredError, UnreadError},
};
use fidelis_metrics::MetricError;

use crate::arithmetic::ArithmeticError;
use crate::evaluate::EvaluateError;
use crate::formats::FormatError;

/// Why a run was not reduced, classed by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum ReduceError {
    /// The run is not complete, or not what it should be.
    #[error(transparent)]
    Unread(Box<UnreadError>),
    /// Images that may be left out, and nothing else.
    #[error("none of the {count} images of `{data}` can be read: the first, `{name}`, {cause}")]
    NothingReadable {
        /// How many there are.
        count: usize,
        /// The dataset.
        data: String,
        /// The first.
        name: String,
        /// Why that one is not read.
        cause: String,
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
    /// Features in the place of statistics that give none.
    #[error("{file}: {source}")]
    Reference {
        /// The field, the detector and the path.
        file: String,
        /// What is wrong.
        source: EvaluateError,
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
    /// A failure of our own.
    #[error("reducing stopped: {0}; run it again")]
    Internal(String),
}

impl Outcome for ReduceError {
    fn class(&self) -> Class {
        match self {
            Self::Unread(error) => error.class(),
            Self::Internal(_) => Class::Passing,
            Self::Statistics { source, .. } => source.class(),
            Self::Metric { .. }
            | Self::NothingReadable { .. }
            | Self::Reference { .. }
            | Self::OtherStatistics { .. } => Class::Usage,
        }
    }
}

impl ReduceError {
    /// Every image of a dataset was left out.
    pub(super) fn nothing_readable(data: String, unreadable: Vec<Unreadable>) -> Self {
        let count = unreadable.len();
        let (name, cause) =
            unreadable.into_iter().next().map_or_else(Default::default, |first| (first.name, first.cause));
        Self::NothingReadable { count, data, name, cause }
    }
}

fidelis_fleet::unread_by!(ReduceError: StoreError, StoredError, ManifestError, ArithmeticError);
