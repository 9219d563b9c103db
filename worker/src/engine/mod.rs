//! What makes images: seeds in, plain buffers out. An engine knows no Redis, no S3 and no queue.

mod cancel;
pub(crate) mod dataset;
pub(crate) mod edm2;
pub(crate) mod maker;
mod synthetic;
mod train;

use std::collections::BTreeMap;

use fidelis_contract::{
    ids::Digest,
    kind::Kind,
    maker::Maker,
    payload::Tensor,
    receipt::Unreadable,
    spec::{EngineSpec, LocalSpec},
};

pub use cancel::{CancelFlag, Reason};
use dataset::DatasetEngine;
use edm2::Edm2Engine;
pub use train::Materials;

/// The device an engine is to use, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOptions {
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Micro-batches computed side by side; `None` leaves it to the engine. Never changes a bit of the output (D2).
    pub lanes: Option<usize>,
    /// What the device is, and what runs on it.
    pub maker: Maker,
}

/// What to make of a spec.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// One image each.
    pub seeds: &'a [u64],
    /// Images at once: the spec's, or fewer where the device's memory does not hold as many.
    pub micro_batch: u32,
    /// Ends it early.
    pub cancel: &'a CancelFlag,
    /// Of a training.
    pub materials: Option<&'a Materials>,
}

/// What an engine made of n seeds, of those of them whose images could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkOutput {
    /// Images that exist and could not be read, where the spec allows it; the others are the rows of what follows.
    pub unreadable: Vec<Unreadable>,
    /// The class of each image, or [`fidelis_contract::payload::NO_LABEL`]; `[n]`.
    pub labels: Vec<i64>,
    /// One tensor of n rows for each of [`fidelis_contract::spec::RunSpec::kinds`].
    pub tensors: BTreeMap<Kind, Tensor>,
    /// sha256 of what the images were made from: the initial noise, as little-endian f32 `[n, C, H, W]`; for images that
    /// exist, the sha256 of each one's pixels in turn.
    pub noise_sha256: Digest,
}

/// Why an engine made nothing, classed by whose fault it is (I8).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The cancel flag was raised.
    #[error("cancelled")]
    Cancelled,
    /// The chunk's own fault: trying it again is worth a few attempts.
    #[error("{0}")]
    Fault(String),
    /// Nobody's fault: counts for nothing.
    #[error("{0}")]
    Environment(String),
    /// The device does not hold the micro-batch: a smaller one may fit.
    #[error("{0}")]
    OutOfMemory(String),
    /// The device failed in a way that this process does not recover from: nobody's fault, and the process's end.
    #[error("{0}")]
    Device(String),
    /// This worker cannot run the spec, whatever the seeds.
    #[error("{0}")]
    Unfit(String),
}

impl EngineError {
    /// True when the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Cancelled | Self::Unfit(_))
    }
}

/// Every engine of this build, for one device.
#[derive(Debug)]
pub struct Engines {
    options: EngineOptions,
    edm2: Edm2Engine,
    dataset: DatasetEngine,
}

impl Engines {
    /// The engines of a device; nets are loaded when a spec first asks for them.
    pub fn new(options: &EngineOptions) -> Self {
        let (edm2, dataset) = (Edm2Engine::new(options), DatasetEngine::new(options));
        Self { options: options.clone(), edm2, dataset }
    }

    /// Makes every kind of output that `spec` asks for, one row per seed, in the seeds' order. What a seed gives
    /// depends on the spec and the seed alone (D1), its last bits on `micro_batch` too (D2).
    ///
    /// # Errors
    /// See [`EngineError`]. `cancel` is beaten many times per second of work.
    pub fn generate(&mut self, spec: &LocalSpec, work: &Work<'_>) -> Result<ChunkOutput, EngineError> {
        match &spec.engine {
            EngineSpec::Edm2(model) => self.edm2.generate(model, spec, work),
            EngineSpec::Dataset(images) => self.dataset.generate(images, &spec.detectors, work),
            EngineSpec::Synthetic(numbers) => synthetic::generate(numbers, spec.kinds(), work),
            EngineSpec::Train(training) => {
                let materials = work.materials.ok_or_else(|| {
                    EngineError::Fault("a training came without a place for its files".to_owned())
                })?;
                train::train(training, &self.options, (materials, work))
            }
        }
    }
}
