//! `fidelis-worker run`: serve a fleet until told to stop.

use std::{
    hash::{BuildHasher, RandomState},
    path::PathBuf,
    process,
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use fidelis_contract::exit;
use fidelis_fleet::{
    files::{FileSettings, Files},
    queue::{Queue, QueueSettings},
    store::{Store, StoreConfig},
};

use super::Failure;
use crate::{
    engine::{EngineOptions, maker},
    interrupt::Interrupt,
    run::{Device, Parts, Worker, WorkerSettings},
};

/// Where the work is, and what it is done with.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Redis server, as redis://host:6379, rediss://user:password@host or unix:///path
    #[arg(long, value_name = "URL", env = "FIDELIS_REDIS", hide_env_values = true)]
    redis: String,
    /// Store, as s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "FIDELIS_STORE")]
    store: String,
    /// Another S3 server than AWS, as http://host:port
    #[arg(long, value_name = "URL", env = "FIDELIS_S3_ENDPOINT")]
    s3_endpoint: Option<String>,
    /// cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Micro-batches computed side by side; changes the speed and never the result
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    lanes: Option<u32>,
    /// A chunk not renewed for this long goes to another worker; the same throughout a fleet
    #[arg(long, value_name = "MS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(100..=86_400_000))]
    lease_ms: u64,
    /// Attempts at a chunk before it is dead; the same throughout a fleet
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    max_attempts: u32,
    /// After the first SIGTERM or SIGINT, finish the chunk if that takes no longer than this
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u64).range(..=604_800))]
    grace_s: u64,
    /// Take a device for hung, and end, when it shows no sign of life for this long
    #[arg(long, value_name = "S", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    stall_s: u64,
    /// This worker's name in receipts and logs; by default the host's name and the process id
    #[arg(long)]
    name: Option<String>,
    /// Keep counters for Prometheus in this file, for the node exporter's folder of text files: chunks, images, and the
    /// seconds in which the device worked or waited although there were chunks
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Take the end of stdin for a SIGTERM
    #[arg(long, hide = true)]
    stop_on_eof: bool,
}

/// Serves until told to stop; the exit code is then the signal's, 130 or 143.
///
/// # Errors
/// Redis or the store cannot be reached or used at the start.
pub async fn run(args: RunArgs) -> Result<u8, Failure> {
    let stop = Interrupt::on_signals(args.stop_on_eof).context("cannot watch for signals")?;
    // Before anything else: a fleet is not to hear of a worker that cannot work.
    let name = args.device.clone();
    let maker = tokio::task::spawn_blocking(move || maker::of_device(&name))
        .await
        .context("looking at the device")??;
    let lease = Duration::from_millis(args.lease_ms);
    let queue =
        Queue::connect(&args.redis, QueueSettings { lease, max_deliveries: args.max_attempts }).await?;
    let files = Files::new(FileSettings::from_env(args.s3_endpoint.clone()));
    let endpoint = args.s3_endpoint.clone();
    let config = StoreConfig { url: args.store, endpoint, ..StoreConfig::default() };
    let store = Store::connect(config).await?;
    store.probe().await?;
    let lanes = args.lanes.map(|lanes| lanes as usize);
    let options = EngineOptions { device: args.device.clone(), lanes, maker };
    let model = options.maker.device_model().unwrap_or_default();
    let device = Device::start(options).map_err(|error| Failure::new(exit::INFRASTRUCTURE, error))?;
    let name = args.name.unwrap_or_else(default_name);
    tracing::info!(
        worker = name,
        device = args.device,
        model,
        redis = queue.url(),
        store = store.url_of(""),
        "ready"
    );
    let settings = WorkerSettings {
        name: name.clone(),
        device: args.device,
        lease,
        grace: Duration::from_secs(args.grace_s),
        stall: Duration::from_secs(args.stall_s),
        s3_endpoint: args.s3_endpoint,
        metrics: args.metrics,
    };
    let consumer = queue.consumer(&format!("{name}-{:08x}", RandomState::new().hash_one(0) as u32));
    Ok(Worker::new(settings, Parts { store, files, consumer, device, stop }).run().await?)
}

fn default_name() -> String {
    format!("{}-{}", maker::host().as_deref().unwrap_or("worker"), process::id())
}
