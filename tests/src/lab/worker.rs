//! How a worker is started.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};

use super::{LEASE, Lab, RedisProxy, S3Proxy};
use crate::hook;
use crate::process::Process;

/// Names a mistake to be planted in every worker but those of baselines.
const PLANT_ENV: &str = "FIDELIS_TESTS_PLANT";

/// A worker that is not started yet.
#[derive(Debug, Clone)]
pub struct WorkerPlan<'a> {
    lab: &'a Lab,
    name: String,
    env: Vec<(String, String)>,
    args: Vec<String>,
    before: Vec<String>,
    rules: String,
}

impl<'a> WorkerPlan<'a> {
    pub(super) fn new(lab: &'a Lab, name: &str) -> Self {
        let plan = Self {
            lab,
            name: name.to_owned(),
            env: lab.env(),
            args: Vec::new(),
            before: Vec::new(),
            rules: String::new(),
        };
        plan.arg("--grace-s", 5)
    }

    /// Rules as [`hook`] reads them.
    #[must_use]
    pub fn failpoints(mut self, rules: &str) -> Self {
        rules.clone_into(&mut self.rules);
        self
    }

    /// Its own way to Redis.
    #[must_use]
    pub fn redis(self, proxy: &RedisProxy) -> Self {
        self.env("FIDELIS_REDIS", &proxy.url())
    }

    /// Its own way to the store.
    #[must_use]
    pub fn s3(self, proxy: &S3Proxy) -> Self {
        self.env("FIDELIS_S3_ENDPOINT", &proxy.endpoint())
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(key, _)| key != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn arg(mut self, name: &str, value: impl ToString) -> Self {
        if let Some(place) = self.args.iter().position(|arg| arg == name) {
            self.args.drain(place..place + 2);
        }
        self.args.extend([name.to_owned(), value.to_string()]);
        self
    }

    /// With a clock that is wrong by `offset`, as libfaketime reads it: `+1h`, `-10m`.
    pub fn clock(self, offset: &str) -> Result<Self> {
        let library = faketime()?.display().to_string();
        let plan = self.env("LD_PRELOAD", &library).env("FAKETIME", offset);
        Ok(plan.env("FAKETIME_DONT_FAKE_MONOTONIC", "1"))
    }

    /// Started by another program, as `["nice", "-n", "19"]`.
    #[must_use]
    pub fn started_by(mut self, words: &[&str]) -> Self {
        self.before = words.iter().map(ToString::to_string).collect();
        self
    }

    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        self.arg("--lease-ms", lease.as_millis())
    }

    /// Starts it, with the mistake that `make planted` wants in every worker.
    pub fn start(&self) -> Result<Process> {
        let planted = std::env::var(PLANT_ENV).map(|bug| format!("plant {bug};")).unwrap_or_default();
        self.start_with(&format!("{planted}{}", self.rules))
    }

    /// Starts it without any mistake.
    pub(super) fn start_sound(&self) -> Result<Process> {
        self.start_with(&self.rules)
    }

    fn start_with(&self, rules: &str) -> Result<Process> {
        let lease = LEASE.as_millis().to_string();
        let mut args = vec!["run".to_owned(), "--name".to_owned(), self.name.clone()];
        if !self.args.iter().any(|arg| arg == "--lease-ms") {
            args.extend(["--lease-ms".to_owned(), lease]);
        }
        args.extend(self.args.iter().cloned());
        let mut env = self.env.clone();
        env.push((hook::RULES_ENV.to_owned(), rules.to_owned()));
        Process::start_by(&self.before, "fidelis-worker-under-test", &args, &env)
    }

    /// The lab it belongs to.
    pub fn lab(&self) -> &'a Lab {
        self.lab
    }
}

/// Debian's libfaketime, which `make setup` installs.
fn faketime() -> Result<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib")?.filter_map(|entry| Some(entry.ok()?.path()));
    let libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    libraries.into_iter().find(|path| path.exists()).context("libfaketime is missing: run `make setup`")
}
