use std::{io, path::PathBuf};

use crate::store::StoreError;
use fidelis_contract::{
    address::AddressError,
    ids::Digest,
    outcome::{Class, Outcome},
    spec::SpecError,
};

/// Why a file is not at hand, classed by what the caller does next. Addresses stand in it as they may be shown.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The address cannot or must not be used.
    #[error(transparent)]
    Refused(#[from] AddressError),
    /// A local file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// Which.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The content is not what was meant.
    #[error(
        "`{file}` has sha256 `{found}`, `{pinned}` is pinned: get the file that is meant, or change the pin"
    )]
    Pin {
        /// Which.
        file: String,
        /// The digest that was asked for.
        pinned: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// The server has something to say against it.
    #[error("`{file}`: the server answers {status}{}", hint(*.status))]
    Status {
        /// Which.
        file: String,
        /// HTTP's number.
        status: u16,
    },
    /// The server cannot be reached, or the connection broke off.
    #[error("`{file}` cannot be fetched: {cause}; what came so far is kept, run it again to go on")]
    Broken {
        /// Which.
        file: String,
        /// What happened.
        cause: String,
    },
    /// There is no such object.
    #[error("`{file}`: there is no such object; correct the address")]
    Missing {
        /// Which.
        file: String,
    },
    /// The cache cannot be used, as a disk that is full.
    #[error("cannot use the cache, `{}`: {source}; free space there, or name another folder in FIDELIS_CACHE", path.display())]
    Cache {
        /// What was written or read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No home.
    #[error("there is no folder for fetched files: name one in FIDELIS_CACHE")]
    NoCache,
    /// S3.
    #[error("`{file}`: {source}")]
    Store {
        /// Which.
        file: String,
        /// What S3 said.
        source: Box<StoreError>,
    },
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => {
            ": it wants rights that this process does not have; use `s3://` with credentials, or a file"
        }
        404 | 410 => ": there is no such file; correct the address",
        408 | 429 | 500.. => ": try again later",
        _ => "; correct the address",
    }
}

impl Outcome for FileError {
    fn class(&self) -> Class {
        match self {
            Self::Broken { .. } | Self::Cache { .. } => Class::Passing,
            Self::Status { status, .. } if *status >= 500 || [408, 429].contains(status) => Class::Passing,
            Self::Store { source, .. } => source.class(),
            _ => Class::Usage,
        }
    }
}

impl FileError {
    /// True when asking the server once more at once may help.
    pub(super) fn is_transfers(&self) -> bool {
        self.is_retryable() && !matches!(self, Self::Cache { .. })
    }
}

/// Why a spec's files are not at hand.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The spec itself.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A file that it names.
    #[error("spec field `{field}`: {source}")]
    File {
        /// The field, dotted.
        field: String,
        /// What is wrong with it.
        source: FileError,
    },
}

impl Outcome for ResolveError {
    fn class(&self) -> Class {
        match self {
            Self::Spec(error) => error.class(),
            Self::File { source, .. } => source.class(),
        }
    }
}
