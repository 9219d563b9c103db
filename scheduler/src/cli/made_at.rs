//! Where runs are made that a command conducts by itself: a fleet that is named, or this machine with a folder that stays.

use std::{env, path::PathBuf};

use anyhow::anyhow;
use clap::Args;
use fidelis_contract::exit;
use fidelis_fleet::{files::Files, fleet::Fleet, queue::QueueSettings, store::StoreConfig};

use super::{
    Failure,
    console::Console,
    place::MACHINE,
    session::{MachineArgs, Session},
};

/// The fleet that makes the runs: a running one, or one of this machine's own.
#[derive(Debug, Args)]
pub struct MadeAt {
    /// Redis server of a fleet [env: FIDELIS_REDIS]
    #[arg(long, value_name = "URL", conflicts_with_all = MACHINE)]
    redis: Option<String>,
    /// Store of that fleet, as s3://bucket/prefix [env: FIDELIS_STORE]
    #[arg(long, value_name = "URL", conflicts_with_all = MACHINE)]
    store: Option<String>,
    /// Another S3 server than AWS, as http://host:port
    #[arg(long, value_name = "URL", env = "FIDELIS_S3_ENDPOINT")]
    pub s3_endpoint: Option<String>,
    /// Make the runs on this machine; folder for its store, as the `--out` of `fidelis local`
    #[arg(long, value_name = "DIR", conflicts_with_all = ["redis", "store"])]
    pub local: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineArgs,
}

impl MadeAt {
    /// The fleet that is named; what is typed counts before what is exported.
    async fn fleet(&self) -> Result<Fleet, Failure> {
        let exported = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let redis = self.redis.clone().or_else(|| exported("FIDELIS_REDIS"));
        let store = self.store.clone().or_else(|| exported("FIDELIS_STORE"));
        let Some((redis, url)) = redis.zip(store) else {
            let text = "where are the runs to be made? say `--local DIR` for this machine, or `--redis` and `--store` (or \
                        FIDELIS_REDIS and FIDELIS_STORE) for a fleet";
            return Err(Failure::new(exit::USAGE, anyhow!(text)));
        };
        let store = StoreConfig { url, endpoint: self.s3_endpoint.clone(), ..StoreConfig::default() };
        Ok(Fleet::connect(&redis, QueueSettings::default(), store).await?)
    }

    /// Connects, or starts.
    ///
    /// # Errors
    /// No place is named, or it cannot be used.
    pub async fn session(self, files: Files, console: Console) -> Result<Session, Failure> {
        match &self.local {
            Some(folder) => Session::here(folder, self.machine.clone(), files, console).await,
            None => Session::of_fleet(self.fleet().await?, files, console),
        }
    }
}
