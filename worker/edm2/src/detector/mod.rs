//! From uint8 images to the features that distances are computed from.

mod fashion_cnn;

use std::path::{Path, PathBuf};

use tch::{Device, Tensor};

use crate::checkpoint::{TensorFile, TensorFileError};
use crate::net::StateDict;
pub use fashion_cnn::FashionCnn;

/// Why a detector could not be loaded or used.
#[derive(Debug, thiserror::Error)]
pub enum DetectorError {
    #[error("`{0}` is no detector that is known here: expected `{name}`", name = FashionCnn::NAME)]
    Unknown(String),
    #[error(transparent)]
    File(#[from] TensorFileError),
    #[error("`{path}` does not hold the weights of `{detector}`: {problem}")]
    Weights { path: PathBuf, detector: String, problem: String },
    #[error("the detector `{detector}` takes {expected}, not images of shape {found:?}")]
    Images { detector: &'static str, expected: &'static str, found: Vec<i64> },
}

/// A feature extractor on one device.
#[derive(Debug)]
pub enum Detector {
    FashionCnn(FashionCnn),
}

impl Detector {
    /// Loads the detector `name` with the weights in `path`.
    pub fn load(name: &str, path: &Path, device: Device) -> Result<Self, DetectorError> {
        if name != FashionCnn::NAME {
            return Err(DetectorError::Unknown(name.to_owned()));
        }
        let state: StateDict = TensorFile::read(path)?.tensors;
        FashionCnn::load(&state, device).map(Self::FashionCnn).map_err(|problem| DetectorError::Weights {
            path: path.to_owned(),
            detector: name.to_owned(),
            problem,
        })
    }

    /// uint8 `[N, C, H, W]` to float32 `[N, D]`.
    pub fn features(&self, images: &Tensor) -> Result<Tensor, DetectorError> {
        let _guard = tch::no_grad_guard();
        match self {
            Self::FashionCnn(cnn) => cnn.features(images),
        }
    }
}
