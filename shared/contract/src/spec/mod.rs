//! A run as the user means it, in three stages: a [`RunSpec`] as it was written down, loaded and validated; with its files
//! hashed a [`ResolvedSpec`], whose id is a function of its content alone; with them on this machine a [`LocalSpec`].

mod canonical;
mod damage;
mod dataset;
mod edm2;
mod engine;
mod error;
mod file_ref;
mod files;
mod float;
mod labels;
mod load;
mod outputs;
mod sampler;
mod sampling;
mod synthetic;
mod train;
mod validate;
mod written;

pub use canonical::{LocalSpec, ResolvedSpec};
pub use damage::Damage;
pub use dataset::DatasetSpec;
pub use edm2::{Edm2Spec, Encoder, NoiseMode, Precision};
pub use engine::{EngineKind, EngineSpec};
pub use error::SpecError;
pub use file_ref::FileRef;
pub use labels::Labels;
pub use outputs::{DetectorSpec, Outputs};
pub use sampler::{SamplerSpec, StateDtype};
pub use sampling::Sampling;
pub use synthetic::{SyntheticSettings, SyntheticSpec};
pub use train::{TrainSettings, TrainSpec};

use crate::seeds::Seeds;

/// A run as it was written down.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSpec {
    /// `[a-z0-9][a-z0-9-]{0,47}`; the readable part of the run's id.
    pub name: String,
    /// What makes the images, and of what.
    pub engine: EngineSpec,
    /// One image per seed; ascending.
    pub seeds: Seeds,
    /// What to keep besides features.
    pub outputs: Outputs,
    /// Feature extractors; each adds a kind of output and a metric.
    pub detectors: Vec<DetectorSpec>,
    /// Seeds per chunk, the unit of work and of storage.
    pub chunk_size: u32,
    /// Images per forward pass; part of what makes latents bit-equal (D2).
    pub micro_batch: u32,
    /// Higher is served first. No part of the run's identity.
    pub priority: u8,
}

#[cfg(test)]
mod tests;
