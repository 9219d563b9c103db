//! A run as the user means it: read, checked, resolved to digests, named by its content.

mod canonical;
mod error;
mod file_ref;
mod float;
mod labels;
mod load;
mod parts;
mod sampling;
mod validate;

use serde::{Deserialize, Serialize};

pub use canonical::{LocalSpec, ResolvedSpec};
pub use error::SpecError;
pub use file_ref::FileRef;
pub use labels::Labels;
pub use parts::{
    DetectorSpec, EncoderKind, EngineKind, NoiseMode, Outputs, Precision, SamplerSpec, StateDtype,
    SyntheticSpec,
};
pub use sampling::Sampling;

use crate::seeds::Seeds;

/// A run as it was written down: [`load`](Self::load)ed, [`validate`](Self::validate)d, its files hashed. What comes of
/// it then is a [`ResolvedSpec`], whose id is a function of its content alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// `[a-z0-9][a-z0-9-]{0,47}`; the readable part of the run's id.
    pub name: String,
    /// What makes the images.
    #[serde(default = "parts::default_engine")]
    pub engine: EngineKind,
    /// One image per seed; ascending.
    pub seeds: Seeds,
    /// The main net; required for edm2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net: Option<FileRef>,
    /// The guiding net; required when guidance is not 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gnet: Option<FileRef>,
    /// The images of a dataset run: a ZIP, a folder, an `.npz` or an idx file; required for `dataset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<FileRef>,
    /// Images of `data` that cannot be read are named and left out, instead of ending the run.
    #[serde(default, skip_serializing_if = "parts::is_false")]
    pub allow_unreadable: bool,
    /// w in D = D₀ + w·(D₁ − D₀); 1 is unguided.
    #[serde(default = "parts::one")]
    pub guidance: f64,
    /// Guide only for sigma in (lo, hi].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance_interval: Option<(f64, f64)>,
    /// Which class each image has.
    #[serde(default = "parts::default_labels")]
    pub labels: Labels,
    /// The sampler's settings.
    #[serde(default)]
    pub sampler: SamplerSpec,
    /// Whose random stream the noise is.
    #[serde(default = "parts::default_noise")]
    pub noise: NoiseMode,
    /// The nets' arithmetic.
    #[serde(default = "parts::default_precision")]
    pub precision: Precision,
    /// Latents to pixels; `None` is the one the net file names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderKind>,
    /// Weights of the encoder `stability-vae`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vae: Option<FileRef>,
    /// Arithmetic of the encoder `stability-vae`; `None` is fp32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vae_precision: Option<Precision>,
    /// What to keep besides features.
    #[serde(default)]
    pub outputs: Outputs,
    /// Feature extractors; each adds a kind of output and a metric.
    #[serde(default)]
    pub detectors: Vec<DetectorSpec>,
    /// Seeds per chunk, the unit of work and of storage.
    #[serde(default = "parts::default_chunk_size")]
    pub chunk_size: u32,
    /// Images per forward pass; part of what makes latents bit-equal (D2).
    #[serde(default = "parts::default_micro_batch")]
    pub micro_batch: u32,
    /// Higher is served first. No part of the run's identity.
    #[serde(default)]
    pub priority: u8,
    /// Settings of the synthetic engine; only with that engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<SyntheticSpec>,
}

#[cfg(test)]
mod tests;
