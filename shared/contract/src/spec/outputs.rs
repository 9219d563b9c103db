//! What is kept of the images, and who looks at them.

use serde::{Deserialize, Serialize};

use super::FileRef;
use crate::detectors;

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
