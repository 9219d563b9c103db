//! A fleet to do harm to: a redis-server, an S3 server over TCP and proxies in front of both, with the programs under
//! test as processes.

mod baseline;
mod facts;
mod http;
mod invariants;
mod random;
mod record;
mod redis_node;
mod redis_proxy;
mod resp;
mod s3_proxy;
mod spec;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fidelis_contract::{
    ids::{PoolId, RunId},
    keys,
};
use fidelis_embedded::S3Server;
use fidelis_fleet::{
    queue::{Queue, QueueSettings},
    store::{Store, StoreConfig},
};
use tempfile::TempDir;

pub use baseline::Baseline;
pub use facts::Facts;
pub use invariants::{
    Allowed, IN_HAND, check_acknowledged, check_incomplete, check_invariants, check_run, check_stored,
    check_waste,
};
pub use random::Random;
pub use record::{record, seed};
pub use redis_node::{Persistence, RedisNode};
pub use redis_proxy::{Link, RedisProxy};
pub use s3_proxy::{S3Fault, S3Proxy, S3Rule};
pub use spec::{LabSpec, NET, WEIGHTS};
pub use worker::WorkerPlan;

use crate::hook;
use crate::process::{Outcome, Process};

const BUCKET: &str = "lab";
const PREFIX: &str = "fleet";
/// Short, so that a takeover need not be waited for long; long enough for a busy machine to renew in.
pub const LEASE: Duration = Duration::from_millis(1500);
/// No run of a test takes this long, unless it is stuck (I6).
const PATIENCE: Duration = Duration::from_secs(150);

/// Redis, S3, and the ways to them.
#[derive(Debug)]
pub struct Lab {
    pub redis: RedisNode,
    /// The way that everybody goes who has none of his own.
    pub redis_proxy: RedisProxy,
    pub s3_proxy: S3Proxy,
    s3: S3Server,
    folder: TempDir,
    /// The longest that a stream was seen.
    longest: AtomicU64,
}

impl Lab {
    pub async fn start() -> Result<Self> {
        Self::start_with(Persistence::None).await
    }

    pub async fn start_with(persistence: Persistence) -> Result<Self> {
        let seed = seed();
        eprintln!("seed {seed}");
        Self::start_seeded(persistence, seed).await
    }

    /// `seed` decides what the S3 proxy's chance decides.
    pub async fn start_seeded(persistence: Persistence, seed: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let s3 = S3Server::start(&folder.path().join("s3"), BUCKET, None).await?;
        let redis = RedisNode::start(persistence).await?;
        let redis_proxy = RedisProxy::start(&redis.address()).await?;
        let s3_proxy = S3Proxy::start(&s3.endpoint(), seed).await?;
        spec::write_files(folder.path())?;
        Ok(Self { redis, redis_proxy, s3_proxy, s3, folder, longest: AtomicU64::new(0) })
    }

    /// A folder for the test's files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What every key of the store begins with, in a request's path: `/bucket/prefix/`.
    pub fn place(&self) -> String {
        format!("/{BUCKET}/{PREFIX}/")
    }

    /// The file of a key, as the S3 server keeps it.
    pub fn path_of(&self, key: &str) -> PathBuf {
        self.folder().join("s3").join(BUCKET).join(PREFIX).join(key)
    }

    /// The store itself, past the proxy.
    pub async fn store(&self) -> Result<Store> {
        let url = format!("s3://{BUCKET}/{PREFIX}");
        Ok(Store::connect(StoreConfig { url, ..self.s3.store_config() }).await?)
    }

    /// Another way to the store, for one worker.
    pub async fn another_s3_proxy(&self, seed: u64) -> Result<S3Proxy> {
        S3Proxy::start(&self.s3.endpoint(), seed).await
    }

    /// The queue itself, past the proxy.
    pub async fn queue(&self) -> Result<Queue> {
        let settings = QueueSettings { lease: LEASE, ..QueueSettings::default() };
        Ok(Queue::connect(&format!("redis://{}", self.redis.address()), settings).await?)
    }

