use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};

use super::Store;
use fidelis_contract::{
    address::AddressError,
    ids::Digest,
    outcome::{Class, Outcome},
    text,
};

/// Why the store did not do what it was asked, classed by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("store url `{url}` cannot be used: {reason}; write it as `s3://bucket/prefix`")]
    Url { url: String, reason: String },
    #[error(
        "store endpoint `{endpoint}` (--s3-endpoint, FIDELIS_S3_ENDPOINT, AWS_ENDPOINT_URL or the profile's endpoint_url) is no url of a server: write it as `http://host:port` or `https://host`, without credentials"
    )]
    Endpoint { endpoint: String },
    #[error("no AWS region is configured: set AWS_REGION, or name an endpoint for another S3 server")]
    NoRegion,
    #[error(
        "no credentials for the store at `{endpoint}`: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE ({cause})"
    )]
    NoCredentials { endpoint: String, cause: String },
    #[error("bucket `{bucket}` does not exist at `{endpoint}`: create it or correct the store's url")]
    NoSuchBucket { bucket: String, endpoint: String },
    #[error("bucket `{bucket}` lies in the region `{region}`: set AWS_REGION to that")]
    Region { bucket: String, region: String },
    #[error(
        "the store at `{endpoint}` does not let us {action} `{url}` (`{code}`): check the credentials, their rights and this machine's clock"
    )]
    AccessDenied { endpoint: String, action: &'static str, url: String, code: String },
    #[error(
        "the store at `{endpoint}` refuses the credentials as expired or unknown (`{code}`): renew them where they come from (the environment, AWS_PROFILE, a credential_process)"
    )]
    Expired { endpoint: String, code: String },
    #[error("cannot reach the store at `{endpoint}`: {cause}; check that it runs and is reachable from here")]
    Unreachable { endpoint: String, cause: String },
    #[error("the store at `{endpoint}` failed to {action} `{key}`: {code} (http {status}): {message}")]
    Service {
        endpoint: String,
        action: &'static str,
        key: String,
        status: u16,
        code: String,
        message: String,
    },
    #[error("`{key}` is being written by somebody else just now: try again")]
    Contended { key: String },
    #[error("the store at `{endpoint}` {fault}: fidelis needs a store that is consistent after each write")]
    Unfit { endpoint: String, fault: &'static str },
    #[error(
        "nondeterminism: `{key}` holds bytes of sha256 `{theirs}` where this process made `{ours}`; compare the two makers' versions, device and spec before trusting either"
    )]
    Conflict { key: String, ours: Digest, theirs: Digest },
}

/// Codes of what passes by itself.
const PASSING: [&str; 8] = [
    // What arrived was not what was sent.
    "BadDigest",
    "IncompleteBody",
    "XAmzContentSHA256Mismatch",
    "SlowDown",
    "RequestTimeout",
    "InternalError",
    "OperationAborted",
    "ConditionalRequestConflict",
];

impl Outcome for StoreError {
    fn class(&self) -> Class {
        match self {
            Self::Conflict { .. } => Class::Integrity,
            Self::Url { .. } | Self::Endpoint { .. } => Class::Usage,
            Self::Unreachable { .. } | Self::Contended { .. } | Self::Expired { .. } => Class::Passing,
            Self::Service { status, code, .. }
                if *status >= 500 || [408, 409, 429].contains(status) || PASSING.contains(&code.as_str()) =>
            {
                Class::Passing
            }
            _ => Class::Environment,
        }
    }
}

impl From<AddressError> for StoreError {
    fn from(AddressError { address, reason }: AddressError) -> Self {
        Self::Url { url: address, reason }
    }
}

/// Credentials that were good once, or that are not known everywhere yet: the next ones may be taken.
const EXPIRED: [&str; 4] =
    ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidAccessKeyId"];

/// What was asked of the store, for its errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub store: &'a Store,
    pub action: &'static str,
    pub key: &'a str,
}

impl Request<'_> {
    /// The SDK's error as one of ours. HEAD answers carry no body, so a code may be missing: then the status decides.
    pub fn failed<E>(self, error: &SdkError<E, HttpResponse>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let (bucket, endpoint) = (self.store.bucket().to_owned(), self.store.endpoint().to_owned());
        let status = match error {
            SdkError::ServiceError(answer) => answer.raw().status().as_u16(),
            SdkError::ResponseError(answer) if answer.raw().status().as_u16() >= 400 => {
                answer.raw().status().as_u16()
            }
            other => return StoreError::Unreachable { endpoint, cause: root_cause(other) },
        };
        let region = error.raw_response().and_then(|answer| answer.headers().get("x-amz-bucket-region"));
        if let (301 | 307, Some(region)) = (status, region) {
            return StoreError::Region { bucket, region: region.to_owned() };
        }
        let (action, key) = (self.action, self.key.to_owned());
        let code = error.code().unwrap_or_default().to_owned();
        match (status, code.as_str()) {
            (_, "NoSuchBucket") => StoreError::NoSuchBucket { bucket, endpoint },
            (_, code) if EXPIRED.contains(&code) => StoreError::Expired { endpoint, code: code.to_owned() },
            (401 | 403, code) if code != "RequestTimeTooSkewed" => {
                let code = if code.is_empty() { format!("http {status}") } else { code.to_owned() };
                StoreError::AccessDenied { endpoint, action, url: self.store.url_of(self.key), code }
            }
            _ => StoreError::Service {
                endpoint,
                action,
                key,
                status,
                message: error.message().unwrap_or("no further words from the server").to_owned(),
                code: if code.is_empty() { "an error without a code".into() } else { code },
            },
        }
    }

    /// A body that broke off while it was read.
    pub fn broke_off(self, error: &(dyn Error + 'static)) -> StoreError {
        StoreError::Unreachable { endpoint: self.store.endpoint().to_owned(), cause: root_cause(error) }
    }
}

/// Of what a server or a program says about itself.
const MAX_CAUSE: usize = 300;

/// The innermost message of a chain, in one line.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let words = match cause.downcast_ref::<ErrorMetadata>() {
        // It shows itself as a dump of its fields.
        Some(answer) => match (answer.message(), answer.code()) {
            (Some(message), Some(code)) => format!("{message} (`{code}`)"),
            (Some(words), None) | (None, Some(words)) => words.to_owned(),
            (None, None) => "an answer without a reason".to_owned(),
        },
        None => cause.to_string(),
    };
    let line = text::line(&words);
    match line.char_indices().nth(MAX_CAUSE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
