//! Seeds in, plain buffers out: the whole path from seed to latents, images and features.

mod error;
mod lane;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tch::Device;

use crate::data::ImageSet;
use crate::detector::{Detector, DetectorError};
use crate::device::set_threads;
use crate::encoder::Encoder;
use crate::net::Precision;
use crate::noise::{Classes, Stream};
use crate::sampler::Sampler;
pub use error::GenerateError;
use lane::{Lane, Part, buffer};

/// What to generate from, and what to keep.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    pub net: PathBuf,
    pub gnet: Option<PathBuf>,
    pub guidance: f64,
    /// Guidance acts for σ in (lo, hi].
    pub interval: Option<(f64, f64)>,
    pub sampler: Sampler,
    /// Whose random stream each seed has.
    pub stream: Stream,
    pub classes: Classes,
    pub precision: Precision,
    /// Overrides the encoder that the net's file names.
    pub encoder: Option<Encoder>,
    /// Weights of the encoder [`Encoder::StabilityVae`].
    pub vae: Option<PathBuf>,
    /// Images that go through the nets together; part of what decides the bits (D2).
    pub micro_batch: usize,
    pub latents: bool,
    pub images: bool,
    /// Detectors by name, with their weights.
    pub detectors: BTreeMap<String, PathBuf>,
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

/// A recipe with its nets loaded, on one device.
///
/// On a CPU, several lanes work on one micro-batch each, with a single thread: the bits are then the same for any
/// number of cores, which torch's own threads do not promise.
#[derive(Debug)]
pub struct Generator {
    micro_batch: usize,
    lanes: Vec<Lane>,
}

impl Generator {
    /// Loads the nets and detectors, once for each of `lanes` lanes (a GPU takes one).
    pub fn load(recipe: &Recipe, device: Device, lanes: usize) -> Result<Self, GenerateError> {
        let lanes = if device == Device::Cpu { lanes.max(1) } else { 1 };
        set_threads(1);
        let lanes = (0..lanes).map(|_| Lane::load(recipe, device)).collect::<Result<_, _>>()?;
        Ok(Self { micro_batch: recipe.micro_batch.max(1), lanes })
    }

    /// Generates the images of `seeds`; asks `stop` between sampling steps whether to give up.
    pub fn generate(
        &mut self,
        seeds: &[u64],
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Generated, GenerateError> {
        let batches: Vec<&[u64]> = seeds.chunks(self.micro_batch).collect();
        let parts: Vec<Mutex<Option<Part>>> = batches.iter().map(|_| Mutex::new(None)).collect();
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(None);
        let work = |lane: &mut Lane| -> Result<(), GenerateError> {
            let stop = || stop() || failed.lock().is_ok_and(|f| f.is_some());
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(batch) = batches.get(at) else { return Ok(()) };
                let part = lane.run(batch, &stop)?;
                *parts[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(part);
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = self.lanes.iter_mut().map(|lane| scope.spawn(|| work(lane))).collect();
            for thread in threads {
                let end = thread.join().unwrap_or_else(|panic| Err(GenerateError::from_panic(&*panic)));
                if let (Err(error), Ok(mut failed)) = (end, failed.lock()) {
                    failed.get_or_insert(error);
                }
            }
        });
        match failed.into_inner() {
            Ok(None) => Ok(assemble(parts)),
            Ok(Some(error)) => Err(error),
            Err(_) => Err(GenerateError::Torch("a lane ended without a word".to_owned())),
        }
    }
}

/// Images that go through a detector together when they are read from a file.
const FEATURE_BATCH: i64 = 64;

/// Features `[N, D]` of images that exist, with a single thread so that the bits depend on the images alone.
pub fn features_of(detector: &Detector, images: &ImageSet) -> Result<Buffer<f32>, DetectorError> {
    set_threads(1);
    let mut features = Buffer::default();
    for batch in images.images.split(FEATURE_BATCH, 0) {
        features.append(buffer(&detector.features(&batch)?));
    }
    Ok(features)
}

fn assemble(parts: Vec<Mutex<Option<Part>>>) -> Generated {
    let mut whole = Generated::default();
    for part in parts.into_iter().filter_map(|part| part.into_inner().ok().flatten()) {
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
