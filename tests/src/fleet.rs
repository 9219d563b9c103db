//! A store and a queue of a test's own, and what lies in the store afterwards.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fidelis_contract::{ids::RunId, keys, manifest::Manifest, receipt::Receipt};
use fidelis_embedded::{RedisServer, S3Server};
use fidelis_fleet::store::Store;
use tempfile::TempDir;

use crate::process::{Outcome, Process};

const BUCKET: &str = "tests";
const PREFIX: &str = "fleet";

/// Short, so that the tests need not wait long for a dead worker's chunk.
const LEASE_MS: &str = "1500";

/// Redis and S3, both empty at the start.
#[derive(Debug)]
pub struct Fleet {
    redis: RedisServer,
    s3: S3Server,
    folder: TempDir,
}

impl Fleet {
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let s3 = S3Server::start(&folder.path().join("s3"), BUCKET, None).await?;
        Ok(Self { redis: RedisServer::start().await?, s3, folder })
    }

    /// A folder for the test's files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a spec file; paths in it should be absolute.
    pub fn spec(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder().join(format!("{name}.toml"));
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// What the binaries need to find queue and store.
    pub fn env(&self) -> Vec<(String, String)> {
        let pairs = [
            ("FIDELIS_REDIS", self.redis.url()),
            ("FIDELIS_STORE", format!("s3://{BUCKET}/{PREFIX}")),
            ("FIDELIS_S3_ENDPOINT", self.s3.endpoint()),
            ("AWS_ACCESS_KEY_ID", self.s3.access_key().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", self.s3.secret_key().to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("FIDELIS_CACHE", self.folder().join("cache").display().to_string()),
        ];
        pairs.map(|(key, value)| (key.to_owned(), value)).to_vec()
    }

    /// Runs `fidelis` to its end, off the runtime that serves the store.
    pub async fn fidelis(&self, args: &[&str]) -> Result<Outcome> {
        let (args, env) = (args.iter().map(ToString::to_string).collect::<Vec<_>>(), self.env());
        tokio::task::spawn_blocking(move || Outcome::of("fidelis", &args, &env)).await?
    }

    /// Starts `fidelis` and leaves it running.
    pub fn start_fidelis(&self, args: &[&str]) -> Result<Process> {
        Process::start("fidelis", args, &self.env())
    }

    /// Starts a worker.
    pub fn worker(&self, name: &str, lanes: u32) -> Result<Process> {
        let lanes = lanes.to_string();
        let args = ["run", "--name", name, "--lanes", &lanes, "--lease-ms", LEASE_MS, "--grace-s", "5"];
        Process::start("fidelis-worker", &args, &self.env())
    }

    /// Waits until the worker `name` holds a chunk.
    pub async fn holds_chunk(&self, name: &str) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if self.pending_of(name).await? > 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("the worker `{name}` claimed no chunk within a minute")
    }

    /// How many chunks the worker `name` holds.
    pub async fn pending_of(&self, name: &str) -> Result<u64> {
        let mut redis = self.redis().await?;
        let streams: Vec<String> = redis::cmd("KEYS").arg("fidelis:*stream*").query_async(&mut redis).await?;
        let mut pending = 0;
        for stream in streams {
            let consumers: redis::RedisResult<redis::streams::StreamInfoConsumersReply> = redis::cmd("XINFO")
                .arg(&["CONSUMERS", &stream, keys::REDIS_GROUP])
                .query_async(&mut redis)
                .await;
            let consumers = consumers.map(|reply| reply.consumers).unwrap_or_default();
            pending +=
                consumers.iter().filter(|c| c.name.starts_with(name)).map(|c| c.pending as u64).sum::<u64>();
        }
        Ok(pending)
    }

    /// Everything in Redis is gone.
    pub async fn flush_redis(&self) -> Result<()> {
        let mut redis = self.redis().await?;
        redis::cmd("FLUSHALL").query_async::<()>(&mut redis).await.context("cannot flush redis")
    }

    async fn redis(&self) -> Result<redis::aio::MultiplexedConnection> {
        Ok(redis::Client::open(self.redis.url())?.get_multiplexed_async_connection().await?)
    }

    /// Queue and store, as a scheduler has them.
    pub async fn handles(&self) -> Result<fidelis_fleet::fleet::Fleet> {
        let mut config = self.s3.store_config();
        config.url = format!("s3://{BUCKET}/{PREFIX}");
        let settings = fidelis_fleet::queue::QueueSettings::default();
        Ok(fidelis_fleet::fleet::Fleet::connect(&self.redis.url(), settings, config).await?)
    }

    /// The store itself.
    pub async fn store(&self) -> Result<Store> {
        let mut config = self.s3.store_config();
        config.url = format!("s3://{BUCKET}/{PREFIX}");
        Ok(Store::connect(config).await?)
    }

    /// The run whose id starts with `name`; there must be one.
    pub async fn run_id(&self, name: &str) -> Result<RunId> {
        let listed = self.store().await?.list("runs/").await?;
        let found = listed.iter().filter_map(|o| o.key.split('/').nth(1)).find(|id| id.starts_with(name));
        Ok(found.with_context(|| format!("the store holds no run `{name}-…`"))?.parse()?)
    }

    /// How many receipts of `run` the store has.
    pub async fn num_receipts(&self, run: &RunId) -> Result<usize> {
        let listed = self.store().await?.list(&keys::receipts_prefix(run)).await?;
        Ok(listed.iter().filter(|object| keys::parse_receipt_key(&object.key).is_some()).count())
    }

    /// Reads what a finished run left.
    pub async fn files(&self, run: &RunId) -> Result<RunFiles> {
        let store = self.store().await?;
        let get = async |key: String| -> Result<Vec<u8>> {
            Ok(store.get(&key).await?.with_context(|| format!("the store has no `{key}`"))?.to_vec())
        };
        let manifest: Manifest = serde_json::from_slice(&get(keys::manifest(run)).await?)?;
        let mut receipts = Vec::new();
        for entry in &manifest.chunks {
            let bytes = get(keys::receipt(run, entry.chunk)).await?;
            receipts.push(Receipt::from_json(&bytes)?);
            for (kind, stored) in &receipts[receipts.len() - 1].objects {
                let object = get(keys::chunk(run, kind, entry.chunk)).await?;
                ensure!(
                    fidelis_contract::ids::Digest::of(&object) == stored.sha256,
                    "{kind} of {} differs",
                    entry.chunk
                );
                ensure!(entry.objects.get(kind) == Some(&stored.sha256), "manifest and receipt differ");
            }
        }
        Ok(RunFiles {
            manifest,
            receipts,
            result: serde_json::from_slice(&get(keys::result(run)).await?)?,
            stats: get(keys::stats(run, "fashion-cnn")).await?,
        })
    }

    /// Waits until the store has at least `count` receipts of the run whose id starts with `name`.
    pub async fn has_receipts(&self, name: &str, count: usize) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if let Ok(run) = self.run_id(name).await
                && self.num_receipts(&run).await? >= count
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the run `{name}` had not {count} receipts within a minute")
    }

    /// Puts an object into the bucket, beside the store's own; gives its address.
    pub async fn put_object(&self, key: &str, bytes: Vec<u8>) -> Result<String> {
        Store::connect(self.s3.store_config()).await?.create(key, bytes.into()).await?;
        Ok(format!("s3://{BUCKET}/{key}"))
    }

    /// Everything in Redis.
    pub async fn redis_keys(&self) -> Result<Vec<String>> {
        Ok(redis::cmd("KEYS").arg("*").query_async(&mut self.redis().await?).await?)
    }

    /// Keys under `runs/`, to count objects.
    pub async fn keys(&self) -> Result<Vec<String>> {
        Ok(self.store().await?.list("runs/").await?.into_iter().map(|object| object.key).collect())
    }
}

/// What a finished run left in the store; objects, receipts and manifest were found to agree.
#[derive(Debug)]
pub struct RunFiles {
    pub manifest: Manifest,
    pub receipts: Vec<Receipt>,
    pub result: serde_json::Value,
    /// The bytes of `stats/fashion-cnn.npz`: mu and sigma.
    pub stats: Vec<u8>,
}

impl RunFiles {
    /// All seeds, in the manifest's order.
    pub fn seeds(&self) -> Vec<u64> {
        self.manifest.chunks.iter().flat_map(|entry| entry.seeds.to_vec()).collect()
    }

    /// The distance, to the bit.
    pub fn fd_bits(&self) -> u64 {
        let value = self.result["detectors"]["fashion-cnn"]["metrics"][0]["value"].as_f64();
        value.expect("the result has a distance").to_bits()
    }
}
