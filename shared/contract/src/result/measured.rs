//! What was measured of one detector's features.

use serde::{Deserialize, Serialize};

/// Everything that was measured of a detector's features.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DetectorResult {
    /// In the order in which they are shown; runs are compared by the first. Empty where the spec names no reference.
    pub metrics: Vec<Measured>,
    /// What they were measured against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// What held-out real images measure against the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Floor>,
    /// Fewer images than features, or features that depend on each other, here or in the reference.
    pub rank_deficient: bool,
    /// The figure that the spec quotes beside the first metric; nothing here computed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<f64>,
}

/// A metric's value, in its own units, and how far to trust it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// As command lines name it: `fid`, `fd_dinov2`, `fd`.
    pub id: String,
    /// The value.
    pub value: f64,
    /// Its standard error; `None` where there is too little to tell it from.
    pub sd: Option<f64>,
    /// How it was obtained.
    #[serde(flatten)]
    pub method: Method,
    /// Images that it rests on.
    pub num_images: u64,
}

/// How a value was obtained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case")]
pub enum Method {
    /// The Fréchet distance of two Gaussians; its standard error by the delete-block jackknife.
    Frechet {
        /// Contiguous blocks of seeds, each left out in turn; 0 where there is no standard error.
        blocks: u64,
        /// Σ|λ| of the eigenvalues of the product that rounding made negative.
        clipped_mass: f64,
        /// Σ|λ| of the negative eigenvalues of the covariances, ours and the reference's, where there are any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sigma_clipped_mass: Option<f64>,
    },
}

/// What features were measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// How many images it was made of; `None` where its file does not say.
    pub num_images: Option<u64>,
}

/// The first metric of held-out real images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// The value.
    pub value: f64,
    /// How many held-out images; `None` where their file does not say.
    pub num_images: Option<u64>,
    /// As of the detector, but of the held-out images.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rank_deficient: bool,
}

impl DetectorResult {
    /// The metric that runs are compared by.
    pub fn headline(&self) -> Option<&Measured> {
        self.metrics.first()
    }

    /// Its value.
    pub fn value(&self) -> Option<f64> {
        self.headline().map(|measured| measured.value)
    }

    /// Its standard error.
    pub fn sd(&self) -> Option<f64> {
        self.headline().and_then(|measured| measured.sd)
    }
}
