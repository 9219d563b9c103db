//! How far a command is: a bar on a terminal, a line each half minute elsewhere.

use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fidelis_fleet::out;
use indicatif::{ProgressBar, ProgressStyle};

/// Pause between lines where there is no terminal, also before the first.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Counts up to a number that is known.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    total: u64,
    bar: Option<ProgressBar>,
    begun: Instant,
    told: Mutex<Instant>,
}

impl Progress {
    /// Of `total` things that are called `what`, none done.
    pub fn new(what: &'static str, total: u64) -> Self {
        let style = "{bar:30} {pos} of {len} {msg}, {elapsed} gone, {eta} left";
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style).with_message(what)
        });
        let now = Instant::now();
        Self { what, total, bar, begun: now, told: Mutex::new(now) }
    }

    /// So many are done.
    pub fn at(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= LINE_EVERY {
            *told = Instant::now();
            let left = self.begun.elapsed().mul_f64((self.total - done) as f64 / done.max(1) as f64);
            out::note(format!("{done} of {} {}, {:.0} s left", self.total, self.what, left.as_secs_f64()));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
