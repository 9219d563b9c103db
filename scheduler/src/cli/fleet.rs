//! Where the fleet is, as every command of a fleet is told.

use std::path::Path;

use anyhow::anyhow;
use clap::Args;
use fidelis_shared::{
    exit,
    ids::RunId,
    queue::QueueSettings,
    seeds::Seeds,
    spec::{RunSpec, SpecError},
    store::{Store, StoreConfig},
};

use super::Failure;
use crate::fleet::Fleet;

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
    /// The store, after checking that it can be used.
    ///
    /// # Errors
    /// It cannot.
    pub async fn connect(&self) -> Result<Store, Failure> {
        let store = Store::connect(self.config()).await?;
        store.probe().await?;
        Ok(store)
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

/// Reads a spec that is about to run: checked, its files hashed; `seeds` take the place of its own.
///
/// # Errors
/// Whatever is wrong with it.
pub fn load_spec(path: &Path, seeds: Option<&Seeds>) -> Result<RunSpec, SpecError> {
    let mut spec = RunSpec::load(path)?;
    if let Some(seeds) = seeds {
        spec.seeds = seeds.clone();
    }
    spec.validate()?;
    spec.resolve()?;
    Ok(spec)
}

/// A run by its id, or by the spec that describes it.
///
/// # Errors
/// Neither, or whatever is wrong with the spec.
pub fn run_of(target: &str) -> Result<RunId, Failure> {
    if let Ok(run) = target.parse() {
        return Ok(run);
    }
    if !target.ends_with(".toml") && !target.ends_with(".json") {
        let text = format!("`{target}` is neither the id of a run, as `submit` prints it, nor a spec file");
        return Err(Failure::new(exit::USAGE, anyhow!(text)));
    }
    Ok(load_spec(Path::new(target), None)?.run_id())
}
