//! A training run and its files: snapshots, a state to go on from, and what is told on the way.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `network-snapshot-{kimg:07}-{σ_rel:.3}.safetensors` | each moving average, float16, every so many images |
//! | `training-state-{kimg:07}.safetensors` | everything that decides the next step; the last two are kept |
//! | `stats.jsonl` | a line of numbers every so many steps |

use tch::Device;

use super::images::Images;
use super::outdir::{Outdir, OutdirError};
use super::recipe::Recipe;
use super::snapshots::{IMAGES_KEY, SIGMA_REL_KEY, file_name, kimg};
use super::stats::{Progress, Stats};
use super::trainer::{TrainError, Trainer};

const STATE: &str = "training-state-";
const KEPT_STATES: usize = 2;

/// How often a run leaves something, and where.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    pub outdir: &'a dyn Outdir,
    /// Images between snapshots, and between states.
    pub snapshot_images: u64,
    pub state_images: u64,
    /// Steps between lines of numbers.
    pub stats_steps: u64,
    /// Images that go through the net together.
    pub round: u64,
}

impl Session<'_> {
    /// Whether there is a state to go on from.
    ///
    /// # Errors
    /// The files cannot be listed.
    pub fn is_begun(&self) -> Result<bool, OutdirError> {
        Ok(!self.states()?.is_empty())
    }

    /// Starts, or goes on from the last state there is.
    ///
    /// # Errors
    /// As [`Trainer::new`] and [`Trainer::resume`]; files that cannot be read.
    pub fn open(
        &self,
        recipe: Recipe,
        images: Box<dyn Images>,
        device: Device,
    ) -> Result<Trainer, TrainError> {
        let mut trainer = match self.states()?.last() {
            Some(state) => {
                let bytes = self.outdir.read(state)?;
                Trainer::resume(recipe, images, device, (&self.outdir.place(state), &bytes))?
            }
            None => Trainer::new(recipe, images, device)?,
        };
        trainer.set_round(self.round);
        Ok(trainer)
    }

    /// After how many images there are snapshots, that of the end left out.
    fn due(&self, recipe: &Recipe) -> impl Iterator<Item = u64> + use<> {
        let (batch, every, end) = (recipe.batch, self.snapshot_images.max(1), recipe.steps * recipe.batch);
        let next =
            move |images: u64| Some((images / every + 1).saturating_mul(every).div_ceil(batch) * batch);
        std::iter::successors(Some(0), move |&images| next(images).filter(|&next| next < end))
    }

    /// The first of the snapshots that were to be left, and are not there.
    ///
    /// # Errors
    /// The files cannot be listed.
    pub fn lacks(&self, recipe: &Recipe) -> Result<Option<String>, OutdirError> {
        let there = self.outdir.list()?;
        let due = self.due(recipe).chain([recipe.steps * recipe.batch]);
        let mut names = due.flat_map(|images| recipe.ema.iter().map(move |&std| file_name(images, std)));
        Ok(names.find(|name| !there.contains(name)))
    }

    /// Whether every snapshot has a name of its own. Names tell thousands of images; the end may replace the last of them.
    ///
    /// # Errors
    /// Two that do not.
    pub fn check_names(&self, recipe: &Recipe) -> Result<(), TrainError> {
        let mut last = None;
        for images in self.due(recipe) {
            match last.replace(images) {
                Some(before) if kimg(before) == kimg(images) => {
                    let name = file_name(images, recipe.ema[0]);
                    return Err(TrainError::SnapshotNames { before, images, name });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Trains until the end, or until `goes_on` says no: asked before each step, and told how far it is after each line of
    /// numbers. Either way the state is saved, also where an image cannot be read.
    ///
    /// # Errors
    /// An image that cannot be read, a file that cannot be written.
    pub fn run(
        &self,
        trainer: &mut Trainer,
        goes_on: &mut dyn FnMut(Option<Progress>) -> bool,
    ) -> Result<(), TrainError> {
        let mut stats = Stats::open(self.outdir, trainer.step())?;
        // Of the state that it goes on from, also where a snapshot of it was lost.
        let (seen, recipe) = (trainer.seen(), trainer.recipe());
        let is_due = trainer.is_done() || self.due(recipe).any(|images| images == seen);
        if is_due && !self.has(seen, recipe)? {
            self.snapshot(trainer)?;
        }
        let mut saved = None;
        while !trainer.is_done() && trainer.all_go_on(goes_on(None)) {
            let before = trainer.seen();
            let taken = match trainer.advance() {
                Ok(taken) => taken,
                Err(error) => {
                    // Nothing of the step was taken: with the image mended, it goes on from here.
                    self.save(trainer, &mut stats)?;
                    return Err(error);
                }
            };
            let passes = |every: u64| trainer.seen() / every.max(1) > before / every.max(1);
            if passes(self.snapshot_images) || trainer.is_done() {
                self.snapshot(trainer)?;
            }
            stats.add(&taken);
            if trainer.step().is_multiple_of(self.stats_steps.max(1)) || trainer.is_done() {
                goes_on(Some(stats.line(trainer)?));
            }
            if passes(self.state_images) {
                self.save(trainer, &mut stats)?;
                saved = Some(trainer.step());
            }
        }
        if saved != Some(trainer.step()) {
            self.save(trainer, &mut stats)?;
        }
        Ok(())
    }

    /// Whether the snapshots of so many images are there.
    fn has(&self, images: u64, recipe: &Recipe) -> Result<bool, OutdirError> {
        let there = self.outdir.list()?;
        Ok(recipe.ema.iter().all(|&std| there.contains(&file_name(images, std))))
    }

    fn snapshot(&self, trainer: &Trainer) -> Result<(), TrainError> {
        for (index, &sigma_rel) in trainer.recipe().ema.iter().enumerate() {
            let said = [(IMAGES_KEY, trainer.seen().to_string()), (SIGMA_REL_KEY, sigma_rel.to_string())];
            let name = file_name(trainer.seen(), sigma_rel);
            let snapshot = trainer.snapshot(index);
            let file = snapshot.to_file(said.map(|(key, value)| (key.to_owned(), value)))?;
            self.outdir.write(&name, &file.to_bytes()?)?;
        }
        Ok(())
    }

    fn save(&self, trainer: &Trainer, stats: &mut Stats) -> Result<(), TrainError> {
        stats.flush()?;
        self.outdir.write(
            &format!("{STATE}{:07}.safetensors", kimg(trainer.seen())),
            &trainer.state().to_bytes()?,
        )?;
        for old in self.states()?.iter().rev().skip(KEPT_STATES) {
            self.outdir.remove(old)?;
        }
        Ok(())
    }

    /// In the order of their images.
    fn states(&self) -> Result<Vec<String>, OutdirError> {
        let kimg = |name: &str| -> Option<u64> {
            name.strip_prefix(STATE)?.strip_suffix(".safetensors")?.parse().ok()
        };
        let mut states: Vec<(u64, String)> =
            self.outdir.list()?.into_iter().filter_map(|name| Some((kimg(&name)?, name))).collect();
        states.sort();
        Ok(states.into_iter().map(|(_, name)| name).collect())
    }
}
