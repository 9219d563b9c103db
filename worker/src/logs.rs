//! Log lines: to stderr, and the last few kept for dead letters.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use fidelis_fleet::out;
use tracing_subscriber::EnvFilter;

/// Lines kept.
const TAIL_LEN: usize = 20;
/// What is logged unless `FIDELIS_LOG` says otherwise; what the AWS SDK dumps, our own errors tell in a line.
const DEFAULT_FILTER: &str = "warn,fidelis_worker=info,aws_=off";

static TAIL: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Starts logging; the first call counts.
pub fn init() {
    let filter = EnvFilter::try_from_env("FIDELIS_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_target(false);
    // A second call is a test's; its lines go where the first said.
    builder.with_writer(|| Tee).try_init().ok();
}

/// The last log lines of this process, oldest first.
pub fn tail() -> Vec<String> {
    TAIL.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

struct Tee;

impl Write for Tee {
    /// Gets one whole event at a time.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        keep(&String::from_utf8_lossy(bytes));
        // A closed stderr must not stop the work.
        out::note(String::from_utf8_lossy(bytes).trim_end());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn keep(text: &str) {
    let mut tail = TAIL.lock().unwrap_or_else(PoisonError::into_inner);
    tail.extend(text.lines().map(str::to_owned));
    let surplus = tail.len().saturating_sub(TAIL_LEN);
    tail.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_newest_lines() {
        for i in 0..30 {
            keep(&format!("line {i}\n"));
        }
        let lines = tail();
        assert_eq!((lines.len(), lines[0].as_str(), lines[19].as_str()), (TAIL_LEN, "line 10", "line 29"));
    }
}
