//! What a worker counts for Prometheus, in a file that the node exporter reads from its folder of text files.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use fidelis_fleet::{
    queue::DeviceTime,
    telemetry::{self, Counter},
};
use fidelis_formats::atomic;
use tokio::time::Instant;

/// How often the file is written, at most.
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// Since the start of the process.
#[derive(Debug)]
pub struct Tally {
    worker: String,
    /// Where to; nowhere unless asked for.
    file: Option<PathBuf>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    num_chunks: u64,
    num_images: u64,
    device: DeviceTime,
    written: Option<Instant>,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(worker: &str, file: Option<PathBuf>) -> Self {
        Self { worker: worker.to_owned(), file, counts: Mutex::default() }
    }

    /// One more chunk is stored that was made here.
    pub fn count(&self, num_images: u64, device: DeviceTime) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.num_chunks += 1;
        counts.num_images += num_images;
        counts.device.busy += device.busy;
        counts.device.idle += device.idle;
        if counts.written.is_none_or(|written| written.elapsed() >= WRITE_EVERY) {
            counts.written = Some(Instant::now());
            self.write(&counts);
        }
    }

    /// What was counted is in the file and in the log.
    pub fn conclude(&self) {
        let counts = *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(&counts);
        if let Some(share) = counts.device.idle_share() {
            tracing::info!(
                chunks = counts.num_chunks,
                images = counts.num_images,
                busy_s = counts.device.busy.as_secs_f64(),
                idle_s = counts.device.idle.as_secs_f64(),
                "the device waited for {:.2} % of the time in which there were chunks",
                100.0 * share
            );
        }
    }

    fn write(&self, counts: &Counts) {
        let Some(file) = &self.file else { return };
        let text = telemetry::text(
            &self.worker,
            &[
                (Counter::WorkerChunks, counts.num_chunks as f64),
                (Counter::WorkerImages, counts.num_images as f64),
                (Counter::WorkerDeviceBusy, counts.device.busy.as_secs_f64()),
                (Counter::WorkerDeviceIdle, counts.device.idle.as_secs_f64()),
            ],
        );
        // Nobody's images depend on it.
        if let Err(error) = atomic::write(file, text.as_bytes()) {
            tracing::warn!("cannot write `{}`: {error}", file.display());
        }
    }
}
