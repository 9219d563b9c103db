//! `stats.jsonl`: a line of numbers every so many steps.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::outdir::{Outdir, OutdirError};
use super::trainer::Trainer;

const STATS: &str = "stats.jsonl";
/// The file is replaced as a whole, so not with every line.
const WRITE_EVERY: Duration = Duration::from_secs(10);

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    pub step: u64,
    pub steps: u64,
    /// Images seen.
    pub images: u64,
    /// Mean per element, over the steps since the last line.
    pub loss: f64,
    /// Of the last step.
    pub lr: f64,
    pub images_per_s: f64,
}

/// The lines so far, and what the next one will hold.
pub(super) struct Stats<'a> {
    outdir: &'a dyn Outdir,
    text: String,
    /// When the file was last written, and whether lines came since.
    written: (Instant, bool),
    sum: f64,
    count: u64,
    since: (Instant, u64),
}

impl<'a> Stats<'a> {
    /// Goes on after `step`; lines of steps that will be taken again are dropped.
    pub fn open(outdir: &'a dyn Outdir, step: u64) -> Result<Self, OutdirError> {
        let is_there = step > 0 && outdir.list()?.iter().any(|name| name == STATS);
        let old = if is_there { outdir.read(STATS)? } else { Vec::new() };
        let is_past = |line: &&str| {
            let line: Option<Value> = serde_json::from_str(line).ok();
            line.and_then(|line| line["step"].as_u64()).is_some_and(|of| of <= step)
        };
        let old = String::from_utf8_lossy(&old);
        let text = old.lines().filter(is_past).map(|line| format!("{line}\n")).collect();
        let now = Instant::now();
        Ok(Self { outdir, text, written: (now, true), sum: 0.0, count: 0, since: (now, 0) })
    }

    pub fn add(&mut self, trainer: &Trainer, loss: f64) {
        self.sum += loss;
        self.count += 1;
        self.since.1 += trainer.recipe().batch;
    }

    pub fn line(&mut self, trainer: &Trainer) -> Result<Progress, OutdirError> {
        let recipe = trainer.recipe();
        let last = trainer.seen().saturating_sub(recipe.batch);
        let progress = Progress {
            step: trainer.step(),
            steps: recipe.steps,
            images: trainer.seen(),
            loss: self.sum / self.count.max(1) as f64,
            lr: recipe.lr.at(last, recipe.batch),
            images_per_s: self.since.1 as f64 / self.since.0.elapsed().as_secs_f64(),
        };
        (self.sum, self.count, self.since) = (0.0, 0, (Instant::now(), 0));
        let line = json!({
            "step": progress.step, "images": progress.images, "loss": progress.loss, "lr": progress.lr,
            "images_per_s": progress.images_per_s,
        });
        self.text.push_str(&format!("{line}\n"));
        self.written.1 = true;
        if self.written.0.elapsed() > WRITE_EVERY {
            self.flush()?;
        }
        Ok(progress)
    }

    /// Writes what was not written yet: before each state, so that a run that goes on from there lacks no line.
    pub fn flush(&mut self) -> Result<(), OutdirError> {
        if self.written.1 {
            self.outdir.write(STATS, self.text.as_bytes())?;
            self.written = (Instant::now(), false);
        }
        Ok(())
    }
}
