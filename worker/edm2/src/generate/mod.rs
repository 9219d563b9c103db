//! Seeds in, plain buffers out: the whole path from seed to latents, images and features; and from images that exist
//! to features.

mod error;
mod extract;
mod lane;
mod lanes;

use std::collections::BTreeMap;
use std::path::PathBuf;

use fidelis_contract::spec::{Edm2Spec, Outputs, Sampling};
use tch::Device;

use crate::device::set_threads;
pub use error::GenerateError;
pub use extract::{Extracted, Extractor, Source, Unreadable};
use lane::{Lane, Part};

/// What to generate from, and what to keep.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The nets and how they are sampled, by its own rules; its files lie on this machine.
    pub model: Edm2Spec,
    /// Images that go through the nets together; part of what decides the bits (D2).
    pub micro_batch: usize,
    pub outputs: Outputs,
    /// Detectors by name, with their weights.
    pub detectors: BTreeMap<String, PathBuf>,
}

impl Recipe {
    /// Whether both are made of the same files in the same arithmetic, and differ in how images are sampled alone.
    pub fn has_files_of(&self, other: &Self) -> bool {
        let files = |recipe: &Self| {
            let (precision, encoder) = (recipe.model.sampling.precision, recipe.model.sampling.encoder);
            let sampling = Sampling { precision, encoder, ..Sampling::default() };
            Self { model: Edm2Spec { sampling, ..recipe.model.clone() }, micro_batch: 1, ..recipe.clone() }
        };
        files(self) == files(other)
    }
}

/// Values in row-major order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buffer<T> {
    pub shape: Vec<usize>,
    pub data: Vec<T>,
}

impl<T> Buffer<T> {
    /// Appends `other` along the first dimension.
    fn append(&mut self, mut other: Self) {
        if self.shape.is_empty() {
            *self = other;
        } else {
            self.shape[0] += other.shape[0];
            self.data.append(&mut other.data);
        }
    }
}

/// What came of a list of seeds, in their order.
#[derive(Clone, Debug, Default)]
pub struct Generated {
    /// `[N, C, H, W]`, standard normal.
    pub noise: Buffer<f32>,
    /// Class of each image; −1 for an unconditional net.
    pub labels: Vec<i64>,
    /// `[N, C, H, W]`.
    pub latents: Option<Buffer<f32>>,
    /// `[N, C, H, W]`.
    pub images: Option<Buffer<u8>>,
    /// `[N, D]` of each detector.
    pub features: BTreeMap<String, Buffer<f32>>,
}

/// What long work asks and tells while it goes on, from any of its threads.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Whether to give up.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// So many images more are made.
    pub made: &'a (dyn Fn(u64) + Sync),
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

/// A recipe with its nets loaded, on one device.
///
/// On a CPU, several lanes work on one micro-batch each, with a single thread of torch's: the bits are then the same for
/// any number of cores, which torch's own threads do not promise. The nets' own code may share a micro-batch among
/// threads: it computes every value in one order.
#[derive(Debug)]
pub struct Generator {
    micro_batch: usize,
    lanes: Vec<Lane>,
}

impl Generator {
    /// Loads the nets and detectors once, for `lanes` lanes that share the weights (a GPU takes one).
    pub fn load(recipe: &Recipe, device: Device, lanes: usize) -> Result<Self, GenerateError> {
        let lanes = if device == Device::Cpu { lanes.max(1) } else { 1 };
        set_threads(1);
        let lane = Lane::load(recipe, device)?;
        Ok(Self { micro_batch: recipe.micro_batch.max(1), lanes: vec![lane; lanes] })
    }

    /// Parameters of the nets.
    pub fn num_params(&self) -> u64 {
        self.lanes[0].num_params()
    }

    /// Micro-batches that are computed side by side.
    pub fn num_lanes(&self) -> usize {
        self.lanes.len()
    }

    /// From now on images are sampled as another recipe says, which [has the files](Recipe::has_files_of) of the one that
    /// this was loaded from: nothing is loaded again.
    ///
    /// # Errors
    /// Labels that cannot be read, or that the net does not have; then nothing has changed.
    pub fn resample(&mut self, recipe: &Recipe) -> Result<(), GenerateError> {
        let lanes = self.lanes.iter().map(|lane| lane.resampled(recipe)).collect::<Result<_, _>>()?;
        (self.lanes, self.micro_batch) = (lanes, recipe.micro_batch.max(1));
        Ok(())
    }

    /// From now on images too, where the encoder of `recipe`, which this was loaded from, needs no weights.
    pub fn add_free_images(&mut self, recipe: &Recipe) {
        self.lanes.iter_mut().for_each(|lane| lane.add_free_images(recipe));
    }

    /// From now on so many images go through the nets together; for a device whose memory holds no more.
    pub fn set_micro_batch(&mut self, micro_batch: usize) {
        self.micro_batch = micro_batch.max(1);
    }

    /// Generates the images of `seeds`; asks `stop` between sampling steps whether to give up.
    pub fn generate(
        &mut self,
        seeds: &[u64],
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Generated, GenerateError> {
        self.generate_watched(seeds, &Watch { stop, made: &|_| () })
    }

    /// Generates as [`Generator::generate`] does, and tells of each micro-batch.
    pub fn generate_watched(&mut self, seeds: &[u64], watch: &Watch<'_>) -> Result<Generated, GenerateError> {
        let batches: Vec<&[u64]> = seeds.chunks(self.micro_batch).collect();
        // Where there are fewer batches than lanes, those that would be idle share the batches' work.
        let team = self.lanes.len() / batches.len().max(1);
        let work = |lane: &mut Lane, batch: &&[u64], stop: &(dyn Fn() -> bool + Sync)| {
            let part = lanes::with_team(team, || lane.run(batch, stop))?;
            (watch.made)(batch.len() as u64);
            Ok(part)
        };
        lanes::run(&mut self.lanes, &batches, watch.stop, work).map(assemble)
    }
}

fn assemble(parts: Vec<Part>) -> Generated {
    let mut whole = Generated::default();
    for part in parts {
        whole.noise.append(part.noise);
        whole.labels.extend(part.labels);
        if let Some(latents) = part.latents {
            whole.latents.get_or_insert_default().append(latents);
        }
        if let Some(images) = part.images {
            whole.images.get_or_insert_default().append(images);
        }
        for (name, features) in part.features {
            whole.features.entry(name).or_default().append(features);
        }
    }
    whole
}
