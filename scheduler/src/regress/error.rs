use std::{io, path::PathBuf};

use fidelis_contract::{
    baseline::BaselineError,
    ids::RunId,
    outcome::{Class, Outcome},
    spec::SpecError,
};
use fidelis_fleet::{files::ResolveError, store::StoreError};

use crate::compare::SetsError;
use crate::evaluate::{EvaluateError, FeaturesError};

/// Why a night was not judged, or a baseline not accepted.
#[derive(Debug, thiserror::Error)]
pub enum RegressError {
    /// The images of a run cannot be read.
    #[error(transparent)]
    Features(Box<FeaturesError>),
    /// The store did not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A spec that no part of a night can have.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Reference statistics that cannot be had.
    #[error(transparent)]
    Files(#[from] ResolveError),
    /// Reference statistics that are none.
    #[error(transparent)]
    Reference(Box<EvaluateError>),
    /// The distances of two sets of images.
    #[error("detector `{detector}`: {source}")]
    Sets {
        /// Whose features.
        detector: String,
        /// What is wrong with them.
        source: SetsError,
    },
    /// A file that is no baseline.
    #[error("`{origin}`: {source}")]
    Baseline {
        /// The file, or the store's key.
        origin: String,
        /// What is wrong with it.
        source: BaselineError,
    },
    /// A file that cannot be read or written.
    #[error("`{}`: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Neither a file nor in the store.
    #[error(
        "there is no baseline `{0}`: give a `baseline.json`, or the name that `fidelis baseline accept` stored one under"
    )]
    Unknown(String),
    /// Seeds that cannot be cut so.
    #[error("{0}")]
    Cut(String),
    /// A run that no baseline can be made of.
    #[error("run `{run}` {lack}: {next}")]
    Lacks {
        /// Which.
        run: RunId,
        /// What it has not.
        lack: &'static str,
        /// What to do.
        next: &'static str,
    },
    /// The images of a block are gone, or others.
    #[error("`{key}`, the images of the baseline's block, {problem}: accept a baseline anew")]
    Block {
        /// Where they should be.
        key: String,
        /// What is wrong with them.
        problem: String,
    },
    /// Two at once.
    #[error(
        "somebody else accepted `{0}` just now: look at it with `fidelis baseline show`, and accept again"
    )]
    Taken(String),
    /// A failure of our own.
    #[error("judging stopped: {0}; run it again")]
    Internal(String),
}

impl Outcome for RegressError {
    fn class(&self) -> Class {
        match self {
            Self::Features(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Files(error) => error.class(),
            Self::Reference(error) => error.class(),
            Self::File { source, .. } => source.class(),
            Self::Block { .. } => Class::Integrity,
            Self::Internal(_) => Class::Passing,
            Self::Spec(_)
            | Self::Sets { .. }
            | Self::Baseline { .. }
            | Self::Unknown(_)
            | Self::Cut(_)
            | Self::Lacks { .. }
            | Self::Taken(_) => Class::Usage,
        }
    }
}

impl From<FeaturesError> for RegressError {
    fn from(error: FeaturesError) -> Self {
        Self::Features(Box::new(error))
    }
}

impl From<EvaluateError> for RegressError {
    fn from(error: EvaluateError) -> Self {
        Self::Reference(Box::new(error))
    }
}
