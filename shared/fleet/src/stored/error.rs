use fidelis_contract::{
    ids::{Digest, RunId},
    outcome::{Class, Outcome},
    payload::PayloadError,
    receipt::ReceiptError,
    spec::SpecError,
};

use crate::store::StoreError;

/// Why a run was not read back, classed by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// The store did not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such run.
    #[error("the store has no run `{0}`: submit its spec first, or check the store's url")]
    Unknown(RunId),
    /// The stored spec cannot be read.
    #[error("the stored spec is damaged: {0}; submitting the spec file again puts it right")]
    Damaged(SpecError),
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
    /// A failure of our own.
    #[error("reading stopped: {0}; run it again")]
    Internal(String),
}

impl Outcome for StoredError {
    fn class(&self) -> Class {
        match self {
            Self::Store(error) => error.class(),
            Self::Unknown(_) => Class::Usage,
            Self::Internal(_) => Class::Passing,
            _ => Class::Integrity,
        }
    }
}

impl StoredError {
    pub(super) fn payload(key: &str, error: &PayloadError) -> Self {
        Self::Payload { key: key.to_owned(), detail: error.to_string() }
    }
}
