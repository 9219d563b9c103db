//! Times of work on a device.

use std::time::{Duration, Instant};

use fidelis_edm2::device::synchronize;
use tch::Device;

/// Seconds that one call of `work` takes: after two for nothing, as often as go into `patience`, at least twice.
pub fn seconds_each(device: Device, patience: Duration, mut work: impl FnMut()) -> f64 {
    work();
    work();
    synchronize(device);
    let (start, mut calls) = (Instant::now(), 0);
    while calls < 2 || start.elapsed() < patience {
        work();
        // A call may only put work into a queue: without this the clock would see its length, not its speed.
        synchronize(device);
        calls += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(calls)
}

/// Seconds that `work` takes, and what came of it.
pub fn timed<T>(device: Device, work: impl FnOnce() -> T) -> (f64, T) {
    synchronize(device);
    let start = Instant::now();
    let done = work();
    synchronize(device);
    (start.elapsed().as_secs_f64(), done)
}
