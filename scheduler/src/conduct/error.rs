use std::{io, path::PathBuf};

use fidelis_contract::outcome::{Class, Outcome};
use fidelis_embedded::{LocalError, WorkersError};
use fidelis_fleet::{files::ResolveError, fleet::FleetError, queue::QueueError};

use super::submit::SubmitError;
use crate::{publish::PublishError, reduce::ReduceError};

/// Why a run was not brought to its end, where trying again is not simply going on.
#[derive(Debug, thiserror::Error)]
pub enum ConductError {
    /// It was not submitted.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// It could not be followed.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// Statistics that it names cannot be had.
    #[error(transparent)]
    Statistics(#[from] ResolveError),
    /// It was not reduced.
    #[error(transparent)]
    Reduce(Box<ReduceError>),
    /// It was not published.
    #[error(transparent)]
    Publish(Box<PublishError>),
    /// Servers of our own.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// Workers of our own.
    #[error(transparent)]
    Workers(#[from] WorkersError),
    /// The folder of the workers' logs.
    #[error("cannot make the folder `{}`: {source}", folder.display())]
    Logs {
        /// Which.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<ReduceError> for ConductError {
    fn from(error: ReduceError) -> Self {
        Self::Reduce(Box::new(error))
    }
}

impl From<PublishError> for ConductError {
    fn from(error: PublishError) -> Self {
        Self::Publish(Box::new(error))
    }
}

impl From<QueueError> for ConductError {
    fn from(error: QueueError) -> Self {
        Self::Fleet(error.into())
    }
}

impl Outcome for ConductError {
    fn class(&self) -> Class {
        match self {
            Self::Submit(error) => error.class(),
            Self::Fleet(error) => error.class(),
            Self::Statistics(error) => error.class(),
            Self::Reduce(error) => error.class(),
            Self::Publish(error) => error.class(),
            Self::Local(error) => error.class(),
            Self::Workers(error) => error.class(),
            Self::Logs { source, .. } => source.class(),
        }
    }
}
