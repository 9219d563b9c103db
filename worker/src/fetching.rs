//! Downloads in the log: a line each half minute, so that short ones pass in silence.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use fidelis_fleet::files::Transfer;

/// Pause between lines, also before the first.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// What is told of downloads.
#[derive(Debug)]
pub struct Report(Mutex<Instant>);

impl Default for Report {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Report {
    /// Takes note of a piece that came.
    pub fn tell(&self, transfer: &Transfer<'_>) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            let Transfer { file, num_bytes, total_bytes } = *transfer;
            tracing::info!(file, num_bytes, total_bytes, "fetching");
        }
    }
}
