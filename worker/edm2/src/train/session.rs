//! A training run in a folder: snapshots, a state to go on from, and what is told on the way.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `network-snapshot-{kimg:07}-{σ_rel:.3}.safetensors` | each moving average, float16, every so many images |
//! | `training-state-{kimg:07}.safetensors` | everything that decides the next step; the last two are kept |
//! | `stats.jsonl` | a line of numbers every so many steps |

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use tch::Device;

use super::images::Images;
use super::recipe::Recipe;
use super::snapshots::{IMAGES_KEY, SIGMA_REL_KEY, file_name, kimg};
use super::trainer::{TrainError, Trainer};

const STATE: &str = "training-state-";
const STATS: &str = "stats.jsonl";
const KEPT_STATES: usize = 2;

/// How often a run leaves something.
#[derive(Clone, Debug)]
pub struct Session {
    pub folder: PathBuf,
    /// Images between snapshots, and between states.
    pub snapshot_images: u64,
    pub state_images: u64,
    /// Steps between lines of numbers.
    pub stats_steps: u64,
    /// Images that go through the net together.
    pub round: u64,
}

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

impl Session {
    /// Whether there is a state to go on from.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn is_begun(&self) -> Result<bool, TrainError> {
        Ok(!self.states()?.is_empty())
    }

    /// Starts, or goes on from the last state there is.
    ///
    /// # Errors
    /// As [`Trainer::new`] and [`Trainer::resume`]; a folder that cannot be read.
    pub fn open(
        &self,
        recipe: Recipe,
        images: Box<dyn Images>,
        device: Device,
    ) -> Result<Trainer, TrainError> {
        let mut trainer = match self.states()?.last() {
            Some(state) => Trainer::resume(recipe, images, device, state)?,
            None => Trainer::new(recipe, images, device)?,
        };
        trainer.set_round(self.round);
        Ok(trainer)
    }

    /// Trains until the end, or until `goes_on` says no: asked before each step, and told how far it is after each line of
    /// numbers. Either way the state is saved.
    ///
    /// # Errors
    /// An image that cannot be read, a file that cannot be written.
    pub fn run(
        &self,
        trainer: &mut Trainer,
        goes_on: &mut dyn FnMut(Option<Progress>) -> bool,
    ) -> Result<(), TrainError> {
        let mut stats = Stats::open(&self.folder.join(STATS), trainer.step())?;
        if trainer.step() == 0 {
            self.snapshot(trainer)?;
        }
        let mut saved = None;
        while !trainer.is_done() && goes_on(None) {
            let before = trainer.seen();
            let loss = trainer.advance()?;
            let passes = |every: u64| trainer.seen() / every.max(1) > before / every.max(1);
            if passes(self.snapshot_images) || trainer.is_done() {
                self.snapshot(trainer)?;
            }
            if passes(self.state_images) {
                self.save(trainer)?;
                saved = Some(trainer.step());
            }
            stats.add(trainer, loss);
            if trainer.step().is_multiple_of(self.stats_steps.max(1)) || trainer.is_done() {
                goes_on(Some(stats.line(trainer)?));
            }
        }
        if saved != Some(trainer.step()) {
            self.save(trainer)?;
        }
        Ok(())
    }

    fn snapshot(&self, trainer: &Trainer) -> Result<(), TrainError> {
        for (index, &sigma_rel) in trainer.recipe().ema.iter().enumerate() {
            let said = [(IMAGES_KEY, trainer.seen().to_string()), (SIGMA_REL_KEY, sigma_rel.to_string())];
            let path = self.folder.join(file_name(trainer.seen(), sigma_rel));
            trainer.snapshot(index).write_with(&path, said.map(|(key, value)| (key.to_owned(), value)))?;
        }
        Ok(())
    }

    fn save(&self, trainer: &Trainer) -> Result<(), TrainError> {
        trainer.save(&self.folder.join(format!("{STATE}{:07}.safetensors", kimg(trainer.seen()))))?;
        let states = self.states()?;
        for old in states.iter().rev().skip(KEPT_STATES) {
            fs::remove_file(old).map_err(|source| file_error(old, source))?;
        }
        Ok(())
    }

    /// In the order of their images.
    fn states(&self) -> Result<Vec<PathBuf>, TrainError> {
        let listed = match fs::read_dir(&self.folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(file_error(&self.folder, source)),
        };
        let kimg = |path: &Path| -> Option<u64> {
            let name = path.file_name()?.to_str()?;
            name.strip_prefix(STATE)?.strip_suffix(".safetensors")?.parse().ok()
        };
        let mut states: Vec<(u64, PathBuf)> =
            listed.flatten().filter_map(|entry| Some((kimg(&entry.path())?, entry.path()))).collect();
        states.sort();
        Ok(states.into_iter().map(|(_, path)| path).collect())
    }
}

fn file_error(path: &Path, source: std::io::Error) -> TrainError {
    TrainError::Folder { path: path.to_owned(), source }
}

/// `stats.jsonl`.
struct Stats {
    path: PathBuf,
    file: fs::File,
    sum: f64,
    count: u64,
    since: (Instant, u64),
}

impl Stats {
    /// Opens the file to go on after `step`; lines of steps that will be taken again are dropped.
    fn open(path: &Path, step: u64) -> Result<Self, TrainError> {
        let old = if step > 0 { fs::read_to_string(path).unwrap_or_default() } else { String::new() };
        let is_past = |line: &&str| {
            let line: Option<Value> = serde_json::from_str(line).ok();
            line.and_then(|line| line["step"].as_u64()).is_some_and(|of| of <= step)
        };
        let kept: String = old.lines().filter(is_past).map(|line| format!("{line}\n")).collect();
        let open = || -> std::io::Result<fs::File> {
            let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(path)?;
            file.write_all(kept.as_bytes())?;
            Ok(file)
        };
        let file = open().map_err(|source| file_error(path, source))?;
        Ok(Self { path: path.to_owned(), file, sum: 0.0, count: 0, since: (Instant::now(), 0) })
    }

    fn add(&mut self, trainer: &Trainer, loss: f64) {
        self.sum += loss;
        self.count += 1;
        self.since.1 += trainer.recipe().batch;
    }

    fn line(&mut self, trainer: &Trainer) -> Result<Progress, TrainError> {
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
        writeln!(self.file, "{line}").map_err(|source| file_error(&self.path, source))?;
        Ok(progress)
    }
}
