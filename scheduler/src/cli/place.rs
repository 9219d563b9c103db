//! Where a run of images that exist is made: what is typed counts before what is exported.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use fidelis_contract::exit;
use fidelis_fleet::{files::Files, store::StoreConfig};
use fidelis_formats::atomic::{self, Unwritable};

use super::{Failure, fleet::files, session::MachineArgs};

/// How this machine is used says nothing to a fleet.
pub const MACHINE: [&str; 4] = ["device", "workers", "lanes", "lease_ms"];

/// The fleet that makes the run: a running one, or one of this machine's own.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    // clap would take an exported variable for a typed option, and refuse `--work` for it.
    /// Redis server of a fleet; without it the run is made on this machine [env: FIDELIS_REDIS, with FIDELIS_STORE]
    #[arg(long, value_name = "URL", conflicts_with_all = MACHINE)]
    redis: Option<String>,
    /// Store of that fleet, as s3://bucket/prefix [env: FIDELIS_STORE]
    #[arg(long, value_name = "URL", conflicts_with_all = MACHINE)]
    store: Option<String>,
    /// Another S3 server than AWS, as http://host:port
    #[arg(long, value_name = "URL", env = "FIDELIS_S3_ENDPOINT")]
    s3_endpoint: Option<String>,
    /// Folder that keeps the store of a run on this machine, so that an interrupted call can go on [default: none, in
    /// a temporary folder]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["redis", "store"])]
    pub work: Option<PathBuf>,
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// A fleet that is running.
#[derive(Debug, PartialEq, Eq)]
pub struct Running {
    pub redis: String,
    pub store: StoreConfig,
}

impl PlaceArgs {
    /// Whether the run can be made there: asked before anything is read.
    pub fn check(&self) -> Result<(), Unwritable> {
        self.work.as_deref().map_or(Ok(()), atomic::check_folder)
    }

    /// Where the run's files come from: `s3://` is the store's server.
    pub fn files(&self) -> Files {
        files(self.s3_endpoint.clone())
    }

    /// The fleet that is named, by options or by the variables that `get` looks up; `None` is this machine.
    ///
    /// # Errors
    /// Only one half of a fleet is typed, and the other is not exported.
    pub fn running(&self, get: impl Fn(&str) -> Option<String>) -> Result<Option<Running>, Failure> {
        if self.work.is_some() {
            return Ok(None);
        }
        let exported = |name| get(name).filter(|value| !value.is_empty());
        let redis = self.redis.clone().or_else(|| exported("FIDELIS_REDIS"));
        let store = self.store.clone().or_else(|| exported("FIDELIS_STORE"));
        let (typed, missing) = match (redis, store) {
            (Some(redis), Some(url)) => {
                let endpoint = self.s3_endpoint.clone();
                let store = StoreConfig { url, endpoint, ..StoreConfig::default() };
                return Ok(Some(Running { redis, store }));
            }
            _ if self.redis.is_some() => ("--redis", "--store"),
            _ if self.store.is_some() => ("--store", "--redis"),
            (Some(_), None) => {
                tracing::warn!(
                    "FIDELIS_REDIS is set and FIDELIS_STORE is not: the run is made on this machine"
                );
                return Ok(None);
            }
            _ => return Ok(None),
        };
        let text = format!(
            "`{typed}` names one half of a fleet: give `{missing}` too, or neither to make the run on this machine"
        );
        Err(Failure::new(exit::USAGE, anyhow!(text)))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        place: PlaceArgs,
    }

    /// `redis store` of the fleet, or `here`, or what is missing.
    fn place(typed: &str, exported: &[(&str, &str)]) -> String {
        let line = Line::try_parse_from(["x"].into_iter().chain(typed.split_whitespace()));
        let Ok(Line { place }) = line else { return "refused".to_owned() };
        let get =
            |name: &str| exported.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        match place.running(get) {
            Ok(Some(fleet)) => format!("{} {}", fleet.redis, fleet.store.url),
            Ok(None) => "here".to_owned(),
            Err(failure) => {
                assert_eq!(failure.code, exit::USAGE);
                failure.to_string()
            }
        }
    }

    #[test]
    fn what_is_typed_counts_before_what_is_exported() {
        let (redis, store) = (("FIDELIS_REDIS", "redis://e"), ("FIDELIS_STORE", "s3://exp"));
        let both = [redis, store];
        assert_eq!(place("", &[]), "here");
        assert_eq!(place("", &both), "redis://e s3://exp");
        assert_eq!(place("--work w", &both), "here");
        assert_eq!(place("--work w", &[redis]), "here");
        assert_eq!(place("", &[redis]), "here");
        assert_eq!(place("", &[store]), "here");
        assert_eq!(place("", &[redis, ("FIDELIS_STORE", "")]), "here");
        assert_eq!(place("--redis redis://t", &both), "redis://t s3://exp");
        assert_eq!(place("--store s3://typ", &both), "redis://e s3://typ");
        assert_eq!(place("--redis redis://t --store s3://typ", &[]), "redis://t s3://typ");
        assert!(place("--redis redis://t", &[redis]).contains("give `--store`"));
        assert!(place("--store s3://typ", &[store]).contains("give `--redis`"));
        assert_eq!(place("--work w --redis redis://t --store s3://typ", &[]), "refused");
        assert_eq!(place("--work w --store s3://typ", &[]), "refused");
        assert_eq!(place("--redis redis://t --store s3://typ --device cuda:0", &[]), "refused");
        assert_eq!(place("--store s3://typ --workers 2", &both), "refused");
        assert_eq!(place("--workers 2", &[]), "here");
    }
}
