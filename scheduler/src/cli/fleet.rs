//! Where the fleet is, as every command of a fleet is told.

use clap::Args;
use fidelis_contract::{
    seeds::Seeds,
    spec::{ResolvedSpec, RunSpec},
};
use fidelis_fleet::{
    files::{FileSettings, Files},
    fleet::Fleet,
    queue::QueueSettings,
    store::{Store, StoreConfig},
};

use super::{Failure, transfer::Transfers};
use crate::conduct::{self, PrepareError};

/// Where results lie.
#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    /// Store, as s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "FIDELIS_STORE")]
    store: String,
    /// Another S3 server than AWS, as http://host:port
    #[arg(long, value_name = "URL", env = "FIDELIS_S3_ENDPOINT")]
    s3_endpoint: Option<String>,
}

/// Where the work is queued and results lie.
#[derive(Debug, Clone, Args)]
pub struct FleetArgs {
    /// Redis server, as redis://host:6379, rediss://user:password@host or unix:///path
    #[arg(long, value_name = "URL", env = "FIDELIS_REDIS", hide_env_values = true)]
    redis: String,
    #[command(flatten)]
    pub store: StoreArgs,
}

impl StoreArgs {
    /// The same from a command whose store may be left out.
    pub fn new(store: String, s3_endpoint: Option<String>) -> Self {
        Self { store, s3_endpoint }
    }

    /// The store, after checking that it can be used.
    ///
    /// # Errors
    /// It cannot.
    pub async fn connect(&self) -> Result<Store, Failure> {
        let store = Store::connect(self.config()).await?;
        store.probe().await?;
        Ok(store)
    }

    /// Where a run's files come from: `s3://` is the store's server.
    pub fn files(&self) -> Files {
        files(self.s3_endpoint.clone())
    }

    fn config(&self) -> StoreConfig {
        StoreConfig { url: self.store.clone(), endpoint: self.s3_endpoint.clone(), ..StoreConfig::default() }
    }
}

impl FleetArgs {
    /// The fleet, after checking that it can be used.
    ///
    /// # Errors
    /// It cannot.
    pub async fn connect(&self) -> Result<Fleet, Failure> {
        // Leases are the workers' affair.
        Ok(Fleet::connect(&self.redis, QueueSettings::default(), self.store.config()).await?)
    }
}

/// Files by address, with the environment's cache and credentials.
pub fn files(s3_endpoint: Option<String>) -> Files {
    Files::new(FileSettings::from_env(s3_endpoint))
}

/// Makes a spec ready to run; what is fetched for it is shown.
///
/// # Errors
/// See [`conduct::prepare`].
pub async fn prepare(
    spec: RunSpec,
    seeds: Option<&Seeds>,
    files: &Files,
) -> Result<ResolvedSpec, PrepareError> {
    let transfers = Transfers::default();
    conduct::prepare(spec, seeds, files, &|transfer| transfers.tell(transfer)).await
}
