//! What `nvidia-smi` says of a device: the one window on it that is not our own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use fidelis_edm2::device::smi::query as ask;
use tch::Device;

/// Looks at how busy the device is for as long as something goes on.
#[derive(Debug)]
pub struct Watch {
    ended: Arc<AtomicBool>,
    looks: JoinHandle<Vec<f64>>,
}

impl Watch {
    pub fn start(device: Device) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let looks = thread::spawn({
            let ended = ended.clone();
            move || {
                let mut seen = Vec::new();
                while !ended.load(Ordering::Relaxed) {
                    let busy: Option<f64> =
                        ask(device, "utilization.gpu").and_then(|values| values[0].parse().ok());
                    seen.extend(busy);
                    thread::sleep(Duration::from_millis(100));
                }
                seen
            }
        });
        Self { ended, looks }
    }

    /// Mean share of time in which the device did nothing, from the first look that saw it work to the last.
    pub fn idle_share(self) -> Option<f64> {
        self.ended.store(true, Ordering::Relaxed);
        let seen = self.looks.join().ok()?;
        let first = seen.iter().position(|busy| *busy > 0.0)?;
        let last = seen.iter().rposition(|busy| *busy > 0.0)?;
        let working = &seen[first..=last];
        Some(1.0 - working.iter().sum::<f64>() / 100.0 / working.len() as f64)
    }
}
