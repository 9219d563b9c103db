//! Where the images of a night or of a baseline are made: a fleet, or this machine with a folder that stays.

use std::{env, path::PathBuf, time::SystemTime};

use anyhow::anyhow;
use clap::Args;
use fidelis_contract::{exit, maker::rfc3339, spec::ResolvedSpec};
use fidelis_fleet::{files::Files, fleet::Fleet, queue::QueueSettings, store::StoreConfig};

use super::{
    Failure,
    console::Console,
    fleet::files,
    session::{Ended, MachineArgs, Session},
    stored_at::StoredAt,
};
use crate::regress::RegressError;

/// The place, and what the night is called there.
#[derive(Debug, Args)]
pub struct SittingArgs {
    /// Redis server of a fleet
    #[arg(long, value_name = "URL", env = "FIDELIS_REDIS", hide_env_values = true)]
    redis: Option<String>,
    /// Store of that fleet, as s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "FIDELIS_STORE")]
    store: Option<String>,
    /// Another S3 server than AWS, as http://host:port
    #[arg(long, value_name = "URL", env = "FIDELIS_S3_ENDPOINT")]
    s3_endpoint: Option<String>,
    /// Make the images on this machine, with the store in this folder, as `fidelis local` does
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
    /// In the names of the runs: images of another night are never taken for this one's, and a night that was interrupted
    /// is gone on with by its own [default: the time, as 20261127t031500]
    #[arg(long, value_name = "NAME")]
    night: Option<String>,
    #[command(flatten)]
    machine: MachineArgs,
}

impl SittingArgs {
    /// The night's name.
    pub fn night(&self) -> String {
        let now = || rfc3339(SystemTime::now()).replace(['-', ':', 'Z'], "").to_lowercase();
        self.night.clone().unwrap_or_else(now)
    }

    /// Where files come from that specs name by address.
    pub fn files(&self) -> Files {
        files(self.s3_endpoint.clone())
    }

    /// Where runs lie, for who makes none.
    pub fn stored_at(&self) -> StoredAt {
        StoredAt::new(self.store.clone(), self.s3_endpoint.clone(), self.local.clone())
    }

    /// Starts, or connects.
    ///
    /// # Errors
    /// No place is named, or it cannot be used.
    pub async fn session(&self, json: bool) -> Result<Session, Failure> {
        let console = Console::new(json);
        match (&self.local, &self.redis, &self.store) {
            (Some(folder), ..) => Session::here(folder, self.machine.clone(), self.files(), console).await,
            (None, Some(redis), Some(url)) => {
                let endpoint = self.s3_endpoint.clone();
                let config = StoreConfig { url: url.clone(), endpoint, ..StoreConfig::default() };
                let fleet = Fleet::connect(redis, QueueSettings::default(), config).await?;
                Session::of_fleet(fleet, self.files(), console)
            }
            _ => {
                let text = "where are the images made? say `--redis` and `--store` of a fleet (or FIDELIS_REDIS and \
                            FIDELIS_STORE), or `--local DIR` for this machine";
                Err(Failure::new(exit::USAGE, anyhow!(text)))
            }
        }
    }
}

/// Why a sitting ended before its end.
#[derive(Debug)]
pub enum Stop {
    /// It failed.
    Failed(Failure),
    /// By a signal of this exit code.
    Interrupted(u8),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<RegressError> for Stop {
    fn from(error: RegressError) -> Self {
        Self::Failed(error.into())
    }
}

impl Stop {
    /// As a command ends.
    ///
    /// # Errors
    /// What failed.
    pub fn code(self) -> Result<u8, Failure> {
        match self {
            Self::Failed(failure) => Err(failure),
            Self::Interrupted(code) => Ok(code),
        }
    }
}

/// Brings runs to their end.
///
/// # Errors
/// They did not come there.
pub async fn make(session: &mut Session, runs: Vec<ResolvedSpec>) -> Result<(), Stop> {
    match session.complete(runs).await {
        Ok(Ended::Finished(_)) => Ok(()),
        Ok(Ended::Interrupted(code)) => Err(Stop::Interrupted(code)),
        Err(failure) => Err(Stop::Failed(failure)),
    }
}

/// Who runs this command: as git knows them, else as the system does.
pub fn who() -> String {
    let git = |field: &str| {
        let asked = std::process::Command::new("git").args(["config", "--get", field]).output().ok()?;
        let said = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
        (asked.status.success() && !said.is_empty()).then_some(said)
    };
    let named = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let known = match (git("user.name"), git("user.email")) {
        (Some(name), Some(email)) => Some(format!("{name} <{email}>")),
        (name, email) => name.or(email),
    };
    known.or_else(|| named("GITHUB_ACTOR")).or_else(|| named("USER")).unwrap_or_else(|| "unknown".to_owned())
}
