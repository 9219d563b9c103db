use fidelis_contract::outcome::{Class, Outcome};
use redis::{ErrorKind, RedisError};

/// Server error codes that go away by themselves or when an operator acts.
const PASSING: &[&str] = &[
    "LOADING",
    "BUSY",
    "TRYAGAIN",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "READONLY",
    "UNBLOCKED",
    "OOM",
    "MISCONF",
    "NOREPLICAS",
];

/// Codes of a server that is no longer the one to talk to: behind the same address there may be another by now.
const DEMOTED: &[&str] = &["READONLY", "UNBLOCKED", "MASTERDOWN"];

/// Why a queue operation failed. Messages name the server without its password.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Not the url of a Redis server, or something else answers there.
    #[error(
        "redis url `{url}` leads nowhere ({problem}): give a redis server as `redis://`, `rediss://` or `unix://`"
    )]
    Url {
        /// The url, secrets removed.
        url: String,
        /// What the parser said.
        problem: String,
    },
    /// User or password end where they should not.
    #[error(
        "redis url `{url}` has a user or password that holds `{odd}`: write it percent-encoded, as `{code}`, and so every other of `/ ? # [ ] @ : %` in them"
    )]
    Password {
        /// The url, secrets removed.
        url: String,
        /// What cuts it short.
        odd: char,
        /// How it is written.
        code: String,
    },
    /// No connection could be made.
    #[error("cannot reach redis at `{url}` ({source}): check that it runs and that the url is right")]
    Unreachable {
        /// The url, secrets removed.
        url: String,
        /// The cause.
        source: RedisError,
    },
    /// The server wants other credentials.
    #[error(
        "redis at `{url}` refused the login ({source}): check user and password in the url, where `/ ? # [ ] @ : %` are written percent-encoded, as `%23` for `#`"
    )]
    Login {
        /// The url, secrets removed.
        url: String,
        /// The cause.
        source: RedisError,
    },
    /// The server may evict keys, so it could drop queued chunks.
    #[error(
        "redis at `{url}` has maxmemory-policy `{policy}` and may drop queued chunks: \
         run `redis-cli config set maxmemory-policy noeviction`"
    )]
    Eviction {
        /// The url, secrets removed.
        url: String,
        /// The policy found.
        policy: String,
    },
    /// An operation failed on the way or at the server.
    #[error("redis at `{url}` failed to {operation}: {source}")]
    Redis {
        /// The url, secrets removed.
        url: String,
        /// What was tried, as "renew a lease".
        operation: &'static str,
        /// The cause.
        source: RedisError,
    },
    /// A record in Redis was not written by this version.
    #[error(
        "redis at `{url}` holds a record of another version ({problem}): use one version throughout the fleet"
    )]
    Record {
        /// The url, secrets removed.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Outcome for QueueError {
    fn class(&self) -> Class {
        match self {
            Self::Url { .. } | Self::Password { .. } => Class::Usage,
            Self::Unreachable { .. } => Class::Passing,
            Self::Redis { source, .. } if is_passing(source) => Class::Passing,
            Self::Redis { .. } | Self::Login { .. } | Self::Eviction { .. } | Self::Record { .. } => {
                Class::Environment
            }
        }
    }
}

impl QueueError {
    pub(super) fn connecting(url: &str, source: RedisError) -> Self {
        let url = url.to_owned();
        match source.kind() {
            _ if is_login(&source) => Self::Login { url, source },
            // The parser's own words take several lines.
            ErrorKind::Parse => Self::Url { url, problem: "what answers there is no redis".into() },
            ErrorKind::InvalidClientConfig => Self::Url { url, problem: source.to_string() },
            _ => Self::Unreachable { url, source },
        }
    }

    pub(super) fn operating(url: &str, operation: &'static str, source: RedisError) -> Self {
        let url = url.to_owned();
        if is_login(&source) { Self::Login { url, source } } else { Self::Redis { url, operation, source } }
    }
}

fn is_login(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
}

pub(super) fn is_passing(error: &RedisError) -> bool {
    is_broken(error) || error.code().is_some_and(|code| PASSING.contains(&code))
}

/// True when the connection is no longer to be trusted.
pub(super) fn is_broken(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || error.code().is_some_and(|code| DEMOTED.contains(&code))
}
