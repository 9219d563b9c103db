use std::{io, path::PathBuf};

use fidelis_contract::{
    ids::{IdError, SweepId},
    outcome::{Class, Outcome},
    sweep::SweepError,
};
use fidelis_fleet::{files::ResolveError, queue::QueueError, store::StoreError};

use crate::{
    conduct::{ConductError, PrepareError, submit::SubmitError},
    reduce::ReduceError,
};

/// Why a sweep was not brought to its end.
#[derive(Debug, thiserror::Error)]
pub enum SweepRunError {
    /// There is no such sweep.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// Its name names none.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A cell cannot run.
    #[error("cell `{cell}`: {source}")]
    Cell {
        /// Its settings.
        cell: String,
        /// Why not.
        source: Box<PrepareError>,
    },
    /// Nothing to compare by.
    #[error("{0}")]
    Metric(String),
    /// A folder in the place of a net.
    #[error("axis `{axis}`: {problem}")]
    Folder {
        /// `net` or `gnet`.
        axis: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Not even the first look.
    #[error(
        "a budget of {budget} images does not pay for the first look, {needed} images of {cells} cells: raise it, or sweep less"
    )]
    Budget {
        /// What there is.
        budget: u64,
        /// What it takes.
        needed: u64,
        /// Of so many cells.
        cells: usize,
    },
    /// Somebody called a cell off.
    #[error("sweep `{0}` was cancelled; the same command goes on from what is stored")]
    Cancelled(SweepId),
    /// The cells could not be made.
    #[error(transparent)]
    Conduct(Box<ConductError>),
    /// What is stored of a cell is not what it should be.
    #[error(transparent)]
    Reduce(Box<ReduceError>),
    /// The store did not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A rendering could not be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A failure of our own.
    #[error("the sweep stopped: {0}; run it again")]
    Internal(String),
}

impl From<ReduceError> for SweepRunError {
    fn from(error: ReduceError) -> Self {
        Self::Reduce(Box::new(error))
    }
}

impl From<ConductError> for SweepRunError {
    fn from(error: ConductError) -> Self {
        Self::Conduct(Box::new(error))
    }
}

impl From<SubmitError> for SweepRunError {
    fn from(error: SubmitError) -> Self {
        Self::from(ConductError::from(error))
    }
}

impl From<QueueError> for SweepRunError {
    fn from(error: QueueError) -> Self {
        Self::from(ConductError::from(error))
    }
}

impl From<ResolveError> for SweepRunError {
    fn from(error: ResolveError) -> Self {
        Self::from(ConductError::from(error))
    }
}

impl Outcome for SweepRunError {
    fn class(&self) -> Class {
        match self {
            Self::Sweep(error) => error.class(),
            Self::Cell { source, .. } => source.class(),
            Self::Id(_) | Self::Metric(_) | Self::Folder { .. } | Self::Budget { .. } => Class::Usage,
            Self::Cancelled(_) => Class::Incomplete,
            Self::Conduct(error) => error.class(),
            Self::Reduce(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Write { source, .. } => source.class(),
            Self::Internal(_) => Class::Passing,
        }
    }
}