    /// What the programs need to find queue and store.
    pub fn env(&self) -> Vec<(String, String)> {
        let pairs = [
            ("FIDELIS_REDIS", self.redis_proxy.url()),
            ("FIDELIS_STORE", format!("s3://{BUCKET}/{PREFIX}")),
            ("FIDELIS_S3_ENDPOINT", self.s3_proxy.endpoint()),
            ("AWS_ACCESS_KEY_ID", self.s3.access_key().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", self.s3.secret_key().to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("FIDELIS_CACHE", self.folder().join("cache").display().to_string()),
            (hook::MOMENTS_ENV, self.moments_file().display().to_string()),
        ];
        pairs.map(|(key, value)| (key.to_owned(), value)).to_vec()
    }

    fn moments_file(&self) -> PathBuf {
        self.folder().join("moments")
    }

    /// The moments that came so far, in the programs' order: `moment chunk pid`.
    pub fn moments(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.moments_file()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How often a moment came.
    pub fn count(&self, moment: &str) -> usize {
        self.moments().iter().filter(|line| line.split(' ').next() == Some(moment)).count()
    }

    /// How many messages are in the hands of a worker of this name.
    pub async fn held_by(&self, name: &str) -> Result<usize> {
        let pools: Vec<String> = self.redis.ask(&["ZRANGE", keys::REDIS_POOLS, "0", "-1"]).await?;
        let mut num_held = 0;
        for pool in pools {
            let stream = keys::redis_stream(&pool.parse::<PoolId>().context("a pool without a name")?);
            let found: redis::RedisResult<redis::streams::StreamPendingCountReply> =
                self.redis.try_ask(&["XPENDING", &stream, keys::REDIS_GROUP, "-", "+", "99"]).await?;
            let ids = found.map(|found| found.ids).unwrap_or_default();
            num_held += ids.iter().filter(|id| id.consumer.starts_with(&format!("{name}-"))).count();
        }
        Ok(num_held)
    }

    /// Waits until a moment came `times` times.
    pub async fn moment(&self, moment: &str, times: usize) -> Result<()> {
        self.until(&format!("`{moment}` {times} times"), async || Ok(self.count(moment) >= times)).await
    }

    /// Waits for something; says what, should it not come.
    pub async fn until(&self, what: &str, mut check: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !check().await? {
            ensure!(Instant::now() < deadline, "waited in vain for {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// A worker to be started.
    pub fn worker(&self, name: &str) -> WorkerPlan<'_> {
        WorkerPlan::new(self, name)
    }

    /// Starts workers `w0`, `w1`, … that nothing is planned for.
    pub fn workers(&self, number: usize) -> Result<Vec<Process>> {
        (0..number).map(|i| self.worker(&format!("w{i}")).start()).collect()
    }

    /// Waits until so many programs are connected to Redis: workers that have been let in.
    pub async fn connected(&self, number: usize) -> Result<()> {
        self.until(&format!("{number} connections to redis"), async || {
            let info: String = self.redis.ask(&["INFO", "clients"]).await?;
            let count = info.lines().find_map(|line| line.strip_prefix("connected_clients:"));
            // One is ours.
            Ok(count.and_then(|count| count.trim().parse::<usize>().ok()).is_some_and(|count| count > number))
        })
        .await
    }

    /// Runs `fidelis` to its end, off the runtime that serves the store.
    pub async fn fidelis(&self, args: &[&str]) -> Result<Outcome> {
        self.ran("fidelis-under-test", args).await
    }

    /// Runs one of the programs under test to its end.
    pub async fn ran(&self, program: &'static str, args: &[&str]) -> Result<Outcome> {
        let (args, env) = (args.iter().map(ToString::to_string).collect::<Vec<_>>(), self.env());
        tokio::task::spawn_blocking(move || Outcome::of(program, &args, &env)).await?
    }

    /// Starts `fidelis` with failpoints and leaves it running.
    pub fn start_fidelis(&self, args: &[&str], failpoints: &str) -> Result<Process> {
        let mut env = self.env();
        env.push((hook::RULES_ENV.to_owned(), failpoints.to_owned()));
        Process::start("fidelis-under-test", args, &env)
    }

    /// Submits a spec.
    pub async fn submit(&self, spec: &LabSpec) -> Result<RunId> {
        let path = spec.write(self.folder())?.display().to_string();
        let outcome = self.fidelis(&["submit", &path]).await?;
        ensure!(outcome.code == Some(0), "submit: {outcome:#?}");
        Ok(outcome.stdout.trim().parse()?)
    }

    /// Starts to watch a run.
    pub fn watch(&self, run: &RunId) -> Result<Process> {
        self.start_fidelis(&["watch", run.as_str()], "")
    }

    /// Waits for the end of a program; its exit code. Meanwhile looks at how long the streams are.
    pub async fn ended(&self, what: &str, process: &mut Process) -> Result<Option<i32>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = process.try_wait()? {
                return Ok(status.code());
            }
            if Instant::now() > deadline {
                bail!("I6 liveness: {what} did not end by itself within {} s", PATIENCE.as_secs());
            }
            if let Ok((len, _)) = self.lengths().await {
                self.longest.fetch_max(len, Ordering::Relaxed);
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Brings a submitted run to its end: watched, reduced, reported.
    pub async fn finish(&self, run: &RunId) -> Result<()> {
        let mut watch = self.watch(run)?;
        let code = self.ended("watching the run", &mut watch).await?;
        ensure!(code == Some(0), "`fidelis watch` ended with {code:?}");
        let outcome = self.fidelis(&["report", run.as_str()]).await?;
        ensure!(outcome.code == Some(0), "report: {outcome:#?}");
        Ok(())
    }

    /// Messages in all streams, and those of them in somebody's hands.
    pub async fn lengths(&self) -> Result<(u64, u64)> {
        let pools: Vec<String> = self.redis.ask(&["ZRANGE", keys::REDIS_POOLS, "0", "-1"]).await?;
        let (mut len, mut pending) = (0, 0);
        for pool in pools {
            let stream = keys::redis_stream(&pool.parse::<PoolId>().context("a pool without a name")?);
            len += self.redis.ask::<u64>(&["XLEN", &stream]).await?;
            let summary: redis::RedisResult<redis::streams::StreamPendingReply> =
                self.redis.try_ask(&["XPENDING", &stream, keys::REDIS_GROUP]).await?;
            pending += summary.map_or(0, |summary| summary.count() as u64);
        }
        Ok((len, pending))
    }

    /// The longest that the streams were seen.
    pub fn longest(&self) -> u64 {
        self.longest.load(Ordering::Relaxed)
    }

    /// How many receipts of a run the store has.
    pub async fn num_receipts(&self, run: &RunId) -> Result<usize> {
        let listed = self.store().await?.list(&keys::receipts_prefix(run)).await?;
        Ok(listed.iter().filter(|object| keys::parse_receipt_key(&object.key).is_some()).count())
    }

    /// Waits until the store has so many receipts of a run.
    pub async fn receipts(&self, run: &RunId, number: usize) -> Result<()> {
        self.until(&format!("{number} receipts"), async || Ok(self.num_receipts(run).await? >= number)).await
    }
}
