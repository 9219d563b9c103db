//! The store: S3, the only durable truth, and the only S3 code of the house.
//!
//! A chunk's objects are written with [`Store::create`], which never overwrites (I4): equal bytes already there
//! are success, other bytes a loud [`StoreError::Conflict`]. Only derived objects (reports, statistics) are replaced.
//! Every operation retries what may pass by itself; what it returns has been retried enough.

/// Evaluates a future's expression until it gives a value, fails for good, or has failed too often.
/// A macro, because futures made by a closure would not be `Send`.
macro_rules! retrying {
    ($store:expr, $operation:expr) => {{
        let mut attempts = $store.backoff.attempts();
        loop {
            match $operation.await {
                Err(error) if attempts.again(&error).await => {}
                result => break result,
            }
        }
    }};
}

mod config;
mod error;
mod objects;
mod probe;
mod stream;

pub use config::{StoreConfig, StoreCredentials};
pub use error::StoreError;
pub use objects::{Created, Folder, ObjectInfo};
pub use stream::{Fetch, ObjectBody, Opened};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_sdk_s3::config::{
    Credentials, ProvideCredentials, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::retry::Backoff;
use fidelis_contract::address::{Location, without_user};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of one try, body included: a chunk of 256 images of 512×512 is 200 MB.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(300);
const REGION_OF_OTHERS: &str = "us-east-1";

/// A handle on one bucket and prefix; clones share the connections.
#[derive(Debug, Clone)]
pub struct Store {
    client: aws_sdk_s3::Client,
    location: Arc<Location>,
    endpoint: Arc<str>,
    backoff: Backoff,
    /// False once [`Store::probe`] has seen the server ignore `If-None-Match`.
    create_only: Arc<AtomicBool>,
}

impl Store {
    /// A store after `config`. Resolves the credentials, and sends nothing to the store yet: see [`Store::probe`].
    ///
    /// # Errors
    /// A url or endpoint of the wrong form, no region, no credentials.
    pub async fn connect(config: StoreConfig) -> Result<Self, StoreError> {
        let location = Location::parse(&config.url)?;
        if let Some(endpoint) = &config.endpoint {
            let host = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
            let odd = |c: char| c.is_whitespace() || c == '@' || c == '?';
            if host.is_none_or(|host| host.is_empty() || host.contains(odd)) {
                return Err(StoreError::Endpoint { endpoint: without_user(endpoint) });
            }
        }
        let loaded = loader(&config).await?.load().await;
        let endpoint: Arc<str> = config.endpoint.as_deref().unwrap_or("AWS").into();
        if let Some(provider) = loaded.credentials_provider()
            && let Err(error) = provider.provide_credentials().await
        {
            let cause = error::root_cause(&error);
            return Err(StoreError::NoCredentials { endpoint: endpoint.to_string(), cause });
        }
        // Checksum headers that S3 does not ask for break older servers; bodies are covered by the signature,
        // and readers compare sha256 themselves.
        let s3_config = aws_sdk_s3::config::Builder::from(&loaded)
            .force_path_style(config.endpoint.is_some())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Ok(Store {
            client: aws_sdk_s3::Client::from_conf(s3_config),
            location: Arc::new(location),
            endpoint,
            backoff: Backoff::default(),
            create_only: Arc::new(AtomicBool::new(true)),
        })
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.location.bucket
    }

    /// Where the server is, as people read it: the endpoint given, or `AWS`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Whether the server itself refuses to overwrite; known after [`Store::probe`].
    pub fn is_create_only(&self) -> bool {
        self.create_only.load(Ordering::Relaxed)
    }

    /// The `s3://` address of a key, as people read it.
    pub fn url_of(&self, key: &str) -> String {
        format!("s3://{}/{}", self.location.bucket, self.full_key(key))
    }

    fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.location.prefix)
    }
}

/// The SDK's settings: our own retries instead of its, timeouts, TLS on ring.
async fn loader(config: &StoreConfig) -> Result<ConfigLoader, StoreError> {
    let region = match (&config.region, &config.endpoint) {
        (Some(region), _) => Region::new(region.clone()),
        (None, None) => DefaultRegionChain::builder().build().region().await.ok_or(StoreError::NoRegion)?,
        // Only AWS's own machines know a region without being told, and asking them takes seconds elsewhere.
        (None, Some(_)) => region_from_environment().unwrap_or(Region::from_static(REGION_OF_OTHERS)),
    };
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(region)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.build());
    if let Some(endpoint) = &config.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(StoreCredentials { access_key, secret_key }) = &config.credentials {
        loader = loader.credentials_provider(Credentials::new(access_key, secret_key, None, None, "fidelis"));
    }
    Ok(loader)
}

fn region_from_environment() -> Option<Region> {
    ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok()).map(Region::new)
}

/// Workers use a store from tasks that move between threads.
#[cfg(test)]
mod tests {
    use super::*;

    fn sendable(_: impl Send) {}

    #[test]
    fn every_future_can_be_spawned() {
        let check = |store: Store| {
            sendable(store.create("", bytes::Bytes::new()));
            sendable(store.replace("", bytes::Bytes::new(), ""));
            sendable((store.get(""), store.list(""), store.probe()));
            sendable(store.open(Fetch::default()));
        };
        let _ = check;
    }
}
