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
mod large;
mod objects;
mod part;
mod probe;
mod settings;
mod stream;

pub use config::{StoreConfig, StoreCredentials};
pub use error::StoreError;
pub use large::PART_BYTES;
pub use objects::{Created, Folder, ObjectInfo};
pub use part::ObjectHead;
pub use stream::{Fetch, ObjectBody, Opened};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::retry::Backoff;
use fidelis_contract::address::Location;

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
        let (s3_config, endpoint) = settings::of(&config).await?;
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
            sendable((store.digest("", 0), store.head(""), store.part("", 0..1, None)));
            sendable((store.replace_large("", &[], 1), store.get_large("", 1)));
        };
        let _ = check;
    }
}
