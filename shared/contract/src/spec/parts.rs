//! The parts of a spec and their defaults.

use serde::{Deserialize, Serialize};

use super::{Labels, file_ref::FileRef, float};
use crate::detectors;
use crate::text::text_enum;

text_enum! {
    /// What makes the images.
    EngineKind: "engine" {
        /// A diffusion net in the EDM2 format.
        Edm2 = "edm2",
        /// Images that exist: a seed is an image's place in the dataset.
        Dataset = "dataset",
        /// A cheap deterministic function of the seed, for trying the fleet without nets.
        Synthetic = "synthetic",
    }
}

text_enum! {
    /// Whose random stream the noise is; it depends on the seed alone (D1).
    NoiseMode: "noise" {
        /// torch's CPU generator (mt19937), one per image.
        Cpu = "cpu",
        /// torch's CUDA generator (Philox), one per image; computed so that every device sees the same bits.
        Cuda = "cuda",
    }
}

text_enum! {
    /// The nets' arithmetic.
    Precision: "precision" {
        /// IEEE single.
        Fp32 = "fp32",
        /// bfloat16.
        Bf16 = "bf16",
        /// IEEE half, as the published nets run on CUDA.
        Fp16 = "fp16",
    }
}

text_enum! {
    /// The sampler state's type.
    StateDtype: "state" {
        /// IEEE single.
        Fp32 = "fp32",
        /// IEEE double.
        Fp64 = "fp64",
    }
}

text_enum! {
    /// Latents to pixels and back.
    EncoderKind: "encoder" {
        /// Latents are the pixels.
        Rgb = "rgb",
        /// Latents are 2×2 blocks of pixels, as channels.
        SpaceToDepth = "space-to-depth",
        /// Latents are Stability's autoencoder's, whitened as EDM2 has them; needs `vae`.
        StabilityVae = "stability-vae",
    }
}

/// Heun's method with optional churn; fields as EDM names them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplerSpec {
    /// N; a run of the net takes 2N − 1 evaluations per image.
    pub num_steps: u32,
    /// The last noise level before 0.
    pub sigma_min: f64,
    /// The first noise level.
    pub sigma_max: f64,
    /// Bend of the schedule.
    pub rho: f64,
    /// Noise added per run; 0 is deterministic.
    #[serde(rename = "S_churn")]
    pub s_churn: f64,
    /// Churn only at noise levels from here …
    #[serde(rename = "S_min")]
    pub s_min: f64,
    /// … to here; may be infinite, written `inf`.
    #[serde(rename = "S_max", with = "float")]
    pub s_max: f64,
    /// Scale of the added noise.
    #[serde(rename = "S_noise")]
    pub s_noise: f64,
    /// Type of the state and the time steps.
    pub state: StateDtype,
}

impl Default for SamplerSpec {
    fn default() -> Self {
        Self {
            num_steps: 32,
            sigma_min: 0.002,
            sigma_max: 80.0,
            rho: 7.0,
            s_churn: 0.0,
            s_min: 0.0,
            s_max: f64::INFINITY,
            s_noise: 1.0,
            state: StateDtype::Fp32,
        }
    }
}

/// What to keep besides features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outputs {
    /// The sampler's results, f32.
    pub latents: bool,
    /// Decoded images, u8.
    pub images: bool,
}

/// A feature extractor and what its features are compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorSpec {
    /// One of [`DETECTORS`](detectors::DETECTORS), or any name for weights that are a TorchScript file (`.pt`).
    pub name: String,
    /// Its weights.
    pub weights: FileRef,
    /// Statistics of the real images; without them there are features and moments, but no distance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<FileRef>,
    /// Statistics of held-out real images, or their features: their distance to `reference` is the floor. Of features, as
    /// many rows count as the run has images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<FileRef>,
    /// The figure to print beside the distance, as a paper gives it. No part of the run's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<f64>,
}

impl DetectorSpec {
    /// True when its weights are a net of the user's own, in TorchScript.
    pub fn is_torchscript(&self) -> bool {
        detectors::find(&self.name).is_none() && self.weights.path.to_ascii_lowercase().ends_with(".pt")
    }
}

/// The synthetic engine's settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyntheticSpec {
    /// D of its features.
    pub feature_dim: u32,
    /// How long an image takes, at least.
    pub millis_per_image: u32,
    /// Number of classes; 0 is unconditional.
    pub label_dim: u32,
    /// Mean of each feature.
    #[serde(skip_serializing_if = "is_zero")]
    pub feature_shift: f64,
    /// Standard deviation of each feature.
    #[serde(skip_serializing_if = "is_one")]
    pub feature_scale: f64,
}

impl Default for SyntheticSpec {
    fn default() -> Self {
        Self { feature_dim: 16, millis_per_image: 0, label_dim: 10, feature_shift: 0.0, feature_scale: 1.0 }
    }
}

pub(super) fn default_engine() -> EngineKind {
    EngineKind::Edm2
}

pub(super) fn default_labels() -> Labels {
    Labels::Random
}

pub(super) fn default_noise() -> NoiseMode {
    NoiseMode::Cpu
}

pub(super) fn default_precision() -> Precision {
    Precision::Fp32
}

pub(super) fn default_chunk_size() -> u32 {
    256
}

pub(super) fn default_micro_batch() -> u32 {
    64
}

pub(super) fn is_false(value: &bool) -> bool {
    !value
}

// The identity of runs that were made before these fields were there does not change.
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_one(value: &f64) -> bool {
    *value == 1.0
}

pub(super) fn one() -> f64 {
    1.0
}
