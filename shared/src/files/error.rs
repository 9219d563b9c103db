use std::{io, path::PathBuf};

use crate::{exit, ids::Digest, retry::Retryable, spec::SpecError, store::StoreError};

/// Why a file is not at hand, classed by what the caller does next. Addresses stand in it as they may be shown.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The address cannot or must not be used.
    #[error("`{file}` cannot be used: {reason}")]
    Refused {
        /// As given, without secrets.
        file: String,
        /// What is wrong and what to do instead.
        reason: String,
    },
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

impl FileError {
    /// True when the same may work later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::Cache { .. } => true,
            Self::Status { status, .. } => *status >= 500 || [408, 429].contains(status),
            Self::Store { source, .. } => source.is_retryable(),
            _ => false,
        }
    }

    /// True when asking the server once more at once may help.
    pub(super) fn is_transfers(&self) -> bool {
        self.is_retryable() && !matches!(self, Self::Cache { .. })
    }

    /// The exit code of a command that this error ends.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Store { source, .. } => source.exit_code(),
            _ if self.is_retryable() => exit::INFRASTRUCTURE,
            _ => exit::USAGE,
        }
    }
}

impl Retryable for FileError {
    fn is_retryable(&self) -> bool {
        FileError::is_retryable(self)
    }
}

/// Why a spec's files are not at hand.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The spec itself, or a local file of it.
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

impl ResolveError {
    /// True when the same may work later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.is_retryable())
    }

    /// The exit code of a command that this error ends.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Spec(_) => exit::USAGE,
            Self::File { source, .. } => source.exit_code(),
        }
    }
}
