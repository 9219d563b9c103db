//! The one registry of what processes count while they work, and its form for Prometheus. Nights have gauges of their own,
//! which `fidelis regress` writes.

use std::fmt::Write;

use fidelis_contract::text_enum;

text_enum! {
    /// Something that is counted since the start of a process; seconds where the name says so.
    Counter: "counter" {
        /// Chunks that the worker made and stored.
        WorkerChunks = "fidelis_worker_chunks_total",
        /// Images in them.
        WorkerImages = "fidelis_worker_images_total",
        /// Time in which the device made images.
        WorkerDeviceBusy = "fidelis_worker_device_busy_seconds_total",
        /// Time in which there were chunks to be had and the device did nothing.
        WorkerDeviceIdle = "fidelis_worker_device_idle_seconds_total",
    }
}

impl Counter {
    fn help(self) -> &'static str {
        match self {
            Self::WorkerChunks => "Chunks that the worker made and stored.",
            Self::WorkerImages => "Images of these chunks.",
            Self::WorkerDeviceBusy => "Time in which the device made images.",
            Self::WorkerDeviceIdle => "Time in which there were chunks to be had and the device did nothing.",
        }
    }
}

/// Counters of a worker as Prometheus reads them.
pub fn text(worker: &str, counts: &[(Counter, f64)]) -> String {
    let worker = worker.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let mut text = String::new();
    for (counter, count) in counts {
        let help = counter.help();
        // Into memory.
        writeln!(text, "# HELP {counter} {help}\n# TYPE {counter} counter").ok();
        writeln!(text, "{counter}{{worker=\"{worker}\"}} {count}").ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_text_that_prometheus_reads() {
        let text = text("a\"b", &[(Counter::WorkerChunks, 3.0), (Counter::WorkerDeviceIdle, 0.25)]);
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let idle = "fidelis_worker_device_idle_seconds_total{worker=\"a\\\"b\"} 0.25";
        assert_eq!(samples, ["fidelis_worker_chunks_total{worker=\"a\\\"b\"} 3", idle]);
        assert_eq!(text.matches(" counter\n").count(), 2);
    }
}
