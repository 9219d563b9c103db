use fidelis_contract::{
    arithmetic::OtherArithmetic,
    manifest::ManifestError,
    outcome::{Class, Outcome},
};

use super::StoredError;
use crate::store::StoreError;

/// Why a complete run cannot be read: what every operation on one may fail by, classed by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum UnreadError {
    /// The store did not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is stored is not what it should be.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// Chunks are missing, or receipts contradict the plan.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Chunks of another arithmetic than this build's.
    #[error(transparent)]
    Arithmetic(#[from] OtherArithmetic),
}

impl Outcome for UnreadError {
    fn class(&self) -> Class {
        match self {
            Self::Store(error) => error.class(),
            Self::Stored(error) => error.class(),
            Self::Manifest(error) => error.class(),
            Self::Arithmetic(error) => error.class(),
        }
    }
}

/// Lets `?` turn each cause of an [`UnreadError`] into errors that have a variant `Unread` of it, boxed.
#[macro_export]
macro_rules! unread_by {
    ($error:ty: $($cause:ty),+ $(,)?) => {
        $(impl From<$cause> for $error {
            fn from(cause: $cause) -> Self {
                Self::Unread(Box::new(cause.into()))
            }
        })+
    };
}
