//! `stats.jsonl`: a line of numbers every so many steps. [`Progress`] is the list of what a line holds.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::outdir::{Outdir, OutdirError};
use super::trainer::{Taken, Trainer};
use crate::device::memory::peak_rss_bytes;

const STATS: &str = "stats.jsonl";
/// The file is replaced as a whole, so not with every line.
const WRITE_EVERY: Duration = Duration::from_secs(10);
/// Where noise levels are parted, in standard deviations of ln σ from its mean.
const PARTED_AT: [f64; 4] = [-1.5, -0.5, 0.5, 1.5];
const BINS: usize = PARTED_AT.len() + 1;

/// How far a run is: the fields of a line. Means are over the steps since the line before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// Steps done, and to be done in all.
    pub step: u64,
    pub steps: u64,
    /// Images seen.
    pub images: u64,
    /// Mean per element.
    pub loss: f64,
    /// The same by noise level; of several ranks' images those of the first.
    pub loss_by_sigma: [SigmaLoss; BINS],
    /// Learning rate of the last step.
    pub lr: f64,
    /// Mean of the gradient's norm, without values that are not finite.
    pub grad_norm: f64,
    /// Steps whose gradient held such values.
    pub overflows: u64,
    /// By which the loss is multiplied, in float16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<f64>,
    pub images_per_s: f64,
    /// At this speed.
    pub seconds_left: f64,
    /// The most memory that the process had so far, of the host; none where the system does not tell.
    pub peak_rss_bytes: Option<u64>,
}

/// The loss of the images whose σ lies between two bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SigmaLoss {
    /// None below the first bin and above the last.
    pub sigma: [Option<f64>; 2],
    /// Mean per element; none where no image was.
    pub loss: Option<f64>,
}

/// What came since the last line.
#[derive(Debug)]
struct Sums {
    since: Instant,
    steps: u64,
    loss: f64,
    grad_norm: f64,
    overflows: u64,
    /// Losses of the images of each noise level, and their number.
    bins: [(f64, u64); BINS],
}

impl Sums {
    fn new() -> Self {
        let bins = [(0.0, 0); BINS];
        Self { since: Instant::now(), steps: 0, loss: 0.0, grad_norm: 0.0, overflows: 0, bins }
    }

    fn add(&mut self, taken: &Taken) {
        self.steps += 1;
        self.loss += taken.loss;
        self.grad_norm += taken.gradients.norm;
        self.overflows += u64::from(!taken.gradients.are_finite);
        for (&level, &loss) in taken.rnd_normal.iter().zip(&taken.by_image) {
            let bin = &mut self.bins[PARTED_AT.iter().filter(|&&at| f64::from(level) >= at).count()];
            *bin = (bin.0 + f64::from(loss), bin.1 + 1);
        }
    }

    fn by_sigma(&self, p_mean: f64, p_std: f64) -> [SigmaLoss; BINS] {
        let bound = |at: Option<&f64>| at.map(|at| (p_mean + at * p_std).exp());
        std::array::from_fn(|bin| {
            let (sum, count) = self.bins[bin];
            SigmaLoss {
                sigma: [bound(bin.checked_sub(1).map(|below| &PARTED_AT[below])), bound(PARTED_AT.get(bin))],
                loss: (count > 0).then(|| sum / count as f64),
            }
        })
    }

    fn progress(&self, trainer: &Trainer) -> Progress {
        let recipe = trainer.recipe();
        let steps = self.steps.max(1) as f64;
        let steps_per_s = steps / self.since.elapsed().as_secs_f64().max(1e-9);
        Progress {
            step: trainer.step(),
            steps: recipe.steps,
            images: trainer.seen(),
            loss: self.loss / steps,
            loss_by_sigma: self.by_sigma(recipe.p_mean, recipe.p_std),
            lr: recipe.lr.at(trainer.seen().saturating_sub(recipe.batch), recipe.batch),
            grad_norm: self.grad_norm / steps,
            overflows: self.overflows,
            loss_scale: trainer.loss_scale(),
            images_per_s: steps_per_s * recipe.batch as f64,
            seconds_left: recipe.steps.saturating_sub(trainer.step()) as f64 / steps_per_s,
            peak_rss_bytes: peak_rss_bytes(),
        }
    }
}

/// The lines so far, and what the next one will hold.
pub(super) struct Stats<'a> {
    outdir: &'a dyn Outdir,
    text: String,
    /// When the file was last written, and whether lines came since.
    written: (Instant, bool),
    sums: Sums,
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
        Ok(Self { outdir, text, written: (Instant::now(), true), sums: Sums::new() })
    }

    pub fn add(&mut self, taken: &Taken) {
        self.sums.add(taken);
    }

    pub fn line(&mut self, trainer: &Trainer) -> Result<Progress, OutdirError> {
        let progress = self.sums.progress(trainer);
        self.sums = Sums::new();
        let line = serde_json::to_string(&progress).expect("numbers are plain data");
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

#[cfg(test)]
mod tests {
    use super::super::learner::Gradients;
    use super::*;

    #[test]
    fn losses_are_told_by_noise_level() {
        let mut sums = Sums::new();
        let gradients = Gradients { norm: 3.0, are_finite: false };
        let (rnd_normal, by_image) = (vec![-2.0, 0.0, 0.2, 1.5], vec![1.0, 2.0, 4.0, 8.0]);
        sums.add(&Taken { loss: 3.75, rnd_normal, by_image, gradients });
        let bins = sums.by_sigma(-1.0, 2.0);
        let losses: Vec<Option<f64>> = bins.iter().map(|bin| bin.loss).collect();
        assert_eq!(losses, [Some(1.0), None, Some(3.0), None, Some(8.0)]);
        assert_eq!(bins[0].sigma, [None, Some((-4.0_f64).exp())]);
        assert_eq!(bins[4].sigma, [Some(2.0_f64.exp()), None]);
        assert_eq!((sums.grad_norm, sums.overflows), (3.0, 1));
        assert!(peak_rss_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
